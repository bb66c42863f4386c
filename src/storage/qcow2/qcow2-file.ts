/** The file of a qcow2 image, in clusters. */
import type { ByteStore } from '../block-store.ts';
import { type Task, wait } from '../task.ts';
import { damaged, type Qcow2Header } from './header.ts';

export class Qcow2File {
  readonly header: Qcow2Header;
  readonly clusterBytes: number;
  readonly #store: ByteStore;
  #refcountTable: { start: number; length: number };

  constructor(store: ByteStore, header: Qcow2Header) {
    this.#store = store;
    this.header = header;
    this.clusterBytes = 2 ** header.clusterBits;
    this.#refcountTable = {
      start: header.refcountTableOffset,
      length: header.refcountTableClusters * this.clusterBytes,
    };
  }

  get size(): number {
    return this.#store.size;
  }

  /** Where the refcount table is from now on. */
  moveRefcountTable(start: number, length: number): void {
    this.#refcountTable = { start, length };
  }

  /**
   * The file may end within a cluster, whose rest is zeroes.
   * @throws StorageError if it ends before
   */
  *read(offset: number, length: number): Task<Uint8Array> {
    const end = Math.min(offset + length, this.size);
    if (end === offset + length) return yield* wait(this.#store.read(offset, length));
    if (offset + length - end >= this.clusterBytes || offset >= this.size)
      throw damaged(`what should be at ${offset} lies beyond the end of the file: is it truncated?`);
    const bytes = new Uint8Array(length);
    bytes.set(yield* wait(this.#store.read(offset, end - offset)));
    return bytes;
  }

  /** For what is found by an entry of a table. @throws StorageError if it would hit a table of the image */
  *write(offset: number, bytes: Uint8Array): Task<void> {
    this.assertFree(offset, bytes.length);
    yield* wait(this.#store.write!(offset, bytes));
  }

  /** For header, first-level table and refcount table themselves. */
  *writeGuarded(offset: number, bytes: Uint8Array): Task<void> {
    yield* wait(this.#store.write!(offset, bytes));
  }

  /** A damaged image must not become a worse one. @throws StorageError for a part of the header or of a first table */
  assertFree(offset: number, length: number): void {
    const { l1Offset, l1Entries } = this.header;
    const tables = [
      { start: 0, length: this.clusterBytes },
      { start: l1Offset, length: l1Entries * 8 },
      this.#refcountTable,
    ];
    const hit = tables.some((table) => offset < table.start + table.length && offset + length > table.start);
    if (hit) throw damaged(`${length} bytes at ${offset} would overwrite a table`);
  }

  /** What was written before is on stable storage before anything that is written behind. */
  *barrier(): Task<void> {
    yield* wait(this.#store.flush?.());
  }

  *close(): Task<void> {
    yield* wait(this.#store.close());
  }
}
