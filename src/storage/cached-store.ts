/** Bytes that are slow to come by: what was read is kept, in blocks, up to a limit. Read only. */
import type { ByteStore } from './block-store.ts';
import { assertInside } from './storage-error.ts';
import { type Awaitable, runTask, type Task, wait } from './task.ts';

export interface CachedStoreOptions {
  readonly size: number;
  /** @returns exactly `length` bytes @throws StorageError */
  readonly load: (offset: number, length: number) => Awaitable<Uint8Array>;
  readonly close?: () => void;
  /** How much is loaded at least, in bytes. Default: 64 KiB. */
  readonly blockBytes?: number;
  /** How much is kept, in bytes. Default: 32 MiB. */
  readonly cacheBytes?: number;
}

/** Blocks that lie side by side are loaded at once, up to so many bytes. */
const MOST_AT_ONCE = 2 ** 22;

export class CachedStore implements ByteStore {
  readonly size: number;
  readonly #options: CachedStoreOptions;
  readonly #blockBytes: number;
  readonly #most: number;
  /** By number. The first is the one that was not used for longest. */
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(options: CachedStoreOptions) {
    const { blockBytes = 2 ** 16, cacheBytes = 2 ** 25 } = options;
    this.size = options.size;
    this.#options = options;
    this.#blockBytes = blockBytes;
    this.#most = Math.max(1, Math.floor(cacheBytes / blockBytes));
  }

  /** Answers at once what is kept. */
  read(offset: number, length: number): Awaitable<Uint8Array> {
    return runTask(this.#read(offset, length));
  }

  close(): void {
    this.#blocks.clear();
    this.#options.close?.();
  }

  *#read(offset: number, length: number): Task<Uint8Array> {
    assertInside(this.size, offset, length);
    const result = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / this.#blockBytes);
      const block = this.#recall(index);
      if (!block) {
        at += yield* this.#load(index, offset, result, at);
        continue;
      }
      at += copy(block, offset + at - index * this.#blockBytes, result, at);
    }
    return result;
  }

  /** Loads blocks from one on, up to the end of the request, the next that is kept, or the limit. @returns bytes copied */
  *#load(first: number, offset: number, result: Uint8Array, at: number): Task<number> {
    const end = Math.ceil((offset + result.length) / this.#blockBytes);
    const most = Math.max(1, Math.min(end - first, Math.floor(MOST_AT_ONCE / this.#blockBytes)));
    let count = 1;
    while (count < most && !this.#blocks.has(first + count)) count++;
    const start = first * this.#blockBytes;
    const bytes = yield* wait(this.#options.load(start, Math.min(count * this.#blockBytes, this.size - start)));
    for (let block = 0; block < count; block++) {
      // A copy: a part would keep all of it.
      this.#keep(first + block, bytes.slice(block * this.#blockBytes, (block + 1) * this.#blockBytes));
    }
    return copy(bytes, offset + at - start, result, at);
  }

  #recall(index: number): Uint8Array | undefined {
    const block = this.#blocks.get(index);
    if (block) {
      this.#blocks.delete(index);
      this.#blocks.set(index, block);
    }
    return block;
  }

  #keep(index: number, block: Uint8Array): void {
    this.#blocks.delete(index);
    this.#blocks.set(index, block);
    if (this.#blocks.size > this.#most) this.#blocks.delete(this.#blocks.keys().next().value!);
  }
}

/** @returns how many bytes there were and had room */
function copy(from: Uint8Array, start: number, to: Uint8Array, at: number): number {
  const part = from.subarray(start, start + to.length - at);
  to.set(part, at);
  return part.length;
}
