/** One guest: its life cycle around a machine. Created and run by a `Host`. */
import { type AbortSignalLike, checkSignal, settledOrAborted, throwIfAborted } from '../base/abort.ts';
import { checkChoice, checkOptions, checkWholeNumber } from '../base/argument-check.ts';
import { InternalError, StateError, UserError } from '../base/errors.ts';
import { EventSource } from '../base/event-source.ts';
import type { Pending } from '../base/pending.ts';
import type { Breakpoints, Machine, MachineExit } from '../machine/machine.ts';
import type { Registers } from '../machine/machine-view.ts';
import { GuestBalloon } from './guest-balloon.ts';
import type {
  GuestEvents,
  GuestExit,
  GuestState,
  ListenerErrorSource,
  ResetCause,
  RunToResult,
} from './guest-events.ts';
import { GuestKeyboard } from './guest-keyboard.ts';
import type { GuestImages } from './media/guest-media.ts';
import { type ExchangeableDrive, removableDrives } from './media/removable-drive.ts';
import { type ByteDuplex, lockDuplex } from './migration/byte-duplex.ts';
import {
  type CheckedMigrateOptions,
  checkMigrateOptions,
  type MigrateOptions,
  type Migration,
} from './migration/migration-options.ts';
import { checkCap, checkWeight, FUEL } from './options/check-guest-options.ts';
import type { ClockMode, CloneOptions, GuestSettings, RunOptions } from './options/guest-options.ts';
import type { ProcessorTimes } from './shares/processor-times.ts';
import { checkSnapshotOptions, type Snapshot, type SnapshotOptions } from './snapshot/snapshot-options.ts';
import { GuestStream, OUTPUT_BOUND } from './streams/guest-stream.ts';
import type { Question } from './threads/messages.ts';
import { RemoteMachine } from './threads/remote-machine.ts';

const CLONES = { least: 1, most: 10_000 };
const EVENTS: readonly (keyof GuestEvents)[] = ['exit', 'idle', 'breakpoint', 'memory', 'reset', 'warning'];

/** What a guest asks of its host. */
export interface GuestKeeper {
  /** The guest may have become runnable, or have stopped being so. */
  update(guest: Guest): void;
  remove(guest: Guest): void;
  /** It needs more memory than there is. */
  memoryNeeded(guest: Guest): void;
  /** The guest has reset itself, or crashed and was reset. */
  resetItself(guest: Guest): void;
  setWeight(guest: Guest, weight: number): void;
  /** Per cent of a core; undefined: no cap. */
  setCap(guest: Guest, percent: number | undefined): void;
  /** What became of its time so far. */
  timesOf(guest: Guest): ProcessorTimes;
  /** Makes another guest that is as this one is. */
  clone(guest: Guest, name: string): Guest | Promise<Guest>;
  /** Its images are being closed until `closed` resolves. */
  closing(closed: Promise<void>): void;
  /** A wall-clock timer. @returns what cancels it */
  delay(ms: number, action: () => void): () => void;
  snapshot(guest: Guest, options: { readonly to: string | undefined }): Promise<Snapshot>;
  /** Moves it through the stream. */
  migrate(guest: Guest, ends: ReturnType<typeof lockDuplex>, options: CheckedMigrateOptions): Promise<Migration>;
  /** A listener of `source` threw. */
  listenerFailed(error: unknown, source: ListenerErrorSource): void;
}

/** Where `runTo` is to stop, and who is told. */
interface Target {
  readonly instructions: number;
  resolve(result: RunToResult): void;
}

/** What a slice may do: see `RunLimits`. */
export interface SliceLimits {
  readonly instructions: number;
  readonly time?: number | undefined;
  readonly overdue: () => boolean;
  /** The same for one in another thread: wall-clock ms. */
  readonly milliseconds: number;
}

export interface Slice {
  /** Instructions. */
  readonly executed: number;
  /** Wall-clock ms, where that is known only where it ran. */
  readonly took?: number | undefined;
  /** Something has come for the guest meanwhile. */
  readonly disturbed: boolean;
}

/** What may become obsolete while a machine runs. */
interface RunStart {
  readonly epoch: number;
  readonly wakeUps: number;
}

