/**
 * Where snapshots are.
 * @see `hypervisor/snapshot/snapshot-files.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';
import type { ByteStore } from '../storage/block-store.ts';
import { type ImageRequest, openBytes } from './image-opener.ts';
import { FileStore } from './node/file-store.ts';
import { createSnapshotFile, type NewSnapshotFile } from './node/new-file.ts';
import { createStore, type HostStoreFolder, openStoreFolder, storePath } from './node/store-folder.ts';
import { createSnapshotCodec, type SnapshotCodec } from './snapshot-codec.ts';

export interface HostSnapshotFiles {
  readonly codec: SnapshotCodec;
  open(source: ImageRequest['image']): Promise<OpenSnapshotFile>;
  create(path: string): Promise<NewSnapshotFile>;
  store(
    path: string,
    options?: { readonly create?: boolean },
  ): { readonly folder: HostStoreFolder; readonly id: string | undefined } | undefined;
}

/** Files answer at once, and stay what they are under any other name. */
export interface OpenSnapshotFile extends Pick<ByteStore, 'size' | 'read' | 'close'> {
  readonly lasts: boolean;
}

export function createSnapshotFiles(): HostSnapshotFiles {
  return {
    codec: createSnapshotCodec(),
    open: async (source) => {
      const store = await openBytes(source, 'restore: snapshot');
      return {
        size: store.size,
        lasts: store instanceof FileStore,
        read: (offset, length) => store.read(offset, length),
        close: () => store.close(),
      };
    },
    create: async (path) => {
      if (!hasFiles()) throw new UserError('snapshot: to: there are no files here; leave it out, and keep the bytes');
      return createSnapshotFile(path);
    },
    store(path, { create = false } = {}) {
      if (!hasFiles() || /^https?:/i.test(path)) return undefined;
      const found = storePath(path);
      if (found === undefined) return undefined;
      if (create && found.id === undefined) createStore(found.store);
      return { folder: openStoreFolder(found.store), id: found.id };
    },
  };
}

function hasFiles(): boolean {
  const { process } = globalThis as { process?: { getBuiltinModule?: unknown } };
  return typeof process?.getBuiltinModule === 'function';
}
