/**
 * The format of a snapshot file (`.vetro`). All numbers are little-endian.
 *
 * - Header: magic number, version of the format (32 bits), 4 bytes that are zero.
 * - Blocks of up to 16 pages of 4 KiB, deflated, one behind the other. Equal pages are stored once, zero pages not at all.
 * - Index: plain data (`plain-data.ts`), deflated: `SnapshotIndex`.
 * - Trailer: where the index begins (64 bits), its length in the file and unpacked (32 bits each), the SHA-256 of its bytes
 *   in the file, version, magic number. So a reader needs the end of the file first, and then of the blocks those it wants.
 */
import { PAGE_SIZE } from '../base/address.ts';

export const MAGIC = Uint8Array.of(0x76, 0x65, 0x74, 0x72, 0x6f, 0x0d, 0x0a, 0x1a); // "vetro", CR, LF, Ctrl-Z
export const FORMAT_VERSION = 1;
export const HEADER_BYTES = 16;
export const TRAILER = {
  INDEX_AT: 0,
  INDEX_PACKED: 8,
  INDEX_LENGTH: 12,
  INDEX_DIGEST: 16,
  VERSION: 48,
  MAGIC: 56,
  BYTES: 64,
} as const;

export const PAGES_A_BLOCK = 16;
export const BLOCK_BYTES = PAGES_A_BLOCK * PAGE_SIZE;
/** An index is never larger, packed or not: that of 3 GiB of pages, all different, has 40 MiB. */
export const MOST_INDEX_BYTES = 2 ** 28;

export interface SnapshotIndex {
  readonly version: number;
  /** What was saved, but for its pages: plain data, of a shape that its owner knows. */
  readonly head: unknown;
  /** By block: its length in the file, 32 bits each. */
  readonly blocks: Uint8Array;
  /** By page that is stored: its SHA-256. */
  readonly digests: Uint8Array;
  /** Pages by what they belong to. */
  readonly maps: Readonly<Record<string, PackedMap>>;
}

/** Two lists of equal length, 32 bits each: a page's number, rising, and which of the pages stored is there. */
export interface PackedMap {
  readonly numbers: Uint8Array;
  readonly stored: Uint8Array;
}
