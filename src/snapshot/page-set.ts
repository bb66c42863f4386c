/** Pages by content: each is kept once, in the order in which they came. */
import { PAGE_SIZE } from '../base/address.ts';

const WORDS = PAGE_SIZE / 4;
/** Pages of one hash that are looked at: who makes a hash come out as he likes shall not make all be compared with all. */
const MOST_COMPARED = 16;

export class PageSet {
  readonly #pages: Uint8Array[] = [];
  /** By hash: the first page that has it; further ones follow in `#next`. */
  readonly #first = new Map<number, number>();
  readonly #next: number[] = [];

  get size(): number {
    return this.#pages.length;
  }

  /** Copies it, unless an equal one is found. @returns its number; undefined for a page of zeros */
  add(bytes: Uint8Array): number | undefined {
    const words = wordsOf(aligned(bytes));
    if (isZero(words)) return undefined;
    const hash = hashOf(words);
    const first = this.#first.get(hash) ?? -1;
    for (let number = first, compared = 0; number >= 0 && compared < MOST_COMPARED; compared++) {
      if (equal(words, wordsOf(this.#pages[number]))) return number;
      number = this.#next[number];
    }
    this.#first.set(hash, this.size);
    this.#next.push(first);
    return this.#pages.push(new Uint8Array(bytes)) - 1;
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

/** Of 4096 bytes. */
export const isZeroPage = (bytes: Uint8Array): boolean => isZero(wordsOf(aligned(bytes)));

/** Not `slice`, here and above: that of a Buffer still is the same memory. */
const aligned = (bytes: Uint8Array): Uint8Array => (bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes));
const wordsOf = ({ buffer, byteOffset }: Uint8Array): Uint32Array => new Uint32Array(buffer, byteOffset, WORDS);

/** Quick, and good enough to find what is to be compared. */
function hashOf(words: Uint32Array): number {
  let hash = 0;
  for (let index = 0; index < WORDS; index++) hash = mixed(hash ^ mixed(words[index] + index));
  return hash;
}

function equal(one: Uint32Array, other: Uint32Array): boolean {
  for (let index = 0; index < WORDS; index++) if (one[index] !== other[index]) return false;
  return true;
}

/** All bits depend on all: equal differences of two words do not cancel each other out. */
function mixed(value: number): number {
  const half = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  return Math.imul(half ^ (half >>> 13), 0xc2b2_ae35);
}

function isZero(words: Uint32Array): boolean {
  for (let index = 0; index < WORDS; index++) if (words[index] !== 0) return false;
  return true;
}
