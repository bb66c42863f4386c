/** Pages by content: each is kept once, in the order in which they came. */
import { PAGE_SIZE } from '../base/address.ts';

const WORDS = PAGE_SIZE / 4;

export class PageSet {
  readonly #pages: Uint8Array[] = [];
  /** By hash: the first page that has it; further ones follow in `#next`. */
  readonly #first = new Map<number, number>();
  readonly #next: number[] = [];

  get size(): number {
    return this.#pages.length;
  }

  /** Copies it, unless an equal one is there. @returns its number; undefined for a page of zeros */
  add(bytes: Uint8Array): number | undefined {
    const page = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const words = wordsOf(page);
    const hash = hashOf(words);
    if (hash === 0 && words.every((word) => word === 0)) return undefined;
    const first = this.#first.get(hash) ?? -1;
    for (let number = first; number >= 0; number = this.#next[number])
      if (equal(words, wordsOf(this.#pages[number]))) return number;
    this.#first.set(hash, this.size);
    this.#next.push(first);
    return this.#pages.push(bytes.slice()) - 1;
  }

  page(number: number): Uint8Array {
    return this.#pages[number];
  }

  /** Consecutive pages, as one array. */
  pages(first: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * PAGE_SIZE);
    for (let index = 0; index < count; index++) bytes.set(this.#pages[first + index], index * PAGE_SIZE);
    return bytes;
  }
}

const wordsOf = ({ buffer, byteOffset }: Uint8Array): Uint32Array => new Uint32Array(buffer, byteOffset, WORDS);

/** 0 for a page of zeros. Quick, and good enough to find what is to be compared. */
function hashOf(words: Uint32Array): number {
  let hash = 0;
  for (let index = 0; index < WORDS; index++) hash = Math.imul((hash << 5) | (hash >>> 27), 0x9e37_79b1) ^ words[index];
  return hash;
}

function equal(one: Uint32Array, other: Uint32Array): boolean {
  for (let index = 0; index < WORDS; index++) if (one[index] !== other[index]) return false;
  return true;
}
