/** A seeded generator of pseudo-random numbers (sfc32, by Chris Doty-Humphrey), so that a seed always makes the same vectors. */
export class Random {
  #a = 0x9e37_79b9;
  #b = 0x243f_6a88;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#c = seed | 0;
    for (let step = 0; step < 12; step++) this.#next();
  }

  /** 32 random bits, signed. */
  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }

  /** `width` random bits, 1..128. */
  bits(width: number): bigint {
    let value = 0n;
    for (let have = 0; have < width; have += 32) value = (value << 32n) | BigInt(this.#next() >>> 0);
    return BigInt.asUintN(width, value);
  }

  /** An integer from 0 to `count` − 1. */
  below(count: number): number {
    return (this.#next() >>> 0) % count;
  }

  /** True once in `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)];
  }

  fill(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.#next();
  }
}
