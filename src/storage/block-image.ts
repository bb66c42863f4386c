/** An image whose disk is cut into blocks of one size, each of which has a place in the file or is zeroes. Read only. */
import { type BlockStore, type ByteStore, type ImageFormat, wholeSectors } from './block-store.ts';
import { beyondTheEnd } from './paged-table.ts';
import { assertInside, refuseReadOnly } from './storage-error.ts';
import { type Awaitable, type Task, TaskQueue, wait } from './task.ts';

/** Where a block is: at an offset in the file, or its bytes themselves; or nowhere, which is zeroes. */
export type BlockPlace = number | Uint8Array | undefined;

export interface BlockImageOptions {
  readonly format: ImageFormat;
  readonly store: ByteStore;
  /** Of the disk, in bytes. */
  readonly size: number;
  readonly blockBytes: number;
  readonly locate: (block: number) => Task<BlockPlace>;
}

export class BlockImage implements BlockStore {
  readonly format: ImageFormat;
  readonly size: number;
  readonly readOnly = true;
  readonly #options: BlockImageOptions;
  readonly #queue = new TaskQueue();

  constructor(options: BlockImageOptions) {
    this.format = options.format;
    this.size = wholeSectors(options.size);
    this.#options = options;
  }

  read(offset: number, length: number): Awaitable<Uint8Array> {
    return this.#queue.run(() => this.#read(offset, length));
  }

  *#read(offset: number, length: number): Task<Uint8Array> {
    assertInside(this.size, offset, length);
    const { store, blockBytes, locate } = this.#options;
    const result = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const from = (offset + at) % blockBytes;
      const count = Math.min(blockBytes - from, length - at);
      const place = yield* locate(Math.floor((offset + at) / blockBytes));
      if (typeof place === 'number') {
        if (!(place + from + count <= store.size)) throw beyondTheEnd(place);
        result.set(yield* wait(store.read(place + from, count)), at);
      } else if (place) result.set(place.subarray(from, from + count), at);
      at += count;
    }
    return result;
  }

  write(): never {
    return refuseReadOnly();
  }

  flush(): void {}

  close(): Awaitable<void> {
    return this.#queue.run(() => wait(this.#options.store.close()));
  }
}
