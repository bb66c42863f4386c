import { describe, expect, it } from 'vitest';
import { CachedStore } from '../../../src/storage/cached-store.ts';
import { createRandom } from '../../support/random-transfers.ts';

const SIZE = 100_000;
const bytes = Uint8Array.from({ length: SIZE }, (_, at) => (at * 7 + (at >> 8)) % 256);

function cached({ late = false, cacheBytes = 16_384 } = {}) {
  const loads: [offset: number, length: number][] = [];
  const load = (offset: number, length: number) => {
    loads.push([offset, length]);
    const part = bytes.slice(offset, offset + length);
    return late ? Promise.resolve(part) : part;
  };
  return { store: new CachedStore({ size: SIZE, load, blockBytes: 1024, cacheBytes }), loads };
}

describe('a cached store', () => {
  it.each([false, true])('reads what is behind it (late: %s)', async (late) => {
    const { store } = cached({ late });
    const random = createRandom(3);
    for (let round = 0; round < 500; round++) {
      const offset = random.below(SIZE);
      const length = random.below(Math.min(20_000, SIZE - offset + 1));
      expect(Buffer.compare(await store.read(offset, length), bytes.subarray(offset, offset + length))).toBe(0);
    }
    expect(() => store.read(SIZE, 1)).toThrow('reach beyond the end');
  });

  it('loads blocks, several at once, and none twice that it has', () => {
    const { store, loads } = cached();
    store.read(1500, 10);
    store.read(1030, 100);
    store.read(500, 3000);
    store.read(SIZE - 5, 5);
    // 0, then the two behind block 1; the last one is not whole.
    expect(loads).toEqual([
      [1024, 1024],
      [0, 1024],
      [2048, 2048],
      [99_328, 672],
    ]);
  });

  it('answers at once what it has', async () => {
    const { store } = cached({ late: true });
    expect(store.read(0, 10)).toBeInstanceOf(Promise);
    await store.read(0, 10);
    expect(store.read(5, 10)).toEqual(bytes.slice(5, 15));
  });

  it('keeps no more than its limit, and forgets what was not used for longest', () => {
    const { store, loads } = cached({ cacheBytes: 4096 });
    for (const block of [0, 1, 2, 3, 0, 4]) store.read(block * 1024, 1);
    loads.length = 0;
    for (const block of [0, 2, 3, 4]) store.read(block * 1024, 1);
    expect(loads).toEqual([]);
    store.read(1024, 1);
    expect(loads).toEqual([[1024, 1024]]);
  });

  it('does not keep what failed to load', () => {
    let fail = true;
    const load = (_offset: number, length: number) => {
      if (fail) throw new Error('no');
      return new Uint8Array(length).fill(5);
    };
    const store = new CachedStore({ size: 100, load });
    expect(() => store.read(0, 1)).toThrow('no');
    fail = false;
    expect(store.read(0, 1)).toEqual(Uint8Array.of(5));
  });
});
