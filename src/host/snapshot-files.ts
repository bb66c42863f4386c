/**
 * Where snapshots are.
 * @see `hypervisor/snapshot/snapshot-files.ts`, whose interface this implements.
 */
import { UserError } from '../base/errors.ts';
import type { ByteStore } from '../storage/block-store.ts';
import { type ImageRequest, openBytes } from './image-opener.ts';
import { FileStore } from './node/file-store.ts';
import { createSnapshotFile, type NewSnapshotFile } from './node/new-file.ts';
import { createSnapshotCodec, type SnapshotCodec } from './snapshot-codec.ts';

export interface HostSnapshotFiles {
  readonly codec: SnapshotCodec;
  open(source: ImageRequest['image']): Promise<OpenSnapshotFile>;
  create(path: string): Promise<NewSnapshotFile>;
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
      const { process } = globalThis as { process?: { getBuiltinModule?: unknown } };
      if (typeof process?.getBuiltinModule !== 'function')
        throw new UserError('snapshot: to: there are no files here; leave it out, and keep the bytes');
      return createSnapshotFile(path);
    },
  };
}
