/**
 * The thread's side: a pool of machines that are clones of each other, and what is asked of them, in order: but a snapshot
 * is written while they run. What it cannot do it answers with an error; what it does not understand ends the thread, and
 * with it its pool.
 */
import { InternalError, StateError } from '../../base/errors.ts';
import type { Pending } from '../../base/pending.ts';
import type { Breakpoint, MachineExit } from '../../machine/machine.ts';
import { createSharedCode, type Pc, type SharedCode } from '../../machine/pc.ts';
import { clonePc, createPc } from '../create-guest.ts';
import { GuestMedia, hasDrives, type MediaOwner } from '../media/guest-media.ts';
import type { ImageOpener } from '../media/image-opener.ts';
import { type RemovableDrive, removableDrives } from '../media/removable-drive.ts';
import { checkName } from '../options/check-guest-options.ts';
import type { Platform } from '../platform.ts';
import { mediaOf, restorePc } from '../snapshot/restore-guest.ts';
import { saveGuest } from '../snapshot/save-guest.ts';
import { clear, createOutput, disposedMeanwhile, readSnapshot, writeOut } from '../snapshot/snapshot.ts';
import type { SnapshotFiles } from '../snapshot/snapshot-files.ts';
import type {
  ExchangeKind,
  Exchanges,
  MachineFacts,
  MachineInput,
  NewMachine,
  PlainExit,
  Request,
} from './messages.ts';
import { toPlainError } from './plain-error.ts';

/** The way back to the host. */
export interface HostPort {
  post(message: object, transfer?: readonly ArrayBuffer[]): void;
  onMessage: ((message: unknown) => void) | undefined;
}

type Answers = {
  readonly [Kind in ExchangeKind]: (
    request: Exchanges[Kind]['request'],
  ) => Exchanges[Kind]['reply'] | Promise<Exchanges[Kind]['reply']>;
};

interface Member {
  readonly pc: Pc;
  readonly media: GuestMedia | undefined;
  readonly drives: ReturnType<typeof removableDrives> | undefined;
  readonly breakpoints: Map<number, Breakpoint>;
  /** What it waits for. */
  answer: Pending<unknown> | undefined;
  serial: Uint8Array[];
  debugConsole: Uint8Array[];
}

export interface PoolServerParts {
  readonly port: HostPort;
  readonly platform: Platform;
  readonly snapshots: SnapshotFiles;
  readonly openImage: ImageOpener;
}

export class PoolServer {
  readonly #port: HostPort;
  readonly #platform: Platform;
  readonly #snapshots: SnapshotFiles;
  readonly #openImage: ImageOpener;
  readonly #members = new Map<number, Member>();

  constructor({ port, platform, snapshots, openImage }: PoolServerParts) {
    this.#port = port;
    this.#platform = platform;
    this.#snapshots = snapshots;
    this.#openImage = openImage;
    port.onMessage = (message) => this.#serve(message as Request);
  }

