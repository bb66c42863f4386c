/**
 * A cap: a guest that has used its share of a core waits until it is due again. Each slice pays for time to come: one of
 * `t` ms at a cap of 25 % is paid off 4·t ms after it began.
 */

/** Time, in ms, that it may have missed (a timer was late, it waited for its turn) and still makes up for. */
const CREDIT = 20;

export class ProcessorCap {
  #percent: number | undefined;
  /** Per cent of that which it is denied, while it is being moved. */
  #throttle = 0;
  /** Host time up to which what it has used is its share. */
  #paidUntil = Number.NEGATIVE_INFINITY;

  /** `percent` of a core; undefined: as much as there is. */
  constructor(percent: number | undefined) {
    this.#percent = percent;
  }

  get percent(): number | undefined {
    return this.#percent;
  }

  /** What it owes is forgotten. */
  set(percent: number | undefined): void {
    this.#percent = percent;
    this.#paidUntil = Number.NEGATIVE_INFINITY;
  }

  /** Denies it so many per cent of what it may have. 0: as usual. */
  throttle(percent: number): void {
    if (percent === this.#throttle) return;
    this.#throttle = percent;
    this.#paidUntil = Number.NEGATIVE_INFINITY;
  }

  /**
   * A slice that took `took` ms has ended `now`.
   * @returns how long it has to wait, in ms
   */
  charge(took: number, now: number): number {
    if (this.#percent === undefined && this.#throttle === 0) return 0;
    const percent = (this.#percent ?? 100) * (1 - this.#throttle / 100);
    this.#paidUntil = Math.max(this.#paidUntil, now - took - CREDIT) + (took * 100) / percent;
    return Math.max(0, this.#paidUntil - now);
  }
}