export class Guest<M extends Machine = Machine> {
  readonly name: string;
  readonly clock: ClockMode;
  readonly serial: GuestStream;
  readonly debugConsole: GuestStream;
  readonly keyboard: GuestKeyboard;
  readonly cdrom: ExchangeableDrive | undefined;
  readonly floppies: readonly ExchangeableDrive[];
  readonly balloon: GuestBalloon | undefined;
  readonly #keeper: GuestKeeper;
  readonly #events: EventSource<GuestEvents>;
  readonly #onTripleFault: 'reset' | 'stop';
  readonly #onReset: 'reset' | 'stop';
  readonly #onNothingToBoot: 'wait' | 'stop';
  readonly #media: GuestImages | undefined;
  /** Given up when it is disposed: who still holds the guest does not hold its memory. */
  #machine: M | undefined;
  #lastInstructions = 0;
  #state: GuestState = 'created';
  /** Waits in HLT for input. */
  #idle = false;
  /** Its time stands still until the host has answered. */
  #waitsFor: Pending<unknown> | undefined;
  /** Stands still for a moment, whatever its state: how many have asked for that. */
  #holds = 0;
  #target: Target | undefined;
  /** Of those that called `run` and wait for the end. */
  readonly #ends = new Set<(exit: GuestExit) => void>();
  #exit: GuestExit | undefined;
  /** Instructions since power-on behind which it stops. */
  #fuel: number;
  /** Kept when it is disposed. */
  #times: ProcessorTimes | undefined;
  /** Clones made of it so far. */
  #cloned = 0;
  /** Counts what makes the outcome of a machine's run obsolete: a listener may reset or stop the guest before we see it. */
  #epoch = 0;
  /** Counts what has come for it. */
  #wakeUps = 0;
  #inMachine = false;
  /** The slice in another thread that is under way. */
  #away: Promise<void> | undefined;
  /** Streams that have held it since it was reset, of which its owner was told. */
  readonly #warnedOf = new Set<string>();
  #warnedOfSlowness = false;
  /** A migration is under way. */
  #migrates = false;
  /** It stands still for one; 'uncertain': nobody knows whether it is elsewhere now. */
  #held: 'moving' | 'uncertain' | undefined;

  constructor(machine: M, settings: GuestSettings, keeper: GuestKeeper) {
    this.name = settings.name;
    this.clock = settings.clock ?? 'virtual';
    this.#machine = machine;
    this.#onTripleFault = settings.onTripleFault ?? 'reset';
    this.#onReset = settings.onReset ?? 'reset';
    this.#onNothingToBoot = settings.onNothingToBoot ?? 'wait';
    this.#media = machine instanceof RemoteMachine ? machine.media : settings.media;
    this.#keeper = keeper;
    this.#fuel = settings.fuel ?? Number.POSITIVE_INFINITY;
    const listenerFailed = (error: unknown, event: string) => keeper.listenerFailed(error, { guest: this.name, event });
    this.#events = new EventSource({ names: EVENTS, onListenerError: listenerFailed });
    const assertUsable = () => this.#assertUsable();
    const assertHere = () => this.#assertHere();
    const onInput = () => this.#wakeUp();
    const createStream = (name: 'serial' | 'debugConsole'): GuestStream =>
      new GuestStream(machine[name], {
        title: `${name} of ${this.name}`,
        ended: () => this.#ended(),
        disposed: () => this.#state === 'disposed',
        takesInput: name === 'serial',
        assertUsable,
        onInput,
        onFull: () => this.#fullChanged(name),
        delay: (ms, action) => keeper.delay(ms, action),
        onListenerError: (error, event) => listenerFailed(error, `${name}.${event}`),
      });
    this.serial = createStream('serial');
    this.debugConsole = createStream('debugConsole');
    this.keyboard = new GuestKeyboard(machine.keyboard, { assertUsable, onInput, held: () => this.held });
    const drives =
      machine instanceof RemoteMachine
        ? machine.drives(assertUsable)
        : settings.media && removableDrives(machine, settings.media, { owner: this, assertUsable: assertHere });
    this.cdrom = drives?.cdrom;
    this.floppies = drives?.floppies ?? [];
    this.balloon =
      machine.balloon &&
      new GuestBalloon({
        ...{ name: this.name, memory: machine.memorySize / 2 ** 20, assertUsable, assertHere, onInput },
        balloon: () => this.#machine?.balloon,
        delay: (ms, action) => keeper.delay(ms, action),
      });
  }

