/**
 * The monitor's commands, without a terminal: a line in, text out. Nothing that is typed makes it throw; what it does not
 * understand, it names.
 */
import { shown } from '../base/argument-check.ts';
import { StateError, UserError } from '../base/errors.ts';
import { evaluateAddress, instructionAddress } from '../debug/address-expression.ts';
import { type ExamineRequest, parseExamine, UNITS } from '../debug/examine.ts';
import { disassembleMemory, dumpMemory, examineMemory, type MemoryText } from '../debug/memory-view.ts';
import { describeRegisters } from '../debug/register-view.ts';
import type { PcGuest } from '../hypervisor/create-guest.ts';
import type { Breakpoint, BreakpointHit, BreakpointKind } from '../machine/machine.ts';
import { probeBytes } from '../machine/probe-memory.ts';
import { eject, insert } from './monitor-drives.ts';
import { migrate } from './monitor-migrate.ts';
import { goOn, type Patience, stepMany, stepOver } from './run-control.ts';

export interface Answer {
  readonly text: string;
  /** The monitor is to be left: the guest goes on, or stays paused, or all ends. */
  readonly leave?: 'continue' | 'paused' | 'quit';
}

interface Command {
  readonly usage: string;
  /** Words behind the command. */
  readonly least?: number;
  readonly most?: number;
  /** The last word is the rest of the line, with its blanks. */
  readonly takesRest?: boolean;
  /** What an empty line means after it: the same again, or its bare name, which goes on behind what was shown. */
  readonly again?: 'same' | 'onward';
  readonly run: (
    words: readonly string[],
    patience: Patience,
  ) => Answer | string | undefined | Promise<Answer | string | undefined>;
}

/** Fits a screen of 24 lines and 80 columns, with the prompt below it. */
export const MONITOR_HELP = `r                registers                 t      the guest's text screen
x/NFU addr       memory as in gdb: N units of b h w g (1 2 4 8) bytes, written
                 as x d u o t c a, or N strings (s), or N instructions (i)
m addr [n]       n bytes in hexadecimal and as characters
u [addr] [n]     n instructions
s [n]            step n instructions
n                step over a call, an interrupt or a repeated instruction
g [addr]         go on in here, up to addr or a breakpoint
b [addr]         break at an instruction           b alone: list them all
w addr [len] [r|w|rw]    break behind whoever writes data, reads it, or either
d [n]            delete breakpoint n               d alone: delete all
i                instructions, time, memory        reset: the reset button
eject DRIVE      of cdrom, a, b (force: though the guest has locked it)
insert DRIVE FILE    a disc or disk into it; FILE as with --cdrom and --floppy
balloon [mib]    ask the guest to give memory back; alone: what it has given
migrate WHERE    to a vetro migrate --listen: tcp:HOST:PORT or unix:PATH
c, Ctrl-D        to the guest, which goes on; a breakpoint leads back here
p                to the guest's terminal; it stays paused
q                quit: the end of all guests
Ctrl-C interrupts s, n and g, and drops what is typed. An empty line repeats s
and n, and goes on with x, m and u, as their name alone does.
Addresses are linear and hexadecimal: 7c00, b800:10, ss:esp, $eip+10; eip alone
is where the next instruction lies. Counts are decimal.`;

/** Bytes shown at once, and lines. */
const MOST_BYTES = 65_536;
const MOST_LINES = 1000;
const KINDS: Readonly<Record<string, BreakpointKind>> = { r: 'read', w: 'write', rw: 'access' };
/** Bytes of watched data that are shown. */
const SHOWN_DATA = 16;

export class Monitor {
  readonly #guest: PcGuest;
  readonly #commands: Readonly<Record<string, Command>> = this.#createCommands();
  #examine: ExamineRequest = { count: 1, format: 'x', unit: 'w' };
  /** Where x and m go on; and u, unless something has moved the guest. */
  #next: number | undefined;
  /** What an empty line means. */
  #again = '';
  /** Breakpoints met that nobody was told of. */
  #hits: BreakpointHit[] = [];

