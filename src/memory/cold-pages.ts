/**
 * Finds the pages that a guest has not touched for a while, and sends them to swap: the clock algorithm. A hand goes round
 * memory and parks pages, those alone of which there is no translation, so that the guest's walks of its page tables stay
 * what they are; who touches a parked page takes it back. Those that nobody took back go, the oldest first.
 */
import { PAGE_SIZE } from '../base/address.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { SwapSpace } from './page-source.ts';

/** Pages that the hand passes in one call: bounded work, also where few can go. */
const MOST_PASSED = 16_384;
/** Pages that wait parked: a part of what the guest holds, but no more than these. */
const WAITING = { PART: 1 / 8, MOST: 4096 } as const;

export class ColdPages {
  readonly #memory: GuestMemory;
  #hand = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /**
   * Between two instructions: sends at most `count` pages to `swap`. `translated`: host addresses of the frames of which
   * there are translations.
   * @returns pages that went: fewer where swap is full, or all others are in use
   */
  evict(count: number, swap: SwapSpace, translated: ReadonlySet<number>): number {
    this.#park(count, translated);
    let gone = 0;
    for (const { page, bytes } of this.#memory.parkedPages()) {
      if (gone === count) break;
      const slot = swap.write(bytes);
      if (slot === undefined) break;
      this.#memory.evict(page, swap, slot);
      gone++;
    }
    return gone;
  }

  #park(count: number, translated: ReadonlySet<number>): void {
    const memory = this.#memory;
    const pages = memory.size / PAGE_SIZE;
    const wanted = count + Math.min(Math.floor(memory.framesInUse * WAITING.PART), WAITING.MOST);
    for (let passed = 0; passed < Math.min(pages, MOST_PASSED) && memory.pagesParked < wanted; passed++) {
      memory.park(this.#hand, translated);
      this.#hand = (this.#hand + 1) % pages;
    }
  }
}