  #serve(request: Request): void {
    const { number, kind } = request;
    const answer = this.#answers[kind] as ((request: Request) => unknown) | undefined;
    if (answer === undefined) throw new InternalError(`a request of kind ${kind}`);
    const fail = (error: unknown): void => this.#port.post({ number, error: toPlainError(error) });
    const reply = (value: unknown): void =>
      this.#port.post({ number, reply: value }, kind === 'run' ? outputOf(value as Exchanges['run']['reply']) : []);
    try {
      const value = answer(request);
      if (value instanceof Promise) value.then(reply, fail);
      else reply(value);
    } catch (error) {
      fail(error);
    }
  }

  readonly #answers: Answers = {
    create: async ({ machine, name, options, modules }) => {
      const code = this.#createCode(modules);
      const media = hasDrives(options.media) ? await GuestMedia.open(options.media, this.#openImage) : undefined;
      try {
        const made = this.#add(machine, { pc: createPc(name, options, { code, media }), media });
        // What hardly any guest can do without.
        if (options.engine !== 'reference') code.library.loop({ wide: false });
        return { ...made, modules: code.library.fixedModules };
      } catch (error) {
        await media?.abandon();
        throw error;
      }
    },
    restore: async ({ machine, source, options, modules }) => {
      const rest = () => this.#platform.yield();
      const { file, head, close } = await readSnapshot(source, this.#snapshots, rest);
      let media: GuestMedia | undefined;
      try {
        const name = options.name ?? checkName(head.guest.name);
        const wanted = mediaOf(head, file, options);
        media = hasDrives(wanted) ? await GuestMedia.open(wanted, this.#openImage) : undefined;
        media?.restoreChanges(head.media);
        const code = this.#createCode(modules);
        const pc = await restorePc({
          ...{ name, head, file, engine: options.engine, code, media },
          ...{ pages: undefined, pool: undefined },
        });
        const { guest, strokes, output } = head;
        return {
          ...this.#add(machine, { pc, media }),
          modules: code.library.fixedModules,
          name,
          guest,
          strokes,
          output,
        };
      } catch (error) {
        await media?.abandon();
        throw clear(error);
      } finally {
        await close();
      }
    },
    snapshot: async ({ machine, inputs, guest, strokes, output: unread, to }) => {
      const { pc, media } = this.#taking(machine, inputs);
      const [written] = media?.writtenFiles ?? [];
      if (written)
        throw new StateError(`${guest.name} writes into ${written.name}: in a thread it cannot be saved yet`);
      const start = this.#platform.now();
      const { fuel, clock, ...settings } = guest;
      const saved = saveGuest(
        {
          ...{ machine: pc, name: guest.name, clock, fuel: fuel ?? Number.POSITIVE_INFINITY },
          keyboard: { waiting: strokes },
          serial: { unread: unread.serial },
          debugConsole: { unread: unread.debugConsole },
        },
        { ...settings, media },
      );
      const [stopped, { instructions }] = [this.#platform.now() - start, pc];
      const { codec } = this.#snapshots;
      const rest = async (): Promise<void> => {
        await this.#platform.yield();
        if (!this.#members.has(machine)) throw disposedMeanwhile(guest.name);
      };
      const file = await createOutput(this.#snapshots, to).catch((error: unknown) => {
        saved.contents.release();
        throw error;
      });
      try {
        const written = await writeOut(saved, file, { codec, rest });
        return { ...written, id: undefined, path: to, instructions, stopped };
      } catch (error) {
        await file.abandon();
        throw error;
      }
    },
    clone: ({ machine, inputs, as, name }) => {
      const member = this.#taking(machine, inputs);
      return { ...this.#add(as, { pc: clonePc(member.pc, name), media: undefined }), original: factsOf(member) };
    },
    run: ({ machine, inputs, instructions, time, milliseconds, memoryLimit, hashAt }) => {
      const start = this.#platform.now();
      const member = this.#taking(machine, inputs);
      const { pc } = member;
      pc.memoryLimit = memoryLimit;
      const overdue = () => this.#platform.now() >= start + milliseconds;
      const exit: MachineExit =
        instructions === 0 ? { reason: 'budget', executed: 0 } : pc.run({ instructions, time, overdue });
      member.answer = exit.reason === 'waiting' ? exit.answer : undefined;
      const stateHash = pc.instructions >= hashAt ? pc.stateHash() : undefined;
      const { serial, debugConsole } = member;
      [member.serial, member.debugConsole] = [[], []];
      const took = this.#platform.now() - start;
      const [lines, tried] = [member.media?.takeLines() ?? [], member.media?.takeTried()];
      return { exit: toPlainExit(exit), facts: factsOf(member), took, serial, debugConsole, stateHash, lines, tried };
    },
    ask: ({ machine, inputs, question, parameters }) => {
      const member = this.#taking(machine, inputs);
      const { pc } = member;
      const answer = (pc[question] as (...parameters: readonly number[]) => unknown).call(pc, ...parameters);
      return { answer, facts: factsOf(member) };
    },
    insert: async ({ machine, inputs, drive, image }) => {
      const member = this.#taking(machine, inputs);
      await driveOf(member, drive).put(image);
      return { facts: factsOf(member) };
    },
    eject: ({ machine, inputs, drive, force }) => {
      const member = this.#taking(machine, inputs);
      driveOf(member, drive).eject({ force });
      return { facts: factsOf(member) };
    },
    settle: ({ machine }) =>
      new Promise((resolve) => {
        const answer = this.#members.get(machine)?.answer;
        if (answer) answer.whenSettled(() => resolve(undefined));
        else resolve(undefined);
      }),
    flush: ({ machine }) => linesOf(this.#members.get(machine), (media, owner) => media.flush(owner)),
    dispose: ({ machine }) => {
      const member = this.#members.get(machine);
      this.#members.delete(machine);
      member?.pc.dispose();
      return linesOf(member, (media, owner) => media.close(owner));
    },
  };

  #createCode(fixedModules: Exchanges['create']['request']['modules']): SharedCode {
    const { compile, compileRegions, fastTailCalls } = this.#platform;
    return createSharedCode({
      compileLoop: compile && ((bytes) => compile(bytes) as WebAssembly.Module),
      compileRegions: compileRegions && ((bytes) => compileRegions(bytes) as WebAssembly.Module),
      chainRegions: fastTailCalls,
      fixedModules,
    });
  }

  #add(number: number, { pc, media }: Pick<Member, 'pc' | 'media'>): NewMachine {
    const owner = { name: pc.name, warn: (line: string) => media!.note(line) };
    const drives = media && removableDrives(pc, media, { owner, assertUsable: () => this.#assertThere(number) });
    const member: Member = {
      pc,
      media,
      drives,
      breakpoints: new Map(),
      answer: undefined,
      serial: [],
      debugConsole: [],
    };
    this.#members.set(number, member);
    pc.serial.onOutput = (bytes) => member.serial.push(bytes);
    pc.debugConsole.onOutput = (bytes) => member.debugConsole.push(bytes);
    return { facts: factsOf(member), memorySize: pc.memorySize, hasDrives: media !== undefined };
  }

  /** It may have been disposed while an image was opened. @throws StateError */
  #assertThere(number: number): void {
    if (!this.#members.has(number)) throw new StateError('the guest is disposed');
  }

  /** The machine of this number, when what has come for it has reached it. */
  #taking(number: number, inputs: readonly MachineInput[]): Member {
    const member = this.#members.get(number);
    if (member === undefined) throw new InternalError(`there is no machine ${number} here`);
    for (const input of inputs) take(member, input);
    return member;
  }
}

function driveOf({ pc, drives }: Member, drive: 'cdrom' | number): RemovableDrive {
  const found = drive === 'cdrom' ? drives?.cdrom : drives?.floppies[drive];
  if (found === undefined) throw new InternalError(`${pc.name} has no drive ${drive}`);
  return found;
}

/** What goes wrong with its images. */
async function linesOf(
  member: Member | undefined,
  act: (media: GuestMedia, owner: MediaOwner) => Promise<void>,
): Promise<readonly string[]> {
  const lines: string[] = [];
  if (member?.media) await act(member.media, { name: member.pc.name, warn: (line) => lines.push(line) });
  return lines;
}

function take({ pc, breakpoints }: Member, input: MachineInput): void {
  switch (input.kind) {
    case 'serial':
      return pc.serial.send(input.bytes);
    case 'press':
      return void pc.keyboard.press(input.code);
    case 'release':
      return void pc.keyboard.release(input.code);
    case 'power-button':
      return pc.pressPowerButton();
    case 'reset':
      return pc.reset();
    case 'time':
      // All but its kind is what was corrected.
      return pc.correctTime({ time: input.time, slope: input.slope, stolen: input.stolen });
    case 'balloon-target':
      return pc.balloon!.setTarget(input.pages);
    case 'balloon-statistics':
      return void pc.balloon!.requestStatistics();
    case 'add-breakpoint': {
      const added = pc.breakpoints.add(input.request);
      return void breakpoints.set(added.id, added);
    }
    case 'remove-breakpoint':
      pc.breakpoints.remove(breakpoints.get(input.id)!);
      return void breakpoints.delete(input.id);
    case 'clear-breakpoints':
      pc.breakpoints.clear();
      return breakpoints.clear();
  }
}

function factsOf({ pc, drives }: Member): MachineFacts {
  const { instructions, time, nextAlarm, halted, timeSlope, tellsStolen } = pc;
  const { memoryInUse, memoryShared, slowness, balloon } = pc;
  return {
    ...{ instructions, time, nextAlarm, halted, timeSlope, tellsStolen, memoryInUse, memoryShared, slowness },
    bytesInUse: pc.memoryPool.bytesInUse,
    serialPending: pc.serial.pending,
    keyboardHasData: pc.keyboard.hasData,
    balloon: balloon && {
      target: balloon.target,
      actual: balloon.actual,
      givesStatistics: balloon.givesStatistics,
      statistics: balloon.statistics,
    },
    cdrom: drives?.cdrom && { loaded: drives.cdrom.loaded, locked: pc.cdrom!.state.locked },
    floppies: drives?.floppies.map(({ loaded }) => ({ loaded, locked: false })) ?? [],
  };
}

function toPlainExit(exit: MachineExit): PlainExit {
  if (exit.reason === 'error') return { ...exit, error: toPlainError(exit.error) };
  if (exit.reason === 'waiting') return { reason: exit.reason, executed: exit.executed };
  return exit;
}

const outputOf = ({ serial, debugConsole }: Exchanges['run']['reply']): ArrayBuffer[] =>
  [...serial, ...debugConsole].map(({ buffer }) => buffer as ArrayBuffer);
