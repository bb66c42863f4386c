/**
 * A store that records what is written to it and where barriers are; and what its file may hold after a loss of power:
 * all that was written before the last barrier, and of what came after any part, in any order, torn at sectors.
 */
import type { ByteStore } from '../../src/storage/block-store.ts';
import { BytesStore } from '../../src/storage/bytes-store.ts';
import { GROWABLE } from './memory-images.ts';
import type { createRandom } from './random-transfers.ts';

type Event =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'barrier' }
  /** Something the test wants to know the place of. */
  | { readonly kind: 'mark'; readonly mark: number };

const SECTOR = 512;

export class CrashLog {
  readonly events: Event[] = [];
  readonly #before: Uint8Array;

  /** @param before what the file holds at the beginning */
  constructor(before: Uint8Array) {
    this.#before = before.slice();
  }

  record(store: ByteStore): ByteStore {
    return {
      get size() {
        return store.size;
      },
      read: (offset, length) => store.read(offset, length),
      write: (offset, bytes) => {
        this.events.push({ kind: 'write', offset, bytes: bytes.slice() });
        return store.write!(offset, bytes);
      },
      flush: () => {
        this.events.push({ kind: 'barrier' });
        return store.flush?.();
      },
      close: () => store.close(),
    };
  }

  mark(mark: number): void {
    this.events.push({ kind: 'mark', mark });
  }

  /** The last mark among the first `count` events. */
  markAt(count: number): number {
    const mark = this.events.slice(0, count).findLast((event) => event.kind === 'mark');
    return mark?.kind === 'mark' ? mark.mark : 0;
  }

  /** The file after a crash behind the first `count` events. Without `random`, all writes up to there have arrived. */
  crash(count: number, random?: ReturnType<typeof createRandom>): BytesStore {
    const store = new BytesStore(this.#before.slice(), GROWABLE);
    const events = this.events.slice(0, count);
    const barrier = random ? events.findLastIndex(({ kind }) => kind === 'barrier') : count;
    const loose: { offset: number; bytes: Uint8Array }[] = [];
    events.forEach((event, index) => {
      if (event.kind !== 'write') return;
      if (index < barrier) store.write(event.offset, event.bytes);
      else loose.push(...sectorsOf(event.offset, event.bytes));
    });
    // Per sector, writes stay in order: a disk has one content for it at a time. Which was the last to arrive is open.
    const fates = new Map<number, number>();
    const percent = random?.pick([0, 20, 50, 80, 100]) ?? 0;
    for (const [index, { offset }] of loose.entries()) {
      if (random!.chance(percent)) fates.set(Math.floor(offset / SECTOR), index);
    }
    for (const [index, { offset, bytes }] of loose.entries()) {
      if (index <= (fates.get(Math.floor(offset / SECTOR)) ?? -1)) store.write(offset, bytes);
    }
    return store;
  }
}

function* sectorsOf(offset: number, bytes: Uint8Array): Generator<{ offset: number; bytes: Uint8Array }> {
  for (let at = 0; at < bytes.length; ) {
    const count = Math.min(SECTOR - ((offset + at) % SECTOR), bytes.length - at);
    yield { offset: offset + at, bytes: bytes.subarray(at, at + count) };
    at += count;
  }
}
