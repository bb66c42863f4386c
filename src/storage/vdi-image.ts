/**
 * VirtualBox's VDI images, dynamic and fixed, read. Source: the structure `VDIHEADER1` as VirtualBox's forum documents it
 * ("All about VDIs"). Little-endian. Not built: differencing images, writing.
 */
import { BlockImage } from './block-image.ts';
import { type BlockStore, type ByteStore, SECTOR_BYTES } from './block-store.ts';
import { PagedTable } from './paged-table.ts';
import { StorageError } from './storage-error.ts';
import { type Task, wait } from './task.ts';

/** Offsets of fields, in bytes. */
const FIELD = {
  signature: 0x40,
  version: 0x44,
  type: 0x4c,
  blocksOffset: 0x154,
  dataOffset: 0x158,
  sectorBytes: 0x168,
  diskBytes: 0x170,
  blockBytes: 0x178,
  blockExtraBytes: 0x17c,
  blocks: 0x180,
} as const;
const HEADER_BYTES = 0x200;
const SIGNATURE = 0xbeda_107f;
const VERSION = 0x0001_0001;
const TYPE = { DYNAMIC: 1, FIXED: 2 } as const;
/** Entries from here on stand for blocks that are zeroes: never written, or discarded. */
const ZERO_BLOCK = 0xffff_fffe;
const BLOCK_BYTES = { least: 4096, most: 2 ** 26 } as const;

export function* openVdi(store: ByteStore): Task<BlockStore> {
  if (store.size < HEADER_BYTES) throw damaged('the header is cut off');
  const header = yield* wait(store.read(0, HEADER_BYTES));
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const field = (name: keyof typeof FIELD): number => view.getUint32(FIELD[name], true);
  if (field('signature') !== SIGNATURE) throw damaged('no VDI header');
  if (field('version') !== VERSION) throw unsupported(`version ${field('version').toString(16)}h`);
  if (field('type') !== TYPE.DYNAMIC && field('type') !== TYPE.FIXED) throw unsupported(`image type ${field('type')}`);
  if (field('blockExtraBytes') !== 0) throw unsupported('blocks with extra data');
  if (field('sectorBytes') !== SECTOR_BYTES) throw unsupported(`sectors of ${field('sectorBytes')} bytes`);
  const size = Number(view.getBigUint64(FIELD.diskBytes, true));
  const blockBytes = field('blockBytes');
  const powerOf2 = (blockBytes & (blockBytes - 1)) === 0;
  if (!powerOf2 || blockBytes < BLOCK_BYTES.least || blockBytes > BLOCK_BYTES.most)
    throw damaged(`blocks of ${blockBytes} bytes`);
  if (!Number.isSafeInteger(size) || Math.ceil(size / blockBytes) > field('blocks'))
    throw damaged('its blocks are too few for the disk');
  const [blocksOffset, dataOffset] = [field('blocksOffset'), field('dataOffset')];
  if (blocksOffset % 4 !== 0) throw damaged(`the block table is at ${blocksOffset}`);
  const table = new PagedTable(store, { littleEndian: true });
  function* locate(block: number): Task<number | undefined> {
    const entry = yield* table.get(blocksOffset + block * 4);
    return entry >= ZERO_BLOCK ? undefined : dataOffset + entry * blockBytes;
  }
  return new BlockImage({ format: 'vdi', store, size, blockBytes, locate });
}

const damaged = (what: string): StorageError => new StorageError('damaged', `damaged VDI image: ${what}`);
const unsupported = (what: string): StorageError => new StorageError('unsupported', `VDI: ${what} is not supported`);
