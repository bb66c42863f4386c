/** Takes a snapshot of a guest into a store: of its pages those that have changed since the one before, if that is there. */
import { UserError } from '../../base/errors.ts';
import { SnapshotStore } from '../../snapshot/store/snapshot-store.ts';
import { checkId, hex, type Manifest } from '../../snapshot/store/store-layout.ts';
import type { StoredBase } from '../../snapshot/store/store-writer.ts';
import type { StoredSnapshot } from '../../snapshot/store/stored-snapshot.ts';
import type { Guest } from '../guest.ts';
import type { GuestSettings } from '../options/guest-options.ts';
import { saveGuest } from './save-guest.ts';
import { clear, disposedMeanwhile, flushFiles, saveable } from './snapshot.ts';
import type { FoundStore, SnapshotFiles } from './snapshot-files.ts';
import type { Snapshot } from './snapshot-options.ts';

/** What is known of the snapshot that a guest had last, and lasts as long as the guest. */
export interface GuestBase {
  readonly base: StoredBase;
  /** `GuestMemory.saves` when it was taken: pages that are not marked are as they were then, if it is still that. */
  readonly saves: number;
}

export interface StoreGuestOptions {
  readonly files: SnapshotFiles;
  readonly settings: GuestSettings;
  readonly to: FoundStore;
  /** Asked when it is this snapshot's turn. */
  readonly before: () => GuestBase | undefined;
  readonly checkpoint?: Manifest['checkpoint'] | undefined;
  /** Wall clock in ms. */
  readonly now: () => number;
  /** Lets guests and world have their turn. */
  readonly rest: () => Promise<void>;
}

export interface StoredGuest {
  readonly snapshot: Snapshot;
  readonly after: GuestBase;
}

/** @throws as `takeSnapshot` does; UserError also if another process writes into the store */
export async function storeGuest(guest: Guest, options: StoreGuestOptions): Promise<StoredGuest> {
  const { files, settings, to, checkpoint = null, now, rest } = options;
  const turn = async (): Promise<void> => {
    await rest();
    // Its memory has gone with it.
    if (guest.state === 'disposed') throw disposedMeanwhile(guest.name);
  };
  const store = new SnapshotStore(to.folder, { codec: files.codec, rest: turn });
  const writer = await store.begin(to.id === undefined ? { name: guest.name } : { id: checkId(to.id) });
  let release = (): void => {};
  try {
    const { media } = settings;
    const written = media?.writtenFiles ?? [];
    // Most of what is to be brought to the disk is, before the guest has to wait for it.
    if (checkpoint) for (const image of written) await image.flush();
    const before = options.before();
    const isDiff = before !== undefined && (await writer.buildOn(before.base));
    const { memory } = saveable(guest).machine;
    const start = now();
    if (checkpoint && written.length > 0) release = guest.standStill();
    await flushFiles(guest, media, { held: checkpoint !== null });
    if (checkpoint) beginEpoch(guest, media, checkpoint.epoch);
    // Another snapshot may have been taken while this one waited for its turn.
    const keeps = isDiff && before.saves === memory.saves ? 'diff' : 'all';
    const { head, contents, saves } = saveGuest(saveable(guest), settings, { keeps });
    release();
    release = () => {};
    const [stopped, { instructions }] = [now() - start, guest];
    const parent = before === undefined || !isDiff ? null : { id: before.base.id, digest: before.base.digest };
    if (checkpoint) for (const image of written) image.undo?.sync();
    const { size, ...base } = await writer.finish(contents, { head, checkpoint, parent });
    const path = `${to.folder.name}/${base.id}`;
    return { snapshot: { size, bytes: undefined, id: base.id, path, instructions, stopped }, after: { base, saves } };
  } catch (error) {
    throw clear(error);
  } finally {
    release();
    writer.abandon();
  }
}

/** What is written from now on can be undone. @throws UserError where it cannot */
function beginEpoch(guest: Guest, media: GuestSettings['media'], epoch: number): void {
  if (guest.state === 'disposed') throw disposedMeanwhile(guest.name);
  for (const { name, undo } of media?.writtenFiles ?? []) {
    if (!undo) throw new UserError(`what is written into ${name} cannot be undone: it was put in later`);
    undo.begin(epoch);
  }
}

/** What a guest that was restored has in common with the snapshot, when its memory is as that says. */
export function baseOf({ read, store }: StoredSnapshot, saves: number): GuestBase {
  const packs = read.manifest.packs.map(hex);
  return { base: { store, id: read.id, digest: read.digest, packs, maps: read.maps }, saves };
}
