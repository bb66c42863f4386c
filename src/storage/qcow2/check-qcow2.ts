/** Counts all references to clusters of a qcow2 file, and compares them with the refcounts there. */
import type { ByteStore } from '../block-store.ts';
import { StorageError } from '../storage-error.ts';
import { type Awaitable, runTask, type Task } from '../task.ts';
import { COPIED_HIGH, decodeMapping, decodeOffset } from './cluster-mapping.ts';
import type { Qcow2Header } from './header.ts';
import { openQcow2 } from './open-qcow2.ts';
import type { Qcow2File } from './qcow2-file.ts';
import { Refcounts } from './refcounts.ts';

export interface Qcow2Check {
  /** What destroys data when the image is written, or has done so. */
  readonly corruptions: number;
  /** Clusters that nothing uses and nobody will. */
  readonly leaks: number;
  /** The first problems, a line each. */
  readonly problems: readonly string[];
  /** Clusters of the disk that have a place in the file, of all. */
  readonly allocated: number;
  readonly clusters: number;
}

const MOST_PROBLEMS = 10;
/** As many counts as fit into 64 MiB: a file of 2 TiB, in clusters of 64 KiB. */
const MOST_CLUSTERS = 2 ** 25;
const MOST_COUNT = 0xffff;
/** With so many the rest is no matter: in a hostile image there may be any number. */
const MOST_CORRUPTIONS = 1000;
/** Bytes of second-level tables: those of a disk of 1 TiB in clusters of 64 KiB, and of a hundred snapshots of it. */
const MOST_TABLE_BYTES = 2 ** 34;
/** Of a snapshot's entry in the snapshot table, without names and extra data. */
const SNAPSHOT_BYTES = 40;

/** @throws StorageError for what is no qcow2 image, or one whose header already cannot be */
export const checkQcow2 = (store: ByteStore): Awaitable<Qcow2Check> => runTask(check(store));

function* check(store: ByteStore): Task<Qcow2Check> {
  const file = yield* openQcow2(store);
  if (file.header.bitmaps)
    throw new StorageError('unsupported', 'images with bitmaps are not checked here: qemu-img check does');
  return yield* new Checker(file).check();
}

class Checker {
  readonly #file: Qcow2File;
  readonly #header: Qcow2Header;
  readonly #counts: Uint16Array;
  readonly #problems: string[] = [];
  #corruptions = 0;
  #leaks = 0;
  #allocated = 0;
  #tableBytes = 0;

  constructor(file: Qcow2File) {
    this.#file = file;
    this.#header = file.header;
    const clusters = Math.ceil(file.size / file.clusterBytes);
    if (clusters > MOST_CLUSTERS) throw new StorageError('unsupported', 'the image is too large to be checked here');
    this.#counts = new Uint16Array(clusters);
  }

