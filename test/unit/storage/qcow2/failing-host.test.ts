/** A host that fails now and then: errors come out, and nothing that was acknowledged is lost. */
import { describe, expect, it } from 'vitest';
import type { BlockStore, ByteStore } from '../../../../src/storage/block-store.ts';
import type { BytesStore } from '../../../../src/storage/bytes-store.ts';
import { openImage } from '../../../../src/storage/open-image.ts';
import { checkQcow2 } from '../../../../src/storage/qcow2/check-qcow2.ts';
import { StorageError } from '../../../../src/storage/storage-error.ts';
import { emptyQcow2, memoryImages } from '../../../support/memory-images.ts';
import { CRASH_IMAGES } from '../../../support/qcow2-crash.ts';
import { createRandom } from '../../../support/random-transfers.ts';

const SECTOR = 512;
const SIZE = 600 * 1024;

/** Writes and flushes fail with a chance of `percent`, writes also half-way. */
function failing(store: BytesStore, random: ReturnType<typeof createRandom>, percent: () => number) {
  const failures = { count: 0 };
  const fail = (): never => {
    failures.count++;
    throw new StorageError('full', 'no space left on the device');
  };
  const flaky: ByteStore = {
    get size() {
      return store.size;
    },
    read: (offset, length) => store.read(offset, length),
    write: (offset, bytes) => {
      if (random.chance(percent())) {
        if (random.chance(50)) store.write(offset, bytes.subarray(0, Math.floor(bytes.length / 2 / SECTOR) * SECTOR));
        fail();
      }
      store.write(offset, bytes);
    },
    flush: () => {
      if (random.chance(percent())) fail();
    },
    close: () => store.close(),
  };
  return { flaky, failures };
}

describe.each([...CRASH_IMAGES, ['an empty image', () => emptyQcow2({ size: SIZE, clusterBits: 9 })] as const])(
  'qcow2 on a host without room, %s',
  (_, create) => {
    it('what was acknowledged is there, also when there is room again', () => {
      const store = create();
      const random = createRandom(17);
      let percent = 0;
      const { flaky, failures } = failing(store, random, () => percent);
      const image = openImage(memoryImages({ image: flaky }), 'image', { writable: true }) as BlockStore;
      const expected = image.read(0, SIZE) as Uint8Array;
      /** Sectors of writes that failed: they hold the old, or the new. */
      const open = new Set<number>();
      for (let round = 0; round < 600; round++) {
        percent = round % 100 < 70 ? 4 : 0;
        const sectors = 1 + random.below(30);
        const first = random.below(SIZE / SECTOR - sectors);
        const bytes = new Uint8Array(sectors * SECTOR).fill(1 + random.below(255));
        try {
          image.write(first * SECTOR, bytes);
          expected.set(bytes, first * SECTOR);
          for (let sector = first; sector < first + sectors; sector++) open.delete(sector);
        } catch (error) {
          expect(error).toMatchObject({ name: 'StorageError', problem: 'full' });
          for (let sector = first; sector < first + sectors; sector++) open.add(sector);
        }
        if (random.chance(10)) {
          try {
            image.flush();
          } catch (error) {
            expect(error).toMatchObject({ problem: 'full' });
          }
        }
      }
      percent = 0;
      const differing = (found: Uint8Array): number =>
        Array.from({ length: SIZE / SECTOR }, (_, sector) => sector).filter((sector) => {
          const range = [sector * SECTOR, (sector + 1) * SECTOR] as const;
          return !open.has(sector) && Buffer.compare(found.subarray(...range), expected.subarray(...range)) !== 0;
        }).length;
      expect(differing(image.read(0, SIZE) as Uint8Array)).toBe(0);
      image.close();
      const again = openImage(memoryImages({ image: store }), 'image') as BlockStore;
      expect(differing(again.read(0, SIZE) as Uint8Array)).toBe(0);
      expect(checkQcow2(store)).toMatchObject({ corruptions: 0 });
      expect(failures.count).toBeGreaterThan(20);
      expect(open.size).toBeLessThan(SIZE / SECTOR / 2);
    });
  },
);
