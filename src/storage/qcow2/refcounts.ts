/**
 * Which clusters of a qcow2 file are in use, and how often. A count that is too high wastes a cluster, one that is too low
 * destroys data: so what goes up is written before the reference that it counts, what goes down after that is gone.
 */
import { StorageError } from '../storage-error.ts';
import type { Task } from '../task.ts';
import { damaged, FIELD, MOST_REFCOUNT_TABLE_BYTES } from './header.ts';
import type { Qcow2File } from './qcow2-file.ts';
import { getRefcount, refcountsPerBlock, setRefcount } from './refcount-block.ts';
import { layOutRefcounts } from './refcount-layout.ts';
import { type Table, TableCache } from './table-cache.ts';

/** So many clusters may wait for being given back, before somebody should see to it. */
const MOST_WAITING = 4096;

export class Refcounts {
  readonly #file: Qcow2File;
  readonly #order: number;
  readonly #perBlock: number;
  readonly #blocks: TableCache;
  #tableOffset: number;
  #table: DataView;
  /** Below it no cluster is free. */
  #hint = 0;
  /** Clusters of the file, and how many references to each will be gone once the tables are written. */
  readonly #waiting = new Map<number, number>();

  private constructor(file: Qcow2File, table: Uint8Array) {
    this.#file = file;
    this.#order = file.header.refcountOrder;
    this.#perBlock = refcountsPerBlock(file.clusterBytes, this.#order);
    this.#blocks = new TableCache(file);
    this.#tableOffset = file.header.refcountTableOffset;
    this.#table = new DataView(table.buffer, table.byteOffset, table.byteLength);
  }

  static *open(file: Qcow2File): Task<Refcounts> {
    const { refcountTableOffset, refcountTableClusters } = file.header;
    if (refcountTableClusters === 0) throw damaged('there is no refcount table');
    return new Refcounts(file, yield* file.read(refcountTableOffset, refcountTableClusters * file.clusterBytes));
  }

  /** Something is to be written before any new reference is. */
  get dirty(): boolean {
    return this.#blocks.dirtyTables > 0;
  }

  /** Something is to be given back once references are gone from the file. */
  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  get crowded(): boolean {
    return this.#blocks.crowded || this.#waiting.size >= MOST_WAITING;
  }

