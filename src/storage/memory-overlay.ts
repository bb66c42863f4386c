/**
 * Copy on write in memory: what the guest writes is kept here, and forgotten when the store is closed. What is under it
 * is never written.
 */
import type { BlockStore, ImageFormat } from './block-store.ts';
import { assertInside, StorageError } from './storage-error.ts';
import { type Awaitable, type Task, TaskQueue, wait } from './task.ts';

/**
 * What is copied at once, in bytes. Guests write 4 KiB at a time, scattered: with larger pieces, a few megabytes written
 * would take hundreds.
 */
const PIECE = 4096;
/** Pieces are allocated so many at a time. */
const PIECES_A_SLAB = 256;
const DEFAULT_LIMIT = 2 ** 32;

export interface MemoryOverlayOptions {
  /** Bytes that may be kept; a write beyond that fails with the problem `full`. Default: 4 GiB. */
  readonly limit?: number;
}

export class MemoryOverlay implements BlockStore {
  readonly readOnly = false;
  readonly #base: BlockStore;
  readonly #most: number;
  readonly #slabs: Uint8Array[] = [];
  /** Which of the pieces in the slabs holds a piece of the disk. */
  readonly #slots = new Map<number, number>();
  /** By slot: how often it was written. */
  readonly #versions: number[] = [];
  readonly #queue = new TaskQueue();

  constructor(base: BlockStore, { limit = DEFAULT_LIMIT }: MemoryOverlayOptions = {}) {
    this.#base = base;
    this.#most = Math.floor(limit / PIECE);
  }

  get format(): ImageFormat {
    return this.#base.format;
  }

  get size(): number {
    return this.#base.size;
  }

  /** Bytes of memory that hold what was written. */
  get kept(): number {
    return this.#slabs.length * PIECES_A_SLAB * PIECE;
  }

  /**
   * What was written, by pieces of 4 KiB, by number; at once. The bytes are the store's own; `version` grows when they
   * change.
   */
  *written(): Generator<{ readonly page: number; readonly bytes: Uint8Array; readonly version: number }> {
    for (const [page, slot] of [...this.#slots].sort(([one], [other]) => one - other)) {
      // Who takes his time may find it closed.
      if (slot >= this.#slots.size) return;
      yield { page, bytes: this.#slot(slot), version: this.#versions[slot] };
    }
  }

  /** Before anything is read: a piece as `written` gave it. @throws StorageError beyond its size, or for too many */
  keep(page: number, bytes: Uint8Array): void {
    if (!(page * PIECE < this.size)) throw new StorageError('damaged', `there is no block ${page}`);
    (this.#piece(page) ?? this.#take(page)).set(bytes);
  }

  read(offset: number, length: number): Awaitable<Uint8Array> {
    return this.#queue.run(() => this.#read(offset, length));
  }

  *#read(offset: number, length: number): Task<Uint8Array> {
    assertInside(this.size, offset, length);
    if (this.#slots.size === 0) return yield* wait(this.#base.read(offset, length));
    const pieces = [...piecesOf(offset, length)];
    const all = pieces.every(({ index }) => this.#slots.has(index));
    const result = all ? new Uint8Array(length) : yield* wait(this.#base.read(offset, length));
    for (const { index, from, count, at } of pieces) {
      const piece = this.#piece(index);
      if (piece) result.set(piece.subarray(from, from + count), at);
    }
    return result;
  }

  write(offset: number, bytes: Uint8Array): Awaitable<void> {
    return this.#queue.run(() => this.#write(offset, bytes));
  }

  *#write(offset: number, bytes: Uint8Array): Task<void> {
    assertInside(this.size, offset, bytes.length);
    for (const { index, from, count, at } of piecesOf(offset, bytes.length)) {
      const piece = this.#piece(index) ?? (yield* this.#copy(index, { whole: count === PIECE }));
      piece.set(bytes.subarray(at, at + count), from);
      this.#versions[this.#slots.get(index)!]++;
    }
  }

  flush(): Awaitable<void> {
    return this.#queue.run(() => wait(undefined));
  }

  close(): Awaitable<void> {
    return this.#queue.run(() => this.#close());
  }

  *#close(): Task<void> {
    this.#slots.clear();
    this.#versions.length = 0;
    this.#slabs.length = 0;
    yield* wait(this.#base.close());
  }

  #piece(index: number): Uint8Array | undefined {
    const slot = this.#slots.get(index);
    return slot === undefined ? undefined : this.#slot(slot);
  }

  #slot(slot: number): Uint8Array {
    const start = (slot % PIECES_A_SLAB) * PIECE;
    return this.#slabs[Math.floor(slot / PIECES_A_SLAB)].subarray(start, start + PIECE);
  }

  /** A piece of its own for a piece of the disk. `whole`: all of it is about to be written. */
  *#copy(index: number, { whole }: { readonly whole: boolean }): Task<Uint8Array> {
    this.#assertRoom();
    const start = index * PIECE;
    const old = whole ? undefined : yield* wait(this.#base.read(start, Math.min(PIECE, this.size - start)));
    const piece = this.#take(index);
    if (old) piece.set(old);
    return piece;
  }

  #assertRoom(): void {
    if (this.#slots.size < this.#most) return;
    throw new StorageError('full', `more was written than is kept in memory (${this.#most * PIECE} bytes)`);
  }

  #take(index: number): Uint8Array {
    this.#assertRoom();
    const slot = this.#slots.size;
    if (slot % PIECES_A_SLAB === 0) this.#slabs.push(new Uint8Array(PIECES_A_SLAB * PIECE));
    this.#slots.set(index, slot);
    this.#versions.push(0);
    return this.#slot(slot);
  }
}

/** A range cut at the borders of pieces: `count` bytes at `from` of piece `index` are those at `at` of the range. */
function* piecesOf(
  offset: number,
  length: number,
): Generator<{ index: number; from: number; count: number; at: number }> {
  for (let at = 0; at < length; ) {
    const from = (offset + at) % PIECE;
    const count = Math.min(PIECE - from, length - at);
    yield { index: Math.floor((offset + at) / PIECE), from, count, at };
    at += count;
  }
}