  constructor(guest: PcGuest) {
    this.#guest = guest;
    guest.on('breakpoint', (hit) => {
      this.#hits.push(hit);
    });
  }

  /** Answers one line. Never rejects. */
  async execute(line: string, patience: Patience = { signal: new AbortController().signal }): Promise<Answer> {
    try {
      const answer = await this.#execute(line, patience);
      return typeof answer === 'string' || answer === undefined ? { text: answer ?? '' } : answer;
    } catch (error) {
      if (error instanceof UserError || error instanceof StateError) return { text: error.message };
      return { text: `internal error: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  /** What has been met, and the instruction that is next. */
  here(): string {
    const { state, exitReason, name } = this.#guest;
    if (state === 'disposed') return `${name} is no more`;
    const set = this.#guest.breakpoints.list;
    // Those that served `n` and `g` are gone already.
    const lines = this.#hits.filter(({ breakpoint }) => set.includes(breakpoint)).map((hit) => this.#describeHit(hit));
    this.#hits = [];
    if (state === 'stopped') lines.push(`${name} has stopped (${exitReason?.reason}); reset starts it anew`);
    else if (this.#guest.machine.halted) lines.push('waits in HLT');
    lines.push(disassembleMemory(this.#cpu, instructionAddress(this.#cpu), 1).text);
    return lines.join('\n');
  }

  get #cpu() {
    return this.#guest.machine.processor;
  }

  #execute(line: string, patience: Patience): ReturnType<Command['run']> {
    const again = this.#again;
    this.#again = '';
    const words = splitWords(line.trim() === '' ? again : line);
    const [name] = words;
    if (name === undefined) return '';
    const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
    if (!command) throw new UserError(`${shown(name)} is no command; h lists them`);
    const { usage, least = 0, most = 0, takesRest = false } = command;
    const rest = takesRest ? splitInto(line, most + 1).slice(1) : words.slice(1);
    if (rest.length > most) throw new UserError(`${shown(rest[most])} is one word too many: ${usage}`);
    if (rest.length < least) throw new UserError(`a word is missing: ${usage}`);
    const answer = command.run(rest, patience);
    if (command.again) this.#again = command.again === 'same' ? words.join(' ') : name;
    return answer;
  }

  #createCommands(): Record<string, Command> {
    const help: Command = { usage: 'h', run: () => MONITOR_HELP };
    return {
      h: help,
      help,
      '?': help,
      r: { usage: 'r', run: () => describeRegisters(this.#cpu.state) },
      x: {
        usage: 'x/NFU addr',
        most: 2,
        again: 'onward',
        run: ([first, second]) => {
          const format = first?.startsWith('/') ? first.slice(1) : undefined;
          if (format === undefined && second !== undefined)
            throw new UserError(`${shown(second)} is one word too many: x/NFU addr`);
          const request = parseExamine(format ?? '', this.#examine);
          const unit = request.format === 's' || request.format === 'i' ? MOST_BYTES / MOST_LINES : UNITS[request.unit];
          checkCount(`${request.count}`, request.count, Math.floor(MOST_BYTES / unit));
          this.#examine = { ...request, count: 1 };
          return this.#show(examineMemory(this.#cpu, this.#from(format === undefined ? first : second), request));
        },
      },
      m: {
        usage: 'm [addr] [n]',
        most: 2,
        again: 'onward',
        run: ([address, n]) => this.#show(dumpMemory(this.#cpu, this.#from(address), parseCount(n, 64, MOST_BYTES))),
      },
      u: {
        usage: 'u [addr] [n]',
        most: 2,
        again: 'onward',
        run: ([address, n]) =>
          this.#show(disassembleMemory(this.#cpu, this.#from(address), parseCount(n, 8, MOST_LINES))),
      },
      s: {
        usage: 's [n]',
        most: 1,
        again: 'same',
        run: ([n], patience) => this.#move(stepMany, parseCount(n, 1, Number.MAX_SAFE_INTEGER), patience),
      },
      n: {
        usage: 'n',
        again: 'same',
        run: (_, patience) => this.#move((guest) => stepOver(guest, patience), undefined, patience),
      },
      g: {
        usage: 'g [addr]',
        most: 1,
        run: ([address], patience) =>
          this.#move(goOn, address === undefined ? undefined : evaluateAddress(address, this.#cpu), patience),
      },
      b: { usage: 'b [addr]', most: 1, run: ([address]) => this.#break(address) },
      w: { usage: 'w addr [len] [r|w|rw]', least: 1, most: 3, run: ([address, ...how]) => this.#watch(address!, how) },
      d: { usage: 'd [n]', most: 1, run: ([number]) => this.#delete(number) },
      t: { usage: 't', run: () => this.#guest.machine.vga.text().join('\n') },
      i: { usage: 'i', run: () => describeProgress(this.#guest) },
      eject: {
        usage: 'eject DRIVE [force]',
        least: 1,
        most: 2,
        run: ([drive, force]) => eject(this.#guest, drive!, force),
      },
      insert: {
        usage: 'insert DRIVE FILE',
        least: 2,
        most: 2,
        takesRest: true,
        run: ([drive, file]) => insert(this.#guest, drive!, file!),
      },
      balloon: { usage: 'balloon [mib]', most: 1, run: ([mebibytes]) => this.#balloon(mebibytes) },
      migrate: {
        usage: 'migrate tcp:HOST:PORT|unix:PATH|moved|stayed',
        least: 1,
        most: 1,
        run: ([where], patience) => migrate(this.#guest, where!, patience),
      },
      reset: { usage: 'reset', run: () => this.#reset() },
      c: { usage: 'c', run: () => this.#continue() },
      p: { usage: 'p', run: () => ({ text: '', leave: 'paused' }) },
      q: { usage: 'q', run: () => ({ text: '', leave: 'quit' }) },
    };
  }

  /** Where a command starts that was given an address, or none. */
  #from(word: string | undefined): number {
    if (word !== undefined) return evaluateAddress(word, this.#cpu);
    return this.#next ?? instructionAddress(this.#cpu);
  }

  #show({ text, next }: MemoryText): string {
    this.#next = next;
    return text;
  }

  async #move<Argument>(
    how: (guest: PcGuest, argument: Argument, patience: Patience) => Promise<boolean>,
    argument: Argument,
    patience: Patience,
  ): Promise<string> {
    const start = this.#guest.instructions;
    this.#next = undefined;
    const interrupted = await how(this.#guest, argument, patience);
    const done = (this.#guest.instructions - start).toLocaleString('en');
    return interrupted ? `interrupted after ${done} instructions\n${this.here()}` : this.here();
  }

  #reset(): string {
    this.#guest.reset();
    this.#next = undefined;
    return this.here();
  }

  #balloon(word: string | undefined): string {
    const { balloon, name } = this.#guest;
    if (!balloon) throw new UserError(`${name} has no balloon; vetro run --balloon gives it one`);
    if (word !== undefined) balloon.setTarget(/^\d+$/.test(word) ? Number(word) : Number.NaN);
    // For next time: it answers when it runs.
    this.#guest.machine.balloon?.requestStatistics();
    const { target, actual, figures } = balloon;
    const inMebibytes = (bytes: number | undefined): string => `${((bytes ?? 0) / 2 ** 20).toFixed(1)} MiB`;
    const said =
      figures.totalMemory === undefined
        ? 'it has said nothing about its memory'
        : `of ${inMebibytes(figures.totalMemory)}, it said, ${inMebibytes(figures.freeMemory)} were free`;
    return `${name} is asked for ${target} MiB and has given ${actual.toFixed(1)}; ${said}`;
  }

  #continue(): Answer | string {
    const { state, held, name } = this.#guest;
    if (held)
      throw new UserError(`${name} may run at another host: look there, then say migrate moved or migrate stayed`);
    return state === 'stopped' || state === 'disposed' ? this.here() : { text: '', leave: 'continue' };
  }

  #break(word: string | undefined): string {
    const { breakpoints } = this.#guest;
    if (word !== undefined) return describe(breakpoints.add({ address: evaluateAddress(word, this.#cpu) }));
    return breakpoints.list.length === 0 ? 'no breakpoints' : breakpoints.list.map(describe).join('\n');
  }

  #watch(word: string, how: readonly string[]): string {
    const address = evaluateAddress(word, this.#cpu);
    let kind: BreakpointKind = 'write';
    let length = 4;
    how.forEach((one, index) => {
      if (Object.hasOwn(KINDS, one)) kind = KINDS[one];
      else if (index === 0) length = parseCount(one, 4, 4096);
      else throw new UserError(`${shown(one)} is not one of r, w, rw`);
    });
    return describe(this.#guest.breakpoints.add({ address, kind, length }));
  }

  #delete(word: string | undefined): string {
    const { breakpoints } = this.#guest;
    const { list } = breakpoints;
    if (word === undefined) {
      breakpoints.clear();
      return list.length === 0 ? 'no breakpoints' : `deleted: ${list.map(({ id }) => id).join(' ')}`;
    }
    const found = list.find(({ id }) => String(id) === word);
    if (!found) throw new UserError(`${shown(word)} is not the number of a breakpoint; b lists them`);
    breakpoints.remove(found);
    return `deleted: ${found.id}`;
  }

  #describeHit({ breakpoint, access, address, size }: BreakpointHit): string {
    if (access === 'execute') return `breakpoint ${breakpoint.id}`;
    const length = Math.min(breakpoint.length, SHOWN_DATA);
    const bytes = [...probeBytes(this.#cpu, breakpoint.address % 2 ** 32, length)];
    const data = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const more = breakpoint.length > length ? ' …' : '';
    return `watchpoint ${breakpoint.id}: ${access} of ${bytesOf(size)} at ${hex8(address)}; now ${data}${more}`;
  }
}

/** Words are separated by blanks; but `eip + 10` is one. */
function splitWords(line: string): string[] {
  const text = line
    .trim()
    .replaceAll(/\s*([+:])\s*/g, '$1')
    .replaceAll(/\s+-\s+/g, '-')
    .replace(/^x\//, 'x /');
  return text === '' ? [] : text.split(/\s+/);
}

/** At most so many words; the last one is all that is left. */
function splitInto(line: string, count: number): string[] {
  const words: string[] = [];
  let left = line.trim();
  while (words.length < count - 1 && /\s/.test(left)) {
    const [word] = left.split(/\s/, 1);
    words.push(word);
    left = left.slice(word.length).trimStart();
  }
  return left === '' ? words : [...words, left];
}

/** Decimal, or hexadecimal behind 0x. */
function parseCount(word: string | undefined, usual: number, most: number): number {
  if (word === undefined) return usual;
  return checkCount(word, /^(?:\d+|0x[0-9a-f]+)$/i.test(word) ? Number(word) : Number.NaN, most);
}

function checkCount(word: string, count: number, most: number): number {
  if (count >= 1 && count <= most) return count;
  throw new UserError(`${shown(word)} is not a count: a whole number from 1 to ${most}`);
}

const hex8 = (address: number): string => address.toString(16).padStart(8, '0');
const bytesOf = (count: number): string => `${count} ${count === 1 ? 'byte' : 'bytes'}`;

function describe({ id, kind, address, length }: Breakpoint): string {
  if (kind === 'execute') return `${id}  break at ${hex8(address)}`;
  const what = { read: 'reads', write: 'writes', access: 'reads and writes' }[kind];
  return `${id}  watch ${what} of ${bytesOf(length)} at ${hex8(address)}`;
}

function describeProgress({ machine, instructions, clock }: PcGuest): string {
  const touched = ((machine.memory.framesInUse * 4096) / 2 ** 20).toFixed(1);
  return [
    `${instructions.toLocaleString('en')} instructions, ${(machine.time / 1e9).toFixed(6)} s of guest time (clock ${clock})`,
    `${touched} of ${machine.memory.size / 2 ** 20} MiB of memory touched`,
  ].join('\n');
}
