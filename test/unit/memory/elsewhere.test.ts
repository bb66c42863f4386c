/** Memory of which pages are elsewhere, beside memory that has all of them: whatever is done to both, they are equal. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { LostPageError } from '../../../src/memory/elsewhere.ts';
import { GuestMemory, type RamRoute } from '../../../src/memory/guest-memory.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { MapSwap } from '../../support/map-swap.ts';
import { randomCounts } from '../../support/save-restore.ts';

const PAGE = 4096;
const PAGES = 64;
const NOTHING: ReadonlySet<number> = new Set();
const ROUTES: readonly RamRoute[] = (['ram', 'bus'] as const).flatMap((reads) =>
  (['ram', 'bus'] as const).map((writes) => ({ reads, writes })),
);

/** What a memory has told whoever listens. */
interface Side {
  memory: GuestMemory;
  told: string[];
}

function create(pool: Pool): Side {
  const told: string[] = [];
  const memory = new GuestMemory(pool, { size: PAGES * PAGE });
  memory.onWatchedWrite = (page, offset, length) => told.push(`watched ${page} ${offset} ${length}`);
  memory.onRouted = () => told.push('routed');
  memory.onDiscarded = () => told.push('discarded');
  return { memory, told };
}

const lines = (memory: GuestMemory): string[] =>
  Array.from(memory.contents(), ({ kind, page, bytes }) => `${kind} ${page} ${digest(bytes)}`);
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');
const filled = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => Math.imul(index + 1, seed | 1) >>> 13);

/** As `frameForRead` or `frameForWrite` gives it: what is in the frame, and for a write one more in its first byte. */
function throughFrame({ memory }: Side, pool: Pool, page: number, way: 'read' | 'write'): string {
  const frame = way === 'read' ? memory.frameForRead(page) : memory.frameForWrite(page);
  if (frame === 0) return 'none';
  const bytes = pool.views.u8.subarray(frame, frame + PAGE);
  if (way === 'write') bytes[0]++;
  return digest(bytes);
}

