import { describe, expect, it } from 'vitest';
import {
  BLOCK_HEADER_SIZE,
  type BlockDescription,
  BlockIndex,
} from '../../../../src/engine/interpreter/block-index.ts';
import { Pool } from '../../../../src/memory/pool.ts';

const KEY = 0x1_2345_6010 * 16 + 5;
const PAGE = 0x12_3456;

function create() {
  const pool = Pool.create({ maximumBytes: 1 << 20 });
  const index = new BlockIndex(pool);
  const add = (description: Partial<BlockDescription> = {}) => {
    const block = pool.allocate(BLOCK_HEADER_SIZE + 64) + BLOCK_HEADER_SIZE;
    const whole = { records: 2, key: KEY, end: 0x20, crossing: undefined, limit: 100, cutOff: false, heat: 7 };
    index.add(block, { ...whole, ...description });
    return block;
  };
  return { index, add };
}

const ofPage = (index: BlockIndex, page: number): number[] => {
  const blocks: number[] = [];
  for (let block = index.firstOfPage(page); block !== 0; block = index.nextOfPage(block, page)) blocks.push(block);
  return blocks;
};
const ofKey = (index: BlockIndex, key: number): number[] => {
  const blocks: number[] = [];
  for (let block = index.firstOfKey(key); block !== 0; block = index.nextOfKey(block))
    if (index.key(block) === key) blocks.push(block);
  return blocks;
};

describe('the index of blocks', () => {
  it('gives back what a block was described by', () => {
    const { index, add } = create();
    const plain = add();
    expect([index.key(plain), index.records(plain), index.end(plain), index.limit(plain)]).toEqual([KEY, 2, 0x20, 100]);
    expect([index.crossingEnd(plain), index.isCutOff(plain), index.isStale(plain)]).toEqual([0, false, false]);
    const other = add({
      crossing: { page: 0xff_ffff, end: 14 },
      limit: Number.POSITIVE_INFINITY,
      cutOff: true,
      end: 4096,
    });
    expect([index.crossingEnd(other), index.crossingPage(other)]).toEqual([14, 0xff_ffff]);
    expect([index.isCutOff(other), index.limit(other), index.end(other)]).toEqual([true, 2 ** 32, 4096]);
  });

  it('finds blocks by key, the newest first, until they are stale', () => {
    const { index, add } = create();
    const [first, second, third] = [add(), add(), add()];
    const other = add({ key: KEY + 1 });
    expect(ofKey(index, KEY)).toEqual([third, second, first]);
    expect(ofKey(index, KEY + 1)).toEqual([other]);
    index.markStale(third);
    index.markStale(first);
    expect(ofKey(index, KEY)).toEqual([second]);
    index.markStale(second);
    expect(index.firstOfKey(KEY)).toBe(0);
  });

  it('finds a block in both of its pages, and says which page is new', () => {
    const { index, add } = create();
    const next = PAGE + 7;
    const [old, oldNext] = [add(), add({ key: next * 4096 * 16 })];
    index.addToPage(old, PAGE);
    index.addToPage(oldNext, next);
    const crossing = add({ crossing: { page: next, end: 3 } });
    expect([index.addToPage(crossing, PAGE), index.addToPage(crossing, next)]).toEqual([false, false]);
    expect(index.addToPage(add({ key: 16 }), 0)).toBe(true);
    const own = add({ key: (next * 4096 + 8) * 16 });
    expect(index.addToPage(own, next)).toBe(false);
    const before = add();
    index.addToPage(before, PAGE);
    expect([ofPage(index, PAGE), ofPage(index, next)]).toEqual([
      [before, crossing, old],
      [own, crossing, oldNext],
    ]);
    index.markStale(crossing);
    expect([ofPage(index, PAGE), ofPage(index, next)]).toEqual([
      [before, old],
      [own, oldNext],
    ]);
    index.markStale(own);
    index.markStale(oldNext);
    expect([index.firstOfPage(next), index.hasPage(next)]).toEqual([0, true]);
    index.releasePage(next);
    expect(index.hasPage(next)).toBe(false);
  });

  it('goes on behind a block that becomes stale while one looks at it', () => {
    const { index, add } = create();
    const blocks = [add(), add(), add(), add()];
    for (const block of blocks) index.addToPage(block, PAGE);
    const seen: number[] = [];
    for (let block = index.firstOfPage(PAGE); block !== 0; block = index.nextOfPage(block, PAGE)) {
      seen.push(block);
      index.markStale(block);
    }
    expect(seen).toEqual(blocks.toReversed());
    expect(index.firstOfPage(PAGE)).toBe(0);
  });

  it('forgets everything, and names the pages', () => {
    const { index, add } = create();
    const block = add();
    index.addToPage(block, PAGE);
    expect(index.clear()).toEqual([PAGE]);
    expect([index.firstOfKey(KEY), index.hasPage(PAGE)]).toEqual([0, false]);
  });
});
