/** A snapshot in a store, open to be read: its packs stay open, too, so that nobody can take them away. */
import type { Codec } from '../codec.ts';
import type { SavedPages } from '../saved-pages.ts';
import { damaged } from '../snapshot-error.ts';
import { SnapshotFile } from '../snapshot-file.ts';
import type { NumberedPage } from '../snapshot-writer.ts';
import type { StoreFolder, StoreSource } from './store-folder.ts';
import { checkManifest, hex, type Manifest, type PagePlaces, unpackPlaces } from './store-layout.ts';

export interface StoreReaderOptions {
  readonly codec: Codec;
  rest?(): Promise<void>;
}

/** What is known of a snapshot without its pages. */
export interface ReadManifest {
  readonly id: string;
  readonly manifest: Manifest;
  /** Of its index: two snapshots that have one name, one after the other, differ in it. */
  readonly digest: Uint8Array;
  readonly maps: ReadonlyMap<string, PagePlaces>;
}

/** @throws UserError if it is not there, or damaged */
export async function readManifest(
  folder: StoreFolder,
  id: string,
  options: StoreReaderOptions,
): Promise<ReadManifest> {
  const source = folder.open('snapshots', id);
  try {
    const file = await SnapshotFile.open(source, options);
    const manifest = checkManifest(file.head, 'store');
    const maps = Object.entries(manifest.maps).map(([name, packed]): [string, PagePlaces] => [
      name,
      unpackPlaces(name, packed, manifest.packs.length),
    ]);
    return { id, manifest, digest: file.digest, maps: new Map(maps) };
  } finally {
    source.close();
  }
}

/** A pack that is open. */
export interface OpenPack {
  readonly file: SnapshotFile;
  readonly source: StoreSource;
}

/** @throws UserError if it is not there, or damaged */
export async function openPack(folder: StoreFolder, name: string, options: StoreReaderOptions): Promise<OpenPack> {
  const source = folder.open('packs', name);
  try {
    const file = await SnapshotFile.open(source, options);
    if (hex(await options.codec.digest(file.digests)) !== name) throw damaged(`pack ${name} is another one`);
    return { file, source };
  } catch (error) {
    source.close();
    throw error;
  }
}

export class StoredSnapshot implements SavedPages {
  readonly read: ReadManifest;
  /** How messages call the store that it is in. */
  readonly store: string;
  readonly #packs: readonly OpenPack[];

  private constructor(store: string, read: ReadManifest, packs: readonly OpenPack[]) {
    this.store = store;
    this.read = read;
    this.#packs = packs;
  }

  /** @throws UserError for what is not there, or damaged */
  static async open(folder: StoreFolder, id: string, options: StoreReaderOptions): Promise<StoredSnapshot> {
    const read = await readManifest(folder, id, options);
    const packs: OpenPack[] = [];
    try {
      for (const digest of read.manifest.packs) packs.push(await openPack(folder, hex(digest), options));
      for (const [name, places] of read.maps) assertPages(name, places, packs);
      return new StoredSnapshot(folder.name, read, packs);
    } catch (error) {
      for (const { source } of packs) source.close();
      throw error;
    }
  }

  get head(): unknown {
    return this.read.manifest.head;
  }

  get names(): readonly string[] {
    return [...this.read.maps.keys()];
  }

  get stored(): number {
    return this.#distinct().reduce((sum, pages) => sum + pages.size, 0);
  }

  numbers(name: string): Uint32Array {
    return this.read.maps.get(name)?.numbers ?? new Uint32Array(0);
  }

  async *pages(name: string): AsyncGenerator<NumberedPage> {
    const places = this.read.maps.get(name);
    if (!places) return;
    for (const [index, page] of places.numbers.entries())
      yield { page, bytes: await this.#packs[places.packs[index]].file.page(places.pages[index]) };
  }

  async verify(): Promise<void> {
    for (const [pack, pages] of this.#distinct().entries())
      for (const page of [...pages].sort((one, other) => one - other)) await this.#packs[pack].file.page(page);
  }

  close(): void {
    for (const { source } of this.#packs) source.close();
  }

  /** By pack: the pages of it that belong to something. */
  #distinct(): readonly Set<number>[] {
    const distinct = this.#packs.map(() => new Set<number>());
    for (const { packs, pages } of this.read.maps.values())
      for (const [index, page] of pages.entries()) distinct[packs[index]].add(page);
    return distinct;
  }
}

function assertPages(name: string, { packs, pages }: PagePlaces, open: readonly OpenPack[]): void {
  for (const [index, page] of pages.entries()) {
    const { file } = open[packs[index]];
    if (page >= file.stored || !file.holds(page)) throw damaged(`pages of ${name} that are not there`);
  }
}
