/** Loss of power while a qcow2 image is written: recordings, and what is wrong with the file after a crash. */
import type { BlockStore } from '../../src/storage/block-store.ts';
import { BytesStore } from '../../src/storage/bytes-store.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { checkQcow2, type Qcow2Check } from '../../src/storage/qcow2/check-qcow2.ts';
import { compressedQcow2 } from './compressed-qcow2.ts';
import { CrashLog } from './crash-log.ts';
import { emptyQcow2, GROWABLE, memoryImages } from './memory-images.ts';
import { snapshotQcow2 } from './qcow2-snapshot.ts';
import { createRandom } from './random-transfers.ts';

const SECTOR = 512;
const SIZE = 600 * 1024;
/** A sector of each value. */
const SECTORS = Array.from({ length: 256 }, (_, value) => new Uint8Array(SECTOR).fill(value));

export interface Recording {
  readonly log: CrashLog;
  /** Per sector, the values it had: `since` is the number of the write. 0 is what was there before. */
  readonly history: { since: number; value: number }[][];
  readonly start: Uint8Array;
}

/** Records writes of whole sectors, each filled with one value, with flushes between; marks say what was flushed. */
export function recordWrites(start: BytesStore, { seed, writes }: { seed: number; writes: number }): Recording {
  const log = new CrashLog(start.bytes);
  const random = createRandom(seed);
  const before = open(start, { writable: false }).read(0, SIZE) as Uint8Array;
  const history = Array.from({ length: SIZE / SECTOR }, (_, sector) => [{ since: 0, value: before[sector * SECTOR] }]);
  const image = openImage(
    memoryImages({ image: new BytesStore(start.bytes.slice(), GROWABLE) }, (store) => log.record(store)),
    'image',
    { writable: true },
  ) as BlockStore;
  for (let write = 1; write <= writes; write++) {
    const sectors = 1 + random.below(40);
    const first = random.below(history.length - sectors);
    const value = 1 + random.below(255);
    image.write(first * SECTOR, new Uint8Array(sectors * SECTOR).fill(value));
    for (let sector = first; sector < first + sectors; sector++) history[sector].push({ since: write, value });
    if (random.chance(15)) {
      image.flush();
      log.mark(write);
    }
  }
  image.close();
  log.mark(writes);
  return { log, history, start: start.bytes };
}

const open = (store: BytesStore, { writable }: { writable: boolean }): BlockStore =>
  openImage(memoryImages({ image: store }), 'image', { writable }) as BlockStore;

/** @returns what is wrong with the file, if anything */
export function judgeCrash(store: BytesStore, { log, history }: Recording, count: number): string | undefined {
  const { corruptions, problems } = checkQcow2(store) as Qcow2Check;
  if (corruptions > 0) return `check: ${problems.join('; ')}`;
  const found = open(store, { writable: false }).read(0, SIZE) as Uint8Array;
  const flushed = log.markAt(count);
  for (const [sector, values] of history.entries()) {
    const lastFlushed = values.findLastIndex(({ since }) => since <= flushed);
    const bytes = found.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    // A sector never holds a mixture, and nothing from before what was flushed.
    const fits = values.slice(lastFlushed).some(({ value }) => Buffer.compare(bytes, SECTORS[value]) === 0);
    if (!fits) return `sector ${sector} holds ${bytes[0]}, flushed was ${values[lastFlushed].value}`;
  }
}

export const CRASH_IMAGES: [string, () => BytesStore][] = [
  ['small clusters, whose refcount table grows', () => emptyQcow2({ size: SIZE, clusterBits: 9, refcountOrder: 6 })],
  ['clusters of 4 KiB', () => emptyQcow2({ size: SIZE, clusterBits: 12 })],
  ['clusters of 64 KiB', () => emptyQcow2({ size: SIZE })],
  [
    'compressed clusters, several in each of the file',
    () => {
      const disk = Uint8Array.from({ length: SIZE }, (_, at) => 1 + (Math.floor(at / SECTOR) % 255));
      return new BytesStore(compressedQcow2(disk, 'zlib').bytes, GROWABLE);
    },
  ],
  [
    'a snapshot, which shares all clusters',
    () => {
      const store = emptyQcow2({ size: SIZE, clusterBits: 11 });
      const image = open(store, { writable: true });
      for (let at = 0; at < SIZE; at += 2048)
        if (at % 3 > 0) image.write(at, new Uint8Array(2048).fill(1 + (at % 255)));
      image.close();
      snapshotQcow2(store);
      return store;
    },
  ],
];

export interface CrashTrial {
  readonly seed: number;
  readonly writes: number;
  /** Every how many events a crash is tried. */
  readonly every: number;
}

/**
 * Crashes at moments of a recording: with all writes up to there, and twice with some of those that no barrier has settled.
 * @returns how many were tried, and how many clusters were lost in all @throws at the first whose file is wrong
 */
export function tryCrashes(create: () => BytesStore, { seed, writes, every }: CrashTrial) {
  const random = createRandom(seed + 10);
  const recording = recordWrites(create(), { seed, writes });
  const { log } = recording;
  const total = log.events.length;
  let [crashes, leaks] = [0, 0];
  for (let count = random.below(every); count <= total; count += every) {
    for (const order of [undefined, random, random]) {
      const store = log.crash(count, order);
      const wrong = judgeCrash(store, recording, count);
      if (wrong) throw new Error(`after ${count} of ${total} events (seed ${seed}): ${wrong}`);
      leaks += (checkQcow2(store) as Qcow2Check).leaks;
      crashes++;
    }
  }
  return { crashes, leaks, atTheEnd: checkQcow2(log.crash(total)) as Qcow2Check };
}
