/** Takes snapshots of guests, and reads them again. */
import { StateError, UserError } from '../../base/errors.ts';
import { Pc } from '../../machine/pc.ts';
import type { SavedPages } from '../../snapshot/saved-pages.ts';
import { type ReaderOptions, SnapshotFile } from '../../snapshot/snapshot-file.ts';
import { writeSnapshot } from '../../snapshot/snapshot-writer.ts';
import { SnapshotStore } from '../../snapshot/store/snapshot-store.ts';
import type { StoredSnapshot } from '../../snapshot/store/stored-snapshot.ts';
import type { PcGuest } from '../create-guest.ts';
import type { Guest } from '../guest.ts';
import type { GuestMedia } from '../media/guest-media.ts';
import type { GuestSettings } from '../options/guest-options.ts';
import type { ImageSource } from '../options/media-options.ts';
import { checkHead, type GuestHead } from './guest-head.ts';
import { saveGuest } from './save-guest.ts';
import type { FoundStore, NewSnapshot, OpenSnapshot, SnapshotFiles } from './snapshot-files.ts';
import type { Snapshot } from './snapshot-options.ts';
import { SnapshotPages } from './snapshot-pages.ts';

export interface TakeOptions {
  readonly files: SnapshotFiles;
  readonly settings: GuestSettings;
  readonly to: string | undefined;
  /** Wall clock in ms. */
  readonly now: () => number;
  /** Lets guests and world have their turn. */
  readonly rest: () => Promise<void>;
}

/**
 * @throws UserError if the file cannot be written; StateError if the guest is disposed, or writes into a file while it
 *   runs (as rejections): then there is no file
 */
export async function takeSnapshot(guest: Guest, options: TakeOptions): Promise<Snapshot> {
  const { files, settings, to, now, rest } = options;
  const output = await createOutput(files, to);
  try {
    await flushFiles(guest, settings.media);
    const start = now();
    const saved = saveGuest(saveable(guest), settings);
    const [stopped, { instructions }] = [now() - start, guest];
    const turn = async (): Promise<void> => {
      await rest();
      // Its memory has gone with it.
      if (guest.state === 'disposed') throw disposedMeanwhile(guest.name);
    };
    const written = await writeOut(saved, output, { codec: files.codec, rest: turn });
    return { ...written, id: undefined, path: to, instructions, stopped };
  } catch (error) {
    await output.abandon();
    throw error;
  }
}

/** The guest, just before it is saved, since something was waited for. @throws StateError if it cannot be */
export function saveable(guest: Guest): PcGuest {
  if (guest.state === 'disposed') throw disposedMeanwhile(guest.name);
  if (guest.held) throw new StateError(`${guest.name} is on its way to another host`);
  if (!(guest.machine instanceof Pc)) throw new StateError(`${guest.name} cannot be saved`);
  return guest as PcGuest;
}

export const disposedMeanwhile = (guest: string): StateError =>
  new StateError(`${guest} was disposed while it was being saved`);

/** A file, or memory. @throws UserError (as a rejection) */
export const createOutput = async (files: SnapshotFiles, to: string | undefined): Promise<NewSnapshot> =>
  to === undefined ? new Parts() : await files.create(to);

/** Writes what was saved, and lets go of it. */
export async function writeOut(
  { head, contents }: ReturnType<typeof saveGuest>,
  output: NewSnapshot,
  { codec, rest }: { readonly codec: SnapshotFiles['codec']; readonly rest: () => Promise<void> },
): Promise<Pick<Snapshot, 'size' | 'bytes'>> {
  let size: number;
  try {
    size = await writeSnapshot(head, contents, { codec, write: (bytes) => output.write(bytes), rest });
  } finally {
    contents.release();
  }
  await output.finish();
  return { size, bytes: output instanceof Parts ? output.joined() : undefined };
}

/** What is written into files must be there when they are looked at again, and stay as it is. */
export async function flushFiles(
  guest: Guest,
  media: GuestMedia | undefined,
  { held = false }: { readonly held?: boolean } = {},
): Promise<void> {
  const written = media?.writtenFiles ?? [];
  const assertRests = (): void => {
    if (!held && written.length > 0 && guest.state === 'running')
      throw new StateError(`${guest.name} writes into ${written[0].name} while it runs: pause it first`);
  };
  assertRests();
  for (const image of written) await image.flush();
  assertRests();
}

export interface ReadSnapshot {
  readonly file: SavedPages;
  readonly head: GuestHead;
  /** Where pages can stay until they are needed: it holds the file open from now on. Undefined: nowhere. */
  pages(): SnapshotPages | undefined;
  /** Undefined: it is in a file of its own. */
  readonly stored: StoredSnapshot | undefined;
  /** Unless pages are in it: then it is closed when none is any longer. */
  close(): void | Promise<void>;
}

/** `rest`: lets the world have its turn. @throws UserError (as a rejection) for what is no snapshot of a guest */
export async function readSnapshot(
  source: ImageSource,
  files: SnapshotFiles,
  rest?: () => Promise<void>,
): Promise<ReadSnapshot> {
  const { open, codec } = files;
  const found = typeof source === 'string' ? files.store(source) : undefined;
  if (found) return await readStored(found, { codec, rest });
  const opened = await open(source);
  try {
    const file = await SnapshotFile.open(opened, { codec, rest });
    return { file, head: checkHead(file.head, 'guest'), stored: undefined, ...holder(file, opened) };
  } catch (error) {
    await opened.close();
    throw clear(error);
  }
}

function holder(file: SnapshotFile, opened: OpenSnapshot): Pick<ReadSnapshot, 'pages' | 'close'> {
  let pages: SnapshotPages | undefined;
  return {
    pages() {
      // Nobody waits for a file that is only read to be closed.
      if (opened.lasts) pages ??= new SnapshotPages(file, () => void opened.close());
      return pages;
    },
    close: () => (pages ? pages.release() : opened.close()),
  };
}

async function readStored({ folder, id }: FoundStore, options: ReaderOptions): Promise<ReadSnapshot> {
  if (id === undefined)
    throw new UserError(`${folder.name} is a store of snapshots: say which one, as in ${folder.name}/ID`);
  const stored = await new SnapshotStore(folder, options).open(id).catch((error: unknown) => {
    throw clear(error);
  });
  try {
    const head = checkHead(stored.head, 'guest');
    return { file: stored, head, stored, pages: () => undefined, close: () => stored.close() };
  } catch (error) {
    stored.close();
    throw error;
  }
}

/** What the host cannot read is the owner's to know. */
export const clear = (error: unknown): unknown =>
  (error as Error).name === 'StorageError' ? new UserError((error as Error).message) : error;

/** A file in memory. */
class Parts {
  readonly #parts: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  finish(): void {}

  abandon(): void {
    this.#parts.length = 0;
  }

  joined(): Uint8Array {
    const bytes = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}
