/**
 * The hypervisor: several guests in one thread, taking turns. Guests run in slices of a few milliseconds, chosen by a
 * stride scheduler; between slices the world has its turn. One guest's end is never another's.
 */
import { StateError } from '../base/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { createPc, type PcGuest } from './create-guest.ts';
import { Guest, type GuestKeeper } from './guest.ts';
import { checkGuestOptions, type GuestOptions, type GuestSettings } from './guest-options.ts';
import { checkHostOptions, type HostOptions, reportListenerError } from './host-options.ts';
import type { Platform } from './platform.ts';
import { StrideScheduler } from './stride-scheduler.ts';

/** Instructions a slice has at first and at the least and most: also slow engines come back in time. */
const SLICE = { FIRST: 10_000, LEAST: 1_000, MOST: 10_000_000 } as const;
/** The world waits this long at most, in ms. */
const TURN = 5;
const NS_PER_MS = 1_000_000;

export class Host {
  readonly #platform: Platform;
  readonly #sliceMilliseconds: number;
  readonly #onListenerError: HostOptions['onListenerError'];
  readonly #residents = new Map<Guest, Resident>();
  readonly #scheduler = new StrideScheduler<Guest>();
  #loopRuns = false;
  /** Guests named so far. */
  #created = 0;
  #disposed = false;

  /** @throws UserError that names the option */
  constructor(options: HostOptions) {
    const { platform, sliceMilliseconds, onListenerError } = checkHostOptions(options);
    this.#platform = platform;
    this.#sliceMilliseconds = sliceMilliseconds ?? 2;
    this.#onListenerError = onListenerError;
  }

  /** The guests that are not disposed, oldest first. */
  get guests(): readonly Guest[] {
    return [...this.#residents.keys()];
  }

  /** Everything is checked before anything is made: a call that fails leaves nothing. */
  async createGuest(options: GuestOptions): Promise<PcGuest> {
    if (this.#disposed) throw new StateError('the host is disposed');
    const checked = checkGuestOptions(options);
    const name = checked.name ?? `guest ${this.#created + 1}`;
    const machine = createPc(name, checked, this.#platform.compile);
    if (checked.name === undefined) this.#created++;
    return this.adopt(machine, { ...checked, name });
  }

  /** Takes a machine in as a guest, ready to `run()`. */
  adopt<M extends Machine>(machine: M, settings: GuestSettings): Guest<M> {
    const guest = new Guest(machine, settings, this.#keeper);
    this.#scheduler.add(guest, settings.weight ?? 1);
    this.#residents.set(guest, { slice: SLICE.FIRST, origin: undefined, cancelWakeUp: undefined });
    return guest;
  }

  dispose(): void {
    this.#disposed = true;
    for (const guest of this.guests) guest.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  readonly #keeper: GuestKeeper = {
    update: (guest) => {
      const resident = this.#residents.get(guest);
      if (!resident) return;
      resident.cancelWakeUp?.();
      resident.cancelWakeUp = undefined;
      if (guest.state !== 'running') resident.origin = undefined;
      if (guest.runnable) this.#wake(guest);
      else this.#scheduler.sleep(guest);
    },
    remove: (guest) => {
      this.#residents.get(guest)?.cancelWakeUp?.();
      this.#residents.delete(guest);
      this.#scheduler.remove(guest);
    },
    setWeight: (guest, weight) => this.#scheduler.setWeight(guest, weight),
    delay: (ms, action) => this.#platform.delay(ms, action),
    listenerFailed: (error, source) => reportListenerError(this.#onListenerError, error, source),
  };

  #wake(guest: Guest): void {
    this.#scheduler.wake(guest);
    if (!this.#loopRuns) {
      this.#loopRuns = true;
      // Not at once: the caller of run() first gets its promise.
      void Promise.resolve().then(() => this.#loop());
    }
  }

  async #loop(): Promise<void> {
    let turnEnds = this.#platform.now() + TURN;
    for (let guest = this.#scheduler.next(); guest; guest = this.#scheduler.next()) {
      this.#giveSlice(guest);
      if (this.#platform.now() >= turnEnds) {
        await this.#platform.yield();
        turnEnds = this.#platform.now() + TURN;
      }
    }
    this.#loopRuns = false;
  }

  #giveSlice(guest: Guest): void {
    const resident = this.#residents.get(guest)!;
    const limit = guest.clock === 'host' ? this.#timeLimit(guest, resident) : undefined;
    const start = this.#platform.now();
    const executed = guest.runSlice(resident.slice, limit);
    // At least one, so that a guest that only halts still loses its turn.
    this.#scheduler.charge(guest, Math.max(executed, 1));
    const took = this.#platform.now() - start;
    if (executed >= resident.slice) resident.slice = nextSlice(resident.slice, this.#sliceMilliseconds / took);
    // Now, not at its next turn: until then the wall clock moves on a little, and an idle guest would never sleep.
    if (limit !== undefined && guest.runnable && guest.machine.time >= limit)
      this.#sleepUntilDue(guest, resident, limit);
  }

  /** Guest time that the wall clock allows now. It starts at the guest's own time whenever the guest starts to run. */
  #timeLimit(guest: Guest, resident: Resident): number {
    resident.origin ??= this.#platform.now() * NS_PER_MS - guest.machine.time;
    return Math.floor(this.#platform.now() * NS_PER_MS - resident.origin);
  }

  /** The guest is as far as the wall clock: it sleeps until its next alarm, or, if it is busy, for a moment. */
  #sleepUntilDue(guest: Guest, resident: Resident, limit: number): void {
    this.#scheduler.sleep(guest);
    const { halted, nextAlarm } = guest.machine;
    const milliseconds = halted ? (nextAlarm - limit) / NS_PER_MS : 1;
    const wakeUp = () => {
      resident.cancelWakeUp = undefined;
      if (guest.runnable) this.#wake(guest);
    };
    if (Number.isFinite(milliseconds)) resident.cancelWakeUp = this.#platform.delay(Math.max(milliseconds, 0), wakeUp);
  }
}

/** What the host keeps for a guest. */
interface Resident {
  /** Instructions of its next slice: follows how fast it was. */
  slice: number;
  /** Clock `host`: wall-clock time, in ns, at which guest time would have been 0. */
  origin: number | undefined;
  cancelWakeUp: (() => void) | undefined;
}

/** Grows or shrinks a slice towards the time aimed at, at most by a factor of 2. */
function nextSlice(slice: number, ratio: number): number {
  const wanted = slice * Math.min(Math.max(ratio, 0.5), 2);
  return Math.round(Math.min(Math.max(wanted, SLICE.LEAST), SLICE.MOST));
}
