/** A folder with many snapshots, of which each page is stored once: see `store-layout.ts`. */
import { UserError } from '../../base/errors.ts';
import { collectGarbage } from './collect-garbage.ts';
import { PackSet } from './pack-set.ts';
import type { StoreFolder } from './store-folder.ts';
import { hex, idStem } from './store-layout.ts';
import { StoreWriter } from './store-writer.ts';
import {
  openPack,
  type ReadManifest,
  readManifest,
  StoredSnapshot,
  type StoreReaderOptions,
} from './stored-snapshot.ts';

export interface ListedSnapshot {
  readonly id: string;
  /** Bytes of what describes it, its pages aside. */
  readonly size: number;
  /** Undefined: it is damaged, and why. */
  readonly read: ReadManifest | undefined;
  readonly problem: string | undefined;
}

export class SnapshotStore {
  readonly folder: StoreFolder;
  readonly #options: StoreReaderOptions;
  readonly #packs: PackSet;

  constructor(folder: StoreFolder, options: StoreReaderOptions) {
    this.folder = folder;
    this.#options = options;
    this.#packs = new PackSet(folder, options);
  }

  has(id: string): boolean {
    return this.folder.list('snapshots').some(({ name }) => name === id);
  }

  /** The snapshots, the oldest first, and behind them those that are damaged. */
  async list(): Promise<readonly ListedSnapshot[]> {
    const listed: ListedSnapshot[] = [];
    for (const { name: id, size } of this.folder.list('snapshots')) {
      try {
        listed.push({ id, size, read: await readManifest(this.folder, id, this.#options), problem: undefined });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        // Somebody has deleted it meanwhile.
        if (this.has(id)) listed.push({ id, size, read: undefined, problem: error.message });
      }
    }
    const taken = ({ read }: ListedSnapshot): number => read?.manifest.taken ?? Number.POSITIVE_INFINITY;
    return listed.sort((one, other) => taken(one) - taken(other) || numeric(one.id, other.id));
  }

  /** @throws UserError for what is not there, or damaged. The caller closes it. */
  async open(id: string): Promise<StoredSnapshot> {
    if (!this.has(id)) throw new UserError(`${this.folder.name} has no snapshot ${id}`);
    return await StoredSnapshot.open(this.folder, id, this.#options);
  }

  /**
   * Begins a new snapshot; nobody else can until it is finished or abandoned.
   * @param wanted its id, or the name of the guest that it is of
   * @throws UserError if the id is taken, or another process writes and does not come to an end
   */
  async begin(wanted: { readonly id: string } | { readonly name: string }): Promise<StoreWriter> {
    const unlock = await this.folder.lock();
    try {
      if ('id' in wanted && this.has(wanted.id))
        throw new UserError(
          `${this.folder.name} has a snapshot ${wanted.id} already: delete it, or choose another name`,
        );
      const id = 'id' in wanted ? wanted.id : this.#freeId(idStem(wanted.name));
      await this.#packs.refresh();
      return new StoreWriter({ id, folder: this.folder, packs: this.#packs, reader: this.#options, unlock });
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /**
   * Takes a snapshot away, and of its pages those that no other one needs.
   * @returns what was left lying because a snapshot cannot be read, in a line
   * @throws UserError if it is not there
   */
  async delete(id: string): Promise<string | undefined> {
    const unlock = await this.folder.lock();
    try {
      if (!this.has(id)) throw new UserError(`${this.folder.name} has no snapshot ${id}`);
      this.folder.remove('snapshots', id);
      return await collectGarbage(this.folder, this.#options);
    } finally {
      unlock();
    }
  }

  /** Reads all there is. @returns snapshots and pages @throws UserError for the first thing that is damaged */
  async verify(): Promise<{ readonly snapshots: number; readonly pages: number }> {
    let pages = 0;
    const entries = this.folder.list('snapshots');
    for (const { name } of entries) {
      const snapshot = await named(`snapshot ${name}`, () => this.open(name));
      snapshot.close();
    }
    for (const { name } of this.folder.list('packs')) {
      const { file, source } = await named(`pack ${name}`, () => openPack(this.folder, name, this.#options));
      try {
        for (let page = 0; page < file.stored; page++) {
          if (!file.holds(page)) continue;
          await named(`pack ${name}`, () => file.page(page));
          pages++;
        }
      } finally {
        source.close();
      }
    }
    return { snapshots: entries.length, pages };
  }

  #freeId(stem: string): string {
    const numbers = this.folder.list('snapshots').map(({ name }) => {
      const [, start, number] = /^(.*)-(\d{1,9})$/.exec(name) ?? [];
      return start === stem ? Number(number) : 0;
    });
    return `${stem}-${Math.max(0, ...numbers) + 1}`;
  }
}

/** Whether `child` says that it came from `parent`: a name may have been given again. */
export const isParent = (parent: ReadManifest, child: ReadManifest): boolean =>
  child.manifest.parent?.id === parent.id && hex(child.manifest.parent.digest) === hex(parent.digest);

const numeric = (one: string, other: string): number => one.localeCompare(other, 'en', { numeric: true });

async function named<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${what}: ${error.message}`) : error;
  }
}
