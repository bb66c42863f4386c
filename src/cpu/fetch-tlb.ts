/**
 * The TLB of instruction fetches (`tlb-layout.ts`), and who must hear when a translation that code ran by is dropped:
 * blocks are found again by linear address, so that whoever remembers them there has to forget.
 *
 * Direct-mapped, user and supervisor apart. Code is found only while the translations of its pages are held, by all
 * engines alike and however a run is sliced: a guest sees in accessed bits when translations are made. So an INVLPG of a
 * page that is not held, and a CR3 write while all of the kernel's code is global, change nothing for code.
 */
import type { Pool } from '../memory/pool.ts';
import { FETCH_TLB } from './tlb-layout.ts';

/** Which translations go: a range of linear pages, or those of a scope. */
type Dropped = 'nonGlobal' | 'all' | { readonly first: number; readonly pages: number };

/** Whose translations. */
export type CodeHalf = 'user' | 'supervisor';
const HALVES = ['user', 'supervisor'] as const;

const HALF_BYTES = FETCH_TLB.ENTRIES << FETCH_TLB.ENTRY_SHIFT;
/** What is held of a half. */
interface Fetched {
  /** Entries that hold something, each once. */
  slots: number[];
  anyNotGlobal: boolean;
}

export class FetchTlb {
  readonly #pool: Pool;
  readonly #address: number;
  readonly #fetched: Record<CodeHalf, Fetched> = {
    user: { slots: [], anyNotGlobal: false },
    supervisor: { slots: [], anyNotGlobal: false },
  };
  /** Called when translations by which code was found may be wrong from now on. */
  readonly #onCodeMoved: (half: CodeHalf) => void;

  constructor(pool: Pool, onCodeMoved: (half: CodeHalf) => void) {
    this.#pool = pool;
    this.#onCodeMoved = onCodeMoved;
    this.#address = pool.allocate(2 * HALF_BYTES, 64);
    const { u32 } = pool.views;
    const words = 1 << (FETCH_TLB.ENTRY_SHIFT - 2);
    for (let at = this.#address >>> 2; at < (this.#address + 2 * HALF_BYTES) >>> 2; at += words) empty(u32, at);
  }

  dispose(): void {
    this.#pool.release(this.#address, 2 * HALF_BYTES);
  }

  /** Host address of a half's entries. */
  table(half: CodeHalf): number {
    return this.#address + (half === 'user' ? 0 : HALF_BYTES);
  }

  /** Physical page of a linear page, −1 if it is not held. */
  find(page: number, half: CodeHalf): number {
    const { u32 } = this.#pool.views;
    const at = this.#entry(page, half);
    if (u32[at] !== page >>> 0 || u32[at + FETCH_TLB.PAGE_HIGH / 4] !== Math.floor(page / 2 ** 32)) return -1;
    return u32[at + FETCH_TLB.PHYSICAL / 4];
  }

  fill(page: number, half: CodeHalf, { physical, global }: { physical: number; global: boolean }): void {
    const { u32 } = this.#pool.views;
    const at = this.#entry(page, half);
    const fetched = this.#fetched[half];
    if (isEmpty(u32, at)) fetched.slots.push(at);
    else this.#onCodeMoved(half);
    if (!global) fetched.anyNotGlobal = true;
    u32[at] = page;
    u32[at + FETCH_TLB.PAGE_HIGH / 4] = page / 2 ** 32;
    u32[at + FETCH_TLB.PHYSICAL / 4] = physical;
    u32[at + FETCH_TLB.GLOBAL / 4] = global ? 1 : 0;
  }

  flush(scope: 'nonGlobal' | 'all'): void {
    for (const half of HALVES) {
      const { slots, anyNotGlobal } = this.#fetched[half];
      if (scope === 'all' ? slots.length > 0 : anyNotGlobal) this.#drop(half, scope);
    }
  }

  /** INVLPG of any address in `pages` pages from `first` on. */
  flushPages(first: number, pages: number): void {
    for (const half of HALVES) {
      const { slots } = this.#fetched[half];
      if (pages > 1) {
        if (slots.length > 0) this.#drop(half, { first, pages });
      } else if (this.find(first, half) >= 0) {
        const at = this.#entry(first, half);
        empty(this.#pool.views.u32, at);
        slots.splice(slots.indexOf(at), 1);
        this.#onCodeMoved(half);
      }
    }
  }

  #drop(half: CodeHalf, what: Dropped): void {
    const fetched = this.#fetched[half];
    fetched.anyNotGlobal = false;
    const { u32 } = this.#pool.views;
    const kept: number[] = [];
    for (const at of fetched.slots) {
      if (!concerns(u32, at, what)) {
        if (u32[at + FETCH_TLB.GLOBAL / 4] === 0) fetched.anyNotGlobal = true;
        kept.push(at);
      } else empty(u32, at);
    }
    fetched.slots = kept;
    this.#onCodeMoved(half);
  }

  #entry(page: number, half: CodeHalf): number {
    return (this.table(half) >>> 2) + ((page & (FETCH_TLB.ENTRIES - 1)) << (FETCH_TLB.ENTRY_SHIFT - 2));
  }
}

const isEmpty = (u32: Uint32Array, at: number): boolean => u32[at + FETCH_TLB.PAGE_HIGH / 4] === FETCH_TLB.INVALID;

function empty(u32: Uint32Array, at: number): void {
  u32[at] = FETCH_TLB.INVALID;
  u32[at + FETCH_TLB.PAGE_HIGH / 4] = FETCH_TLB.INVALID;
}

/** Whether the entry at `at` goes. */
function concerns(u32: Uint32Array, at: number, what: Dropped): boolean {
  if (what === 'all') return true;
  if (what === 'nonGlobal') return u32[at + FETCH_TLB.GLOBAL / 4] === 0;
  const page = u32[at] + u32[at + FETCH_TLB.PAGE_HIGH / 4] * 2 ** 32;
  return page >= what.first && page < what.first + what.pages;
}
