/**
 * Where snapshots are.
 * @see `hypervisor/snapshot/snapshot-files.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';
import type { ByteStore } from '../storage/block-store.ts';
import { type ImageRequest, openBytes } from './image-opener.ts';
import { createSnapshotFile, type NewSnapshotFile } from './node/new-file.ts';
import { createStore, type HostStoreFolder, openStoreFolder, storePath } from './node/store-folder.ts';
import { createSnapshotCodec, type SnapshotCodec } from './snapshot-codec.ts';

export interface HostSnapshotFiles {
  readonly codec: SnapshotCodec;
  open(source: ImageRequest['image']): Promise<ByteStore>;
  create(path: string): Promise<NewSnapshotFile>;
  store(
    path: string,
    options?: { readonly create?: boolean },
  ): { readonly folder: HostStoreFolder; readonly id: string | undefined } | undefined;
}

export function createSnapshotFiles(): HostSnapshotFiles {
  return {
    codec: createSnapshotCodec(),
    open: async (source) => await openBytes(source, 'restore: snapshot'),
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
