/** The samples of a run, in the order of time. When there are too many, every other one goes, and they are taken half as often. */
import type { Stack } from './stack-walk.ts';

/** So many are too many. */
const MOST = 100_000;

export class SampleLog {
  /** Instructions from one sample to the next. */
  interval: number;
  readonly #most: number;
  #samples: Stack[] = [];
  #known = new Map<string, Stack>();

  constructor(interval: number, most = MOST) {
    this.interval = interval;
    this.#most = most;
  }

  /** Each stands for `interval` instructions. Equal ones are one object. */
  get samples(): readonly Stack[] {
    return this.#samples;
  }

  add(stack: Stack): void {
    this.#samples.push(this.#intern(stack));
    if (this.#samples.length === this.#most) this.#thin();
  }

  #intern(stack: Stack): Stack {
    const name = `${stack.user} ${stack.addresses.join(' ')}`;
    const known = this.#known.get(name) ?? stack;
    this.#known.set(name, known);
    return known;
  }

  #thin(): void {
    this.interval *= 2;
    const kept = this.#samples.filter((_, index) => index % 2 === 1);
    this.#samples = [];
    this.#known = new Map();
    for (const stack of kept) this.#samples.push(this.#intern(stack));
  }
}
