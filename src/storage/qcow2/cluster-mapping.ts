/** Where the bytes of a cluster of the disk are: an entry of a second-level table. */
import { damaged } from './header.ts';

export type ClusterMapping =
  /** In the backing file, or zeroes. */
  | { readonly kind: 'unallocated' }
  /** Zeroes. `host` may name a cluster of the file that is kept for it, else it is 0. */
  | { readonly kind: 'zero'; readonly host: number; readonly copied: boolean }
  /** At `host` in the file; `copied`: nothing else refers to that, so it may be written in place. */
  | { readonly kind: 'data'; readonly host: number; readonly copied: boolean }
  /** Within `length` bytes at `host`, which need not be aligned. */
  | { readonly kind: 'compressed'; readonly host: number; readonly length: number };

export const COPIED_HIGH = 0x8000_0000;
const COMPRESSED_HIGH = 0x4000_0000;
/** Bits 9–55, in the halves of an entry. */
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;
const ZERO = 1;
const UNALLOCATED: ClusterMapping = { kind: 'unallocated' };
const COMPRESSED_SECTOR = 512;

/** What of the image decides how entries are read. */
export interface EntryFormat {
  readonly version: 2 | 3;
  readonly clusterBits: number;
}

/**
 * @param high bits 63–32 @param low bits 31–0
 * @throws StorageError if the entry cannot be
 */
export function decodeMapping(high: number, low: number, { version, clusterBits }: EntryFormat): ClusterMapping {
  if (high === 0 && low === 0) return UNALLOCATED;
  if (high & COMPRESSED_HIGH) return decodeCompressed(high, low, clusterBits);
  const host = decodeOffset(high, low & ~ZERO, clusterBits);
  const copied = (high & COPIED_HIGH) !== 0;
  if (low & ZERO) {
    if (version === 2) throw damaged('a zero cluster, which version 2 does not have');
    return { kind: 'zero', host, copied };
  }
  // Only the flag: QEMU takes it for unallocated.
  return host === 0 ? UNALLOCATED : { kind: 'data', host, copied };
}

/** Of an entry of either level. @throws StorageError if it is no multiple of a cluster, or reserved bits are set */
export function decodeOffset(high: number, low: number, clusterBits: number): number {
  const offset = (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
  const reserved = (high & ~(OFFSET_HIGH | COPIED_HIGH)) !== 0 || (low & ~OFFSET_LOW) !== 0;
  if (reserved || offset % 2 ** clusterBits !== 0 || !Number.isSafeInteger(offset))
    throw damaged(`a table has the entry ${hex(high)}:${hex(low)}`);
  return offset;
}

/** The offset has 62 − (clusterBits − 8) bits; above are the number of sectors behind the first. */
function decodeCompressed(high: number, low: number, clusterBits: number): ClusterMapping {
  const bits = 62 - (clusterBits - 8) - 32;
  const host = (high & (2 ** bits - 1)) * 2 ** 32 + (low >>> 0);
  const sectors = ((high & (COMPRESSED_HIGH - 1)) >>> bits) + 1;
  if (!Number.isSafeInteger(host + sectors * COMPRESSED_SECTOR)) throw damaged('a compressed cluster far away');
  return { kind: 'compressed', host, length: sectors * COMPRESSED_SECTOR - (host % COMPRESSED_SECTOR) };
}

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
