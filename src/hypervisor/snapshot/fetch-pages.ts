/** Brings in what a restored guest has left in its snapshot, while the world and all guests have their turns. */
import { LostPageError } from '../../memory/elsewhere.ts';
import { PoolFullError } from '../../memory/pool-full-error.ts';
import type { PcGuest } from '../create-guest.ts';
import type { SnapshotPages } from './snapshot-pages.ts';

/** A block of a snapshot: about a millisecond. */
const PAGES_A_TURN = 16;

export interface FetchOptions {
  /** Lets guests and world have their turn. */
  rest(): Promise<void>;
  /** Whether it may hold as much more, in pages. */
  mayHold(pages: number): boolean;
}

/** Until all is there, or the guest has ended, or there is no room: then the rest comes as it is touched. */
export async function fetchPages(guest: PcGuest, pages: SnapshotPages, { rest, mayHold }: FetchOptions): Promise<void> {
  try {
    for (let next: number | undefined = 0; next !== undefined; ) {
      await rest();
      if (guest.state === 'stopped' || guest.state === 'disposed' || !mayHold(PAGES_A_TURN)) return;
      next = guest.machine.memory.fetchAhead(pages, next, PAGES_A_TURN);
    }
  } catch (error) {
    if (error instanceof LostPageError)
      guest.warn(`${guest.name} will end when it needs what is lost: ${error.message}`);
    // Where there is no room for it, there is none for what it touches either, which then is heard of.
    else if (!(error instanceof PoolFullError)) guest.fail(error);
  }
}
