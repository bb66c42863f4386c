/** Bytes in memory, as a store. */
import type { ByteStore } from './block-store.ts';
import { assertInside, StorageError } from './storage-error.ts';

export interface BytesStoreOptions {
  /** How large it may become by writing, in bytes. Default: it does not grow. */
  readonly growTo?: number;
}

export class BytesStore implements ByteStore {
  #bytes: Uint8Array;
  #size: number;
  readonly #most: number;

  /** `bytes` become the store's: it writes into them as long as they are large enough. */
  constructor(bytes: Uint8Array = new Uint8Array(0), { growTo = bytes.length }: BytesStoreOptions = {}) {
    this.#bytes = bytes;
    this.#size = bytes.length;
    this.#most = growTo;
  }

  get size(): number {
    return this.#size;
  }

  /** All of it, as it is. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  read(offset: number, length: number): Uint8Array {
    assertInside(this.#size, offset, length);
    // Not `slice`: that of a Buffer still is the same memory.
    return new Uint8Array(this.#bytes.subarray(offset, offset + length));
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > Math.max(this.#size, this.#most)) throw new StorageError('full', `more than ${this.#most} bytes`);
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(Math.max(end, 2 * this.#bytes.length), this.#most));
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, offset);
    this.#size = Math.max(this.#size, end);
  }

  flush(): void {}

  close(): void {}
}
