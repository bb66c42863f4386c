/** The packs of a store, and which pages are in them. Used under the store's lock, which others may have had meanwhile. */
import { UserError } from '../../base/errors.ts';
import { DIGEST_BYTES } from '../codec.ts';
import { DigestTable, type PagePlace } from './digest-table.ts';
import type { StoreFolder } from './store-folder.ts';
import { openPack, type StoreReaderOptions } from './stored-snapshot.ts';

interface KnownPack {
  readonly name: string;
  readonly stamp: string;
  /** By page, 32 bytes each. */
  readonly digests: Uint8Array;
}

export class PackSet {
  readonly #folder: StoreFolder;
  readonly #options: StoreReaderOptions;
  #packs: KnownPack[] = [];
  #table = new DigestTable((pack) => this.#packs[pack].digests);

  constructor(folder: StoreFolder, options: StoreReaderOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Looks at what is there now. A pack that is damaged is left alone: nothing new refers to it. */
  async refresh(): Promise<void> {
    const entries = new Map(this.#folder.list('packs').map(({ name, stamp }) => [name, stamp]));
    if (!this.#packs.every(({ name, stamp }) => entries.get(name) === stamp)) {
      this.#packs = [];
      this.#table = new DigestTable((pack) => this.#packs[pack].digests);
    }
    const known = new Set(this.#packs.map(({ name }) => name));
    for (const [name, stamp] of entries) if (!known.has(name)) await this.#learn(name, stamp);
  }

  find(digest: Uint8Array): { readonly name: string; readonly page: number } | undefined {
    const place = this.#table.find(digest);
    return place && { name: this.#packs[place.pack].name, page: place.page };
  }

  async #learn(name: string, stamp: string): Promise<void> {
    const pack = this.#packs.length;
    let digests = new Uint8Array(0);
    const held: PagePlace[] = [];
    try {
      const { file, source } = await openPack(this.#folder, name, this.#options);
      source.close();
      digests = new Uint8Array(file.digests);
      for (let page = 0; page < file.stored; page++) if (file.holds(page)) held.push({ pack, page });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
    this.#packs.push({ name, stamp, digests });
    for (const place of held) {
      const at = place.page * DIGEST_BYTES;
      if (this.#table.find(digests.subarray(at, at + DIGEST_BYTES)) === undefined) this.#table.add(place);
    }
  }
}
