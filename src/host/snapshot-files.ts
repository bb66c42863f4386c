/**
 * Where snapshots are.
 * @see `hypervisor/snapshot/snapshot-files.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';
import type { ByteStore } from '../storage/block-store.ts';
import { type ImageRequest, openBytes } from './image-opener.ts';
import { createSnapshotFile, type NewSnapshotFile } from './node/new-file.ts';
import { createSnapshotCodec, type SnapshotCodec } from './snapshot-codec.ts';

export interface HostSnapshotFiles {
  readonly codec: SnapshotCodec;
  open(source: ImageRequest['image']): Promise<ByteStore>;
  create(path: string): Promise<NewSnapshotFile>;
}

export function createSnapshotFiles(): HostSnapshotFiles {
  return {
    codec: createSnapshotCodec(),
    open: async (source) => await openBytes(source, 'restore: snapshot'),
    create: async (path) => {
      const { process } = globalThis as { process?: { getBuiltinModule?: unknown } };
      if (typeof process?.getBuiltinModule !== 'function')
        throw new UserError('snapshot: to: there are no files here; leave it out, and keep the bytes');
      return createSnapshotFile(path);
    },
  };
}
