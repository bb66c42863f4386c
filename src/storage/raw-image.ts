/** A raw image: the disk's bytes and nothing else. CD images (ISO 9660) are raw too. */
import { type BlockStore, type ByteStore, SECTOR_BYTES, wholeSectors } from './block-store.ts';
import { formatOf } from './sniff-image.ts';
import { assertInside, refuseReadOnly, StorageError } from './storage-error.ts';
import { type Awaitable, type Task, TaskQueue, wait } from './task.ts';

export interface RawImageOptions {
  /** Default: whether the store can be written. */
  readonly readOnly?: boolean;
  /**
   * That it is raw was told by its content. Then the guest must not make it look like another format, which could name any
   * file of the host as its backing file and be believed the next time. Default: false.
   */
  readonly probed?: boolean;
}

export class RawImage implements BlockStore {
  readonly format = 'raw';
  /** A last sector that is not whole is padded with zeroes; the file grows only when that padding is written. */
  readonly size: number;
  readonly readOnly: boolean;
  readonly #file: ByteStore;
  readonly #probed: boolean;
  readonly #queue = new TaskQueue();

  constructor(file: ByteStore, { readOnly = file.write === undefined, probed = false }: RawImageOptions = {}) {
    this.#file = file;
    this.#probed = probed;
    this.size = wholeSectors(file.size);
    this.readOnly = readOnly || file.write === undefined;
  }

  read(offset: number, length: number): Awaitable<Uint8Array> {
    return this.#queue.run(() => this.#read(offset, length));
  }

  *#read(offset: number, length: number): Task<Uint8Array> {
    assertInside(this.size, offset, length);
    const there = Math.max(0, Math.min(length, this.#file.size - offset));
    if (there === length) return yield* wait(this.#file.read(offset, length));
    const padded = new Uint8Array(length);
    if (there > 0) padded.set(yield* wait(this.#file.read(offset, there)));
    return padded;
  }

  write(offset: number, bytes: Uint8Array): Awaitable<void> {
    return this.#queue.run(() => this.#write(offset, bytes));
  }

  *#write(offset: number, bytes: Uint8Array): Task<void> {
    if (this.readOnly) refuseReadOnly();
    assertInside(this.size, offset, bytes.length);
    if (this.#probed) yield* this.#refuseOtherFormat(offset, bytes);
    yield* wait(this.#file.write!(offset, bytes));
  }

  /** Formats are told by the first sector and the last. */
  *#refuseOtherFormat(offset: number, bytes: Uint8Array): Task<void> {
    const last = this.size - SECTOR_BYTES;
    if (offset >= SECTOR_BYTES && offset + bytes.length <= last) return;
    const sectors: Uint8Array[] = [];
    for (const start of [0, last]) {
      const sector = yield* this.#read(start, SECTOR_BYTES);
      const from = Math.max(start, offset);
      const end = Math.min(start + SECTOR_BYTES, offset + bytes.length);
      if (from < end) sector.set(bytes.subarray(from - offset, end - offset), from - start);
      sectors.push(sector);
    }
    const format = formatOf(sectors[0], sectors[1]);
    if (format !== 'raw')
      throw new StorageError(
        'unsupported',
        `the raw image would be taken for ${format}: name its format to write that`,
      );
  }

  flush(): Awaitable<void> {
    return this.#queue.run(() => this.#flush());
  }

  *#flush(): Task<void> {
    if (!this.readOnly) yield* wait(this.#file.flush?.());
  }

  close(): Awaitable<void> {
    return this.#queue.run(() => this.#close());
  }

  *#close(): Task<void> {
    try {
      yield* this.#flush();
    } finally {
      yield* wait(this.#file.close());
    }
  }
}
