/** One guest: its life cycle around a machine. Created and run by a `Host`. */
import { EventSource } from '../base/event-source.ts';
import type { ByteChannel, Machine, MachineExit } from '../machine/machine.ts';

/** Why a guest no longer runs. */
export type GuestExit =
  /** It halted with interrupts disabled: powered off, or for good. */
  | { readonly reason: 'halted' }
  /** `stop()` or `dispose()` was called, or it asked for a reset, with `onReset: 'stop'`. */
  | { readonly reason: 'stopped' }
  /** A triple fault, with `onTripleFault: 'stop'`. */
  | { readonly reason: 'triple-fault' }
  /** It wrote `status` to the debug-exit port. */
  | { readonly reason: 'debug-exit'; readonly status: number }
  /** A bug of ours. Other guests are not affected. */
  | { readonly reason: 'error'; readonly error: Error };

/** created → running ⇄ paused → stopped → disposed. A stopped guest can be run again after `reset()`. */
export type GuestState = 'created' | 'running' | 'paused' | 'stopped' | 'disposed';

/**
 * `virtual`: guest time depends on instructions alone; idle time is skipped. Bit-exact.
 * `host`: the same, but never ahead of the wall clock: an idle guest waits, a busy one may lag and catches up.
 */
export type ClockMode = 'virtual' | 'host';

export interface GuestSettings {
  /** Shown in messages. */
  readonly name: string;
  /** Share of instructions relative to the host's other guests. Default 1. */
  readonly weight?: number;
  /** Default `virtual`. */
  readonly clock?: ClockMode;
  /** Default `reset`. */
  readonly onTripleFault?: 'reset' | 'stop';
  /** What a reset asked for by the guest itself does. Default `reset`. */
  readonly onReset?: 'reset' | 'stop';
}

export type ResetCause = 'host' | 'guest' | 'triple-fault';

export interface GuestEvents {
  exit: [exit: GuestExit];
  /** Halted, and nothing but input can wake it. */
  idle: [];
  /** It was reset: by `reset()`, by the guest itself, or because of a triple fault. */
  reset: [cause: ResetCause];
}

/** A stream of bytes to and from a guest. */
export class GuestStream {
  readonly #channel: ByteChannel;
  readonly #events = new EventSource<{ data: [bytes: Uint8Array] }>();
  readonly #onWrite: () => void;

  constructor(channel: ByteChannel, onWrite: () => void) {
    this.#channel = channel;
    this.#onWrite = onWrite;
    channel.onOutput = (bytes) => this.#events.emit('data', bytes);
  }

  /** `listener` gets what the guest sends. @returns a function that ends the listening. */
  on(name: 'data', listener: (bytes: Uint8Array) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Sends bytes, or text as UTF-8, to the guest. They wait until it takes them. */
  write(data: Uint8Array | string): void {
    this.#channel.send(typeof data === 'string' ? new TextEncoder().encode(data) : data);
    this.#onWrite();
  }

  /** Bytes written that the guest has not taken yet. */
  get pending(): number {
    return this.#channel.pending;
  }
}

/** What a guest asks of its host. */
export interface GuestKeeper {
  /** The guest may have become runnable, or have stopped being so. */
  update(guest: Guest): void;
  remove(guest: Guest): void;
  setWeight(guest: Guest, weight: number): void;
}

export class Guest<M extends Machine = Machine> {
  readonly name: string;
  readonly clock: ClockMode;
  /** The machine itself, for debuggers. Look at it freely; change it only while the guest is paused. */
  readonly machine: M;
  /** The first serial port, COM1. */
  readonly serial: GuestStream;
  /** What the guest writes to the debug ports E9h and 402h. */
  readonly debugConsole: GuestStream;
  readonly #keeper: GuestKeeper;
  readonly #events = new EventSource<GuestEvents>();
  readonly #onTripleFault: 'reset' | 'stop';
  readonly #onReset: 'reset' | 'stop';
  #state: GuestState = 'created';
  /** Waits in HLT for input. */
  #idle = false;
  #stopAt = Number.POSITIVE_INFINITY;
  #exit: GuestExit | undefined;

