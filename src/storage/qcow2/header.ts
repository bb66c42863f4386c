/**
 * The header of a qcow2 image, versions 2 and 3. Source: QEMU's docs/interop/qcow2.txt, which names the fields. All numbers
 * are big-endian.
 */
import { StorageError } from '../storage-error.ts';

export const QCOW2_MAGIC = 0x5146_49fb;

/** Offsets of fields, in bytes. Those from `incompatibleFeatures` on are of version 3. */
export const FIELD = {
  magic: 0,
  version: 4,
  backingFileOffset: 8,
  backingFileSize: 16,
  clusterBits: 20,
  size: 24,
  cryptMethod: 32,
  l1Size: 36,
  l1TableOffset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshots: 60,
  snapshotsOffset: 64,
  incompatibleFeatures: 72,
  compatibleFeatures: 80,
  autoclearFeatures: 88,
  refcountOrder: 96,
  headerLength: 100,
  compressionType: 104,
} as const;

export const HEADER_BYTES = { 2: 72, 3: 112 } as const;
/** Of version 3, without the compression type. */
const LEAST_V3 = 104;

/** Bits of the low half of `incompatibleFeatures`. */
export const INCOMPATIBLE = { DIRTY: 1, CORRUPT: 2, DATA_FILE: 4, COMPRESSION: 8, EXTENDED_L2: 16 } as const;

export const EXTENSION = { END: 0, BACKING_FORMAT: 0xe279_2aca, BITMAPS: 0x2385_2875 } as const;

export const CLUSTER_BITS = { least: 9, most: 21 } as const;
const LONGEST_NAME = 1023;
/** As QEMU's: a first-level table of 32 MiB, a refcount table of 8 MiB. */
export const MOST_L1_BYTES = 2 ** 25;
export const MOST_REFCOUNT_TABLE_BYTES = 2 ** 23;
const MOST_SNAPSHOTS = 65_536;

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Of the disk, in bytes. */
  readonly size: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  /** Width of a refcount is 2 to this power, in bits. */
  readonly refcountOrder: number;
  readonly snapshots: number;
  readonly snapshotsOffset: number;
  readonly compression: 'zlib' | 'zstd';
  /** Refcounts may be too low. */
  readonly dirty: boolean;
  /** A writer has found the image to be damaged. */
  readonly corrupt: boolean;
  /** Whether a writer that does not know what they mean must clear features first. */
  readonly autoclear: boolean;
  readonly bitmaps: boolean;
  readonly backing: { readonly name: string; readonly format?: string } | undefined;
}

/**
 * @param head the file's first cluster, or what there is of it @param fileSize of the whole file
 * @throws StorageError if the header cannot be, or asks for what is not built
 */
export function parseHeader(head: Uint8Array, fileSize: number): Qcow2Header {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < HEADER_BYTES[2] || view.getUint32(FIELD.magic) !== QCOW2_MAGIC) throw damaged('no qcow2 header');
  const version = view.getUint32(FIELD.version);
  if (version !== 2 && version !== 3) throw unsupported(`qcow version ${version}`);
  if (version === 3 && head.length < LEAST_V3) throw damaged('the header is cut off');
  const clusterBits = view.getUint32(FIELD.clusterBits);
  if (clusterBits < CLUSTER_BITS.least || clusterBits > CLUSTER_BITS.most)
    throw damaged(`clusters of 2^${clusterBits} bytes`);
  if (view.getUint32(FIELD.cryptMethod) !== 0) throw unsupported('encryption');
  const features = version === 3 ? parseFeatures(view) : FEATURES_OF_VERSION_2;
  if (features.headerLength > 2 ** clusterBits || features.headerLength > head.length)
    throw damaged(`a header of ${features.headerLength} bytes`);
  const header: Qcow2Header = {
    version,
    clusterBits,
    size: read64(view, FIELD.size, 'size of the disk'),
    l1Entries: view.getUint32(FIELD.l1Size),
    l1Offset: read64(view, FIELD.l1TableOffset, 'first-level table'),
    refcountTableOffset: read64(view, FIELD.refcountTableOffset, 'refcount table'),
    refcountTableClusters: view.getUint32(FIELD.refcountTableClusters),
    snapshots: view.getUint32(FIELD.snapshots),
    snapshotsOffset: read64(view, FIELD.snapshotsOffset, 'snapshot table'),
    ...features,
    ...parseBacking(head.subarray(0, 2 ** clusterBits), features.headerLength),
  };
  checkTables(header, fileSize);
  return header;
}

const FEATURES_OF_VERSION_2 = {
  refcountOrder: 4,
  compression: 'zlib',
  dirty: false,
  corrupt: false,
  autoclear: false,
  headerLength: HEADER_BYTES[2],
} as const;

