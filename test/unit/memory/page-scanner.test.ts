/** Equal pages share a frame, and nobody can tell: against memories of which each has a pool of its own. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/address.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { PAGE_MAP } from '../../../src/memory/page-map.ts';
import { PageScanner, UNITS_PER_FRAME } from '../../../src/memory/page-scanner.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { randomCounts } from '../../support/save-restore.ts';

const PAGES = 64;
const SIZE = PAGES * PAGE_SIZE;

/** `count` memories in one pool, with a scanner over all of them. */
function createPool(count: number) {
  const pool = Pool.create();
  const scanner = new PageScanner(pool);
  const memories = Array.from({ length: count }, () => new GuestMemory(pool, { size: SIZE }));
  for (const memory of memories) scanner.add(memory);
  /** Rounds through all of it, whole ones. */
  const rounds = (wanted: number) => {
    for (const end = scanner.figures.rounds + wanted; scanner.figures.rounds < end; ) scanner.scan(1);
  };
  return { pool, scanner, memories, rounds };
}

const pageOf = (seed: number): Uint8Array =>
  Uint8Array.from({ length: PAGE_SIZE }, (_, index) => (index * seed + (index >> 8) + seed) & 0xff);
const put = (memory: GuestMemory, page: number, seed: number) => memory.copyIn(page * PAGE_SIZE, pageOf(seed));

describe('equal pages', () => {
  it('share one frame once they have stayed as they are for two rounds, whoever holds them', () => {
    const { pool, scanner, memories, rounds } = createPool(3);
    for (const memory of memories) for (const page of [1, 2, 30]) put(memory, page, page === 30 ? 5 : 3);
    expect(pool.frames.inUse).toBe(9);
    rounds(1);
    expect(pool.frames.inUse).toBe(9);
    rounds(1);
    expect(pool.frames.inUse).toBe(2);
    expect(scanner.figures).toMatchObject({ merged: 7, saved: 7, zeros: 0, parted: 0 });
    // Each still holds what it holds.
    expect(memories.map(({ framesInUse, framesShared }) => [framesInUse, framesShared])).toEqual([
      [3, 3],
      [3, 3],
      [3, 3],
    ]);
  });

  it('are parted by the first write, which the others do not see', () => {
    const { pool, scanner, memories, rounds } = createPool(3);
    for (const memory of memories) put(memory, 7, 9);
    rounds(3);
    expect(pool.frames.inUse).toBe(1);
    memories[1].write(7 * PAGE_SIZE + 100, 0x1234_5678, 4);
    expect(pool.frames.inUse).toBe(2);
    const expected = pageOf(9);
    for (const index of [0, 2]) expect(memories[index].copyOut(7 * PAGE_SIZE, PAGE_SIZE)).toEqual(expected);
    new DataView(expected.buffer).setUint32(100, 0x1234_5678, true);
    expect(memories[1].copyOut(7 * PAGE_SIZE, PAGE_SIZE)).toEqual(expected);
    rounds(1);
    expect(scanner.figures).toMatchObject({ parted: 1, saved: 1 });
  });

  it('of zeros have no frame, and are not among the pages in use', () => {
    const { pool, scanner, memories, rounds } = createPool(2);
    for (const memory of memories) for (let page = 0; page < 10; page++) memory.frameForWrite(page);
    memories[0].write(3 * PAGE_SIZE + 4092, 1, 4);
    rounds(1);
    expect([pool.frames.inUse, scanner.figures.zeros]).toEqual([1, 19]);
    expect(memories.map(({ framesInUse }) => framesInUse)).toEqual([1, 0]);
    expect(memories[0].read(3 * PAGE_SIZE + 4092, 4)).toBe(1);
  });

  it('that differ in the last byte stay apart', () => {
    const { pool, memories, rounds } = createPool(2);
    for (const memory of memories) put(memory, 0, 1);
    memories[1].write(PAGE_SIZE - 1, 0x77, 1);
    rounds(4);
    expect(pool.frames.inUse).toBe(2);
  });

  it('tell whoever holds translations: none may write the one that stays, none may reach the one that goes', () => {
    const { memories, rounds } = createPool(2);
    const told: string[] = [];
    const frames = memories.map((memory, index) => {
      put(memory, 5, 4);
      memory.onWithdrawn = (frame, what) => told.push(`${index}: ${frame} ${what}`);
      return memory.frameForWrite(5);
    });
    rounds(2);
    expect(told).toEqual([`0: ${frames[0]} writes`, `1: ${frames[1]} all`]);
    expect(memories.map((memory) => memory.frameForRead(5))).toEqual([frames[0], frames[0]]);
    expect(memories[1].mapEntry(5) & PAGE_MAP.GUARDED).toBe(PAGE_MAP.SHARED);
  });

  it('that are copied again count against the limit of the pool: whoever runs hears of it', () => {
    const { pool, memories, rounds } = createPool(2);
    for (const memory of memories) for (let page = 0; page < 8; page++) put(memory, page, page + 1);
    rounds(2);
    pool.frames.limit = pool.frames.inUse + 3;
    let told = 0;
    memories[0].onBeyondLimit = () => told++;
    for (let page = 0; page < 8; page++) memories[0].write(page * PAGE_SIZE, 0, 1);
    expect(told).toBe(5);
  });

  it('keep their code watches and dirty bits', () => {
    const { memories, rounds } = createPool(2);
    const changes: string[] = [];
    for (const [index, memory] of memories.entries()) {
      put(memory, 5, 4);
      memory.clearDirty();
      memory.watchWrites(5);
      memory.onWatchedWrite = (page, offset, length) => changes.push(`${index}: ${page} ${offset} ${length}`);
    }
    rounds(2);
    expect(memories.map((memory) => [...memory.dirtyPages()])).toEqual([[], []]);
    expect(memories[1].frameForWrite(5)).toBe(0);
    memories[1].write(5 * PAGE_SIZE + 8, 0xabcd, 2);
    expect(changes).toEqual(['1: 5 8 2']);
    expect(memories.map((memory) => [...memory.dirtyPages()])).toEqual([[], [5]]);
  });
});

