/** A guest's memory balloon, between its slices. What the guest says of its memory comes when it has been asked. */
import { checkSignal, type Settle, settledOrAborted, throwIfAborted } from '../base/abort.ts';
import { checkNumber, checkOptions, checkWholeNumber } from '../base/argument-check.ts';
import { StateError, TimeoutError } from '../base/errors.ts';
import type { BalloonFigures, MemoryBalloon } from '../machine/machine.ts';
import type { WaitOptions } from './options/guest-options.ts';

const PAGES_PER_MIB = 256;
/** What timers can do, in ms. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

export interface BalloonOwner {
  readonly name: string;
  /** RAM of the guest, in MiB. */
  readonly memory: number;
  /** Undefined once the guest is disposed. */
  balloon(): MemoryBalloon | undefined;
  /** @throws StateError once the guest is disposed */
  assertUsable(): void;
  /** @throws StateError while it is on its way to another host */
  assertHere(): void;
  /** Something is asked of the guest. */
  onInput(): void;
  /** A wall-clock timer. @returns what cancels it */
  delay(ms: number, action: () => void): () => void;
}

export class GuestBalloon {
  readonly #owner: BalloonOwner;
  readonly #waiters = new Set<Settle<BalloonFigures>>();
  #updates: number;
  /** MiB that its owner asks for, and its host. */
  #wanted: number;
  #reclaim = 0;
  /** Figures that had come when that was last changed. */
  #before = 0;

  constructor(owner: BalloonOwner) {
    this.#owner = owner;
    this.#wanted = this.target;
    this.#updates = this.#machine.statistics.updates;
  }

  get target(): number {
    return this.#machine.target / PAGES_PER_MIB;
  }

  get actual(): number {
    return this.#machine.actual / PAGES_PER_MIB;
  }

  get figures(): BalloonFigures {
    return { ...this.#machine.statistics.values };
  }

  setTarget(mebibytes: number): void {
    const range = { least: 0, most: this.#owner.memory, unit: 'MiB' };
    const checked = checkWholeNumber('setTarget: mebibytes', mebibytes, range);
    this.#owner.assertHere();
    this.#wanted = checked;
    this.#ask();
  }

  /** MiB that its host asks for, for others: what its owner asks for counts if it is more. */
  get reclaim(): number {
    return this.#reclaim;
  }

  set reclaim(mebibytes: number) {
    if (mebibytes === this.#reclaim) return;
    this.#reclaim = mebibytes;
    this.#before = this.#machine.statistics.updates;
    this.#ask();
  }

  /** Its figures are newer than the last change of what the host asks for. */
  get answered(): boolean {
    return this.#machine.statistics.updates !== this.#before;
  }

  /** Asks the guest for new figures. @returns false if it has no driver that gives any */
  refresh(): boolean {
    const asked = this.#machine.requestStatistics();
    if (asked) this.#owner.onInput();
    return asked;
  }

  /** What the host asks the other for, it asks this one for, too: a clone begins as its original is. */
  takeOver(other: GuestBalloon): void {
    this.#wanted = other.#wanted;
    this.#reclaim = other.#reclaim;
  }

  #ask(): void {
    this.#machine.setTarget(Math.max(this.#wanted, this.#reclaim) * PAGES_PER_MIB);
    this.#owner.onInput();
  }

  async statistics(options?: WaitOptions): Promise<BalloonFigures> {
    const given = checkOptions('statistics: options', options, ['timeout', 'signal']);
    const timeout =
      given.timeout === undefined
        ? undefined
        : checkNumber('statistics: timeout', given.timeout, { least: 0, most: LONGEST_TIMEOUT, unit: 'ms' });
    const signal = checkSignal('statistics: signal', given.signal);
    const { name } = this.#owner;
    throwIfAborted(signal);
    this.#owner.assertHere();
    if (!this.#machine.requestStatistics())
      throw new StateError(`${name} has no driver of its balloon that gives statistics (yet)`);
    this.#owner.onInput();
    return settledOrAborted<BalloonFigures>(signal, (settle) => {
      this.#waiters.add(settle);
      const expire = () => settle.reject(new TimeoutError(`${name} gave no statistics within ${timeout} ms`));
      const cancel = timeout === undefined ? () => {} : this.#owner.delay(timeout, expire);
      return () => {
        cancel();
        this.#waiters.delete(settle);
      };
    });
  }

  /** The guest has run: tells those that wait what has come. */
  look(): void {
    const updates = this.#owner.balloon()?.statistics.updates;
    if (updates === undefined || updates === this.#updates) return;
    this.#updates = updates;
    if (updates === 0) return;
    for (const waiter of [...this.#waiters]) waiter.resolve(this.figures);
  }

  /** The guest was reset, has stopped, or is disposed: no answer comes. */
  interrupted(what: string): void {
    for (const waiter of [...this.#waiters]) waiter.reject(new StateError(`${this.#owner.name} ${what}`));
    this.look();
  }

  get #machine(): MemoryBalloon {
    this.#owner.assertUsable();
    return this.#owner.balloon()!;
  }
}
