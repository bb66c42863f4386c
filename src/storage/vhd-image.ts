/**
 * VHD images of Virtual PC and Hyper-V, fixed and dynamic, read. Source: Microsoft's Virtual Hard Disk Image Format
 * Specification 1.0, whose names these are. Big-endian. The bitmaps of dynamic images are not looked at: sectors that were
 * never written are zeroes anyway. Not built: differencing images, writing.
 */
import { BlockImage } from './block-image.ts';
import { type BlockStore, type ByteStore, SECTOR_BYTES } from './block-store.ts';
import { PagedTable } from './paged-table.ts';
import { StorageError } from './storage-error.ts';
import { type Task, wait } from './task.ts';

const FOOTER = { cookie: 0, dataOffset: 16, currentSize: 48, diskType: 60, checksum: 64, bytes: 512 } as const;
const HEADER = { tableOffset: 16, maxTableEntries: 28, blockSize: 32, checksum: 36, bytes: 1024 } as const;
const DISK_TYPE = { FIXED: 2, DYNAMIC: 3, DIFFERENCING: 4 } as const;
const UNALLOCATED = 0xffff_ffff;
const BLOCK_BYTES = { least: 4096, most: 2 ** 28 } as const;

export function* openVhd(store: ByteStore): Task<BlockStore> {
  const footer = yield* readFooter(store);
  const size = read64(footer, FOOTER.currentSize);
  const type = footer.getUint32(FOOTER.diskType);
  if (type === DISK_TYPE.DIFFERENCING) throw unsupported('a differencing image');
  if (type !== DISK_TYPE.FIXED && type !== DISK_TYPE.DYNAMIC) throw damaged(`disk type ${type}`);
  if (type === DISK_TYPE.FIXED) {
    if (size > store.size - FOOTER.bytes) throw damaged('the file is smaller than the disk: is it truncated?');
    const locate = (block: number): Task<number> => wait(block * FIXED_BLOCK);
    return new BlockImage({ format: 'vhd', store, size, blockBytes: FIXED_BLOCK, locate });
  }
  return yield* openDynamic(store, size, read64(footer, FOOTER.dataOffset));
}

/** The disk's bytes are those of the file; the cut is ours. */
const FIXED_BLOCK = 2 ** 21;

function* openDynamic(store: ByteStore, size: number, headerOffset: number): Task<BlockStore> {
  if (headerOffset + HEADER.bytes > store.size)
    throw damaged('the header lies beyond the end of the file: is it truncated?');
  const header = yield* readChecked(store, headerOffset, 'cxsparse', HEADER);
  if (!header) throw damaged('no dynamic disk header');
  const blockBytes = header.getUint32(HEADER.blockSize);
  const powerOf2 = (blockBytes & (blockBytes - 1)) === 0;
  if (!powerOf2 || blockBytes < BLOCK_BYTES.least || blockBytes > BLOCK_BYTES.most)
    throw damaged(`blocks of ${blockBytes} bytes`);
  if (Math.ceil(size / blockBytes) > header.getUint32(HEADER.maxTableEntries))
    throw damaged('its blocks are too few for the disk');
  const tableOffset = read64(header, HEADER.tableOffset);
  if (tableOffset % 4 !== 0) throw damaged(`the block allocation table is at ${tableOffset}`);
  // A bit a sector, in whole sectors.
  const bitmapBytes = Math.ceil(blockBytes / SECTOR_BYTES / 8 / SECTOR_BYTES) * SECTOR_BYTES;
  const table = new PagedTable(store, { littleEndian: false });
  function* locate(block: number): Task<number | undefined> {
    const entry = yield* table.get(tableOffset + block * 4);
    return entry === UNALLOCATED ? undefined : entry * SECTOR_BYTES + bitmapBytes;
  }
  return new BlockImage({ format: 'vhd', store, size, blockBytes, locate });
}

/** It stands at the end; a dynamic image has a copy at the beginning. */
function* readFooter(store: ByteStore): Task<DataView> {
  if (store.size < FOOTER.bytes) throw damaged('the footer is cut off');
  const footer =
    (yield* readChecked(store, store.size - FOOTER.bytes, 'conectix', FOOTER)) ??
    (yield* readChecked(store, 0, 'conectix', FOOTER));
  if (!footer) throw damaged('no footer: is it truncated?');
  return footer;
}

/** @returns nothing if its cookie or its checksum is wrong: the complement of the sum of all other bytes */
function* readChecked(
  store: ByteStore,
  offset: number,
  cookie: string,
  part: { readonly bytes: number; readonly checksum: number },
): Task<DataView | undefined> {
  const bytes = yield* wait(store.read(offset, part.bytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (new TextDecoder('latin1').decode(bytes.subarray(0, cookie.length)) !== cookie) return undefined;
  const isSum = (at: number): boolean => at >= part.checksum && at < part.checksum + 4;
  const sum = bytes.reduce((total, byte, at) => (isSum(at) ? total : total + byte), 0);
  return view.getUint32(part.checksum) === ~sum >>> 0 ? view : undefined;
}

function read64(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at));
  if (!Number.isSafeInteger(value)) throw damaged('a number is too large');
  return value;
}

const damaged = (what: string): StorageError => new StorageError('damaged', `damaged VHD image: ${what}`);
const unsupported = (what: string): StorageError => new StorageError('unsupported', `VHD: ${what} is not supported`);
