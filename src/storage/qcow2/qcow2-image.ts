/**
 * A qcow2 image, versions 2 and 3, read and written.
 *
 * Data goes to the file at once; tables are kept, and written when the guest flushes: first what is new and nothing refers
 * to yet (data, counts, new tables), then, behind a barrier, the references; behind another, the counts of what is no
 * longer referred to. So the file is an image of all that was flushed at any moment; at worst, clusters are lost to it.
 *
 * Not built: encryption, external data files, extended second-level entries, compressed writes, discarding, making and
 * deleting snapshots, persistent bitmaps (they are left, and marked as out of date by the first write).
 */
import { type BlockStore, wholeSectors } from '../block-store.ts';
import { assertInside, refuseReadOnly } from '../storage-error.ts';
import { type Awaitable, type Task, TaskQueue, wait } from '../task.ts';
import { ClusterMap } from './cluster-map.ts';
import type { ClusterMapping } from './cluster-mapping.ts';
import { decompressCluster } from './decompress-cluster.ts';
import { damaged, FIELD, type Qcow2Header } from './header.ts';
import type { Qcow2File } from './qcow2-file.ts';
import { Refcounts } from './refcounts.ts';

export interface Qcow2ImageOptions {
  /** What is under it: clusters that are not allocated are read there. Closed with the image. */
  readonly backing?: BlockStore | undefined;
  readonly writable: boolean;
}

interface Piece {
  /** Of the disk. */
  readonly cluster: number;
  /** Within the cluster. */
  readonly from: number;
  readonly count: number;
  /** Within the request. */
  readonly at: number;
}

export class Qcow2Image implements BlockStore {
  readonly format = 'qcow2';
  readonly size: number;
  readonly readOnly: boolean;
  readonly header: Qcow2Header;
  readonly #file: Qcow2File;
  readonly #map: ClusterMap;
  readonly #refcounts: Refcounts | undefined;
  readonly #backing: BlockStore | undefined;
  readonly #queue = new TaskQueue();
  #autoclear: boolean;
  /** The compressed cluster that was read last: guests read on where they have read. */
  #unpacked: { host: number; bytes: Uint8Array } | undefined;

  private constructor(file: Qcow2File, map: ClusterMap, refcounts: Refcounts | undefined, options: Qcow2ImageOptions) {
    this.#file = file;
    this.header = file.header;
    this.size = wholeSectors(file.header.size);
    this.#map = map;
    this.#refcounts = refcounts;
    this.#backing = options.backing;
    this.readOnly = !options.writable;
    this.#autoclear = file.header.autoclear;
  }

  /** @throws StorageError if it is to be written, and must not be */
  static *open(file: Qcow2File, options: Qcow2ImageOptions): Task<Qcow2Image> {
    if (options.writable && file.header.corrupt) throw damaged(`it is marked as corrupt ${REPAIR}`);
    if (options.writable && file.header.dirty) throw damaged(`its refcounts are not up to date ${REPAIR}`);
    const refcounts = options.writable ? yield* Refcounts.open(file) : undefined;
    return new Qcow2Image(file, yield* ClusterMap.open(file, refcounts), refcounts, options);
  }

  read(offset: number, length: number): Awaitable<Uint8Array> {
    return this.#queue.run(() => this.#read(offset, length));
  }

  write(offset: number, bytes: Uint8Array): Awaitable<void> {
    return this.#queue.run(() => this.#write(offset, bytes));
  }

  flush(): Awaitable<void> {
    return this.#queue.run(() => this.#flush());
  }

  close(): Awaitable<void> {
    return this.#queue.run(() => this.#close());
  }

  *#read(offset: number, length: number): Task<Uint8Array> {
    assertInside(this.size, offset, length);
    const result = new Uint8Array(length);
    const pieces = this.#pieces(offset, length);
    for (let index = 0; index < pieces.length; ) {
      const first = pieces[index++];
      const mapping = yield* this.#map.lookUp(first.cluster);
      let { count } = first;
      // What lies side by side is read at once.
      while (
        index < pieces.length &&
        follows(mapping, first.from + count, yield* this.#map.lookUp(pieces[index].cluster))
      ) {
        count += pieces[index++].count;
      }
      const bytes = yield* this.#readMapped(mapping, { ...first, count });
      if (bytes) result.set(bytes, first.at);
    }
    return result;
  }

