/** What becomes of a guest's time while it has something to do. */

/** In ms of the host's clock. */
export interface ProcessorTimes {
  /** It ran. */
  readonly run: number;
  /** It was ready, and others had their turn: what it is told as stolen time is this and `held`. */
  readonly ready: number;
  /** It was ready, and waited because of its cap, or because it reset too often. */
  readonly held: number;
  /** Slices it was given. */
  readonly slices: number;
}

export class TimeKeeping {
  #run = 0;
  #ready = 0;
  #held = 0;
  #slices = 0;
  /** What it waits for, and since when. */
  #waits: { readonly kind: 'ready' | 'held'; readonly since: number } | undefined;

  /** Host time that it was given so far. */
  get run(): number {
    return this.#run;
  }

  /** From now on it waits for its turn, is held back, or wants nothing. Said again, it goes on. */
  waits(kind: 'ready' | 'held' | undefined, now: number): void {
    if (this.#waits?.kind === kind) return;
    this.#close(now);
    this.#waits = kind === undefined ? undefined : { kind, since: now };
  }

  /** It had a slice. */
  ran(from: number, to: number): void {
    this.#close(from);
    this.#run += to - from;
    this.#slices++;
  }

  at(now: number): ProcessorTimes {
    const waited = this.#waits ? now - this.#waits.since : 0;
    return {
      run: this.#run,
      ready: this.#ready + (this.#waits?.kind === 'ready' ? waited : 0),
      held: this.#held + (this.#waits?.kind === 'held' ? waited : 0),
      slices: this.#slices,
    };
  }

  #close(now: number): void {
    const waits = this.#waits;
    // It may have become ready within the slice that is over: a listener of its output reset it.
    const waited = waits ? Math.max(0, now - waits.since) : 0;
    if (waits?.kind === 'ready') this.#ready += waited;
    if (waits?.kind === 'held') this.#held += waited;
    this.#waits = undefined;
  }
}
