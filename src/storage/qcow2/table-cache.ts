/** Tables of one cluster each, second-level or of refcounts, of which some are kept and some have changed. */
import type { Task } from '../task.ts';
import type { Qcow2File } from './qcow2-file.ts';

/** Memory for clean tables, in bytes, as far as there are more than a few. */
const KEPT_BYTES = 2 ** 21;
const LEAST_KEPT = 4;
/** What is written at once: a disk writes whole sectors. */
const SECTOR = 512;

export interface Table {
  readonly offset: number;
  readonly view: DataView;
  /** Bytes that have changed since it was read or written, from first up to, not including, end. */
  dirty: { first: number; end: number } | undefined;
}

export class TableCache {
  readonly #file: Qcow2File;
  readonly #most: number;
  /** The first is the one that was not used for longest. */
  readonly #tables = new Map<number, Table>();
  readonly #dirty = new Set<Table>();

  constructor(file: Qcow2File) {
    this.#file = file;
    this.#most = Math.max(LEAST_KEPT, KEPT_BYTES / file.clusterBytes);
  }

  /** Changed, and not yet written. */
  get dirtyTables(): number {
    return this.#dirty.size;
  }

  /** Whether so much has changed that the owner should have it written. */
  get crowded(): boolean {
    return this.#dirty.size >= this.#most / 2;
  }

  *get(offset: number): Task<Table> {
    const known = this.#tables.get(offset);
    if (known) {
      this.#tables.delete(offset);
      this.#tables.set(offset, known);
      return known;
    }
    return this.add(offset, yield* this.#file.read(offset, this.#file.clusterBytes));
  }

  add(offset: number, bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const table: Table = { offset, view, dirty: undefined };
    for (const [key, { dirty }] of this.#tables) {
      if (this.#tables.size < this.#most) break;
      if (!dirty) this.#tables.delete(key);
    }
    this.#tables.set(offset, table);
    return table;
  }

  /** `length` bytes at `at` have changed. */
  touch(table: Table, at: number, length: number): void {
    const { first, end } = table.dirty ?? { first: at, end: at };
    table.dirty = { first: Math.min(first, at), end: Math.max(end, at + length) };
    this.#dirty.add(table);
  }

  /** Writes what has changed of those tables that `which` wants. */
  *write(which: (table: Table) => boolean = () => true): Task<void> {
    for (const table of this.#dirty) {
      if (!which(table)) continue;
      const first = Math.floor(table.dirty!.first / SECTOR) * SECTOR;
      const end = Math.ceil(table.dirty!.end / SECTOR) * SECTOR;
      const bytes = new Uint8Array(table.view.buffer, table.view.byteOffset + first, end - first);
      yield* this.#file.write(table.offset + first, bytes);
      table.dirty = undefined;
      this.#dirty.delete(table);
    }
  }

  forget(offset: number): void {
    const table = this.#tables.get(offset);
    if (table) this.#dirty.delete(table);
    this.#tables.delete(offset);
  }
}
