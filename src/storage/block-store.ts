/** What is behind a disk, and what a drive sees of it. */
import type { Awaitable } from './task.ts';

/**
 * Bytes behind a disk, wherever they are: a file, memory, a Blob, an HTTP server. Offsets and lengths in bytes. A store
 * answers at once or later, as it likes. Calls are made in order, one at a time.
 */
export interface ByteStore {
  /** May grow by `write` where the back end can grow. */
  readonly size: number;
  /**
   * @returns exactly `length` bytes, the caller's own
   * @throws StorageError (or rejects with it) for what lies beyond `size`, and if the host cannot read
   */
  read(offset: number, length: number): Awaitable<Uint8Array>;
  /**
   * Absent: read only. `bytes` must stay as they are until the call is done. A gap before `offset` reads as zeroes.
   * @throws StorageError if the host cannot write
   */
  write?(offset: number, bytes: Uint8Array): Awaitable<void>;
  /** Done when all that was written is on stable storage. */
  flush?(): Awaitable<void>;
  close(): Awaitable<void>;
}

export const IMAGE_FORMATS = ['raw', 'qcow2', 'vmdk', 'vdi', 'vhd'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/**
 * A disk image as the guest's drive sees it. Answers at once if the bytes behind it do. Calls take effect in the order in
 * which they are made; one need not wait for the one before.
 */
export interface BlockStore {
  readonly format: ImageFormat;
  /** Bytes that the guest sees: whole sectors of 512. */
  readonly size: number;
  readonly readOnly: boolean;
  /**
   * @returns exactly `length` bytes, the caller's own
   * @throws StorageError for what lies beyond `size`, for a damaged image, and if the host cannot read
   */
  read(offset: number, length: number): Awaitable<Uint8Array>;
  /**
   * `bytes` must stay as they are until the call is done.
   * @throws StorageError for what lies beyond `size`, if `readOnly`, for a damaged image, and if the host cannot write
   */
  write(offset: number, bytes: Uint8Array): Awaitable<void>;
  /** Done when all that was written before is on stable storage, and found there whatever happens next. */
  flush(): Awaitable<void>;
  /** Flushes, and closes what is behind. */
  close(): Awaitable<void>;
}

/** Bytes of a disk's sector: sizes that the guest sees are multiples of it. */
export const SECTOR_BYTES = 512;

export const wholeSectors = (bytes: number): number => Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