  /** @returns nothing for zeroes */
  *#readMapped(mapping: ClusterMapping, { cluster, from, count }: Piece): Task<Uint8Array | undefined> {
    switch (mapping.kind) {
      case 'zero':
        return undefined;
      case 'data':
        return yield* this.#file.read(mapping.host + from, count);
      case 'compressed':
        return (yield* this.#unpack(mapping)).subarray(from, from + count);
      case 'unallocated': {
        const start = cluster * this.#file.clusterBytes + from;
        const there = Math.min(count, (this.#backing?.size ?? 0) - start);
        return there > 0 ? yield* wait(this.#backing!.read(start, there)) : undefined;
      }
    }
  }

  *#unpack({ host, length }: ClusterMapping & { kind: 'compressed' }): Task<Uint8Array> {
    if (this.#unpacked?.host !== host) {
      if (host >= this.#file.size)
        throw damaged('a compressed cluster lies beyond the end of the file: is it truncated?');
      const bytes = yield* this.#file.read(host, Math.min(length, this.#file.size - host));
      const { compression } = this.header;
      this.#unpacked = { host, bytes: decompressCluster(bytes, this.#file.clusterBytes, compression) };
    }
    return this.#unpacked.bytes;
  }

  *#write(offset: number, bytes: Uint8Array): Task<void> {
    if (this.readOnly) refuseReadOnly();
    assertInside(this.size, offset, bytes.length);
    if (this.#autoclear) yield* this.#clearFeatures();
    const pieces = this.#pieces(offset, bytes.length);
    for (let index = 0; index < pieces.length; ) {
      const first = pieces[index++];
      const mapping = yield* this.#map.lookUp(first.cluster);
      if (mapping.kind !== 'data' || !mapping.copied) {
        yield* this.#writeElsewhere(first, mapping, bytes.subarray(first.at, first.at + first.count));
        continue;
      }
      let { count } = first;
      while (index < pieces.length) {
        const next = yield* this.#map.lookUp(pieces[index].cluster);
        if (!follows(mapping, first.from + count, next)) break;
        count += pieces[index++].count;
      }
      yield* this.#file.write(mapping.host + first.from, bytes.subarray(first.at, first.at + count));
    }
  }

  /** Writes a cluster that has no place of its own in the file, with what it held before around the new bytes. */
  *#writeElsewhere(piece: Piece, mapping: ClusterMapping, bytes: Uint8Array): Task<void> {
    const { cluster, from } = piece;
    const refcounts = this.#refcounts!;
    let whole = bytes;
    if (bytes.length < this.#file.clusterBytes) {
      whole = new Uint8Array(this.#file.clusterBytes);
      const old = yield* this.#readMapped(mapping, { cluster, from: 0, count: whole.length, at: 0 });
      if (old) whole.set(old);
      whole.set(bytes, from);
    }
    const kept = mapping.kind === 'zero' && mapping.copied ? mapping.host : 0;
    const host = kept || (yield* refcounts.allocate());
    try {
      yield* this.#file.write(host, whole);
      yield* this.#map.assign(cluster, host);
    } catch (error) {
      if (!kept) yield* refcounts.release(host);
      throw error;
    }
    if (!kept) this.#giveBack(mapping);
    if (this.#map.crowded || refcounts.crowded) yield* this.#commit();
  }

  #giveBack(mapping: ClusterMapping): void {
    if (mapping.kind === 'unallocated' || mapping.host === 0) return;
    const { clusterBytes } = this.#file;
    const end = mapping.host + (mapping.kind === 'compressed' ? mapping.length : clusterBytes);
    for (let at = mapping.host - (mapping.host % clusterBytes); at < end; at += clusterBytes) {
      this.#refcounts!.giveBack(at);
    }
  }

  *#commit(): Task<void> {
    const refcounts = this.#refcounts!;
    if (refcounts.dirty || this.#map.dirty || refcounts.waiting) {
      yield* refcounts.write();
      yield* this.#map.writeFreshTables();
      yield* this.#file.barrier();
      yield* this.#map.writeReferences();
      if (refcounts.waiting) {
        yield* this.#file.barrier();
        yield* refcounts.writeGivenBack();
      }
    }
  }

  *#flush(): Task<void> {
    if (this.readOnly) return;
    yield* this.#commit();
    yield* this.#file.barrier();
  }

  *#close(): Task<void> {
    try {
      yield* this.#flush();
    } finally {
      try {
        yield* this.#file.close();
      } finally {
        yield* wait(this.#backing?.close());
      }
    }
  }

  /** Whoever writes must clear what it does not keep up to date. */
  *#clearFeatures(): Task<void> {
    yield* this.#file.writeGuarded(FIELD.autoclearFeatures, new Uint8Array(8));
    yield* this.#file.barrier();
    this.#autoclear = false;
  }

  #pieces(offset: number, length: number): Piece[] {
    const { clusterBytes } = this.#file;
    const pieces: Piece[] = [];
    for (let at = 0; at < length; ) {
      const from = (offset + at) % clusterBytes;
      const count = Math.min(clusterBytes - from, length - at);
      pieces.push({ cluster: Math.floor((offset + at) / clusterBytes), from, count, at });
      at += count;
    }
    return pieces;
  }
}

const REPAIR = '(qemu-img check -r all repairs it); it can only be read';

/** Whether `next` goes on where the clusters from `mapping` on, `length` bytes of them, have ended. */
function follows(mapping: ClusterMapping, length: number, next: ClusterMapping): boolean {
  if (mapping.kind === 'data')
    return next.kind === 'data' && next.host === mapping.host + length && next.copied === mapping.copied;
  return next.kind === mapping.kind && (next.kind === 'unallocated' || next.kind === 'zero');
}
