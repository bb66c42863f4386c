/**
 * Which bytes of a page belong to decoded code: a write beside it, in a page with code and data, is told apart at once.
 * It may say so of a byte that belongs to none any more, never the other way round.
 */
import { PAGE_SIZE } from '../../base/address.ts';

export class CodeBytes {
  /** A bit for each byte. */
  readonly #words = new Uint32Array(PAGE_SIZE / 32);

  /** Offsets in [first, end) hold code. */
  add(first: number, end: number): void {
    for (let at = first; at < end; at++) this.#words[at >>> 5] |= 1 << (at & 31);
  }

  /** Whether any offset in [first, end) may hold code. */
  any(first: number, end: number): boolean {
    for (let at = first; at < end; at++) {
      // Whole words at once where none of their bytes does.
      if ((at & 31) === 0 && this.#words[at >>> 5] === 0) at += 31;
      else if (this.#words[at >>> 5] & (1 << (at & 31))) return true;
    }
    return false;
  }

  /** A search has shown that no offset in [first, end) holds code. */
  clear(first: number, end: number): void {
    for (let at = first; at < end; at++) this.#words[at >>> 5] &= ~(1 << (at & 31));
  }
}
