/** Pages by content: each is kept once, in the order in which they came. */
import { PAGE_SIZE } from '../base/address.ts';

const WORDS = PAGE_SIZE / 4;
/** Pages that are allocated at once. */
const PAGES_A_CHUNK = 256;

export class PageSet {
  readonly #chunks: Uint8Array[] = [];
  /** By hash: the first page that has it; further ones follow in `#next`. */
  readonly #first = new Map<number, number>();
  readonly #next: number[] = [];

  get size(): number {
    return this.#next.length;
  }

  /** Copies it, unless it is there. @returns its number; undefined for a page of zeros */
  add(bytes: Uint8Array): number | undefined {
    const copy = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const words = new Uint32Array(copy.buffer, copy.byteOffset, WORDS);
    const hash = hashOf(words);
    if (hash === 0 && words.every((word) => word === 0)) return undefined;
    const first = this.#first.get(hash);
    for (let page = first; page !== undefined && page >= 0; page = this.#next[page])
      if (equal(words, this.#words(page))) return page;
    const page = this.size;
    if (page % PAGES_A_CHUNK === 0) this.#chunks.push(new Uint8Array(PAGES_A_CHUNK * PAGE_SIZE));
    this.page(page).set(bytes);
    this.#next.push(first ?? -1);
    this.#first.set(hash, page);
    return page;
  }

  page(number: number): Uint8Array {
    const at = (number % PAGES_A_CHUNK) * PAGE_SIZE;
    return this.#chunks[Math.floor(number / PAGES_A_CHUNK)].subarray(at, at + PAGE_SIZE);
  }

  /** Consecutive pages, as one array; they lie in one chunk if their count divides that of a chunk and they begin at a multiple of it. */
  pages(first: number, count: number): Uint8Array {
    const at = (first % PAGES_A_CHUNK) * PAGE_SIZE;
    return this.#chunks[Math.floor(first / PAGES_A_CHUNK)].subarray(at, at + count * PAGE_SIZE);
  }

  #words(page: number): Uint32Array {
    const { buffer, byteOffset } = this.page(page);
    return new Uint32Array(buffer, byteOffset, WORDS);
  }
}

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
