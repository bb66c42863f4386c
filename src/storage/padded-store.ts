/** A disk larger than its image: behind the image's end it is zeros, which cannot be written. */
import type { BlockStore, ImageFormat } from './block-store.ts';
import { assertInside } from './storage-error.ts';
import { type Awaitable, type Task, TaskQueue, wait } from './task.ts';

export class PaddedStore implements BlockStore {
  readonly size: number;
  readonly #image: BlockStore;
  readonly #queue = new TaskQueue();

  /** `size` in bytes: whole sectors, at least those of the image. */
  constructor(image: BlockStore, size: number) {
    this.#image = image;
    this.size = size;
  }

  get format(): ImageFormat {
    return this.#image.format;
  }

  get readOnly(): boolean {
    return this.#image.readOnly;
  }

  read(offset: number, length: number): Awaitable<Uint8Array> {
    return this.#queue.run(() => this.#read(offset, length));
  }

  *#read(offset: number, length: number): Task<Uint8Array> {
    assertInside(this.size, offset, length);
    const there = Math.max(0, Math.min(length, this.#image.size - offset));
    if (there === length) return yield* wait(this.#image.read(offset, length));
    const padded = new Uint8Array(length);
    if (there > 0) padded.set(yield* wait(this.#image.read(offset, there)));
    return padded;
  }

  /** @throws StorageError for what lies behind the image's end, too */
  write(offset: number, bytes: Uint8Array): Awaitable<void> {
    return this.#queue.run(() => wait(this.#image.write(offset, bytes)));
  }

  flush(): Awaitable<void> {
    return this.#queue.run(() => wait(this.#image.flush()));
  }

  close(): Awaitable<void> {
    return this.#queue.run(() => wait(this.#image.close()));
  }
}