  *check(): Task<Qcow2Check> {
    try {
      yield* this.#checkAll();
    } catch (error) {
      if (!(error instanceof Hopeless)) throw error;
    }
    return {
      corruptions: this.#corruptions,
      leaks: this.#leaks,
      problems: this.#problems,
      allocated: this.#allocated,
      clusters: Math.ceil(this.#header.size / this.#file.clusterBytes),
    };
  }

  *#checkAll(): Task<void> {
    const { l1Offset, l1Entries, refcountTableOffset, refcountTableClusters, corrupt } = this.#header;
    if (corrupt) this.#corrupted('it is marked as corrupt');
    this.#refer('the header', 0, this.#file.clusterBytes);
    const refcounts = yield* Refcounts.open(this.#file);
    this.#refer('the refcount table', refcountTableOffset, refcountTableClusters * this.#file.clusterBytes);
    for (const offset of refcounts.blockOffsets()) {
      if (offset % this.#file.clusterBytes !== 0) this.#corrupted(`a refcount block at ${offset}`);
      else this.#refer('a refcount block', offset, this.#file.clusterBytes);
    }
    yield* this.#tables({ offset: l1Offset, entries: l1Entries, refcounts: undefined });
    yield* this.#snapshots();
    yield* this.#compare(refcounts);
    yield* this.#tables({ offset: l1Offset, entries: l1Entries, refcounts });
  }

  /** @param refcounts if given, entries are compared with them, and not counted */
  *#tables(table: {
    offset: number;
    entries: number;
    refcounts: Refcounts | undefined;
    snapshot?: boolean;
  }): Task<void> {
    const { offset, entries, refcounts, snapshot } = table;
    if (entries === 0) return;
    if (!refcounts) this.#refer('a first-level table', offset, entries * 8);
    const bytes = yield* this.#read(offset, entries * 8);
    if (!bytes) return;
    const first = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // One that is referred to twice is counted twice, but need not be read again.
    const seen = new Set<number>();
    for (let at = 0; at < entries * 8; at += 8) {
      const host = this.#offsetOf(first.getUint32(at), first.getUint32(at + 4));
      if (!host) continue;
      if (refcounts) yield* this.#compareCopied(refcounts, 'a second-level table', host, first.getUint32(at));
      else this.#refer('a second-level table', host, this.#file.clusterBytes);
      if (seen.has(host)) continue;
      seen.add(host);
      this.#tableBytes += this.#file.clusterBytes;
      if (this.#tableBytes > MOST_TABLE_BYTES)
        throw new StorageError('unsupported', 'its tables are too many to be checked here');
      const second = yield* this.#read(host, this.#file.clusterBytes);
      if (second) yield* this.#secondLevel(second, refcounts, { count: !refcounts && !snapshot });
    }
  }

  *#secondLevel(bytes: Uint8Array, refcounts: Refcounts | undefined, { count }: { count: boolean }): Task<void> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.length; at += 8) {
      const [high, low] = [view.getUint32(at), view.getUint32(at + 4)];
      if (high === 0 && low === 0) continue;
      const mapping = this.#attempt(() => decodeMapping(high, low, this.#header), { quiet: refcounts !== undefined });
      if (!mapping || mapping.kind === 'unallocated') continue;
      if (count) this.#allocated++;
      if (mapping.host === 0) continue;
      if (mapping.kind === 'compressed') {
        // Its last sector may lie beyond the end of the file, if the data does not.
        const length = Math.max(1, Math.min(mapping.length, this.#file.size - mapping.host));
        if (!refcounts) this.#refer('a compressed cluster', mapping.host, length);
      } else if (refcounts) yield* this.#compareCopied(refcounts, 'a cluster', mapping.host, high);
      else this.#refer('a cluster', mapping.host, this.#file.clusterBytes);
    }
  }

  /** Each snapshot has a first-level table of its own. */
  *#snapshots(): Task<void> {
    let at = this.#header.snapshotsOffset;
    for (let index = 0; index < this.#header.snapshots; index++) {
      const entry = yield* this.#read(at, SNAPSHOT_BYTES);
      if (!entry) return;
      const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
      const offset = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
      yield* this.#tables({ offset, entries: view.getUint32(8), refcounts: undefined, snapshot: true });
      const length = SNAPSHOT_BYTES + view.getUint16(12) + view.getUint16(14) + view.getUint32(36);
      at += Math.ceil(length / 8) * 8;
    }
    if (this.#header.snapshots > 0)
      this.#refer('the snapshot table', this.#header.snapshotsOffset, at - this.#header.snapshotsOffset);
  }

  *#compare(refcounts: Refcounts): Task<void> {
    for (let cluster = 0; cluster < this.#counts.length; cluster++) {
      const references = this.#counts[cluster];
      const count = yield* this.#refcount(refcounts, cluster);
      if (count === undefined || count === references) continue;
      const line = `cluster ${cluster} has the refcount ${count}, and ${references} references`;
      if (count < references) this.#corrupted(line);
      else {
        this.#leaks++;
        this.#note(line);
      }
    }
  }

  *#compareCopied(refcounts: Refcounts, what: string, host: number, high: number): Task<void> {
    const count = yield* this.#refcount(refcounts, host / this.#file.clusterBytes);
    if (count === undefined) return;
    const copied = (high & COPIED_HIGH) !== 0;
    if (copied !== (count === 1))
      this.#corrupted(`${what} at ${host} with the refcount ${count} is ${copied ? '' : 'not '}marked as used once`);
  }

  *#refcount(refcounts: Refcounts, cluster: number): Task<number | undefined> {
    try {
      return yield* refcounts.get(cluster);
    } catch (error) {
      if (!(error instanceof StorageError) || error.problem !== 'damaged') throw error;
      return 0;
    }
  }

  #refer(what: string, offset: number, length: number): void {
    const { clusterBytes } = this.#file;
    const end = Math.ceil((offset + length) / clusterBytes);
    if (end > this.#counts.length) return this.#corrupted(`${what} at ${offset} lies beyond the end of the file`);
    for (let cluster = Math.floor(offset / clusterBytes); cluster < end; cluster++) {
      this.#counts[cluster] = Math.min(this.#counts[cluster] + 1, MOST_COUNT);
    }
  }

  #offsetOf(high: number, low: number): number | undefined {
    return this.#attempt(() => decodeOffset(high, low, this.#header.clusterBits), { quiet: false });
  }

  #attempt<Result>(action: () => Result, { quiet }: { quiet: boolean }): Result | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (!quiet) this.#corrupted(error.message);
    }
  }

  /** @returns nothing for what the file does not have, or cannot have: that is a problem noted elsewhere */
  *#read(offset: number, length: number): Task<Uint8Array | undefined> {
    if (length > this.#file.size || offset + length > this.#file.size + this.#file.clusterBytes) {
      this.#corrupted(`${length} bytes at ${offset} lie beyond the end of the file`);
      return undefined;
    }
    if (offset >= this.#file.size) return undefined;
    return yield* this.#file.read(offset, length);
  }

  #corrupted(line: string): void {
    this.#corruptions++;
    this.#note(line);
    if (this.#corruptions >= MOST_CORRUPTIONS) throw new Hopeless();
  }

  #note(line: string): void {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(line);
  }
}

/** Ends the check. */
class Hopeless extends Error {}
