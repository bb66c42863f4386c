/** A raw image: the disk's bytes and nothing else. CD images (ISO 9660) are raw too. */
import { type BlockStore, type ByteStore, wholeSectors } from './block-store.ts';
import { assertInside, refuseReadOnly } from './storage-error.ts';
import { type Awaitable, type Task, TaskQueue, wait } from './task.ts';

export interface RawImageOptions {
  /** Default: whether the store can be written. */
  readonly readOnly?: boolean;
}

export class RawImage implements BlockStore {
  readonly format = 'raw';
  /** A last sector that is not whole is padded with zeroes; the file grows only when that padding is written. */
  readonly size: number;
  readonly readOnly: boolean;
  readonly #file: ByteStore;
  readonly #queue = new TaskQueue();

  constructor(file: ByteStore, { readOnly = file.write === undefined }: RawImageOptions = {}) {
    this.#file = file;
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
    yield* wait(this.#file.write!(offset, bytes));
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
