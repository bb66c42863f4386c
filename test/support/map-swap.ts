/** Swap in a map, which keeps account of its holders. */
import type { SwapSpace } from '../../src/memory/page-source.ts';

export class MapSwap implements SwapSpace {
  readonly kind = 'swap';
  readonly #slots = new Map<number, { readonly bytes: Uint8Array; holders: number }>();
  #next = 0;
  /** Slots that it has at most. */
  room = Number.POSITIVE_INFINITY;
  /** Thrown by each read. */
  failure: Error | undefined;
  reads = 0;

  /** Slots that somebody holds. */
  get size(): number {
    return this.#slots.size;
  }

  write(bytes: Uint8Array): number | undefined {
    if (this.size >= this.room) return undefined;
    this.#slots.set(++this.#next, { bytes: Uint8Array.from(bytes), holders: 1 });
    return this.#next;
  }

  read(slot: number): Uint8Array {
    if (this.failure) throw this.failure;
    this.reads++;
    return this.#slot(slot).bytes;
  }

  share(slot: number): void {
    this.#slot(slot).holders++;
  }

  release(slot: number): void {
    if (--this.#slot(slot).holders === 0) this.#slots.delete(slot);
  }

  #slot(number: number) {
    const slot = this.#slots.get(number);
    if (slot === undefined) throw new Error(`slot ${number} is held by nobody`);
    return slot;
  }
}
