/** Puts one snapshot into a store: of its pages those that are not there yet. Holds the store's lock meanwhile. */
import { InternalError } from '../../base/errors.ts';
import { DIGEST_BYTES } from '../codec.ts';
import { BlockFiller, PageFileWriter } from '../page-file-writer.ts';
import { isZeroPage } from '../page-set.ts';
import type { NumberedPage, SnapshotContents } from '../snapshot-writer.ts';
import { DigestTable } from './digest-table.ts';
import type { PackSet } from './pack-set.ts';
import type { NewStoreFile, StoreFolder } from './store-folder.ts';
import { hex, type Manifest, MOST_PACKS, type PagePlaces, packPlaces, STORE_VERSION } from './store-layout.ts';
import { type OpenPack, openPack, readManifest, type StoreReaderOptions } from './stored-snapshot.ts';

/** Pages that are looked at without a rest, which takes about a millisecond. */
const PAGES_A_TURN = 64;
/** The pack that is being written, until it has a name. */
const NEW = '';

/** A snapshot of a guest that is in a store, as the one that comes next may refer to it. */
export interface StoredBase {
  readonly store: string;
  readonly id: string;
  readonly digest: Uint8Array;
  readonly packs: readonly string[];
  readonly maps: ReadonlyMap<string, PagePlaces>;
}

export interface WrittenSnapshot extends StoredBase {
  /** Bytes that were added to the store. */
  readonly size: number;
}

export interface NewSnapshotFacts {
  readonly head: unknown;
  readonly checkpoint: Manifest['checkpoint'];
  readonly parent: Manifest['parent'];
}

interface Parts {
  readonly id: string;
  readonly folder: StoreFolder;
  readonly packs: PackSet;
  readonly reader: StoreReaderOptions;
  readonly unlock: () => void;
}

export class StoreWriter {
  readonly id: string;
  readonly #parts: Parts;
  readonly #file: NewStoreFile;
  readonly #writer: PageFileWriter;
  readonly #blocks: BlockFiller;
  /** Pages of this snapshot that are new to the store. */
  readonly #own: DigestTable;
  #ownDigests = new Uint8Array(64 * DIGEST_BYTES);
  #base: StoredBase | undefined;
  #done = false;
  #looked = 0;

  constructor(parts: Parts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#file = parts.folder.create('packs');
    this.#writer = new PageFileWriter({ codec: parts.reader.codec, write: (bytes) => this.#file.write(bytes) });
    this.#blocks = new BlockFiller(this.#writer);
    this.#own = new DigestTable(() => this.#ownDigests);
  }

  /** Takes what is in another snapshot for known, if that is still there. @returns whether it is */
  async buildOn(base: StoredBase | undefined): Promise<boolean> {
    const { folder, reader } = this.#parts;
    if (base === undefined || base.store !== folder.name) return false;
    if (!folder.list('snapshots').some(({ name }) => name === base.id)) return false;
    const present = new Set(folder.list('packs').map(({ name }) => name));
    if (!base.packs.every((name) => present.has(name))) return false;
    try {
      const { digest } = await readManifest(folder, base.id, reader);
      if (hex(digest) !== hex(base.digest)) return false;
    } catch {
      return false;
    }
    this.#base = base;
    return true;
  }