function parseFeatures(view: DataView) {
  const [high, low] = [view.getUint32(FIELD.incompatibleFeatures), view.getUint32(FIELD.incompatibleFeatures + 4)];
  if (low & INCOMPATIBLE.DATA_FILE) throw unsupported('an external data file');
  if (low & INCOMPATIBLE.EXTENDED_L2) throw unsupported('extended second-level entries (subclusters)');
  const known = INCOMPATIBLE.DIRTY | INCOMPATIBLE.CORRUPT | INCOMPATIBLE.COMPRESSION;
  if (high !== 0 || (low & ~known) !== 0)
    throw unsupported(`the set of incompatible features ${hex(high)}:${hex(low)}`);
  const headerLength = view.getUint32(FIELD.headerLength);
  if (headerLength < LEAST_V3 || headerLength % 8 !== 0) throw damaged(`a header of ${headerLength} bytes`);
  const type = headerLength > LEAST_V3 && view.byteLength > LEAST_V3 ? view.getUint8(FIELD.compressionType) : 0;
  if (type > 1) throw unsupported(`compression type ${type}`);
  if ((type !== 0) !== ((low & INCOMPATIBLE.COMPRESSION) !== 0))
    throw damaged('compression type and feature bit differ');
  const refcountOrder = view.getUint32(FIELD.refcountOrder);
  if (refcountOrder > 6) throw damaged(`refcounts of 2^${refcountOrder} bits`);
  return {
    refcountOrder,
    compression: type === 1 ? ('zstd' as const) : ('zlib' as const),
    dirty: (low & INCOMPATIBLE.DIRTY) !== 0,
    corrupt: (low & INCOMPATIBLE.CORRUPT) !== 0,
    autoclear: view.getUint32(FIELD.autoclearFeatures) !== 0 || view.getUint32(FIELD.autoclearFeatures + 4) !== 0,
    headerLength,
  };
}

/** Name and format of the backing file, and whether there are bitmaps. Other extensions need not be known. */
function parseBacking(cluster: Uint8Array, headerLength: number): Pick<Qcow2Header, 'backing' | 'bitmaps'> {
  const view = new DataView(cluster.buffer, cluster.byteOffset, cluster.byteLength);
  const start = read64(view, FIELD.backingFileOffset, 'name of the backing file');
  const length = view.getUint32(FIELD.backingFileSize);
  if (start !== 0 && (length > LONGEST_NAME || start + length > cluster.length))
    throw damaged('the name of the backing file is not in the first cluster');
  let format: string | undefined;
  let bitmaps = false;
  // The name stands behind the extensions, if there is one.
  const end = start === 0 ? cluster.length : start;
  for (let at = headerLength; at + 8 <= end; ) {
    const [type, size] = [view.getUint32(at), view.getUint32(at + 4)];
    if (type === EXTENSION.END) break;
    if (at + 8 + size > end) throw damaged('a header extension is cut off');
    if (type === EXTENSION.BACKING_FORMAT) format = decode(cluster.subarray(at + 8, at + 8 + size));
    if (type === EXTENSION.BITMAPS) bitmaps = true;
    at += 8 + Math.ceil(size / 8) * 8;
  }
  if (start === 0 || length === 0) return { backing: undefined, bitmaps };
  const name = decode(cluster.subarray(start, start + length));
  return { backing: { name, ...(format !== undefined && { format }) }, bitmaps };
}

function checkTables(header: Qcow2Header, fileSize: number): void {
  const clusterBytes = 2 ** header.clusterBits;
  const inside = (what: string, offset: number, length: number): void => {
    if (offset === 0 || offset % clusterBytes !== 0) throw damaged(`the ${what} is at ${offset}`);
    if (offset + length > Math.ceil(fileSize / clusterBytes) * clusterBytes)
      throw damaged(`the ${what} lies beyond the end of the file: is it truncated?`);
  };
  const needed = l1EntriesFor(header.size, header.clusterBits);
  if (needed * 8 > MOST_L1_BYTES) throw unsupported(`a disk of ${header.size} bytes with such small clusters`);
  if (header.l1Entries < needed) throw damaged('the first-level table is too small for the disk');
  if (header.l1Entries * 8 > MOST_L1_BYTES) throw damaged(`a first-level table of ${header.l1Entries} entries`);
  if (header.l1Entries > 0) inside('first-level table', header.l1Offset, header.l1Entries * 8);
  const refcountBytes = header.refcountTableClusters * clusterBytes;
  if (refcountBytes > MOST_REFCOUNT_TABLE_BYTES) throw damaged(`a refcount table of ${refcountBytes} bytes`);
  if (refcountBytes > 0) inside('refcount table', header.refcountTableOffset, refcountBytes);
  if (header.snapshots > MOST_SNAPSHOTS) throw damaged(`${header.snapshots} snapshots`);
}

/** An entry of the first level stands for a table of the second, an entry there for a cluster. */
export const l1EntriesFor = (size: number, clusterBits: number): number => Math.ceil(size / 2 ** (2 * clusterBits - 3));

function read64(view: DataView, at: number, what: string): number {
  const value = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(value)) throw damaged(`${what}: the number is too large`);
  return value;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export const damaged = (what: string): StorageError => new StorageError('damaged', `damaged qcow2 image: ${what}`);
const unsupported = (what: string): StorageError => new StorageError('unsupported', `qcow2: ${what} is not supported`);
