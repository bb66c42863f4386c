/** Time for the search for equal pages: so much of a core, between slices. */

/** As much of a pool as is needed. */
export interface Scanned {
  scan(units: number): number;
}

/** ms that may be made up for at once, so that a search is no longer pause for anybody. */
const MOST_CREDIT = 4;
/** ms worth beginning. */
const LEAST_CREDIT = 0.25;
/** Units in a millisecond, until it is known. */
const FIRST_RATE = 20_000;
const RATES = { least: 1_000, most: 1_000_000 } as const;

export class ScanBudget {
  /** A part of one core. */
  readonly #share: number;
  #credit = 0;
  #rate = FIRST_RATE;
  #since: number | undefined;

  constructor(percent: number) {
    this.#share = percent / 100;
  }

  /** Goes on with the search if it is due. `now` is in ms. */
  turn(scanned: Scanned, now: () => number): void {
    if (this.#share === 0) return;
    const start = now();
    this.#credit = Math.min(this.#credit + (start - (this.#since ?? start)) * this.#share, MOST_CREDIT);
    this.#since = start;
    if (this.#credit < LEAST_CREDIT) return;
    const units = scanned.scan(Math.floor(this.#credit * this.#rate));
    const took = now() - start;
    this.#credit -= took;
    // Nothing that is measured once is believed at once.
    if (units > 0 && took > 0)
      this.#rate = Math.min(Math.max((3 * this.#rate + units / took) / 4, RATES.least), RATES.most);
  }
}
