/** Snapshots from a store into a file of their own, and back. */
import { UserError } from '../../base/errors.ts';
import type { SavedPages } from '../../snapshot/saved-pages.ts';
import { SnapshotContents, writeSnapshot } from '../../snapshot/snapshot-writer.ts';
import { SnapshotStore } from '../../snapshot/store/snapshot-store.ts';
import { checkId } from '../../snapshot/store/store-layout.ts';
import { clear, type ReadSnapshot } from './snapshot.ts';
import type { SnapshotFiles } from './snapshot-files.ts';

/** @returns bytes of the file @throws UserError, and there is no file */
export async function exportSnapshot({ file }: ReadSnapshot, path: string, files: SnapshotFiles): Promise<number> {
  if (files.store(path)) throw new UserError(`${path} is in a store: give the path of a file`);
  const output = await files.create(path);
  try {
    const write = (bytes: Uint8Array) => output.write(bytes);
    const size = await writeSnapshot(file.head, contentsOf(file), { codec: files.codec, write });
    await output.finish();
    return size;
  } catch (error) {
    await output.abandon();
    throw clear(error);
  }
}

/** `path`: of a store, or `STORE/ID`. @returns its id, and the bytes that were added @throws UserError, and nothing is */
export async function importSnapshot(
  { file, head }: ReadSnapshot,
  path: string,
  files: SnapshotFiles,
): Promise<{ readonly id: string; readonly size: number; readonly store: string }> {
  const to = files.store(path, { create: true });
  if (to === undefined) throw new UserError(`${path} is no store of snapshots: to make one, give ${path}/`);
  const store = new SnapshotStore(to.folder, { codec: files.codec });
  const writer = await store.begin(to.id === undefined ? { name: head.guest.name } : { id: checkId(to.id) });
  try {
    const facts = { head: file.head, checkpoint: null, parent: null };
    const { id, size } = await writer.finish(contentsOf(file), facts);
    return { id, size, store: to.folder.name };
  } catch (error) {
    throw clear(error);
  } finally {
    writer.abandon();
  }
}

function contentsOf(file: SavedPages): SnapshotContents {
  const contents = new SnapshotContents();
  for (const name of file.names) contents.addLasting(name, file.pages(name));
  return contents;
}
