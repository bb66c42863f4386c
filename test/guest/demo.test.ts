/** The embedded demo, from real mode to the prompt and back to power-off, on both engines. */
import { afterAll, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../src/cli/demo.ts';
import type { EngineName, Pc } from '../../src/machine/pc.ts';
import { buildVetro } from '../support/run-vetro.ts';
import { testPc } from '../support/test-pc.ts';

const ENGINES: readonly EngineName[] = ['reference', 'interpreter', 'jit'];
const BOOT_SECTOR = 0x7c00;
const MS = 1_000_000;
const image = assembleDemo();
const machines: Pc[] = [];

afterAll(() => {
  for (const machine of machines) machine.dispose();
});

/** Someone at the serial line, and what they saw since they last looked. */
class Session {
  readonly pc: Pc;
  #seen = '';

  constructor(engine: EngineName) {
    const entry = { mode: 'real', ip: BOOT_SECTOR } as const;
    this.pc = testPc({
      engine,
      memoryBytes: 2 ** 20,
      boot: { pieces: [{ address: BOOT_SECTOR, bytes: image }], entry },
    });
    machines.push(this.pc);
    this.pc.serial.onOutput = (bytes) => {
      this.#seen += new TextDecoder().decode(bytes);
    };
  }

  /** Runs up to the next prompt. @returns what was printed, line ends as \n. */
  toPrompt(milliseconds = 2000): string {
    return this.until((seen) => seen.endsWith('> '), milliseconds);
  }

  until(done: (seen: string) => boolean, milliseconds = 2000): string {
    const end = this.pc.time + milliseconds * MS;
    for (let limit = this.pc.time; !done(this.#seen) && limit < end; limit = Math.max(limit, this.pc.time)) {
      const exit = this.pc.run({ instructions: 50_000, time: limit });
      if (exit.reason === 'time') limit += 10 * MS;
      else if (exit.reason !== 'budget') throw new Error(`ended: ${exit.reason} ${this.#seen}`);
    }
    if (!done(this.#seen)) throw new Error(`not seen in time; seen: ${this.#seen}`);
    return this.take();
  }

  /** What was printed since the last look. */
  take(): string {
    const seen = this.#seen.replaceAll('\r\n', '\n');
    this.#seen = '';
    return seen;
  }

  type(text: string): void {
    this.pc.serial.send(new TextEncoder().encode(text));
  }

  /** Types a command and Enter. @returns the answer, without echo and prompt. */
  ask(command: string): string {
    this.type(`${command}\r`);
    const seen = this.toPrompt();
    expect(seen.startsWith(`${command}\n`)).toBe(true);
    return seen.slice(command.length + 1, -'> '.length);
  }
}

const sessions = new Map<EngineName, Session>();
/** One machine for each engine, at its prompt: the tests of this file are one long session. */
function session(engine: EngineName): Session {
  const existing = sessions.get(engine);
  if (existing) return existing;
  const started = new Session(engine);
  sessions.set(engine, started);
  expect(started.toPrompt()).toContain('Vetro demo: protected mode, paging, a timer interrupt and two tasks.');
  return started;
}

describe.each(ENGINES)('the demo on the %s', (engine) => {
  it('lists its commands', () => {
    const help = session(engine).ask('help');
    for (const command of ['ticks', 'tasks', 'mem', 'fault', 'spin', 'cpuid', 'reboot', 'halt']) {
      expect(help).toMatch(new RegExp(`^${command} `, 'm'));
    }
  });

  it('counts a hundred ticks a second', () => {
    const { pc } = session(engine);
    const ticks = () => Number(/^(\d+) ticks, \d+\.\d\d seconds\n$/.exec(session(engine).ask('ticks'))![1]);
    const [before, from] = [ticks(), pc.time];
    session(engine).type('help\r'); // something to do meanwhile
    session(engine).toPrompt();
    while (pc.time < from + 200 * MS) pc.run({ instructions: 50_000, time: pc.time + 10 * MS });
    const passed = ticks() - before;
    expect(Math.abs(passed - (pc.time - from) / (10 * MS))).toBeLessThanOrEqual(1);
  });

  it('gives two tasks their turns, one after the other', () => {
    const answer = session(engine).ask('tasks');
    const [, shell, clock] = /^\* shell +(\d+) {2}0001[0-9A-F]{4}\n {2}clock +(\d+) {2}0001[0-9A-F]{4}\n$/m.exec(
      answer,
    )!;
    expect(Number(clock)).toBeGreaterThan(10);
    expect([0, 1]).toContain(Number(shell) - Number(clock));
  });

  it('shows memory, and where a page lies', () => {
    expect(session(engine).ask('mem 7c00')).toMatch(
      /^00007C00 is mapped to physical address 00007C00\n00007C00 FA FC 31 C0 8E D8 .*\n00007C10/,
    );
    const high = session(engine).ask('mem C0000000');
    expect(high).toMatch(/^C0000000 is mapped to physical address 000B8000\n/);
    expect(high).toContain('20 1F 56 1F 65 1F 74 1F 72 1F 6F 1F 20 1F 64 1F   .V.e.t.r.o. .d.');
    expect(session(engine).ask('mem')).toBe('mem takes an address, in hexadecimal\n');
  });

  it('explains a page fault and goes on', () => {
    expect(session(engine).ask('fault')).toMatch(
      /^exception #PF at EIP 0000[0-9A-F]{4}, error code 00000002\n {2}CR2, the address asked for: DEADBEEF\n.*a write .* not present .* supervisor/,
    );
    expect(session(engine).ask('mem 10')).toMatch(
      /error code 00000000\n {2}CR2, the address asked for: 00000010\n.*a read/,
    );
    expect(session(engine).ask('ticks')).toMatch(/ticks/);
  });

  it('says what the processor is', () => {
    expect(session(engine).ask('cpuid')).toMatch(
      /^GenuineIntel\nfamily 6, model \d+, stepping \d+\nfeatures: fpu .*\bpae\b/,
    );
  });

  it('edits the line', () => {
    const type = (text: string) => session(engine).type(text);
    const toPrompt = () => session(engine).toPrompt();
    type('tix\b\x7ficks\r');
    expect(toPrompt().replaceAll('\b', '<')).toMatch(/^tix< << <icks\n\d+ ticks/);
    type('nonsense\x15\b\x1b[Aticks\r');
    expect(toPrompt()).toMatch(/ticks\n\d+ ticks/);
    type('halt\x03');
    expect(toPrompt()).toBe('halt^C\n> ');
    type(`${'x'.repeat(100)}\r`);
    expect(toPrompt()).toBe(`${'x'.repeat(63)}\nno such command; "help" lists them\n> `);
    type('  \r');
    expect(toPrompt()).toBe('  \n> ');
  });

  it('loses nothing that is typed ahead', () => {
    session(engine).type('ticks\r'.repeat(16));
    const seen = session(engine).until((text) => text.split('seconds').length === 17 && text.endsWith('> '));
    expect(seen.match(/^> ticks$/gm)).toHaveLength(15);
  });

  it('shows the console and, in the top line, the clock on the screen', () => {
    session(engine).ask('tasks');
    const [top, ...rows] = session(engine).pc.vga.text();
    expect(top).toMatch(/^ Vetro demo {4}seconds: \d+\.\d\d {4}largest prime found: \d+ +$/);
    const text = rows.map((row) => row.trimEnd());
    expect(text).toContain('> tasks');
    expect(text.at(-1)).toBe('>');
    expect(session(engine).pc.vga.cursor).toEqual({ row: 24, column: 2 });
  });

  it('takes a busy task off the processor; Ctrl-C ends it', () => {
    const top = () => session(engine).pc.vga.text()[0];
    session(engine).type('spin\r');
    session(engine).until((seen) => seen.endsWith('busy; Ctrl-C ends it\r\n'));
    const before = top();
    const { pc } = session(engine);
    // A tick of busy waiting is millions of instructions: on the reference engine it would take long.
    if (engine === 'reference') pc.run({ instructions: 20_000 });
    else {
      const end = pc.time + 50 * MS;
      while (pc.time < end) pc.run({ instructions: 100_000 });
      expect(top()).not.toBe(before);
    }
    session(engine).type('x\x03');
    expect(session(engine).toPrompt()).toBe('^C\n> ');
  });

  it('starts anew with "reboot", and stops for good with "halt"', () => {
    const { pc } = session(engine);
    session(engine).type('reboot\r');
    expect(pc.run({ instructions: 1_000_000, time: pc.time + 100 * MS }).reason).toBe('reset');
    pc.reset();
    session(engine).take();
    expect(session(engine).toPrompt()).toContain('Vetro demo');
    session(engine).type('halt\r');
    expect(pc.run({ instructions: 1_000_000, time: pc.time + 100 * MS }).reason).toBe('halted');
    expect(session(engine).take()).toBe('halt\nhalted\n');
  });
});

describe('the same demo', () => {
  it('takes what is typed as soon as it listens, before the interrupt controllers are set up', () => {
    const { pc } = new Session('reference');
    while (!pc.serialListening) pc.run({ instructions: 1 });
    pc.serial.send(new TextEncoder().encode('halt\n'));
    const end = pc.time + 1000 * MS;
    let exit = pc.run({ instructions: 50_000 });
    while (exit.reason === 'budget' && pc.time < end) exit = pc.run({ instructions: 50_000 });
    expect(exit.reason).toBe('halted');
  });

  it('has the same state at the same instruction in all engines and in slices of any length', () => {
    const hashes = (
      [
        ['reference', 1000],
        ['interpreter', 1000],
        ['interpreter', 7],
        ['jit', 1000],
      ] as const
    ).map(([engine, slice]) => {
      const { pc } = new Session(engine);
      while (pc.instructions < 20_000) pc.run({ instructions: Math.min(slice, 20_000 - pc.instructions) });
      return [pc.instructions, pc.stateHash()];
    });
    expect(hashes[0][0]).toBe(20_000);
    expect(hashes[1]).toEqual(hashes[0]);
    expect(hashes[2]).toEqual(hashes[0]);
    expect(hashes[3]).toEqual(hashes[0]);
  });

  it('loses no input that comes while it boots', () => {
    const early: number[] = [];
    for (let at = 9_000; at <= 17_000; at += 1_000) {
      const session = new Session('interpreter');
      session.pc.run({ instructions: at });
      if (!session.pc.serialListening) continue;
      early.push(at);
      session.type('ticks\r');
      expect(session.until((seen) => /\d seconds\r\n\r?\n?> $/.test(seen))).toMatch(/> ticks\n\d+ ticks/);
    }
    expect(early.length).toBeGreaterThan(3);
  });

  it('runs in a pipe to its end, with status 0', async () => {
    const vetro = await buildVetro();
    const { status, stdout, stderr } = await vetro.run(['run', '--demo'], { input: 'ticks\n' });
    vetro.dispose();
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/> ticks\r\n\d+ ticks, \d\.\d\d seconds\r\n> \r\nhalted\r\n$/);
  });
});
