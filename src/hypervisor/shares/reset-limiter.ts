/**
 * Holds back a guest that resets again and again: a reset is dear to the host, and a guest that does nothing else gets
 * nowhere by doing it faster.
 */

/** Resets a guest may make in a window, and the window's length in ms of host time. */
const MOST_RESETS = 100;
const WINDOW = 1000;

export class ResetLimiter {
  #windowStart = Number.NEGATIVE_INFINITY;
  #resets = 0;

  /**
   * The guest has reset, at this host time in ms.
   * @returns how long it has to wait, in ms: 0 for one that resets now and then
   */
  count(now: number): number {
    if (now - this.#windowStart >= WINDOW) {
      this.#windowStart = now;
      this.#resets = 0;
    }
    this.#resets++;
    return this.#resets < MOST_RESETS ? 0 : this.#windowStart + WINDOW - now;
  }
}
