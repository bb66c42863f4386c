import { describe, expect, it } from 'vitest';
import {
  KNOWN_REGION,
  placeOfJump,
  REGION_ENTRY,
  REGION_EXIT,
  REGION_JUMP,
} from '../../../../../src/engine/blocks/region-entry.ts';
import { LiveRegion } from '../../../../../src/engine/jit/cache/live-region.ts';
import type { Translation } from '../../../../../src/engine/jit/cache/translation.ts';
import type { RegionExit } from '../../../../../src/engine/jit/lowering/region-exits.ts';
import { Pool } from '../../../../../src/memory/pool.ts';

const EXITS: readonly RegionExit[] = [
  { cause: 'memory', trace: 1, offset: 0x1010, retired: 2 },
  { cause: 'branch', trace: undefined, offset: 0x40, within: true, retired: 0 },
  { cause: 'branch', trace: undefined, offset: -0x2000, within: false, retired: 0 },
];
const translation: Translation = {
  compiled: () => {},
  size: 'full',
  instructions: 5,
  pages: [0, 0x1000],
  traces: [
    { offset: 0x20, length: 4, bytes: new Uint8Array(4) },
    { offset: 0x1008, length: 12, bytes: new Uint8Array(12) },
  ],
  entries: [0, 1],
  jumps: [
    { offset: 0x22, known: [] },
    { offset: 0x1010, known: [0x20] },
  ],
  exits: EXITS,
  calls: new Set(),
};
const PLACE = {
  pages: [77, 99],
  blocks: [0x5000, 0x6000],
  origin: { physical: 0x1234, linear: 0xc000_1234, user: false },
  recordAt: (trace: number, offset: number) => 0x7000 + trace * 0x100 + (offset & 0xff),
};
const SLOT = 41;

function create() {
  const pool = Pool.create({ maximumBytes: 1 << 20 });
  const live = new LiveRegion(pool, translation, PLACE, SLOT);
  const word = (address: number) => pool.views.u32[address >>> 2];
  return { pool, live, word };
}

describe('a region at work', () => {
  it('tells emitted code about its entries', () => {
    const { live, word } = create();
    const entries = [0, 1].map((selector) => live.entryAt(selector));
    expect(entries.map((at) => word(at + REGION_ENTRY.FUNCTION))).toEqual([SLOT, SLOT]);
    expect(entries.map((at) => word(at + REGION_ENTRY.SELECTOR))).toEqual([0, 1]);
    expect(entries.map((at) => word(at + REGION_ENTRY.PAGE_OFFSET))).toEqual([0, 0x1000]);
    const known = word(entries[0] + REGION_ENTRY.REGION);
    expect(word(entries[1] + REGION_ENTRY.REGION)).toBe(known);
    const pages = known + KNOWN_REGION.PAGES;
    expect([word(pages), word(pages + 4)]).toEqual(PLACE.pages);
    expect(word(known + KNOWN_REGION.TAG)).toBe(0);
  });

  it('and about its exits', () => {
    const { live, word } = create();
    const first = live.exitAt(0);
    const fields = EXITS.map((_, index) => {
      const at = first + index * REGION_EXIT.SIZE;
      const names = ['RECORD', 'ENTERS_BLOCK', 'OFFSET', 'RETIRED', 'TAKEN'] as const;
      return names.map((name) => word(at + REGION_EXIT[name]));
    });
    expect(fields).toEqual([
      [0x7110, 0, 0x1010, 2, 0],
      // Whoever follows it may be linked, if it lies in a page that stays.
      [0, 1, 0x40, 0, 0],
      [0, 2, (-0x2000 >>> 0) as number, 0, 0],
    ]);
    expect(first).toBe(word(live.entryAt(0) + REGION_ENTRY.REGION) + KNOWN_REGION.PAGES + 2 * 4 + 2 * REGION_JUMP.SIZE);
    expect(first + EXITS.length * REGION_EXIT.SIZE).toBe(live.address + live.bytes);
  });

  it('knows an entry of its own', () => {
    const { live } = create();
    expect([live.entryAt(0), live.entryAt(1)].every((entry) => live.owns(entry))).toBe(true);
    expect([0, live.address - 8, live.address + live.bytes].some((entry) => live.owns(entry))).toBe(false);
  });

  it('adds up the figures of its entries', () => {
    const { pool, live } = create();
    expect(live.figures).toMatchObject({ entered: 0, retired: 0, refused: 0 });
    for (const [selector, scale] of [1, 100].entries()) {
      const at = live.entryAt(selector);
      pool.views.u32[(at + REGION_ENTRY.ENTERED) >>> 2] = 2 * scale;
      pool.views.u64[(at + REGION_ENTRY.RETIRED) >>> 3] = 2n ** 40n * BigInt(scale);
      pool.views.u32[(at + REGION_ENTRY.REFUSED) >>> 2] = 3 * scale;
    }
    expect(live.figures).toMatchObject({ entered: 202, retired: 101 * 2 ** 40, refused: 303 });
  });

  it('counts what each exit was taken', () => {
    const { pool, live } = create();
    const first = live.exitAt(0);
    for (const index of EXITS.keys())
      pool.views.u32[(first + index * REGION_EXIT.SIZE + REGION_EXIT.TAKEN) >>> 2] = 7 + index;
    expect(live.taken).toEqual([7, 8, 9]);
  });

  it('remembers where its computed jumps have left it to', () => {
    const { pool, live, word } = create();
    expect(live.takeStrays()).toEqual([]);
    const jumps = word(live.entryAt(0) + REGION_ENTRY.REGION) + placeOfJump(2, 0);
    const second = jumps + REGION_JUMP.SIZE;
    pool.views.u32[(second + REGION_JUMP.TAKEN) >>> 2] = 9;
    pool.views.u32[(second + REGION_JUMP.TARGETS) >>> 2] = -5;
    pool.views.u32[(second + REGION_JUMP.SIZE - 4) >>> 2] = 0x123;
    expect(live.takeStrays()).toEqual([{ jump: 1, taken: 9, targets: [-5, 0x123] }]);
    // They are told once.
    expect(live.takeStrays()).toEqual([]);
    expect(live.taken).toEqual([0, 0, 0]);
  });

  it('names accesses that have left it often, and no other exits', () => {
    const { pool, live } = create();
    const first = live.exitAt(0);
    expect(live.missing(1)).toEqual([]);
    for (const index of EXITS.keys()) pool.views.u32[(first + index * REGION_EXIT.SIZE + REGION_EXIT.TAKEN) >>> 2] = 5;
    expect([live.missing(5), live.missing(6)]).toEqual([[0x1010], []]);
  });
});
