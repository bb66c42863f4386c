/**
 * Finds the pages that a guest has not touched for a while, and sends them to swap: the clock algorithm. A hand goes round
 * memory and parks pages, of which there is no translation at first; who touches a parked page takes it back. Those that
 * nobody took back go, the oldest first.
 */
import { PAGE_SIZE } from '../base/address.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { SwapSpace } from './page-source.ts';

/** Pages that the hand passes in one call: bounded work, also where few can go. */
const MOST_PASSED = 16_384;
/** Pages that wait parked: a part of what the guest holds, but no more than these. */
const WAITING = { PART: 1 / 8, MOST: 4096 } as const;
const NONE: ReadonlySet<number> = new Set();

/** Who keeps translations: the MMU. Frames by their host addresses. */
export interface Translations {
  translatedFrames(): ReadonlySet<number>;
  /** These frames go, with the pages that they are of. The guest must not find that it has been forgotten where those are. */
  withholdFrames(frames: ReadonlyMap<number, number>): void;
}

export class ColdPages {
  readonly #memory: GuestMemory;
  readonly #translations: Translations;
  #hand = 0;

  constructor(memory: GuestMemory, translations: Translations) {
    this.#memory = memory;
    this.#translations = translations;
  }

  /**
   * Between two instructions: sends at most `count` pages to `swap`.
   * @returns pages that went: fewer where swap is full, or no others can go
   */
  evict(count: number, swap: SwapSpace): number {
    const memory = this.#memory;
    const waiting = Math.min(Math.floor(memory.framesInUse * WAITING.PART), WAITING.MOST);
    this.#park(count + waiting, this.#translations.translatedFrames());
    // Where the TLB knows all that it has, what has been there for the longest time goes.
    if (memory.pagesParked < count) this.#translations.withholdFrames(this.#park(count, NONE));
    let gone = 0;
    for (const { page, bytes } of memory.parkedPages()) {
      if (gone === count) break;
      const slot = swap.write(bytes);
      if (slot === undefined) break;
      memory.evict(page, swap, slot);
      gone++;
    }
    return gone;
  }

  /** Until so many wait. @returns pages by the frames that they have */
  #park(wanted: number, spared: ReadonlySet<number>): ReadonlyMap<number, number> {
    const memory = this.#memory;
    const pages = memory.size / PAGE_SIZE;
    const parked = new Map<number, number>();
    for (let passed = 0; passed < Math.min(pages, MOST_PASSED) && memory.pagesParked < wanted; passed++) {
      const frame = memory.park(this.#hand, spared);
      if (frame !== 0) parked.set(frame, this.#hand);
      this.#hand = (this.#hand + 1) % pages;
    }
    return parked;
  }
}
