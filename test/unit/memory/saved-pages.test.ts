/** Which pages a snapshot need not look at. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/address.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { PAGE_MAP } from '../../../src/memory/page-map.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { createRandom } from '../../support/random-transfers.ts';

const PAGES = 64;
const SIZE = PAGES * PAGE_SIZE;
const ROUTES = [
  { reads: 'ram', writes: 'ram' },
  { reads: 'bus', writes: 'ram' },
  { reads: 'ram', writes: 'bus' },
  { reads: 'bus', writes: 'bus' },
] as const;

const contentsOf = (memory: GuestMemory): Map<number, string> =>
  new Map(
    [...memory.contents()].map(({ page, bytes }) => [page, Buffer.from(bytes.slice(0, 64)).toString('hex')] as const),
  );

describe('pages that are as the last snapshot has them', () => {
  it.each([1, 2, 3])('are those that nothing has changed (%i)', (seed) => {
    const random = createRandom(seed);
    const pool = Pool.create();
    const memory = new GuestMemory(pool, { size: SIZE });
    const copies: GuestMemory[] = [];
    for (let round = 0; round < 60; round++) {
      if (random.below(2) === 0) {
        const copy = new GuestMemory(pool, { size: SIZE });
        copy.copyRam(memory);
        copies.push(copy);
      }
      if (copies.length > 2) copies.shift()!.dispose();
      expect(memory.markSaved()).toBe(round + 1);
      expect(memory.unsavedPages()).toEqual([]);
      const before = contentsOf(memory);
      for (let change = random.below(20); change > 0; change--) {
        const page = random.below(PAGES);
        const at = page * PAGE_SIZE + random.below(60);
        switch (random.below(7)) {
          case 0:
            memory.write(at, random.below(256), 1);
            break;
          case 1:
            memory.copyIn(at, Uint8Array.of(random.below(256), random.below(256)));
            break;
          case 2: {
            // As emulated code has it: a page that is guarded is not its to write.
            const entry = pool.views.u32[(memory.pageMap.address >>> 2) + page];
            const frame =
              (entry & PAGE_MAP.GUARDED) === 0 ? (entry & PAGE_MAP.FRAME) >>> 0 : memory.frameForWrite(page);
            if (frame !== 0) pool.views.u8[frame + random.below(60)] = random.below(256);
            break;
          }
          case 3:
            memory.discard([{ first: page, pages: 1 }]);
            break;
          case 4:
            memory.routeRam(page * PAGE_SIZE, PAGE_SIZE, ROUTES[random.below(4)]);
            break;
          case 5:
            if (copies.length > 0 && random.below(4) === 0) memory.revertRam(copies[random.below(copies.length)]);
            break;
          default:
            memory.frameForRead(page);
        }
      }
      const unsaved = new Set(memory.unsavedPages());
      const after = contentsOf(memory);
      const changed = Array.from({ length: PAGES }, (_, page) => page).filter(
        (page) => before.get(page) !== after.get(page),
      );
      expect(changed.filter((page) => !unsaved.has(page))).toEqual([]);
      expect([...memory.ramContents(unsaved)].map(({ page }) => page)).toEqual(
        [...unsaved].filter((page) => after.has(page)),
      );
    }
    for (const copy of copies) copy.dispose();
  });

  it('stay so when they are read, copied from, or watched', () => {
    const pool = Pool.create();
    const memory = new GuestMemory(pool, { size: SIZE });
    memory.write(0x3000, 1, 1);
    memory.markSaved();
    memory.read(0x3000, 4);
    memory.read(0x5000, 4);
    memory.watchWrites(3);
    memory.unwatchWrites(3);
    memory.clearDirty();
    const copy = new GuestMemory(pool, { size: SIZE });
    copy.copyRam(memory);
    expect(memory.unsavedPages()).toEqual([]);
    expect(copy.unsavedPages()).toHaveLength(PAGES);
    memory.write(0x5000, 1, 1);
    expect(memory.unsavedPages()).toEqual([5]);
  });
});
