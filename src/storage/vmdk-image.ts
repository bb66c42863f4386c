/**
 * VMware's VMDK images in one file, monolithicSparse and streamOptimized, read. Source: VMware's Virtual Disk Format 5.0,
 * whose names these are. Little-endian; offsets are in sectors. Not built: images of several files, with a parent, writing.
 */
import { unzlibSync } from 'fflate';
import { BlockImage, type BlockPlace } from './block-image.ts';
import { type BlockStore, type ByteStore, SECTOR_BYTES } from './block-store.ts';
import { beyondTheEnd, PagedTable } from './paged-table.ts';
import { StorageError } from './storage-error.ts';
import { type Task, wait } from './task.ts';

const FIELD = {
  magicNumber: 0,
  version: 4,
  flags: 8,
  capacity: 12,
  grainSize: 20,
  descriptorOffset: 28,
  descriptorSize: 36,
  numGTEsPerGT: 44,
  gdOffset: 56,
  compressAlgorithm: 77,
} as const;
const MAGIC = 0x564d_444b;
const FLAG = { ZEROED_GRAINS: 4, COMPRESSED: 0x1_0000 } as const;
const DEFLATE = 1;
const HIGHEST_VERSION = 3;
/** The grain directory's place is in a copy of the header, two sectors before the end. */
const GD_AT_END = 0xffff_ffff_ffff_ffffn;
const ZEROED = 1;
/** LBA and size before the data of a compressed grain. */
const MARKER_BYTES = 12;
const MOST_GRAIN_SECTORS = 2048;
const MOST_TABLE_ENTRIES = 65_536;
const MOST_DESCRIPTOR_BYTES = 2 ** 16;

export function* openVmdk(store: ByteStore): Task<BlockStore> {
  const start = yield* readHeader(store, 0);
  if (!start) {
    const text = yield* wait(store.read(0, Math.min(SECTOR_BYTES, store.size)));
    if (new TextDecoder('latin1').decode(text).startsWith('# Disk DescriptorFile'))
      throw unsupported('an image of several files (monolithicSparse and streamOptimized are)');
    throw damaged('no VMDK header');
  }
  const atEnd = start.getBigUint64(FIELD.gdOffset, true) === GD_AT_END;
  const header = atEnd ? yield* readHeader(store, store.size - 2 * SECTOR_BYTES) : start;
  if (!header) throw damaged('no footer: is it truncated?');
  yield* refuseParent(store, start);
  return new BlockImage({ format: 'vmdk', store, ...readGrains(store, header) });
}

function* readHeader(store: ByteStore, offset: number): Task<DataView | undefined> {
  if (offset < 0 || offset + SECTOR_BYTES > store.size) return undefined;
  const bytes = yield* wait(store.read(offset, SECTOR_BYTES));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(FIELD.magicNumber, true) !== MAGIC) return undefined;
  const version = view.getUint32(FIELD.version, true);
  if (version < 1 || version > HIGHEST_VERSION) throw unsupported(`version ${version}`);
  return view;
}

/** The descriptor is text; an image without a parent says `parentCID=ffffffff`. */
function* refuseParent(store: ByteStore, header: DataView): Task<void> {
  const offset = sectors(header, FIELD.descriptorOffset);
  const length = Math.min(sectors(header, FIELD.descriptorSize), MOST_DESCRIPTOR_BYTES);
  if (offset === 0 || length === 0) return;
  if (offset + length > store.size) throw damaged('the descriptor lies beyond the end of the file: is it truncated?');
  const text = new TextDecoder('latin1').decode(yield* wait(store.read(offset, length)));
  const parent = /^\s*parentCID\s*=\s*([0-9a-f]+)/im.exec(text)?.[1];
  if (parent !== undefined && parent.toLowerCase() !== 'ffffffff') throw unsupported('an image with a parent');
}

function readGrains(store: ByteStore, header: DataView) {
  const size = sectors(header, FIELD.capacity);
  const blockBytes = sectors(header, FIELD.grainSize);
  const grainSectors = blockBytes / SECTOR_BYTES;
  if (grainSectors < 1 || grainSectors > MOST_GRAIN_SECTORS || (grainSectors & (grainSectors - 1)) !== 0)
    throw damaged(`grains of ${grainSectors} sectors`);
  const perTable = header.getUint32(FIELD.numGTEsPerGT, true);
  if (perTable === 0 || perTable > MOST_TABLE_ENTRIES) throw damaged(`grain tables of ${perTable} entries`);
  const directory = sectors(header, FIELD.gdOffset);
  const flags = header.getUint32(FIELD.flags, true);
  const compressed = (flags & FLAG.COMPRESSED) !== 0;
  if (compressed && header.getUint16(FIELD.compressAlgorithm, true) !== DEFLATE) throw unsupported('its compression');
  const table = new PagedTable(store, { littleEndian: true });
  let unpacked: { place: number; bytes: Uint8Array } | undefined;
  function* locate(grain: number): Task<BlockPlace> {
    const grainTable = yield* table.get(directory + Math.floor(grain / perTable) * 4);
    if (grainTable === 0) return undefined;
    const entry = yield* table.get(grainTable * SECTOR_BYTES + (grain % perTable) * 4);
    if (entry === 0 || (entry === ZEROED && (flags & FLAG.ZEROED_GRAINS) !== 0)) return undefined;
    const place = entry * SECTOR_BYTES;
    if (!compressed) return place;
    if (unpacked?.place !== place) unpacked = { place, bytes: yield* unpack(store, place, blockBytes) };
    return unpacked.bytes;
  }
  return { size, blockBytes, locate };
}

/** A marker, then data of the zlib format, RFC 1950. The disk's last grain may be shorter. */
function* unpack(store: ByteStore, place: number, grainBytes: number): Task<Uint8Array> {
  if (place + MARKER_BYTES > store.size) throw beyondTheEnd(place);
  const marker = yield* wait(store.read(place, MARKER_BYTES));
  const length = new DataView(marker.buffer, marker.byteOffset).getUint32(8, true);
  // Deflate makes hardly more of what it cannot shorten.
  if (length > 2 * grainBytes + SECTOR_BYTES) throw damaged(`a compressed grain of ${length} bytes`);
  if (place + MARKER_BYTES + length > store.size) throw beyondTheEnd(place);
  const packed = yield* wait(store.read(place + MARKER_BYTES, length));
  try {
    const grain = new Uint8Array(grainBytes);
    unzlibSync(packed, { out: grain });
    return grain;
  } catch {
    throw damaged('a compressed grain cannot be unpacked');
  }
}

/** A number of sectors, in bytes. */
function sectors(view: DataView, at: number): number {
  const bytes = Number(view.getBigUint64(at, true)) * SECTOR_BYTES;
  if (!Number.isSafeInteger(bytes)) throw damaged('a number is too large');
  return bytes;
}

const damaged = (what: string): StorageError => new StorageError('damaged', `damaged VMDK image: ${what}`);
const unsupported = (what: string): StorageError => new StorageError('unsupported', `VMDK: ${what} is not supported`);
