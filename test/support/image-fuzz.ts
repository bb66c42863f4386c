/** Damaged and hostile disk images: mutations of sound ones, and what a reader and writer may do with them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { UserError } from '../../src/base/errors.ts';
import type { BlockStore, ByteStore, ImageFormat } from '../../src/storage/block-store.ts';
import { BytesStore } from '../../src/storage/bytes-store.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { checkQcow2 } from '../../src/storage/qcow2/check-qcow2.ts';
import { FIELD } from '../../src/storage/qcow2/header.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { compressedQcow2 } from './compressed-qcow2.ts';
import { createVdi, createVhd, createVmdk, sampleDisk, seal } from './foreign-images.ts';
import { emptyQcow2, memoryImages } from './memory-images.ts';
import { processorTime } from './processor-time.ts';
import { snapshotQcow2 } from './qcow2-snapshot.ts';
import type { createRandom } from './random-transfers.ts';

type Random = ReturnType<typeof createRandom>;

export interface FuzzSample {
  readonly title: string;
  readonly format: ImageFormat;
  readonly bytes: Uint8Array;
  /** Where numbers are that decide something, each [first, end): one of them is chosen, then a place within. */
  readonly metadata: readonly (readonly [first: number, end: number])[];
  /** Makes checksums good again, so that the change gets any further. */
  readonly reseal?: (bytes: Uint8Array) => void;
}

const SIZE = 1_000_448;
const MIB = 2 ** 20;
export const MOST_MEMORY = 64 * MIB;
export const MOST_TIME = 5000;

export function fuzzSamples(): FuzzSample[] {
  const disk = sampleDisk(SIZE);
  const vhd = createVhd(disk, { fixed: false });
  const vmdk = createVmdk(disk, { stream: false });
  const stream = createVmdk(disk, { stream: true });
  const tables = (bytes: Uint8Array): [number, number] => [
    Number(new DataView(bytes.buffer).getBigUint64(56, true)) * 512 - 1024,
    bytes.length,
  ];
  return [
    qcow2Sample('qcow2, small clusters', { clusterBits: 9 }),
    qcow2Sample('qcow2, 64 KiB clusters', { clusterBits: 16 }),
    qcow2Sample('qcow2, with a snapshot', { clusterBits: 12, snapshot: true }),
    compressedSample('zlib'),
    compressedSample('zstd'),
    {
      title: 'VDI',
      format: 'vdi',
      bytes: createVdi(disk),
      metadata: [
        [0x40, 0x190],
        [512, 576],
      ],
    },
    {
      title: 'VHD, dynamic',
      format: 'vhd',
      bytes: vhd,
      metadata: [
        [vhd.length - 512, vhd.length],
        [vhd.length - 512 + 16, vhd.length - 512 + 64],
        [512, 560],
        [1536, 1600],
      ],
      reseal: resealVhd,
    },
    { title: 'VMDK, monolithicSparse', format: 'vmdk', bytes: vmdk, metadata: [[0, 80], tables(vmdk)] },
    {
      title: 'VMDK, streamOptimized',
      format: 'vmdk',
      bytes: stream,
      metadata: [
        [0, 80],
        [stream.length - 1024, stream.length - 944],
        [stream.length - 3072, stream.length - 1024],
        [1536, 1800],
      ],
    },
  ];
}

function resealVhd(bytes: Uint8Array): void {
  if (bytes.length < 1536) return;
  const view = (at: number, length: number) => new DataView(bytes.buffer, bytes.byteOffset + at, length);
  seal(view(bytes.length - 512, 512), 64);
  seal(view(512, 1024), 36);
}

function qcow2Sample(title: string, options: { clusterBits: number; snapshot?: boolean }): FuzzSample {
  const store = emptyQcow2({ size: SIZE, ...options });
  const image = openImage(memoryImages({ image: store }), 'image', { writable: true }) as BlockStore;
  for (let at = 0; at < SIZE; at += 40_000) image.write(at, new Uint8Array(Math.min(20_000, SIZE - at)).fill(at >> 12));
  image.close();
  if (options.snapshot) snapshotQcow2(store);
  return { title, format: 'qcow2', bytes: store.bytes.slice(), metadata: metadataOf(store.bytes) };
}

function compressedSample(method: 'zlib' | 'zstd'): FuzzSample {
  const { bytes, data } = compressedQcow2(sampleDisk(SIZE), method);
  return { title: `qcow2, compressed with ${method}`, format: 'qcow2', bytes, metadata: [...metadataOf(bytes), data] };
}

/** Header, refcount table, first refcount block, first-level table, first second-level table. */
function metadataOf(bytes: Uint8Array): [number, number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (at: number): number => Number(view.getBigUint64(at) & 0x00ff_ffff_ffff_fe00n);
  const refcountTable = read(FIELD.refcountTableOffset);
  const l1 = read(FIELD.l1TableOffset);
  return [
    [0, 112],
    [0, 112],
    [refcountTable, refcountTable + 32],
    [read(refcountTable), read(refcountTable) + 64],
    [l1, l1 + 64],
    [read(l1), read(l1) + 128],
  ];
}