  *get(cluster: number): Task<number> {
    const offset = this.#blockOffset(Math.floor(cluster / this.#perBlock));
    if (offset === 0) return 0;
    const block = yield* this.#blocks.get(offset);
    return getRefcount(block.view, this.#order, cluster % this.#perBlock);
  }

  /** Entries of the table that are not 0, as they are. */
  *blockOffsets(): Generator<number> {
    for (let index = 0; index < this.#tableEntries; index++) {
      const offset = this.#tableEntry(index);
      if (offset !== 0) yield offset;
    }
  }

  /** @returns the offset of a cluster that nobody used, and whose count is 1 now, though not yet in the file */
  *allocate(): Task<number> {
    for (;;) {
      const index = Math.floor(this.#hint / this.#perBlock);
      if (index >= this.#tableEntries) {
        yield* this.#growTable();
        continue;
      }
      const offset = this.#blockOffset(index);
      if (offset === 0) {
        yield* this.#addBlock(index);
        continue;
      }
      const block = yield* this.#blocks.get(offset);
      const at = this.#firstFree(block, this.#hint % this.#perBlock);
      this.#hint = index * this.#perBlock + at;
      if (at === this.#perBlock) continue;
      const cluster = this.#hint++;
      this.#file.assertFree(cluster * this.#file.clusterBytes, this.#file.clusterBytes);
      this.#set(block, at, 1);
      return cluster * this.#file.clusterBytes;
    }
  }

  /** A cluster to which there never was a reference, after all. */
  *release(offset: number): Task<void> {
    yield* this.#decrement(offset / this.#file.clusterBytes, 1);
  }

  /** A reference that is gone from the tables in memory; it counts until they are in the file. */
  giveBack(offset: number): void {
    const cluster = Math.floor(offset / this.#file.clusterBytes);
    this.#waiting.set(cluster, (this.#waiting.get(cluster) ?? 0) + 1);
  }

  *write(): Task<void> {
    yield* this.#blocks.write();
  }

  /** To be called when no table in the file contains the references any more. */
  *writeGivenBack(): Task<void> {
    for (const [cluster, references] of this.#waiting) {
      yield* this.#decrement(cluster, references);
      this.#waiting.delete(cluster);
    }
    yield* this.#blocks.write();
  }

  get #tableEntries(): number {
    return this.#table.byteLength / 8;
  }

  #blockOffset(index: number): number {
    if (index >= this.#tableEntries) return 0;
    const offset = this.#tableEntry(index);
    if (offset % this.#file.clusterBytes !== 0 || !Number.isSafeInteger(offset))
      throw damaged(`a refcount block at ${offset}`);
    return offset;
  }

  #tableEntry(index: number): number {
    return this.#table.getUint32(index * 8) * 2 ** 32 + this.#table.getUint32(index * 8 + 4);
  }

  #firstFree({ view }: Table, from: number): number {
    let at = from;
    while (at < this.#perBlock && getRefcount(view, this.#order, at) !== 0) at++;
    return at;
  }

  #set(block: Table, index: number, value: number): void {
    setRefcount(block.view, this.#order, index, value);
    const bits = 2 ** this.#order;
    this.#blocks.touch(block, Math.floor((index * bits) / 8), Math.ceil(bits / 8));
  }

  *#decrement(cluster: number, references: number): Task<void> {
    const offset = this.#blockOffset(Math.floor(cluster / this.#perBlock));
    if (offset === 0) return; // The count was wrong already, and too low.
    const block = yield* this.#blocks.get(offset);
    const index = cluster % this.#perBlock;
    const count = Math.max(0, getRefcount(block.view, this.#order, index) - references);
    this.#set(block, index, count);
    if (count === 0) this.#hint = Math.min(this.#hint, cluster);
  }

  /** None of the clusters it would count is in use; so it takes the first of them itself, and counts that. */
  *#addBlock(index: number): Task<void> {
    const offset = index * this.#perBlock * this.#file.clusterBytes;
    const bytes = new Uint8Array(this.#file.clusterBytes);
    setRefcount(new DataView(bytes.buffer), this.#order, 0, 1);
    yield* this.#file.write(offset, bytes);
    yield* this.#file.barrier();
    const entry = tableEntry(offset);
    yield* this.#file.writeGuarded(this.#tableOffset + index * 8, entry);
    this.#bytesOfTable().set(entry, index * 8);
    this.#blocks.add(offset, bytes);
  }

  /** A larger table, and with it the blocks that count its clusters: behind all that could be counted up to now. */
  *#growTable(): Task<void> {
    const { clusterBytes } = this.#file;
    const covered = this.#tableEntries;
    const least = Math.ceil((covered * 1.5 * 8) / clusterBytes);
    const layout = layOutRefcounts(0, { clusterBytes, order: this.#order, coveredBlocks: covered, least });
    if (layout.table * clusterBytes > MOST_REFCOUNT_TABLE_BYTES)
      throw new StorageError('full', 'the qcow2 image cannot become larger: its refcount table is full');
    const start = covered * this.#perBlock * clusterBytes;
    const used = layout.blocks + layout.table;
    const bytes = new Uint8Array(layout.table * clusterBytes);
    bytes.set(this.#bytesOfTable());
    for (let block = 0; block < layout.blocks; block++) {
      const counts = new DataView(new ArrayBuffer(clusterBytes));
      for (let index = 0; index < this.#perBlock && block * this.#perBlock + index < used; index++) {
        setRefcount(counts, this.#order, index, 1);
      }
      yield* this.#file.write(start + block * clusterBytes, new Uint8Array(counts.buffer));
      bytes.set(tableEntry(start + block * clusterBytes), (covered + block) * 8);
    }
    const tableOffset = start + layout.blocks * clusterBytes;
    yield* this.#file.write(tableOffset, bytes);
    yield* this.#file.barrier();
    // Offset and size in one write, within one sector: there is always one whole table.
    const fields = new Uint8Array(12);
    fields.set(tableEntry(tableOffset));
    new DataView(fields.buffer).setUint32(8, layout.table);
    yield* this.#file.writeGuarded(FIELD.refcountTableOffset, fields);
    yield* this.#file.barrier();
    for (let at = 0; at < this.#table.byteLength; at += clusterBytes) this.giveBack(this.#tableOffset + at);
    this.#tableOffset = tableOffset;
    this.#table = new DataView(bytes.buffer);
    this.#file.moveRefcountTable(tableOffset, bytes.length);
  }

  #bytesOfTable(): Uint8Array {
    return new Uint8Array(this.#table.buffer, this.#table.byteOffset, this.#table.byteLength);
  }
}

function tableEntry(offset: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, Math.floor(offset / 2 ** 32));
  view.setUint32(4, offset % 2 ** 32);
  return new Uint8Array(view.buffer);
}
