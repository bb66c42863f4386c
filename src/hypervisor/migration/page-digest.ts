/**
 * A digest over pages that is kept up to date as they change: a sum over all of them, so that the order in which they came
 * is no matter. It finds what was damaged or mixed up on the way; it is no protection from who makes pages to fit.
 */
import { PAGE_SIZE } from '../../base/address.ts';

const WORDS = PAGE_SIZE / 4;

/** 64 bits over a page's content, in two halves; both 0 for a page of zeros, and for no other. */
export interface PageHash {
  high: number;
  low: number;
}

const ZERO: Readonly<PageHash> = { high: 0, low: 0 };

/** The hash of a page, in `hash`. */
export function hashPage(bytes: Uint8Array, hash: PageHash): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, WORDS);
  let [high, low, any] = [0x9e37_79b9, 0x243f_6a88, 0];
  for (let index = 0; index < WORDS; index++) {
    const word = words[index];
    any |= word;
    low = Math.imul(low ^ word, 0x85eb_ca6b);
    low ^= low >>> 15;
    high = Math.imul(high + word, 0xc2b2_ae35) ^ low;
  }
  hash.high = any === 0 ? 0 : high >>> 0;
  hash.low = any === 0 ? 0 : (mixed(low) | 1) >>> 0;
}

export class PageDigest {
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  #sumHigh = 0;
  #sumLow = 0;

  /** Of pages that are all zero. */
  constructor(pages: number) {
    this.#high = new Uint32Array(pages);
    this.#low = new Uint32Array(pages);
  }

  /** What is in a page now. */
  set(page: number, { high, low }: Readonly<PageHash> = ZERO): void {
    this.#add(page, -1);
    this.#high[page] = high;
    this.#low[page] = low;
    this.#add(page, 1);
  }

  /** The hash that a page was given. */
  has(page: number, { high, low }: Readonly<PageHash>): boolean {
    return this.#high[page] === high && this.#low[page] === low;
  }

  isZero(page: number): boolean {
    return this.#low[page] === 0;
  }

  /** A page gets what another one has. */
  copy(page: number, from: number): void {
    this.set(page, { high: this.#high[from], low: this.#low[from] });
  }

  /** 16 hexadecimal digits. */
  get value(): string {
    return [this.#sumHigh, this.#sumLow].map((half) => half.toString(16).padStart(8, '0')).join('');
  }

  /** Which page it is counts: contents that are exchanged are not the same. */
  #add(page: number, sign: 1 | -1): void {
    const [high, low] = [this.#high[page], this.#low[page]];
    if (low === 0) return;
    this.#sumHigh = (this.#sumHigh + sign * mixed(high ^ Math.imul(page + 1, 0x9e37_79b1))) >>> 0;
    this.#sumLow = (this.#sumLow + sign * mixed(low + Math.imul(page + 1, 0x85eb_ca77))) >>> 0;
  }
}

/** Pages that come in an order, each once or several times: what came before counts. */
export class PageTranscript {
  #high = 0;
  #low = 0;

  add(page: number, { high, low }: Readonly<PageHash>): void {
    this.#high = mixed(this.#high ^ high ^ mixed(page));
    this.#low = mixed((this.#low ^ low) + this.#high);
  }

  /** 16 hexadecimal digits. */
  get value(): string {
    return [this.#high, this.#low].map((half) => half.toString(16).padStart(8, '0')).join('');
  }
}

/** All bits depend on all. */
function mixed(value: number): number {
  const half = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  const other = Math.imul(half ^ (half >>> 13), 0xc2b2_ae35);
  return (other ^ (other >>> 16)) >>> 0;
}