const EDGES = [0, 1, 2, 7, 0x1ff, 0x200, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x4000_0000, 0x0001_0000] as const;

/** A sound image with one to four changes. */
export function mutate(sample: FuzzSample, random: Random): Uint8Array {
  let bytes = sample.bytes.slice();
  const view = new DataView(bytes.buffer);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const [first, end] = random.pick(sample.metadata);
    const at = Math.min(first + random.below(end - first), bytes.length - 8);
    switch (random.below(6)) {
      case 0:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.below(256);
        break;
      case 2:
        view.setUint32(at & ~3, random.pick(EDGES), random.chance(50));
        break;
      case 3:
        view.setUint32(at & ~7, random.chance(80) ? 0 : random.pick(EDGES));
        view.setUint32((at & ~7) + 4, random.below(2 ** 31) * 2);
        break;
      case 4: {
        // A reference to somewhere else in the file, aligned as references are.
        const target = random.below(Math.ceil(bytes.length / 512)) * 512;
        view.setUint32(
          (at & ~7) + 4,
          sample.format === 'qcow2' ? target : target / 512,
          sample.format !== 'vhd' && sample.format !== 'qcow2',
        );
        break;
      }
      default:
        bytes.copyWithin(at, first + random.below(end - first), end);
    }
  }
  if (sample.reseal && random.chance(70)) sample.reseal(bytes);
  if (random.chance(10)) bytes = bytes.slice(0, random.below(bytes.length));
  return bytes;
}

export interface Outcome {
  /** What the reader or writer said, or 'read' if all went well. */
  readonly result: 'read' | 'refused' | 'failed';
  /** The whole disk, if it could be read and is not large. */
  readonly content?: Uint8Array;
}

/** A file that grows, but not for ever. */
const GROW_TO = 8 * MIB;

/**
 * Opens a mutated image, reads all over it, writes to it, closes it.
 * @throws if anything but the documented errors comes out, it takes too long, or too much memory
 */
export function attempt(
  bytes: Uint8Array,
  format: ImageFormat,
  random: Random,
  { exactMemory = false }: { readonly exactMemory?: boolean } = {},
): Outcome {
  // Else a collection in the midst may hide what was used; it takes ten times as long.
  if (exactMemory) collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  const start = processorTime();
  const watch = (): void => {
    const used = process.memoryUsage().arrayBuffers - before;
    if (used > MOST_MEMORY) throw new Error(`${used} bytes of memory`);
    if (processorTime() - start > MOST_TIME) throw new Error(`${processorTime() - start} ms`);
  };
  let content: Uint8Array | undefined;
  const image = documented(() => {
    const opened = openImage(memoryImages({ image: new BytesStore(bytes) }), 'image', { format }) as BlockStore;
    return opened;
  });
  watch();
  if (!image) return { result: 'refused' };
  const positions = [0, random.below(SIZE), image.size - 70_000, Math.floor(image.size / 2), random.below(2 ** 31)];
  let failed = false;
  for (const position of positions) {
    const offset = Math.max(0, Math.min(position, image.size - 1));
    const length = Math.min(70_000, image.size - offset);
    const read = documented(() => image.read(offset, length) as Uint8Array);
    if (read && read.length !== length) throw new Error(`${read.length} bytes instead of ${length}`);
    failed ||= read === undefined;
    watch();
  }
  if (!failed && image.size <= 2 * MIB) {
    content = documented(() => image.read(0, image.size) as Uint8Array);
    watch();
  }
  documented(() => image.close());
  if (format === 'qcow2') {
    writeAllOver(new BytesStore(bytes.slice(), { growTo: GROW_TO }), positions, watch);
    documented(() => checkQcow2(new BytesStore(bytes) as ByteStore));
    watch();
  }
  return { result: failed ? 'failed' : 'read', ...(content && { content }) };
}

function writeAllOver(store: BytesStore, positions: readonly number[], watch: () => void): void {
  const image = documented(
    () => openImage(memoryImages({ image: store }), 'image', { writable: true, format: 'qcow2' }) as BlockStore,
  );
  if (!image) return;
  for (const position of positions) {
    const offset = Math.max(0, Math.min(position, image.size - 1));
    documented(() => image.write(offset, new Uint8Array(Math.min(9000, image.size - offset)).fill(1)));
    documented(() => image.flush());
    watch();
  }
  documented(() => image.close());
  watch();
}

/** @returns nothing if a documented error came, of one line */
function documented<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    const known = error instanceof StorageError || error instanceof UserError;
    if (!known || error.message.includes('\n') || error.message.length > 400) throw error;
    return undefined;
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
