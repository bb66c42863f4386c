/**
 * What was filled into the TLB, so that a flush need look at nothing else: slots that held global entries are listed
 * apart, because MOV CR3 leaves those alone. It lies in linear memory (`FILL_LOG`), and emitted code that fills entries
 * writes it, too. A slot is at most once in a list, also where its entry was and is no more, so lists never overflow.
 *
 * Larger pages are noted here alone: emitted code fills parts of those that are noted, and leaves others to the MMU.
 */
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { Pool } from '../memory/pool.ts';
import { FILL_LOG, SLOT, TLB } from './tlb-layout.ts';

const LISTS = {
  other: { count: FILL_LOG.COUNT, slots: FILL_LOG.SLOTS, listed: SLOT.LISTED },
  global: { count: FILL_LOG.GLOBAL_COUNT, slots: FILL_LOG.GLOBAL_SLOTS, listed: SLOT.LISTED_GLOBAL },
} as const;

export class FillLog {
  readonly #pool: Pool;
  /** Host address. */
  readonly address: number;
  /** Pages larger than 4 KiB of which the TLB may hold parts, as linear address + log2 of the size; and those sizes. */
  readonly #largePages = new Set<number>();
  readonly #largeSizes = new Set<number>();

  constructor(pool: Pool, memory: GuestMemory) {
    this.#pool = pool;
    this.address = pool.allocate(FILL_LOG.SIZE, 64);
    const { address, pages } = memory.pageMap;
    this.#setWord(FILL_LOG.PAGE_MAP, address);
    this.#setWord(FILL_LOG.PAGES, pages);
  }

  /** Gives its memory back. */
  dispose(): void {
    this.#pool.release(this.address, FILL_LOG.SIZE);
  }

  /** A slot was filled. */
  note(slot: number, { global }: { readonly global: boolean }): void {
    const { u8, u16 } = this.#pool.views;
    const list = global ? LISTS.global : LISTS.other;
    const at = this.address + FILL_LOG.FLAGS + slot;
    if ((u8[at] & list.listed) === 0) {
      const count = this.#word(list.count);
      u16[((this.address + list.slots) >>> 1) + count] = slot;
      this.#setWord(list.count, count + 1);
    }
    u8[at] = (u8[at] & ~SLOT.GLOBAL) | list.listed | (global ? SLOT.GLOBAL : 0);
  }

  /** Empties the lists, or that of entries that are not global. `drop` hears of each slot whose entry is to go. */
  flush(scope: 'nonGlobal' | 'all', drop: (slot: number) => void): void {
    this.#empty('other', (slot, flags) => {
      if (scope === 'all' || (flags & SLOT.GLOBAL) === 0) drop(slot);
    });
    if (scope === 'nonGlobal') return;
    this.#empty('global', drop);
    this.#largePages.clear();
    this.#pool.views.u8.fill(0, this.address + FILL_LOG.LARGE, this.address + FILL_LOG.FLAGS);
  }

  #empty(which: keyof typeof LISTS, look: (slot: number, flags: number) => void): void {
    const { u8, u16 } = this.#pool.views;
    const list = LISTS[which];
    const first = (this.address + list.slots) >>> 1;
    const end = first + this.#word(list.count);
    for (let index = first; index < end; index++) {
      const slot = u16[index];
      const at = this.address + FILL_LOG.FLAGS + slot;
      const flags = u8[at];
      u8[at] = flags & ~list.listed;
      look(slot, flags);
    }
    this.#setWord(list.count, 0);
  }

  /** Whether the entry of a slot is global, if there is one. */
  isGlobal(slot: number): boolean {
    return (this.#pool.views.u8[this.address + FILL_LOG.FLAGS + slot] & SLOT.GLOBAL) !== 0;
  }

  /** Entries of both lists; a slot may be in both. */
  get length(): number {
    return this.#word(LISTS.other.count) + this.#word(LISTS.global.count);
  }

  /** Every slot that holds an entry, at least once. */
  visit(look: (slot: number) => void): void {
    const { u16 } = this.#pool.views;
    for (const list of [LISTS.other, LISTS.global]) {
      const first = (this.address + list.slots) >>> 1;
      const end = first + this.#word(list.count);
      for (let index = first; index < end; index++) look(u16[index]);
    }
  }

  get largePages(): number {
    return this.#largePages.size;
  }

  /** The TLB may hold parts of the page of 2^`sizeBits` bytes at a linear address. */
  noteLarge(address: number, sizeBits: number): void {
    const first = address - (address % 2 ** sizeBits);
    this.#largeSizes.add(sizeBits);
    this.#largePages.add(first + sizeBits);
    this.#mark(first, sizeBits, 1);
  }

  /** Forgets the larger pages around an address. `drop` hears of them. */
  takeLarge(address: number, drop: (first: number, bytes: number) => void): void {
    for (const sizeBits of this.#largeSizes) {
      const first = address - (address % 2 ** sizeBits);
      if (!this.#largePages.delete(first + sizeBits)) continue;
      this.#mark(first, sizeBits, 0);
      drop(first, 2 ** sizeBits);
    }
  }

  #mark(first: number, sizeBits: number, value: 0 | 1): void {
    if (first >= 2 ** 32) return;
    const at = this.address + FILL_LOG.LARGE + (first >>> FILL_LOG.LARGE_SHIFT);
    this.#pool.views.u8.fill(value, at, at + 2 ** (sizeBits - FILL_LOG.LARGE_SHIFT));
  }

  #word(offset: number): number {
    return this.#pool.views.u32[(this.address + offset) >>> 2];
  }
  #setWord(offset: number, value: number): void {
    this.#pool.views.u32[(this.address + offset) >>> 2] = value;
  }
}

/** Tables in the order of `TLB.TABLES`. */
export const slotOf = (table: number, page: number): number => table * TLB.ENTRIES + (page & (TLB.ENTRIES - 1));