  /**
   * Writes all of it. `contents` has what has changed since the base where that was taken for known, else everything.
   * @throws UserError if it cannot be written: then nothing has changed
   */
  async finish(contents: SnapshotContents, { head, checkpoint, parent }: NewSnapshotFacts): Promise<WrittenSnapshot> {
    try {
      const maps = new Map<string, Place[]>();
      for (const [name, pages] of contents.maps) {
        const changed = contents.changed.get(name);
        const kept = changed ? this.#kept(name, changed) : [];
        maps.set(name, merged(kept, await this.#placesOf(pages)));
      }
      contents.release();
      await this.#gather(maps);
      await this.#blocks.flush();
      const { size, pack } = await this.#finishPack();
      const written = await this.#finishSnapshot(maps, pack, { head, checkpoint, parent });
      return { ...written, size: size + written.size };
    } catch (error) {
      this.abandon();
      throw error;
    } finally {
      contents.release();
      this.#end();
    }
  }

  /** As if it had never begun. Again, or once it is finished: nothing happens. */
  abandon(): void {
    if (this.#done) return;
    this.#file.abandon();
    this.#end();
  }

  #end(): void {
    if (!this.#done) this.#parts.unlock();
    this.#done = true;
  }

  #kept(name: string, changed: ReadonlySet<number>): Place[] {
    if (this.#base === undefined) throw new InternalError(`pages of ${name} without those that have not changed`);
    const places = this.#base.maps.get(name);
    const kept: Place[] = [];
    for (const [index, number] of places?.numbers.entries() ?? [])
      if (!changed.has(number))
        kept.push({ number, pack: this.#base.packs[places!.packs[index]], page: places!.pages[index] });
    return kept;
  }

  async #placesOf(pages: Iterable<NumberedPage> | AsyncIterable<NumberedPage>): Promise<Place[]> {
    const places: Place[] = [];
    const add = async (number: number, bytes: Uint8Array | undefined): Promise<void> => {
      if (bytes) places.push({ number, ...(await this.#put(bytes)) });
      if (++this.#looked % PAGES_A_TURN === 0) await this.#parts.reader.rest?.();
    };
    // What is there at once may be in memory that moves when somebody else has his turn.
    if (Symbol.iterator in pages)
      for (const { page, bytes } of pages) await add(page, isZeroPage(bytes) ? undefined : new Uint8Array(bytes));
    else for await (const { page, bytes } of pages) await add(page, isZeroPage(bytes) ? undefined : bytes);
    return places;
  }

  /** Finds the page, or writes it. */
  async #put(bytes: Uint8Array): Promise<Omit<Place, 'number'>> {
    const digest = await this.#parts.reader.codec.digest(bytes);
    const known = this.#parts.packs.find(digest);
    if (known) return { pack: known.name, page: known.page };
    return await this.#putNew(bytes, digest);
  }

  async #putNew(bytes: Uint8Array, digest: Uint8Array): Promise<Omit<Place, 'number'>> {
    const own = this.#own.find(digest);
    if (own) return { pack: NEW, page: own.page };
    const page = this.#blocks.count;
    this.#keepDigest(page, digest);
    this.#own.add({ pack: 0, page });
    await this.#blocks.add(bytes, digest);
    return { pack: NEW, page };
  }

  #keepDigest(page: number, digest: Uint8Array): void {
    if ((page + 1) * DIGEST_BYTES > this.#ownDigests.length) {
      const larger = new Uint8Array(2 * this.#ownDigests.length);
      larger.set(this.#ownDigests);
      this.#ownDigests = larger;
    }
    this.#ownDigests.set(digest, page * DIGEST_BYTES);
  }

  /** Of too many packs, copies what is needed of those that give least. */
  async #gather(maps: Map<string, Place[]>): Promise<void> {
    const used = new Map<string, number>();
    for (const places of maps.values())
      for (const { pack } of places) if (pack !== NEW) used.set(pack, (used.get(pack) ?? 0) + 1);
    if (used.size < MOST_PACKS) return;
    const smallest = [...used].sort(([, one], [, other]) => one - other).map(([name]) => name);
    const leaving = new Set(smallest.slice(0, used.size - MOST_PACKS / 2));
    const { folder, reader } = this.#parts;
    const open = new Map<string, OpenPack>();
    try {
      for (const name of leaving) open.set(name, await openPack(folder, name, reader));
      for (const [name, places] of maps) {
        const moved: Place[] = [];
        for (const place of places) {
          const pack = open.get(place.pack);
          if (!pack) {
            moved.push(place);
            continue;
          }
          const bytes = await pack.file.page(place.page);
          moved.push({ number: place.number, ...(await this.#putNew(bytes, await reader.codec.digest(bytes))) });
        }
        maps.set(name, moved);
      }
    } finally {
      for (const { source } of open.values()) source.close();
    }
  }

  async #finishPack(): Promise<{ readonly size: number; readonly pack: string | undefined }> {
    if (this.#blocks.count === 0) {
      this.#file.abandon();
      return { size: 0, pack: undefined };
    }
    await this.#writer.finish({ kind: 'pack' });
    const name = hex(await this.#parts.reader.codec.digest(this.#writer.digests));
    this.#file.finish(name);
    return { size: this.#writer.length, pack: name };
  }

  async #finishSnapshot(
    places: ReadonlyMap<string, readonly Place[]>,
    pack: string | undefined,
    facts: NewSnapshotFacts,
  ): Promise<WrittenSnapshot> {
    const { folder, reader } = this.#parts;
    const packs: string[] = [];
    const indexOf = new Map<string, number>();
    const index = (name: string): number => {
      const found = indexOf.get(name) ?? packs.push(name) - 1;
      indexOf.set(name, found);
      return found;
    };
    const maps = new Map(
      [...places].map(([name, list]): [string, PagePlaces] => [
        name,
        {
          numbers: Uint32Array.from(list, ({ number }) => number),
          packs: Uint32Array.from(list, (place) => index(place.pack === NEW ? pack! : place.pack)),
          pages: Uint32Array.from(list, ({ page }) => page),
        },
      ]),
    );
    const manifest: Manifest = {
      kind: 'snapshot',
      version: STORE_VERSION,
      taken: folder.date(),
      parent: facts.parent,
      checkpoint: facts.checkpoint,
      packs: packs.map(unhex),
      maps: Object.fromEntries([...maps].map(([name, map]) => [name, packPlaces(map)])),
      head: facts.head,
    };
    const file = folder.create('snapshots');
    try {
      const writer = new PageFileWriter({ codec: reader.codec, write: (bytes) => file.write(bytes) });
      const digest = await writer.finish(manifest);
      file.finish(this.id);
      return { store: folder.name, id: this.id, digest, packs, maps, size: writer.length };
    } catch (error) {
      file.abandon();
      throw error;
    }
  }
}

interface Place {
  /** Of the page within what it belongs to. */
  readonly number: number;
  /** Name of the pack. */
  readonly pack: string;
  readonly page: number;
}

/** Two lists that rise, as one. */
function merged(one: readonly Place[], other: readonly Place[]): Place[] {
  const result: Place[] = [];
  let at = 0;
  for (const place of one) {
    while (at < other.length && other[at].number < place.number) result.push(other[at++]);
    result.push(place);
  }
  return [...result, ...other.slice(at)];
}

const unhex = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length / 2 }, (_, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
