/** Which cluster of the disk is where: tables of two levels. Changes are kept until `commit` writes them, in order. */
import type { Task } from '../task.ts';
import { type ClusterMapping, COPIED_HIGH, decodeMapping, decodeOffset } from './cluster-mapping.ts';
import { damaged } from './header.ts';
import type { Qcow2File } from './qcow2-file.ts';
import type { Refcounts } from './refcounts.ts';
import { type Table, TableCache } from './table-cache.ts';

const ENTRY = 8;
const SECTOR = 512;

export class ClusterMap {
  readonly #file: Qcow2File;
  readonly #refcounts: Refcounts | undefined;
  readonly #first: DataView;
  /** Sectors of the first-level table that have changed. */
  readonly #dirtySectors = new Set<number>();
  readonly #tables: TableCache;
  /** Tables to which no entry in the file refers yet. */
  readonly #fresh = new Set<Table>();
  readonly #perTable: number;

  private constructor(file: Qcow2File, first: Uint8Array, refcounts: Refcounts | undefined) {
    this.#file = file;
    this.#refcounts = refcounts;
    this.#first = new DataView(first.buffer, first.byteOffset, first.byteLength);
    this.#tables = new TableCache(file);
    this.#perTable = file.clusterBytes / ENTRY;
  }

  /** @param refcounts none if it will not be written */
  static *open(file: Qcow2File, refcounts: Refcounts | undefined): Task<ClusterMap> {
    const { l1Entries, l1Offset } = file.header;
    const first = l1Entries > 0 ? yield* file.read(l1Offset, l1Entries * ENTRY) : new Uint8Array(0);
    return new ClusterMap(file, first, refcounts);
  }

  get dirty(): boolean {
    return this.#dirtySectors.size > 0 || this.#tables.dirtyTables > 0;
  }

  get crowded(): boolean {
    return this.#tables.crowded;
  }

  /** @param cluster of the disk */
  *lookUp(cluster: number): Task<ClusterMapping> {
    const { host } = this.#firstEntry(Math.floor(cluster / this.#perTable));
    if (host === 0) return { kind: 'unallocated' };
    return this.#decode(yield* this.#tables.get(host), cluster);
  }

  /** A cluster of the disk is now that of the file at `host`, which has no other use. */
  *assign(cluster: number, host: number): Task<void> {
    const table = yield* this.#ownTable(Math.floor(cluster / this.#perTable));
    const at = (cluster % this.#perTable) * ENTRY;
    table.view.setUint32(at, COPIED_HIGH + Math.floor(host / 2 ** 32));
    table.view.setUint32(at + 4, host % 2 ** 32);
    this.#tables.touch(table, at, ENTRY);
  }

  /** To be called before `writeReferences`, with a barrier between the two. */
  *writeFreshTables(): Task<void> {
    yield* this.#tables.write((table) => this.#fresh.has(table));
    this.#fresh.clear();
  }

  /** All that the entries refer to must be in the file, and counted. */
  *writeReferences(): Task<void> {
    yield* this.#tables.write();
    for (const sector of this.#dirtySectors) {
      const start = sector * SECTOR;
      const length = Math.min(SECTOR, this.#first.byteLength - start);
      const bytes = new Uint8Array(this.#first.buffer, this.#first.byteOffset + start, length);
      yield* this.#file.writeGuarded(this.#file.header.l1Offset + start, bytes);
      this.#dirtySectors.delete(sector);
    }
  }

  #decode({ view }: Table, cluster: number): ClusterMapping {
    const at = (cluster % this.#perTable) * ENTRY;
    return decodeMapping(view.getUint32(at), view.getUint32(at + 4), this.#file.header);
  }

  #firstEntry(index: number): { host: number; copied: boolean } {
    if (index * ENTRY >= this.#first.byteLength) throw damaged('the first-level table is too small');
    const [high, low] = [this.#first.getUint32(index * ENTRY), this.#first.getUint32(index * ENTRY + 4)];
    const host = decodeOffset(high, low, this.#file.header.clusterBits);
    return { host, copied: (high & COPIED_HIGH) !== 0 };
  }

  /** A table that may be changed: a new one if there is none, a copy if a snapshot refers to it too. */
  *#ownTable(index: number): Task<Table> {
    const { host, copied } = this.#firstEntry(index);
    if (host !== 0 && copied) return yield* this.#tables.get(host);
    const old = host === 0 ? undefined : yield* this.#tables.get(host);
    const offset = yield* this.#refcounts!.allocate();
    const bytes = new Uint8Array(this.#file.clusterBytes);
    if (old) bytes.set(new Uint8Array(old.view.buffer, old.view.byteOffset, bytes.length));
    this.#tables.forget(offset);
    const table = this.#tables.add(offset, bytes);
    this.#tables.touch(table, 0, bytes.length);
    this.#fresh.add(table);
    this.#first.setUint32(index * ENTRY, COPIED_HIGH + Math.floor(offset / 2 ** 32));
    this.#first.setUint32(index * ENTRY + 4, offset % 2 ** 32);
    this.#dirtySectors.add(Math.floor((index * ENTRY) / SECTOR));
    if (old) this.#refcounts!.giveBack(host);
    return table;
  }
}