  constructor(machine: M, settings: GuestSettings, keeper: GuestKeeper) {
    this.name = settings.name;
    this.clock = settings.clock ?? 'virtual';
    this.machine = machine;
    this.#onTripleFault = settings.onTripleFault ?? 'reset';
    this.#onReset = settings.onReset ?? 'reset';
    this.#keeper = keeper;
    this.serial = new GuestStream(machine.serial, () => this.#wakeUp());
    this.debugConsole = new GuestStream(machine.debugConsole, () => this.#wakeUp());
  }

  get state(): GuestState {
    return this.#state;
  }

  /** Instructions retired since power-on. */
  get instructions(): number {
    return this.machine.instructions;
  }

  /** Why the guest stopped; undefined as long as it could go on. */
  get exitReason(): GuestExit | undefined {
    return this.#exit;
  }

  /** Whether a slice would get it any further. */
  get runnable(): boolean {
    return this.#state === 'running' && !this.#idle;
  }

  on<Name extends keyof GuestEvents>(name: Name, listener: (...args: GuestEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Starts the guest, or goes on after `pause()`. Resolves when it stops for whatever reason; a pause in between is no
   * stop. @throws Error if the guest is stopped (reset it first) or disposed.
   */
  run(): Promise<GuestExit> {
    this.#resume(Number.POSITIVE_INFINITY);
    return this.#events.next('exit').then(([exit]) => exit);
  }

  /**
   * Runs until exactly `instructions` have retired since power-on, then pauses there. Resolves at once if they have;
   * earlier if the guest stops, is paused, or waits for input for ever.
   */
  async runTo(instructions: number): Promise<void> {
    if (this.instructions >= instructions) return;
    this.#resume(instructions);
    await new Promise<void>((resolve) => {
      const offs = [this.#events.on('exit', () => finish()), this.#events.on('idle', () => finish())];
      const finish = () => {
        for (const off of offs) off();
        this.#onReached = undefined;
        resolve();
      };
      this.#onReached = finish;
    });
  }
  #onReached: (() => void) | undefined;

  /** Stops giving it instructions until `run()`. */
  pause(): void {
    if (this.#state === 'running') this.#setState('paused');
    this.#onReached?.();
  }

  /** The reset button. A stopped guest is then ready to `run()` again. */
  reset(): void {
    this.#reset('host');
  }

  #reset(cause: ResetCause): void {
    this.#assertUsable();
    this.machine.reset();
    this.#idle = false;
    this.#exit = undefined;
    if (this.#state === 'stopped') this.#state = 'created';
    this.#events.emit('reset', cause);
    this.#keeper.update(this as Guest);
  }

  /** Pulls the plug: it exits with reason `stopped`. Its memory can still be looked at. */
  stop(): void {
    this.#finish({ reason: 'stopped' });
  }

  /** Stops it and gives its memory back. */
  dispose(): void {
    if (this.#state === 'disposed') return;
    this.stop();
    this.#state = 'disposed';
    this.#keeper.remove(this as Guest);
    this.machine.dispose();
  }

  setWeight(weight: number): void {
    this.#keeper.setWeight(this as Guest, weight);
  }

  /** Executes one instruction of a paused guest. */
  step(): void {
    this.#assertUsable();
    if (this.#state === 'running') throw new Error(`${this.name} is running: pause it first`);
    this.#handle(this.machine.run({ instructions: 1 }));
  }

  /** Called by the host: one slice. @returns instructions executed. */
  runSlice(instructions: number, time: number | undefined): number {
    const before = this.machine.instructions;
    const exit = this.machine.run({ instructions: Math.min(instructions, this.#stopAt - before), time });
    this.#handle(exit);
    if (this.machine.instructions >= this.#stopAt && this.#state === 'running') this.pause();
    return exit.executed;
  }

  #handle(exit: MachineExit): void {
    if (this.#state === 'disposed') return; // by a listener, during the run
    switch (exit.reason) {
      case 'budget':
      case 'time':
      case 'output':
        return;
      case 'idle':
        this.#idle = true;
        this.#keeper.update(this as Guest);
        return this.#events.emit('idle');
      case 'reset':
        return this.#onReset === 'reset' ? this.#reset('guest') : this.#finish({ reason: 'stopped' });
      case 'triple-fault':
        return this.#onTripleFault === 'reset' ? this.#reset('triple-fault') : this.#finish({ reason: 'triple-fault' });
      case 'halted':
        return this.#finish({ reason: 'halted' });
      case 'debug-exit':
        return this.#finish({ reason: 'debug-exit', status: exit.status });
      case 'error':
        return this.#finish({ reason: 'error', error: exit.error });
    }
  }

  #resume(stopAt: number): void {
    this.#assertUsable();
    if (this.#state === 'stopped') throw new Error(`${this.name} has stopped: reset it first`);
    this.#stopAt = stopAt;
    this.#setState('running');
  }

  #finish(exit: GuestExit): void {
    if (this.#state === 'stopped' || this.#state === 'disposed') return;
    this.#exit = exit;
    this.#setState('stopped');
    this.#events.emit('exit', exit);
  }

  #wakeUp(): void {
    this.#idle = false;
    this.#keeper.update(this as Guest);
  }

  #setState(state: GuestState): void {
    this.#state = state;
    this.#keeper.update(this as Guest);
  }

  #assertUsable(): void {
    if (this.#state === 'disposed') throw new Error(`${this.name} is disposed`);
  }
}
