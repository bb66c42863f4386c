/** A table of 32-bit numbers within a file, of which a few pages are kept. */
import type { ByteStore } from './block-store.ts';
import { StorageError } from './storage-error.ts';
import { type Task, wait } from './task.ts';

const PAGE = 2 ** 16;
const PAGES_KEPT = 16;

export class PagedTable {
  readonly #store: ByteStore;
  readonly #littleEndian: boolean;
  /** By their offset in the file. The first is the one that was not used for longest. */
  readonly #pages = new Map<number, DataView>();

  constructor(store: ByteStore, { littleEndian }: { readonly littleEndian: boolean }) {
    this.#store = store;
    this.#littleEndian = littleEndian;
  }

  /** @param offset of the number, in the file: a multiple of 4 @throws StorageError for what the file does not have */
  *get(offset: number): Task<number> {
    const start = Math.floor(offset / PAGE) * PAGE;
    const page = this.#pages.get(start) ?? (yield* this.#read(start));
    if (offset - start + 4 > page.byteLength) throw beyondTheEnd(offset);
    this.#pages.delete(start);
    this.#pages.set(start, page);
    return page.getUint32(offset - start, this.#littleEndian);
  }

  *#read(start: number): Task<DataView> {
    if (!(start < this.#store.size)) throw beyondTheEnd(start);
    const bytes = yield* wait(this.#store.read(start, Math.min(PAGE, this.#store.size - start)));
    if (this.#pages.size >= PAGES_KEPT) this.#pages.delete(this.#pages.keys().next().value!);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/** What the image refers to, and its file does not have. */
export const beyondTheEnd = (offset: number): StorageError =>
  new StorageError('damaged', `what should be at ${offset} lies beyond the end of the file: is it truncated?`);
