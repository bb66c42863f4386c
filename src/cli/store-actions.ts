/** What `vetro snapshot` does with a store of snapshots. */
import { UserError } from '../base/errors.ts';
import { createSnapshotFiles } from '../host/snapshot-files.ts';
import { exportSnapshot, importSnapshot } from '../hypervisor/snapshot/copy-snapshot.ts';
import { checkHead, type GuestHead, PAGES } from '../hypervisor/snapshot/guest-head.ts';
import { machineState } from '../machine/machine-state-schema.ts';
import { isParent, type ListedSnapshot, SnapshotStore } from '../snapshot/store/snapshot-store.ts';
import { showByteSize } from './byte-size.ts';
import { table } from './plain-table.ts';
import { named, withSnapshot } from './snapshot-actions.ts';

const PAGE = 4096;

/** One snapshot of a store, as `--json` shows it. */
interface Row {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly taken: string | null;
  readonly guest: string | null;
  readonly kind: 'snapshot' | 'checkpoint' | null;
  readonly instructions: number | null;
  /** Bytes of its memory that are not zero. */
  readonly memory: number | null;
  /** Where the guest came from; null: from no snapshot here, or it has been deleted. */
  readonly parent: string | null;
  /** Why it cannot be read. */
  readonly problem: string | null;
}

/** @returns lines */
export async function listSnapshots(path: string, { json }: { readonly json: boolean }): Promise<string> {
  const listed = await storeAt(path).list();
  const rows = listed.map((each) => rowOf(each, listed));
  if (json) return JSON.stringify(rows, undefined, 2);
  if (rows.length === 0) return `${path} has no snapshots`;
  const lines = rows.map(({ id, taken, guest, kind, instructions, memory, parent, problem }) =>
    problem === null
      ? [
          id,
          taken!.replace('T', ' ').replace(/\.\d+Z$/, ''),
          guest!,
          kind!,
          instructions!.toLocaleString('en'),
          showByteSize(memory!).replace(/ \(.*/, ''),
          parent ?? '-',
        ]
      : [id, problem],
  );
  return table(['ID', 'TAKEN (UTC)', 'GUEST', 'KIND', 'INSTRUCTIONS', 'MEMORY', 'PARENT'], lines);
}

/** Takes it away. @returns a line */
export async function deleteSnapshot(path: string): Promise<string> {
  const { folder, id } = createSnapshotFiles().store(path) ?? {};
  if (folder === undefined || id === undefined)
    throw new UserError(`${path} is no snapshot in a store: say which one, as in STORE/ID`);
  const left = await storeAt(folder.name).delete(id);
  return left === undefined ? `${path} is deleted` : `${path} is deleted; ${left}`;
}

/** @returns a line */
export const exportFromStore = (path: string, target: string): Promise<string> =>
  withSnapshot(path, async (snapshot) => {
    const size = await exportSnapshot(snapshot, target, createSnapshotFiles());
    return `${path} was written into ${target} (${showByteSize(size)})`;
  });

/** @returns a line */
export const importIntoStore = (path: string, target: string): Promise<string> =>
  withSnapshot(path, async (snapshot) => {
    machineState(snapshot.head.machine, 'machine');
    const { id, size, store } = await importSnapshot(snapshot, target, createSnapshotFiles());
    return `${path} was put into ${store} as ${id} (${showByteSize(size)} more)`;
  });

/** Reads all that is in a store. @returns a line @throws UserError for the first thing that is damaged */
export const verifyStore = (path: string): Promise<string> =>
  named(path, async () => {
    const { snapshots, pages } = await storeAt(path).verify();
    return `${path}: ${snapshots} ${snapshots === 1 ? 'snapshot' : 'snapshots'} and ${pages} pages are as they were written`;
  });

/** @throws UserError if it is none */
function storeAt(path: string): SnapshotStore {
  const files = createSnapshotFiles();
  const found = files.store(path);
  if (found === undefined || found.id !== undefined)
    throw new UserError(`${path} is no store of snapshots: there is no such folder`);
  return new SnapshotStore(found.folder, { codec: files.codec });
}

function rowOf({ id, read, problem }: ListedSnapshot, all: readonly ListedSnapshot[]): Row {
  const nothing = { taken: null, guest: null, kind: null, instructions: null, memory: null, parent: null };
  if (read === undefined) return { id, ...nothing, problem: problem ?? null };
  let head: GuestHead;
  let instructions: number;
  try {
    head = checkHead(read.manifest.head, 'guest');
    ({ instructions } = machineState(head.machine, 'machine').processor);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { id, ...nothing, problem: error.message };
  }
  const parent = all.find((each) => each.read && isParent(each.read, read));
  return {
    id,
    taken: new Date(Math.min(read.manifest.taken, LAST_DATE)).toISOString(),
    guest: head.guest.name,
    kind: read.manifest.checkpoint ? 'checkpoint' : 'snapshot',
    instructions,
    memory: (read.maps.get(PAGES.RAM)?.numbers.length ?? 0) * PAGE,
    parent: parent?.id ?? null,
    problem: null,
  };
}

/** The latest that four digits of a year can say. */
const LAST_DATE = Date.UTC(9999, 11, 31);
