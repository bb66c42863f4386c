/**
 * Guest time in nanoseconds: a function of retired instructions (plus idle time skipped by HLT and recorded
 * corrections), never of the wall clock.
 *
 * `now` may be read at any moment, also in the middle of a run: the CPU installs a `source` that knows how many
 * instructions have retired. Alarms fire only from `fireDue`, which the dispatcher calls between runs, in order of
 * time and, at equal times, in order of setting. One that waits for the host's answer (`Pending`) holds up all behind it:
 * until the answer is there, guest time must not pass.
 */
import { InternalError } from './errors.ts';
import type { Pending } from './pending.ts';

export interface Alarm {
  readonly at: number;
  cancel(): void;
}

export class VirtualClock {
  #source: () => number = () => this.#idle;
  #idle = 0;
  #alarms: { at: number; sequence: number; fire: () => void; after: Pending<unknown> | undefined }[] = [];
  #sequence = 0;
  /** Called when an alarm is set that comes before all others: who runs up to the next one has to look again. */
  onEarlierAlarm: () => void = () => {};

  /** Guest time now, in nanoseconds since power-on (an integer). */
  get now(): number {
    return this.#source();
  }

  /** Installs what `now` reads. Without one the clock stands still and is moved by `advanceTo` (tests). */
  setSource(source: () => number): void {
    this.#source = source;
  }

  /** Calls `fire` once, at guest time `at` (ns) or at the first chance after it. `after`: what must be there by then. @throws InternalError for what is no time */
  setAlarm(at: number, fire: () => void, { after }: { readonly after?: Pending<unknown> } = {}): Alarm {
    // Times come out of states that were saved, too. Who waits for one that never comes would wait for ever.
    if (typeof at !== 'number' || Number.isNaN(at)) throw new InternalError('an alarm is set for no time');
    const entry = { at, sequence: this.#sequence++, fire, after };
    let index = this.#alarms.length;
    while (index > 0 && this.#alarms[index - 1].at > at) index--;
    this.#alarms.splice(index, 0, entry);
    if (index === 0) this.onEarlierAlarm();
    return {
      at,
      cancel: () => {
        const position = this.#alarms.indexOf(entry);
        if (position >= 0) this.#alarms.splice(position, 1);
      },
    };
  }

  /** Time of the earliest alarm, Infinity if none is set. */
  get nextAlarm(): number {
    return this.#alarms[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** What guest time stands still for: the answer that the first alarm needs, which is due. */
  get waitsFor(): Pending<unknown> | undefined {
    const first = this.#alarms[0];
    return first?.after && !first.after.settled && first.at <= this.now ? first.after : undefined;
  }

  /** Fires all alarms due at `now`, including those that firing sets; up to one that has to wait. */
  fireDue(): void {
    while (this.#alarms.length > 0 && this.#alarms[0].at <= this.now && this.waitsFor === undefined)
      this.#alarms.shift()!.fire();
  }

  /** Without a source (device tests): moves time to `at`, firing each alarm at its own moment; no further than to one that has to wait. */
  advanceTo(at: number): void {
    while (this.nextAlarm <= at) {
      this.#idle = Math.max(this.#idle, this.nextAlarm);
      if (this.waitsFor) return;
      this.#alarms.shift()!.fire();
    }
    this.#idle = Math.max(this.#idle, at);
  }

  /** Without a source: moves on by `ns`. */
  advance(ns: number): void {
    this.advanceTo(this.#idle + ns);
  }
}
