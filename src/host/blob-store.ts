/** A Blob or File, as a browser gives it, as a store. Read only. */
import type { ByteStore } from '../storage/block-store.ts';
import { CachedStore } from '../storage/cached-store.ts';
import { StorageError } from '../storage/storage-error.ts';

/** As much of a Blob as is needed. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** The page need not keep anything but the Blob, which need not be in memory. */
export function blobStore(blob: BlobLike): ByteStore {
  async function load(offset: number, length: number): Promise<Uint8Array> {
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    } catch (error) {
      // The file behind it may have changed or gone.
      throw new StorageError('io', `cannot read the file: ${(error as Error).message}`);
    }
    if (bytes.length !== length) throw new StorageError('io', 'cannot read the file: it has become shorter');
    return bytes;
  }
  return new CachedStore({ size: blob.size, load });
}
