/** What a host's guests have to do with snapshots: taken when somebody asks, and by themselves, as checkpoints. */
import { StateError, UserError } from '../../base/errors.ts';
import { SnapshotStore } from '../../snapshot/store/snapshot-store.ts';
import type { Manifest } from '../../snapshot/store/store-layout.ts';
import type { PcGuest } from '../create-guest.ts';
import type { Guest } from '../guest.ts';
import type { CheckedCheckpoint } from '../options/checkpoint-options.ts';
import type { GuestSettings } from '../options/guest-options.ts';
import type { ImageSource } from '../options/media-options.ts';
import type { Platform } from '../platform.ts';
import { Checkpoints, checkpointsIn, type FoundCheckpoints } from './checkpoints.ts';
import { type ReadSnapshot, readSnapshot, takeSnapshot } from './snapshot.ts';
import type { FoundStore, SnapshotFiles } from './snapshot-files.ts';
import type { Snapshot } from './snapshot-options.ts';
import { baseOf, type GuestBase, storeGuest } from './store-guest.ts';

interface Known {
  /** The snapshot in a store that it had last. */
  base?: GuestBase | undefined;
  checkpoints?: Checkpoints | undefined;
  /** In which store, and by which name. */
  key?: string | undefined;
}

/** Checkpoints of a guest that is being made: nobody else's can have its name meanwhile. */
export interface StartCheckpoints {
  /** They are taken from now on. */
  begin(guest: Guest, settings: GuestSettings): void;
  /** There is no such guest. After `begin`, nothing happens. */
  cancel(): void;
}

export class GuestSnapshots {
  readonly #platform: Platform;
  readonly #files: SnapshotFiles | undefined;
  readonly #known = new WeakMap<Guest, Known>();
  /** Store and name of each guest of which checkpoints are taken, or will be. */
  readonly #checkpointed = new Set<string>();

  constructor(platform: Platform, files: SnapshotFiles | undefined) {
    this.#platform = platform;
    this.#files = files;
  }

  /** @throws UserError if this host keeps none */
  get files(): SnapshotFiles {
    if (this.#files === undefined) throw new UserError('this host keeps no snapshots');
    return this.#files;
  }

  /** @throws UserError, StateError (as rejections): then there is none */
  async take(guest: Guest, settings: GuestSettings, to: string | undefined): Promise<Snapshot> {
    const found = to === undefined ? undefined : this.files.store(to, { create: true });
    if (found) return await this.#store(guest, settings, found);
    const { now, rest } = this.#world;
    return await takeSnapshot(guest, { files: this.files, settings, to, now, rest });
  }

  read(source: ImageSource): Promise<ReadSnapshot> {
    return readSnapshot(source, this.files, this.#world.rest);
  }

  /** The guest is what a snapshot says, and has not run: of its next one only what changes from now on is new. */
  restored(guest: PcGuest, { stored }: ReadSnapshot): void {
    if (!stored) return;
    const { memory } = guest.machine;
    this.#knownOf(guest).base = baseOf(stored, memory.markSaved());
  }

  /**
   * Looks whether checkpoints can be taken of a guest that is to be called so.
   * @param recovered those that it has already
   * @throws UserError (as a rejection)
   */
  async checkpointing(
    options: CheckedCheckpoint,
    { name, media }: GuestSettings,
    recovered?: FoundCheckpoints,
  ): Promise<StartCheckpoints> {
    const lost = media?.images.find((image) => image.saved().where === null);
    if (lost) throw new UserError(`checkpoint: ${lost.name} is no file and on no server: nobody would find it again`);
    const found = this.files.store(`${options.to}/`, { create: true });
    if (found === undefined) throw new UserError('checkpoint: there are no files here');
    const { now, rest } = this.#world;
    const store = new SnapshotStore(found.folder, { codec: this.files.codec, rest });
    if (recovered === undefined && (await checkpointsIn(store)).guests.has(name))
      throw new UserError(
        `${options.to} has checkpoints of ${name}: recover it (vetro recover), delete them, or give another folder`,
      );
    const key = JSON.stringify([found.folder.name, name]);
    if (this.#checkpointed.has(key))
      throw new UserError(`another guest that is called ${name} has its checkpoints in ${options.to}: give it a name`);
    this.#checkpointed.add(key);
    let begun = false;
    const delay = (ms: number, action: () => void) => this.#platform.delay(ms, action);
    const begin = (guest: Guest, settings: GuestSettings): void => {
      begun = true;
      const take = (checkpoint: Manifest['checkpoint']) => this.#store(guest, settings, found, checkpoint);
      const dropUndo = (before: number): void => {
        for (const { undo } of settings.media?.writtenFiles ?? []) undo?.drop(before);
      };
      const checkpoints = new Checkpoints(guest, { store, options, found: recovered, take, dropUndo, now, delay });
      Object.assign(this.#knownOf(guest), { checkpoints, key });
    };
    return { begin, cancel: () => void (begun || this.#checkpointed.delete(key)) };
  }

  /** The guest may run, or does not any longer. @returns what has to come to an end before the host has */
  stateChanged(guest: Guest): Promise<void> | undefined {
    const { checkpoints } = this.#known.get(guest) ?? {};
    if (guest.state === 'stopped' && guest.exitReason) return checkpoints?.stopped(guest.exitReason);
    checkpoints?.wake();
    return undefined;
  }

  /** The guest is disposed. @returns as `stateChanged` */
  removed(guest: Guest): Promise<void> | undefined {
    const { checkpoints, key } = this.#known.get(guest) ?? {};
    if (key !== undefined) this.#checkpointed.delete(key);
    return checkpoints?.disposed();
  }

  async #store(
    guest: Guest,
    settings: GuestSettings,
    to: FoundStore,
    checkpoint?: Manifest['checkpoint'],
  ): Promise<Snapshot> {
    if (guest.state === 'disposed') throw new StateError(`${guest.name} is disposed`);
    const known = this.#knownOf(guest);
    const { files } = this;
    const before = () => known.base;
    const { snapshot, after } = await storeGuest(guest, { files, settings, to, before, checkpoint, ...this.#world });
    known.base = after;
    return snapshot;
  }

  #knownOf(guest: Guest): Known {
    const known = this.#known.get(guest) ?? {};
    this.#known.set(guest, known);
    return known;
  }

  get #world(): { now(): number; rest(): Promise<void> } {
    return { now: () => this.#platform.now(), rest: () => this.#platform.yield() };
  }
}