describe('what a scanner does', () => {
  it('is bounded by the units that it is given, also where all hashes are equal or all pages are', () => {
    const { scanner, memories } = createPool(2);
    for (const memory of memories) for (let page = 0; page < PAGES; page++) put(memory, page, 3);
    for (let turn = 0; turn < 200; turn++) {
      const spent = scanner.scan(50);
      expect(spent).toBeGreaterThanOrEqual(50);
      expect(spent).toBeLessThan(50 + 2 * UNITS_PER_FRAME + 400);
    }
    const empty = new PageScanner(Pool.create());
    expect(empty.scan(1000)).toBe(0);
  });

  it('leaves alone longer and longer what is written again each time it was merged', () => {
    const { scanner, memories, rounds } = createPool(2);
    for (const memory of memories) put(memory, 0, 3);
    const merges: number[] = [];
    for (let round = 0; round < 150; round++) {
      const { merged } = scanner.figures;
      rounds(1);
      if (scanner.figures.merged === merged) continue;
      merges.push(round);
      // Written, and put back: what is in it is the same at the next look.
      memories[1].write(0, 0x99, 1);
      memories[1].copyIn(0, pageOf(3).subarray(0, 1));
    }
    const distances = merges.slice(1).map((round, index) => round - merges[index]);
    expect(distances.length).toBeGreaterThan(2);
    for (const [index, distance] of distances.entries())
      if (index > 0) expect(distance).toBeGreaterThan(1.5 * distances[index - 1]);
  });

  it('goes on when memories come and go in the midst of a round', () => {
    const { pool, scanner, memories, rounds } = createPool(4);
    for (const memory of memories) for (let page = 0; page < 20; page++) put(memory, page, page + 1);
    rounds(1);
    scanner.scan(UNITS_PER_FRAME * 50);
    scanner.remove(memories[1]);
    memories[1].dispose();
    scanner.scan(UNITS_PER_FRAME * 30);
    const late = new GuestMemory(pool, { size: SIZE });
    scanner.add(late);
    for (let page = 0; page < 20; page++) put(late, page, page + 1);
    rounds(4);
    expect(pool.frames.inUse).toBe(20);
    for (const memory of [...memories.filter((_, index) => index !== 1), late]) {
      for (let page = 0; page < 20; page++)
        expect(memory.copyOut(page * PAGE_SIZE, PAGE_SIZE)).toEqual(pageOf(page + 1));
      scanner.remove(memory);
      memory.dispose();
    }
    expect([pool.frames.inUse, pool.frames.saved]).toEqual([0, 0]);
  });
});