describe('memory of which pages are elsewhere', () => {
  it.each([1, 2, 3, 4])('is as memory that has them, whatever is done to it (%i)', (seed) => {
    const random = randomCounts(seed);
    const pool = Pool.create();
    const swap = new MapSwap();
    let [plain, paged] = [create(pool), create(pool)];
    const both = <Result>(action: (side: Side) => Result): void => {
      const [one, other] = [action(plain), action(paged)];
      expect(other).toEqual(one);
    };
    let copies: [Side, Side] | undefined;
    let reverted = false;
    const dropCopies = (): void => {
      for (const { memory } of copies ?? []) memory.dispose();
      copies = undefined;
    };
    for (let page = 0; page < PAGES; page += 2) {
      const bytes = filled(PAGE, random(2 ** 32));
      plain.memory.addContent({ kind: 'ram', page, bytes });
      const slot = swap.write(bytes)!;
      paged.memory.addElsewhere(page, swap, slot);
      swap.release(slot);
    }
    const actions: (() => void)[] = [
      () => {
        const [at, size, value] = [random(PAGES * PAGE), ([1, 2, 4] as const)[random(3)], random(2 ** 32)];
        both(({ memory }) => memory.write(at, value, size));
        both(({ memory }) => memory.read(at, size));
      },
      () => {
        const [at, size] = [random(PAGES * PAGE), ([1, 2, 4] as const)[random(3)]];
        both(({ memory }) => memory.read(at, size));
      },
      () => {
        const [at, bytes] = [random((PAGES - 3) * PAGE), filled(random(9_000), random(2 ** 32))];
        both(({ memory }) => memory.copyIn(at, bytes));
      },
      () => {
        const [at, length] = [random((PAGES - 3) * PAGE), random(9_000)];
        both(({ memory }) => digest(memory.copyOut(at, length)));
      },
      () => {
        const [page, way] = [random(PAGES), (['read', 'write'] as const)[random(2)]];
        both((side) => throughFrame(side, pool, page, way));
      },
      () => {
        const range = { first: random(PAGES), pages: 1 + random(4) };
        both(({ memory }) => memory.discard([range]));
      },
      () => {
        const [first, length, route] = [random(PAGES) * PAGE, (1 + random(4)) * PAGE, ROUTES[random(ROUTES.length)]];
        const to = random(4) === 0 ? route : ROUTES[0];
        both(({ memory }) => memory.routeRam(first, length, to));
      },
      () => {
        const [page, on] = [random(PAGES), random(2) === 0];
        both(({ memory }) => (on ? memory.watchWrites(page) : memory.unwatchWrites(page)));
      },
      () => {
        // What was fetched and is fetched again counts as written.
        if (!reverted) both(({ memory }) => [...memory.dirtyPages()]);
        for (const page of plain.memory.dirtyPages()) expect(paged.memory.isDirty(page)).toBe(true);
        const [first, pages] = [random(PAGES), random(PAGES)];
        both(({ memory }) => memory.clearDirty(first, pages));
      },
      () => {
        both(({ memory }) => lines(memory));
        const page = random(PAGES);
        both(({ memory }) => memory.bytesForRead(page)?.join() ?? new Uint8Array(PAGE).join());
      },
      () => {
        dropCopies();
        copies = [create(pool), create(pool)];
        copies[0].memory.copyRam(plain.memory);
        copies[1].memory.copyRam(paged.memory);
      },
      () => {
        if (!copies) return;
        const [one, other] = copies;
        reverted = true;
        plain.memory.revertRam(one.memory);
        paged.memory.revertRam(other.memory);
      },
      () => {
        // A clone goes on in the place of what it is of.
        if (!copies) return;
        plain.memory.dispose();
        paged.memory.dispose();
        [plain, paged] = copies;
        copies = undefined;
      },
      () => {
        paged.memory.fetchAhead(swap, random(PAGES), random(4));
      },
      ...Array.from({ length: 6 }, () => () => {
        for (let count = random(12); count > 0; count--) paged.memory.park(random(PAGES), NOTHING);
        for (const { page, bytes } of paged.memory.parkedPages())
          if (random(2) === 0) paged.memory.evict(page, swap, swap.write(bytes)!);
      }),
    ];
    for (let step = 0; step < 1_500; step++) actions[random(actions.length)]();
    expect(lines(paged.memory)).toEqual(lines(plain.memory));
    expect(swap.reads).toBeGreaterThan(500);
    // Where translations are dropped shows in a guest's accessed bits.
    const flushes = ({ told }: Side): string[] => told.filter((line) => !line.startsWith('watched'));
    expect(flushes(paged)).toEqual(flushes(plain));
    dropCopies();
    plain.memory.dispose();
    paged.memory.dispose();
    expect([pool.frames.inUse, swap.size]).toEqual([0, 0]);
  });

  it('counts what it holds: no frame for a page that is elsewhere, one for a parked page', () => {
    const pool = Pool.create();
    const swap = new MapSwap();
    const { memory } = create(pool);
    for (let page = 0; page < 8; page++) memory.write(page * PAGE, page + 1, 4);
    const frames = memory.frameForRead(3);
    for (let page = 0; page < 8; page++) memory.park(page, new Set([frames]));
    expect([memory.pagesParked, memory.framesInUse, memory.pagesElsewhere.swap]).toEqual([7, 8, 0]);
    for (const { page, bytes } of memory.parkedPages()) if (page < 6) memory.evict(page, swap, swap.write(bytes)!);
    expect([memory.pagesParked, memory.framesInUse, memory.pagesElsewhere.swap]).toEqual([2, 3, 5]);
    expect(pool.frames.inUse).toBe(3);
    let told = 0;
    memory.frameLimit = 3;
    memory.onBeyondLimit = () => told++;
    expect([memory.read(7 * PAGE, 4), told]).toEqual([8, 0]);
    expect([memory.read(0, 4), told, memory.framesInUse]).toEqual([1, 1, 4]);
    expect(memory.discard([{ first: 1, pages: 2 }])).toBe(2);
    expect([memory.read(PAGE, 4), swap.size, memory.swaps]).toEqual([0, 2, { in: 1, out: 5 }]);
    memory.dispose();
    expect([pool.frames.inUse, swap.size]).toEqual([0, 0]);
  });

  it('says so where a page cannot be had, each time', () => {
    const swap = new MapSwap();
    const { memory } = create(Pool.create());
    memory.write(5 * PAGE, 1, 4);
    memory.park(5, NOTHING);
    for (const { page, bytes } of memory.parkedPages()) memory.evict(page, swap, swap.write(bytes)!);
    swap.failure = new Error('gone');
    for (let round = 0; round < 2; round++) {
      expect(() => memory.read(5 * PAGE, 1)).toThrow(LostPageError);
      expect(() => memory.write(5 * PAGE + 8, 1, 1)).toThrow('page 5h of its memory cannot be had: gone');
    }
    expect(memory.framesInUse).toBe(0);
    memory.discard([{ first: 5, pages: 1 }]);
    expect(memory.read(5 * PAGE, 1)).toBe(0);
  });
});
