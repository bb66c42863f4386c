/** Makes an empty qcow2 image. */
import { UserError } from '../../base/errors.ts';
import type { ByteStore, ImageFormat } from '../block-store.ts';
import { type Awaitable, runTask, type Task, wait } from '../task.ts';
import { EXTENSION, FIELD, HEADER_BYTES, l1EntriesFor, MOST_L1_BYTES, QCOW2_MAGIC } from './header.ts';
import { refcountsPerBlock, setRefcount } from './refcount-block.ts';
import { layOutRefcounts } from './refcount-layout.ts';

export interface CreateQcow2Options {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** What is under it: an absolute path, or one that begins in the image's own folder. */
  readonly backingFile?: string;
  /** Needed with `backingFile`: a raw image could otherwise pass for something else. */
  readonly backingFormat?: ImageFormat;
  /** 2 to the power of 9 to 21, in bits. Default: 16, which is 64 KiB. */
  readonly clusterBits?: number;
  /** Default: 3. */
  readonly version?: 2 | 3;
  /** Width 2 to this power, in bits; 4 with version 2. Default: 4, which is 16 bits. */
  readonly refcountOrder?: number;
}

/** As QEMU calls them. */
const BACKING_FORMATS: Readonly<Record<ImageFormat, string>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vpc',
};

/**
 * @param store empty, and able to grow
 * @throws UserError for a disk that is too large for the format
 */
export const createQcow2 = (store: ByteStore, options: CreateQcow2Options): Awaitable<void> =>
  runTask(create(store, options));

function* create(store: ByteStore, options: CreateQcow2Options): Task<void> {
  const { size, clusterBits = 16, version = 3, refcountOrder = 4 } = options;
  const clusterBytes = 2 ** clusterBits;
  const l1Entries = l1EntriesFor(size, clusterBits);
  if (!Number.isSafeInteger(size) || size < 0 || l1Entries * 8 > MOST_L1_BYTES)
    throw new UserError(`a qcow2 image with clusters of ${clusterBytes} bytes cannot hold a disk of ${size} bytes`);
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterBytes);
  const layout = layOutRefcounts(1 + l1Clusters, { clusterBytes, order: refcountOrder });
  const used = 1 + layout.table + layout.blocks + l1Clusters;
  const perBlock = refcountsPerBlock(clusterBytes, refcountOrder);
  const table = new DataView(new ArrayBuffer(layout.table * clusterBytes));
  for (let index = 0; index < layout.blocks; index++) {
    const counts = new DataView(new ArrayBuffer(clusterBytes));
    for (let at = 0; at < perBlock && index * perBlock + at < used; at++) setRefcount(counts, refcountOrder, at, 1);
    const offset = (1 + layout.table + index) * clusterBytes;
    table.setBigUint64(index * 8, BigInt(offset));
    yield* wait(store.write!(offset, new Uint8Array(counts.buffer)));
  }
  yield* wait(store.write!(clusterBytes, new Uint8Array(table.buffer)));
  const l1Offset = (1 + layout.table + layout.blocks) * clusterBytes;
  if (l1Clusters > 0) yield* wait(store.write!(l1Offset, new Uint8Array(l1Clusters * clusterBytes)));
  yield* wait(store.flush?.());
  const header = createHeader({ ...options, size, clusterBits, version, refcountOrder });
  const view = new DataView(header.buffer);
  view.setUint32(FIELD.l1Size, l1Entries);
  view.setBigUint64(FIELD.l1TableOffset, BigInt(l1Offset));
  view.setBigUint64(FIELD.refcountTableOffset, BigInt(clusterBytes));
  view.setUint32(FIELD.refcountTableClusters, layout.table);
  yield* wait(store.write!(0, header));
  yield* wait(store.flush?.());
}

/** The first cluster, but for where the tables are. */
function createHeader(options: CreateQcow2Options & { clusterBits: number; version: 2 | 3; refcountOrder: number }) {
  const { size, clusterBits, version, refcountOrder, backingFile, backingFormat } = options;
  const bytes = new Uint8Array(2 ** clusterBits);
  const view = new DataView(bytes.buffer);
  view.setUint32(FIELD.magic, QCOW2_MAGIC);
  view.setUint32(FIELD.version, version);
  view.setUint32(FIELD.clusterBits, clusterBits);
  view.setBigUint64(FIELD.size, BigInt(size));
  if (version === 3) {
    view.setUint32(FIELD.refcountOrder, refcountOrder);
    view.setUint32(FIELD.headerLength, HEADER_BYTES[3]);
  }
  if (backingFile === undefined) return bytes;
  if (backingFormat === undefined) throw new UserError('an image with a backing file must say what format that has');
  const name = new TextEncoder().encode(backingFile);
  const format = new TextEncoder().encode(BACKING_FORMATS[backingFormat]);
  const extension = HEADER_BYTES[version];
  // Behind the format, and the extension that ends the list.
  const end = extension + 24;
  if (name.length > 1023 || end + name.length > bytes.length)
    throw new UserError(`the name of the backing file is too long: ${backingFile}`);
  view.setUint32(extension, EXTENSION.BACKING_FORMAT);
  view.setUint32(extension + 4, format.length);
  bytes.set(format, extension + 8);
  bytes.set(name, end);
  view.setBigUint64(FIELD.backingFileOffset, BigInt(end));
  view.setUint32(FIELD.backingFileSize, name.length);
  return bytes;
}
