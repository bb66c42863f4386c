/**
 * When a guest has been copied well enough to be stopped for the rest, and how it is slowed down if it writes faster than
 * can be copied (auto-converge, as QEMU calls it).
 */

export interface Round {
  /** Pages that were sent, and how long that took, in ms without the guest's own time. */
  readonly sent: number;
  readonly took: number;
  /** Pages that the guest has written meanwhile. */
  readonly written: number;
}

/** Of the time that the guest may stand still, this is for pages; the rest for its state and the answers. */
const SHARE_OF_PAGES = 0.5;
/** It writes too fast if it has written more than this of what was sent, so many times. */
const TOO_FAST = { SHARE: 0.5, TIMES: 2 } as const;
/** Per cent. */
const THROTTLE = { FIRST: 20, MORE: 10, MOST: 99 } as const;

export class Convergence {
  /** Per cent of its time that the guest is denied. */
  throttle = 0;
  rounds = 0;
  readonly #downtime: number;
  readonly #most: number;
  #tooFast = 0;

  /** `downtime` in ms; `rounds`: so many at most. */
  constructor({ downtime, rounds }: { readonly downtime: number; readonly rounds: number }) {
    this.#downtime = downtime;
    this.#most = rounds;
  }

  /** A round is over. @returns whether there is to be another one */
  again({ sent, took, written }: Round): boolean {
    this.rounds++;
    if (this.rounds >= this.#most || written === 0) return false;
    if ((written * took) / Math.max(sent, 1) <= this.#downtime * SHARE_OF_PAGES) return false;
    if (written <= sent * TOO_FAST.SHARE) return true;
    if (++this.#tooFast < TOO_FAST.TIMES) return true;
    this.#tooFast = 0;
    this.throttle = this.throttle === 0 ? THROTTLE.FIRST : Math.min(this.throttle + THROTTLE.MORE, THROTTLE.MOST);
    return true;
  }
}
