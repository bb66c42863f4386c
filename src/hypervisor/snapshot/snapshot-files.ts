/** What the hypervisor needs of the world around it to keep snapshots. Implemented in `host`. */
import type { Codec } from '../../snapshot/codec.ts';
import type { SnapshotSource } from '../../snapshot/snapshot-file.ts';
import type { StoreFolder } from '../../snapshot/store/store-folder.ts';
import type { ImageSource } from '../options/media-options.ts';

export interface SnapshotFiles {
  readonly codec: Codec;
  /** @throws UserError (as a rejection) that names what cannot be opened */
  open(source: ImageSource): Promise<OpenSnapshot>;
  /** A file that is there under its name only once it is complete. @throws UserError (as a rejection) */
  create(path: string): Promise<NewSnapshot>;
  /**
   * The store that a path means: a folder, a path that ends in a slash, or `STORE/ID`.
   * @param options `create`: one that is not there is made
   * @returns undefined for a path of a file @throws UserError for a folder that is no store
   */
  store(path: string, options?: { readonly create?: boolean }): FoundStore | undefined;
}

export interface FoundStore {
  readonly folder: StoreFolder;
  /** Undefined: the path is that of the store itself. */
  readonly id: string | undefined;
}

export interface OpenSnapshot extends SnapshotSource {
  /**
   * It answers at once, and what is in it is not kept in memory: pages can be left in it until a guest needs them, while it
   * stays open.
   */
  readonly lasts: boolean;
  close(): void | Promise<void>;
}

export interface NewSnapshot {
  write(bytes: Uint8Array): void | Promise<void>;
  /** It is on stable storage, and takes the place of what had its name. */
  finish(): void | Promise<void>;
  /** As if it had never been made. */
  abandon(): void | Promise<void>;
}