  /**
   * The machine itself. Look at it freely; change it only while the guest is paused. One in another thread shows what it was
   * after its last slice; what needs more than that throws a StateError that names the method of the guest.
   * @throws StateError once disposed
   */
  get machine(): M {
    this.#assertUsable();
    return this.#machine!;
  }

  get state(): GuestState {
    return this.#state;
  }

  get instructions(): number {
    return this.#machine?.instructions ?? this.#lastInstructions;
  }

  get processorTime(): number {
    return this.processorTimes.run;
  }

  get processorTimes(): ProcessorTimes {
    return this.#times ?? this.#keeper.timesOf(this as Guest);
  }

  /** Instructions, from power-on, behind which it stops; Infinity: no end. */
  get fuel(): number {
    return this.#fuel;
  }

  get fuelLeft(): number {
    return Math.max(0, this.#fuel - this.instructions);
  }

  get breakpoints(): Breakpoints {
    return this.machine.breakpoints;
  }

  get exitReason(): GuestExit | undefined {
    return this.#exit;
  }

  /** Stands still for a migration, whatever its state. */
  get held(): boolean {
    return this.#held !== undefined;
  }

  /** Whether a slice would get it any further. */
  get runnable(): boolean {
    return (
      this.#state === 'running' &&
      !this.#held &&
      !this.#idle &&
      this.#holds === 0 &&
      this.#waitsFor === undefined &&
      !this.serial.full &&
      !this.debugConsole.full
    );
  }

  on<Name extends keyof GuestEvents>(name: Name, listener: (...args: GuestEvents[Name]) => void): () => void {
    this.#assertUsable();
    return this.#events.on(name, listener);
  }

  async run(options?: RunOptions): Promise<GuestExit> {
    const signal = checkRunOptions('run', options);
    this.#tellOfMedia();
    this.#assertMayRun();
    throwIfAborted(signal);
    const ended = settledOrAborted<GuestExit>(
      signal,
      ({ resolve }) => {
        this.#ends.add(resolve);
        return () => this.#ends.delete(resolve);
      },
      () => this.pause(),
    );
    this.#resume();
    return ended;
  }

  async runTo(instructions: number, options?: RunOptions): Promise<RunToResult> {
    checkWholeNumber('runTo: instructions', instructions, { least: 0, most: Number.MAX_SAFE_INTEGER });
    const signal = checkRunOptions('runTo', options);
    this.#tellOfMedia();
    this.#assertMayRun();
    throwIfAborted(signal);
    // A slice that was begun before it was paused is still under way in another thread.
    if (this.#away) {
      await this.#away;
      this.#assertMayRun();
      throwIfAborted(signal);
    }
    if (this.instructions >= instructions) return 'reached';
    const returned = settledOrAborted<RunToResult>(
      signal,
      ({ resolve }) => {
        const target = { instructions, resolve };
        this.#target = target;
        return () => {
          if (this.#target === target) this.#target = undefined;
        };
      },
      () => this.pause(),
    );
    this.#resume();
    return returned;
  }

  pause(): void {
    this.#pause('paused');
  }

  reset(): void {
    this.#reset('host');
  }

  async clone(options?: CloneOptions): Promise<Guest<M>[]> {
    const { count: wanted } = checkOptions('clone: options', options, ['count']);
    const count = wanted === undefined ? 1 : checkWholeNumber('clone: count', wanted, CLONES);
    this.#assertHere();
    if (this.#state === 'stopped') throw new StateError(`${this.name} has stopped: clone it before`);
    if (this.#inMachine && !this.#away)
      throw new StateError(`${this.name} is in the middle of a run: clone it when that is over`);
    if (this.#media) throw new UserError(`${this.name} has drives: guests with drives cannot be cloned yet`);
    const clones: (Guest | Promise<Guest>)[] = [];
    try {
      // All of this moment: they are asked for at once.
      for (let made = 0; made < count; made++)
        clones.push(this.#keeper.clone(this as Guest, `${this.name}.${++this.#cloned}`));
      return (await Promise.all(clones)) as Guest<M>[];
    } catch (error) {
      for (const clone of await Promise.allSettled(clones)) if (clone.status === 'fulfilled') clone.value.dispose();
      throw error;
    }
  }

  registers(): Promise<Registers> {
    return this.#look('registers');
  }

  translate(linear: number): Promise<number | undefined> {
    return this.#look('translate', linear);
  }

  peek(linear: number, length: number): Promise<Uint8Array> {
    return this.#look('peek', linear, length);
  }

  peekPhysical(address: number, length: number): Promise<Uint8Array> {
    return this.#look('peekPhysical', address, length);
  }

  screen(): Promise<string[]> {
    return this.#look('screen');
  }

  stateHash(): Promise<string> {
    return this.#look('stateHash');
  }

  pressPowerButton(): void {
    this.#assertHere();
    this.machine.pressPowerButton();
    this.#wakeUp();
  }

  stop(): void {
    this.#finish({ reason: 'stopped', by: 'stop' });
  }

  dispose(): void {
    if (this.#state === 'disposed') return;
    const stopped = this.#state === 'stopped';
    const exit: GuestExit = { reason: 'stopped', by: 'dispose' };
    const machine = this.#machine!;
    // All that is ours is done before a listener hears of it.
    this.#lastInstructions = machine.instructions;
    this.#machine = undefined;
    this.keyboard.clear();
    this.#state = 'disposed';
    this.#epoch++;
    this.#exit ??= exit;
    this.#times = this.#keeper.timesOf(this as Guest);
    this.#keeper.remove(this as Guest);
    machine.dispose();
    if (this.#media) this.#keeper.closing(this.#media.close(this));
    if (!stopped) this.#announce(exit);
    else this.#closeStreams();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    await this.#media?.close(this);
  }

  setWeight(weight: number): void {
    const checked = checkWeight('setWeight: weight', weight);
    this.#assertUsable();
    this.#keeper.setWeight(this as Guest, checked);
  }

  setCap(percent: number | undefined): void {
    const checked = percent === undefined ? undefined : checkCap('setCap: percent', percent);
    this.#assertUsable();
    this.#keeper.setCap(this as Guest, checked);
  }

  addFuel(instructions: number): void {
    checkWholeNumber('addFuel: instructions', instructions, FUEL);
    this.#assertUsable();
    this.#fuel += instructions;
  }

  step(): void {
    this.#assertHere();
    if (this.#state === 'running') throw new StateError(`${this.name} is running: pause it first`);
    if (this.#state === 'stopped') throw new StateError(`${this.name} has stopped: reset it first`);
    // In a listener of its output: the run that it is in has yet to say how it ended.
    if (this.#inMachine) throw new StateError(`${this.name} is in the middle of a run: step it when that is over`);
    for (const [name, { full }] of Object.entries({ serial: this.serial, debugConsole: this.debugConsole })) {
      if (full) throw new StateError(heldBecause(this.name, name));
    }
    if (this.fuelLeft === 0) throw new StateError(`${this.name} has no fuel left: give it some by addFuel`);
    if (this.#waitsFor) throw new StateError(`${this.name} waits for its disk: step it when the host has answered`);
    const machine: Machine = this.#machine!;
    if (machine instanceof RemoteMachine)
      throw new StateError(`${this.name} runs in another thread: use await guest.runTo(guest.instructions + 1)`);
    const start = this.#enter();
    let exit = machine.run({ instructions: 1 });
    // A breakpoint on the very instruction that is to be stepped.
    if (exit.reason === 'breakpoint' && exit.executed === 0) exit = machine.run({ instructions: 1 });
    this.#leave(start, exit);
  }

  async snapshot(options?: SnapshotOptions): Promise<Snapshot> {
    const checked = checkSnapshotOptions(options);
    this.#assertUsable();
    // A listener of its output may have asked for it, in the midst of a run.
    await undefined;
    this.#assertHere();
    this.#assertNotMoved();
    return await this.#keeper.snapshot(this as Guest, checked);
  }

  /** It gets no slices until what this returns is called. Between two runs. */
  standStill(): () => void {
    this.#holds++;
    this.#keeper.update(this as Guest);
    return () => {
      this.#holds--;
      if (this.#state !== 'disposed') this.#keeper.update(this as Guest);
    };
  }

  async migrate(stream: ByteDuplex, options?: MigrateOptions): Promise<Migration> {
    const checked = checkMigrateOptions(options);
    this.#assertHere();
    if (this.#state === 'stopped') throw new StateError(`${this.name} has stopped (${this.#exit?.reason})`);
    throwIfAborted(checked.signal);
    if (this.#migrates) throw new StateError(`${this.name} is being moved already`);
    if ((this.#machine as Machine) instanceof RemoteMachine)
      throw new UserError(`${this.name} runs in another thread: guests in threads are not moved yet`);
    const ends = lockDuplex('migrate: stream', stream);
    this.#migrates = true;
    try {
      // A listener of its output may have asked for it, in the midst of a run.
      await undefined;
      return await this.#keeper.migrate(this as Guest, ends, checked);
    } finally {
      this.#migrates = false;
    }
  }

  resolveMigration(outcome: 'stayed' | 'moved'): void {
    checkChoice('resolveMigration: outcome', outcome, ['stayed', 'moved']);
    this.#assertUsable();
    if (this.#held !== 'uncertain') throw new StateError(`${this.name}: it is known where it is`);
    if (outcome === 'moved') this.depart();
    else this.letGo();
  }

  /** Called by a migration: it stands still, and so do its streams, until `letGo` or `depart`. */
  hold(): void {
    this.#held = 'moving';
    for (const stream of [this.serial, this.debugConsole]) stream.hold();
    this.#keeper.update(this as Guest);
  }

  /** Called by a migration that has handed it over and was not told whether it has arrived. */
  holdUncertain(): void {
    this.#held = 'uncertain';
    this.warn(
      `${this.name} stands still: whether it runs at the other side is not known; look there, and say so by resolveMigration`,
    );
  }

  /** It has not moved, and goes on as if nothing had happened. */
  letGo(): void {
    if (!this.#held) return;
    this.#held = undefined;
    for (const stream of [this.serial, this.debugConsole]) stream.letGo({ here: true });
    if (this.#state !== 'disposed') this.#wakeUp();
  }

  /** It is elsewhere now. */
  depart(): void {
    this.#held = undefined;
    for (const stream of [this.serial, this.debugConsole]) stream.letGo({ here: false });
    this.keyboard.clear();
    this.#finish({ reason: 'migrated' });
  }

  /** It cannot go on: a bug of ours, or no room. Also called by the host. */
  fail(thrown: unknown): void {
    const error =
      thrown instanceof InternalError
        ? thrown
        : new InternalError(`${this.name}: ${(thrown as Error).message}`, { cause: thrown });
    this.#finish({ reason: 'error', error });
  }

  /** There is no memory for it: it is paused. Called by the host. */
  outOfMemory(): void {
    this.#pause('paused');
    this.#events.emit('memory');
  }

  /** Tells its owner something, in one line. */
  warn(line: string): void {
    this.#events.emit('warning', line);
  }

  /**
   * Called by the host: one slice. `over` hears of it at once, before anybody else can do anything; of a machine in another
   * thread later. @returns whether it is over
   */
  runSlice(limits: SliceLimits, over: (slice: Slice) => void): boolean {
    const target = this.#target;
    const left = Math.min(target?.instructions ?? Number.POSITIVE_INFINITY, this.#fuel) - this.instructions;
    const instructions = Math.max(0, Math.min(limits.instructions, left));
    const machine: Machine = this.#machine!;
    if (machine instanceof RemoteMachine) {
      this.#away = this.#runAway(machine, { ...limits, instructions }, over);
      return false;
    }
    if (instructions === 0) {
      over(this.#endSlice(target, { executed: 0, disturbed: false }));
      return true;
    }
    const start = this.#enter();
    const exit = machine.run({ ...limits, instructions });
    this.#leave(start, exit);
    over(this.#endSlice(target, { executed: exit.executed, disturbed: this.#disturbed(start) }));
    return true;
  }

  /** Called by the host, which gives it no slice meanwhile: it stands still in another thread, too. */
  async standsStill(): Promise<void> {
    await this.#away;
  }

  /** Never rejected. */
  async #runAway(machine: RemoteMachine, limits: SliceLimits, over: (slice: Slice) => void): Promise<void> {
    const target = this.#target;
    const start = this.#enter();
    const exit = await machine.start({ ...limits, hashAt: this.#fuel });
    this.#away = undefined;
    const { executed, took } = exit;
    try {
      this.#leave(start, exit);
      over(this.#endSlice(target, { executed, took, disturbed: this.#disturbed(start) }));
    } catch (error) {
      // A bug of ours. Whoever else waits for the thread goes on.
      this.fail(error);
      over({ executed, took, disturbed: true });
    }
  }

  #endSlice(target: Target | undefined, slice: Slice): Slice {
    if (target && target === this.#target && this.instructions >= target.instructions) this.#pause('reached');
    if (this.#state === 'running' && this.instructions >= this.#fuel) this.#runDry();
    return slice;
  }

  #disturbed({ wakeUps, epoch }: RunStart): boolean {
    return this.#wakeUps !== wakeUps || this.#epoch !== epoch;
  }

  #runDry(): void {
    const machine: Machine = this.#machine!;
    // What has come since it was hashed goes first.
    if (machine instanceof RemoteMachine && !machine.hashed) return;
    const receipt = { instructions: machine.instructions, stateHash: machine.stateHash() };
    this.#finish({ reason: 'out-of-fuel', receipt });
  }

  #enter(): RunStart {
    const start = { epoch: this.#epoch, wakeUps: this.#wakeUps };
    this.keyboard.feed();
    this.#inMachine = true;
    return start;
  }

  #leave(start: RunStart, exit: MachineExit): void {
    this.#inMachine = false;
    this.#warnOfSlowness();
    this.#tellOfMedia();
    this.balloon?.look();
    // A listener of its output may have reset, stopped or disposed it meanwhile.
    if (this.#epoch === start.epoch) this.#handle(exit, start);
  }

  async #look<Answer>(question: Question, ...parameters: number[]): Promise<Answer> {
    const machine: Machine = this.machine;
    if (machine instanceof RemoteMachine) return (await machine.ask(question, parameters)) as Answer;
    return (machine[question] as (...parameters: number[]) => Answer).call(machine, ...parameters);
  }

  /** Once: it stays as it is. */
  #warnOfSlowness(): void {
    const slowness = this.#machine?.slowness;
    if (slowness === undefined || this.#warnedOfSlowness) return;
    this.#warnedOfSlowness = true;
    this.warn(slowness);
  }

  #tellOfMedia(): void {
    for (const line of this.#media?.takeLines() ?? []) this.warn(line);
    const tried = this.#media?.takeTried();
    if (tried === undefined) return;
    if (this.#onNothingToBoot === 'stop') this.#finish({ reason: 'nothing-to-boot', tried });
    else this.warn(`${this.name} has nothing to boot from: ${tried.join('; ')}`);
  }

  #handle(exit: MachineExit, { wakeUps }: RunStart): void {
    switch (exit.reason) {
      case 'budget':
      case 'time':
      case 'output':
        return;
      case 'breakpoint':
        this.#pause('breakpoint');
        return this.#events.emit('breakpoint', exit.hit);
      case 'memory':
        return this.#keeper.memoryNeeded(this as Guest);
      case 'idle':
        // What has come meanwhile may be what it waits for.
        if (this.keyboard.feed() || this.#wakeUps !== wakeUps) return;
        this.#idle = true;
        if (this.#target) this.#pause('idle');
        else this.#keeper.update(this as Guest);
        return this.#events.emit('idle');
      case 'reset':
        return this.#onReset === 'reset' ? this.#reset('guest') : this.#finish({ reason: 'stopped', by: 'guest' });
      case 'triple-fault': {
        const { reason, cause } = exit;
        return this.#onTripleFault === 'reset' ? this.#reset('triple-fault', cause) : this.#finish({ reason, cause });
      }
      case 'waiting':
        return this.#waitFor(exit.answer);
      case 'halted':
      case 'power-off':
        return this.#finish({ reason: exit.reason });
      case 'debug-exit':
        return this.#finish({ reason: 'debug-exit', status: exit.status });
      case 'error':
        return this.#finish({ reason: 'error', error: exit.error });
    }
  }

  #waitFor(answer: Pending<unknown>): void {
    this.#waitsFor = answer;
    this.#keeper.update(this as Guest);
    answer.whenSettled(() => {
      // It may have been reset meanwhile, and wait for something else.
      if (this.#waitsFor !== answer) return;
      this.#waitsFor = undefined;
      this.#keeper.update(this as Guest);
    });
  }

  #reset(cause: ResetCause, explanation?: string): void {
    this.#assertHere();
    this.#assertNotMoved();
    const machine: Machine = this.#machine!;
    if (machine instanceof RemoteMachine) machine.assertReachable();
    this.#epoch++;
    try {
      this.#machine!.reset();
    } catch (error) {
      // What is booted may have no room in a pool that clones have filled.
      return this.fail(error);
    }
    this.#waitsFor = undefined;
    this.keyboard.clear();
    this.balloon?.interrupted('was reset');
    this.#warnedOf.clear();
    this.#idle = false;
    this.#exit = undefined;
    if (this.#state === 'stopped') this.#state = 'created';
    this.#keeper.update(this as Guest);
    if (cause !== 'host') this.#keeper.resetItself(this as Guest);
    if (explanation === undefined) this.#events.emit('reset', cause);
    else this.#events.emit('reset', cause, explanation);
  }

  #resume(): void {
    // A new run looks for itself whether the guest still waits for input.
    this.#idle = false;
    this.#setState('running');
  }

  #pause(result: RunToResult): void {
    if (this.#state === 'running') this.#setState('paused');
    this.#target?.resolve(result);
  }

  #finish(exit: GuestExit): void {
    if (this.#state === 'stopped' || this.#state === 'disposed') return;
    this.#epoch++;
    this.#exit = exit;
    this.#setState('stopped');
    void this.#media?.flush(this);
    this.#announce(exit);
  }

  /** First those that wait, then the listeners, who may do anything, also run it again. */
  #announce(exit: GuestExit): void {
    this.#target?.resolve('stopped');
    for (const end of [...this.#ends]) end(exit);
    this.#closeStreams();
    this.#events.emit('exit', exit);
  }

  #closeStreams(): void {
    // Stopped while it stood still for a migration.
    this.#held = undefined;
    for (const stream of [this.serial, this.debugConsole]) stream.letGo({ here: true });
    this.serial.guestEnded();
    this.debugConsole.guestEnded();
    this.balloon?.interrupted(this.#ended() ?? 'has stopped');
  }

  #ended(): string | undefined {
    if (this.#state === 'disposed') return 'is disposed';
    return this.#state === 'stopped' ? `has stopped (${this.#exit?.reason})` : undefined;
  }

  #fullChanged(name: 'serial' | 'debugConsole'): void {
    if (this.#state === 'disposed') return;
    this.#keeper.update(this as Guest);
    // Once is enough: a reader that is slow is met again and again.
    if (!this[name].full || this.#warnedOf.has(name)) return;
    this.#warnedOf.add(name);
    this.warn(heldBecause(this.name, name));
  }

  #wakeUp(): void {
    this.#wakeUps++;
    this.#idle = false;
    this.#keeper.update(this as Guest);
  }

  #setState(state: GuestState): void {
    this.#state = state;
    this.#keeper.update(this as Guest);
  }

  #assertUsable(): void {
    if (this.#state === 'disposed') throw new StateError(`${this.name} is disposed`);
  }

  /** @throws StateError also while it stands still for a migration */
  #assertHere(): void {
    this.#assertUsable();
    if (this.#held === 'moving') throw new StateError(`${this.name} is on its way to another host`);
    if (this.#held === 'uncertain')
      throw new StateError(`${this.name} may run at another host: look there, and say so by resolveMigration`);
  }

  #assertNotMoved(): void {
    if (this.#exit?.reason === 'migrated') throw new StateError(`${this.name} has moved to another host`);
  }

  #assertMayRun(): void {
    this.#assertHere();
    if (this.#state === 'running') throw new StateError(`${this.name} is running already`);
    this.#assertNotMoved();
    if (this.#state === 'stopped') throw new StateError(`${this.name} has stopped: reset it first`);
  }
}

function checkRunOptions(method: string, options: unknown): AbortSignalLike | undefined {
  return checkSignal(`${method}: signal`, checkOptions(`${method}: options`, options, ['signal']).signal);
}

const heldBecause = (guest: string, stream: string): string =>
  `${guest} is held: ${OUTPUT_BOUND / 2 ** 20} MiB of output wait for a reader; read ${stream}, or call its discard()`;
