/**
 * A store of snapshots in the file system.
 * @see `snapshot/store/store-folder.ts`, whose interface this implements.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { fileProblem, isFileError } from './file-problem.ts';
import { FileStore, syncFolder } from './file-store.ts';
import { lockImage } from './image-lock.ts';
import { createSnapshotFile, type NewSnapshotFile } from './new-file.ts';

/** Says that a folder is a store, and which version of its format it has. */
const MARK = 'vetro-store';
const MARK_TEXT = 'A store of Vetro snapshots, version 1. See: vetro snapshot list\n';
const ROOMS = ['snapshots', 'packs'] as const;
type Room = (typeof ROOMS)[number];
/** How a file that is being written ends: nobody else has the lock. */
const PARTIAL = '.partial';
/** How long another writer is waited for, and how often he is asked, in ms. */
const PATIENCE = 30_000;
const LOOK = 50;

export interface HostStoreFolder {
  readonly name: string;
  list(room: Room): readonly { readonly name: string; readonly size: number; readonly stamp: string }[];
  open(room: Room, name: string): FileStore;
  create(room: Room): NewSnapshotFile;
  remove(room: Room, name: string): void;
  lock(): Promise<() => void>;
  date(): number;
}

/** Whether a folder is there, and has the mark of a store. @throws UserError for one of a later version */
export function isStore(path: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(path, MARK), 'utf8');
  } catch (error) {
    if (isFileError(error)) return false;
    throw error;
  }
  if (text !== MARK_TEXT) throw new UserError(`${path} is a store of another version: this program knows version 1`);
  return true;
}

/** Makes an empty store of a folder that is empty, or not there. @throws UserError for any other */
export function createStore(path: string): void {
  clearly(`make a store of ${path}`, () => {
    mkdirSync(path, { recursive: true });
    if (isStore(path)) return;
    // Somebody may be making it at this moment.
    const others = readdirSync(path).filter(
      (name) => !(ROOMS as readonly string[]).includes(name) && !name.startsWith(MARK),
    );
    if (others.length > 0)
      throw new UserError(`${path} is no store of snapshots, and not empty (${others[0]}): give a folder of its own`);
    for (const room of ROOMS) mkdirSync(join(path, room), { recursive: true });
    const mark = createSnapshotFile(join(path, MARK));
    mark.write(new TextEncoder().encode(MARK_TEXT));
    mark.finish();
    syncFolder(dirname(path));
  });
}

/** Which store and snapshot a path means: a store, or `STORE/ID`. Undefined: neither. */
export function storePath(path: string): { readonly store: string; readonly id: string | undefined } | undefined {
  if (/[/\\]$/.test(path) || isFolder(path)) return { store: path.replace(/(?<=.)[/\\]+$/, ''), id: undefined };
  const store = dirname(path);
  return isStore(store) && !isThere(path) ? { store, id: basename(path) } : undefined;
}

/** @param options `patience`: how long another writer is waited for, in ms @throws UserError if it is no store */
export function openStoreFolder(path: string, { patience = PATIENCE } = {}): HostStoreFolder {
  if (!isStore(path))
    throw new UserError(`${path} is no store of snapshots${isFolder(path) ? '' : ': there is no such folder'}`);
  const file = (room: Room, name: string): string => join(path, room, name);
  return {
    name: path,
    list: (room) =>
      clearly(`read ${path}`, () =>
        readdirSync(join(path, room))
          .filter((name) => !name.endsWith(PARTIAL))
          .sort()
          .flatMap((name) => {
            const stats = statSync(file(room, name), { bigint: true, throwIfNoEntry: false });
            if (!stats?.isFile()) return [];
            return [{ name, size: Number(stats.size), stamp: `${stats.ino}:${stats.size}:${stats.mtimeNs}` }];
          }),
      ),
    open: (room, name) => FileStore.open(file(room, name), { shareWithWriter: true }),
    create: (room) => {
      const made = createSnapshotFile(file(room, 'new'));
      return { ...made, finish: (name) => made.finish(file(room, name!)) };
    },
    remove: (room, name) =>
      clearly(`remove ${file(room, name)}`, () => {
        rmSync(file(room, name), { force: true });
        syncFolder(join(path, room));
      }),
    lock: async () => {
      const unlock = await lockStore(path, patience);
      try {
        clearly(`tidy up ${path}`, () => removeLeftovers(path));
      } catch (error) {
        unlock();
        throw error;
      }
      return unlock;
    },
    date: () => Date.now(),
  };
}

async function lockStore(path: string, patience: number): Promise<() => void> {
  const mark = clearly(`lock ${path}`, () => realpathSync(join(path, MARK)));
  for (let waited = 0; ; waited += LOOK) {
    try {
      return lockImage(mark, path);
    } catch (error) {
      if (!(error instanceof UserError) || waited >= patience || !/ is in use by /.test(error.message)) throw error;
    }
    // Not all that wait do so in step: of two that look at once, none might get it.
    await new Promise((resolve) => setTimeout(resolve, LOOK + (process.pid % LOOK)));
  }
}

function removeLeftovers(path: string): void {
  for (const room of ROOMS)
    for (const name of readdirSync(join(path, room)))
      if (name.endsWith(PARTIAL)) rmSync(join(path, room, name), { force: true });
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function clearly<Result>(what: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw isFileError(error) ? new UserError(`cannot ${what}: ${fileProblem(error)}`) : error;
  }
}
