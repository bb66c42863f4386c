import { describe, expect, it } from 'vitest';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { MemoryOverlay } from '../../../src/storage/memory-overlay.ts';
import { RawImage } from '../../../src/storage/raw-image.ts';
import { lateStore } from '../../support/late-store.ts';
import { createRandom } from '../../support/random-transfers.ts';

const SIZE = 64 * 1024 + 512;

describe('an overlay in memory', () => {
  it.each([false, true])('holds what is written, over a base that stays as it is (late: %s)', async (late) => {
    const random = createRandom(5);
    const base = Uint8Array.from({ length: SIZE }, () => random.below(256));
    const before = base.slice();
    const expected = base.slice();
    const store = new BytesStore(base);
    const overlay = new MemoryOverlay(new RawImage(late ? lateStore(store) : store));
    for (let round = 0; round < 500; round++) {
      const offset = random.below(SIZE);
      const length = random.below(Math.min(10_000, SIZE - offset));
      if (random.chance(40)) {
        const bytes = Uint8Array.from({ length }, () => random.below(256));
        overlay.write(offset, bytes);
        expected.set(bytes, offset);
      } else {
        const wanted = expected.slice(offset, offset + length);
        const read = overlay.read(offset, length);
        expect(Buffer.compare(await read, wanted)).toBe(0);
      }
    }
    expect(Buffer.compare(base, before)).toBe(0);
    await overlay.close();
  });

  it('answers at once if its base does', () => {
    const overlay = new MemoryOverlay(new RawImage(new BytesStore(new Uint8Array(SIZE))));
    expect(overlay.write(100, Uint8Array.of(1, 2))).toBeUndefined();
    expect(overlay.read(99, 4)).toEqual(Uint8Array.of(0, 1, 2, 0));
    expect(overlay.readOnly).toBe(false);
  });

  it('takes memory for what is written, not for the disk', () => {
    const base = { format: 'raw', size: 2 ** 43, readOnly: true } as const;
    const overlay = new MemoryOverlay({
      ...base,
      read: (_offset, length) => new Uint8Array(length),
      write: () => {},
      flush: () => {},
      close: () => {},
    });
    for (let at = 0; at < 256; at++) overlay.write(at * 2 ** 34 + 1000, Uint8Array.of(at));
    expect(overlay.kept).toBe(2 ** 20);
    expect(overlay.read(200 * 2 ** 34 + 1000, 2)).toEqual(Uint8Array.of(200, 0));
  });

  it('keeps no more than its limit; what it has stays writable', () => {
    const overlay = new MemoryOverlay(new RawImage(new BytesStore(new Uint8Array(SIZE))), { limit: 8192 });
    overlay.write(0, new Uint8Array(8192).fill(1));
    expect(() => overlay.write(8192, Uint8Array.of(1))).toThrow('more was written than is kept in memory (8192 bytes)');
    overlay.write(0, Uint8Array.of(9));
    expect(overlay.read(0, 2)).toEqual(Uint8Array.of(9, 1));
    expect(overlay.read(8192, 1)).toEqual(Uint8Array.of(0));
  });
});