it('random writes, copies, discards, routes, checkpoints and scans are as those on memory of one’s own', () => {
  const random = randomCounts(11);
  const { pool, scanner, memories } = createPool(3);
  const plainPools = memories.map(() => Pool.create());
  const plain = plainPools.map((each) => new GuestMemory(each, { size: SIZE }));
  const checkpoints: ({ shared: GuestMemory; own: GuestMemory } | undefined)[] = memories.map(() => undefined);
  const counts = { write: 0, page: 0, discard: 0, route: 0, checkpoint: 0, revert: 0, watch: 0 };
  let scans = 0;
  for (let step = 0; step < 20_000; step++) {
    const index = random(3);
    const both = [memories[index], plain[index]];
    const page = random(PAGES);
    const choice = random(100);
    if (choice < 35) {
      counts.write++;
      const [at, value, size] = [page * PAGE_SIZE + random(PAGE_SIZE - 4), random(4), ([1, 2, 4] as const)[random(3)]];
      for (const memory of both) memory.write(at, value, size);
    } else if (choice < 60) {
      counts.page++;
      const bytes = random(4) === 0 ? new Uint8Array(PAGE_SIZE) : pageOf(1 + random(5));
      for (const memory of both) memory.copyIn(page * PAGE_SIZE, bytes);
    } else if (choice < 63) {
      counts.discard++;
      for (const memory of both) memory.discard([{ first: page, pages: 1 + random(1) }]);
    } else if (choice < 65) {
      counts.route++;
      const way = (): 'ram' | 'bus' => (random(2) === 0 ? 'ram' : 'bus');
      const route = { reads: way(), writes: way() };
      for (const memory of both) memory.routeRam(page * PAGE_SIZE, PAGE_SIZE, route);
    } else if (choice < 66) {
      counts.watch++;
      const watches = random(2) === 0;
      for (const memory of both) watches ? memory.watchWrites(page) : memory.unwatchWrites(page);
    } else if (choice === 66 && checkpoints[index] === undefined) {
      counts.checkpoint++;
      const [shared, own] = both.map((memory) => {
        const copy = new GuestMemory(memory === memories[index] ? pool : plainPools[index], { size: SIZE });
        copy.copyRam(memory);
        return copy;
      });
      checkpoints[index] = { shared, own };
    } else if (choice === 67 && checkpoints[index]) {
      counts.revert++;
      const { shared, own } = checkpoints[index];
      memories[index].revertRam(shared);
      plain[index].revertRam(own);
      if (random(2) === 0) {
        shared.dispose();
        own.dispose();
        checkpoints[index] = undefined;
      }
    } else if (choice >= 85) {
      scans++;
      scanner.scan(random(8000));
    }
    if (step % 500 === 0) compare();
  }
  compare();
  expect(Math.min(...Object.values(counts), scans)).toBeGreaterThan(10);
  expect(scanner.figures.merged).toBeGreaterThan(500);
  expect(scanner.figures.zeros).toBeGreaterThan(500);
  expect(scanner.figures.parted).toBeGreaterThan(100);
  for (const checkpoint of checkpoints) checkpoint?.shared.dispose();
  for (const memory of memories) memory.dispose();
  expect([pool.frames.inUse, pool.frames.saved]).toEqual([0, 0]);

  function compare(): void {
    for (const [index, memory] of memories.entries()) {
      const [is, should] = [memory, plain[index]].map((each) => each.copyOut(0, SIZE));
      expect(Buffer.compare(is, should)).toBe(0);
      expect([...memory.dirtyPages()]).toEqual([...plain[index].dirtyPages()]);
      const hidden = [memory, plain[index]].map((each) => [...each.contents()].map((page) => page.page));
      expect(hidden[0]).toEqual(hidden[1]);
    }
  }
});
