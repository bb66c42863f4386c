/** Writes a snapshot file from its beginning to its end: see `layout.ts`. */
import { type Codec, DIGEST_BYTES } from './codec.ts';
import {
  BLOCK_BYTES,
  FORMAT_VERSION,
  HEADER_BYTES,
  MAGIC,
  PAGES_A_BLOCK,
  type PackedMap,
  type SnapshotIndex,
  TRAILER,
} from './layout.ts';
import { PageSet } from './page-set.ts';
import { encodePlain } from './plain-data.ts';

/** A page of 4 KiB by its number within what it belongs to. */
export interface NumberedPage {
  readonly page: number;
  readonly bytes: Uint8Array;
}

/** Pages that are looked at without a rest, which takes about a millisecond. */
const PAGES_A_TURN = 256;

/** What is to be written. */
export class SnapshotContents {
  readonly maps = new Map<string, Iterable<NumberedPage>>();
  readonly #releases: (() => void)[] = [];

  /** Adds copies of the pages of `name`, of which the numbers rise. */
  add(name: string, pages: Iterable<NumberedPage>): void {
    this.maps.set(
      name,
      Array.from(pages, ({ page, bytes }) => ({ page, bytes: new Uint8Array(bytes) })),
    );
  }

  /** As `add`, of pages that nobody changes before `release` is called: they are asked for when they are written. */
  addLasting(name: string, pages: Iterable<NumberedPage>, release: () => void = () => {}): void {
    this.maps.set(name, pages);
    this.#releases.push(release);
  }

  /** They are not needed any longer. Again: nothing happens. */
  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }
}

export interface WriterOptions {
  readonly codec: Codec;
  /** Takes what comes next in the file. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Lets the world have its turn; asked about every millisecond. */
  rest?(): Promise<void>;
}

/** @returns the length of the file */
export async function writeSnapshot(
  head: unknown,
  contents: SnapshotContents,
  { codec, write, rest = async () => {} }: WriterOptions,
): Promise<number> {
  const { pages, maps } = await collect(contents, rest);
  let at = 0;
  const put = async (bytes: Uint8Array): Promise<void> => {
    at += bytes.length;
    await write(bytes);
  };
  await put(header());
  const lengths: number[] = [];
  const digests = new Uint8Array(pages.size * DIGEST_BYTES);
  for (let first = 0; first < pages.size; first += PAGES_A_BLOCK) {
    const count = Math.min(PAGES_A_BLOCK, pages.size - first);
    for (let page = first; page < first + count; page++)
      digests.set(await codec.digest(pages.page(page)), page * DIGEST_BYTES);
    const packed = await codec.deflate(pages.pages(first, count));
    lengths.push(packed.length);
    await put(packed);
    await rest();
  }
  const index: SnapshotIndex = {
    version: FORMAT_VERSION,
    head,
    blocks: packNumbers(lengths),
    digests,
    maps: Object.fromEntries([...maps].map(([name, map]): [string, PackedMap] => [name, packMap(map)])),
  };
  const plain = encodePlain(index);
  const packed = await codec.deflate(plain);
  const trailer = new Uint8Array(TRAILER.BYTES);
  const view = new DataView(trailer.buffer);
  view.setBigUint64(TRAILER.INDEX_AT, BigInt(at), true);
  view.setUint32(TRAILER.INDEX_PACKED, packed.length, true);
  view.setUint32(TRAILER.INDEX_LENGTH, plain.length, true);
  trailer.set(await codec.digest(packed), TRAILER.INDEX_DIGEST);
  view.setUint32(TRAILER.VERSION, FORMAT_VERSION, true);
  trailer.set(MAGIC, TRAILER.MAGIC);
  await put(packed);
  await put(trailer);
  return at;
}

/** Copies all pages, those that are equal once. */
async function collect(contents: SnapshotContents, rest: () => Promise<void>) {
  const pages = new PageSet();
  const maps = new Map<string, { readonly numbers: number[]; readonly stored: number[] }>();
  let looked = 0;
  for (const [name, given] of contents.maps) {
    const map = { numbers: [] as number[], stored: [] as number[] };
    maps.set(name, map);
    for (const { page, bytes } of given) {
      const stored = pages.add(bytes);
      if (++looked % PAGES_A_TURN === 0) await rest();
      if (stored === undefined) continue;
      map.numbers.push(page);
      map.stored.push(stored);
    }
  }
  contents.release();
  return { pages, maps };
}

function header(): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(MAGIC.length, FORMAT_VERSION, true);
  return bytes;
}

const packMap = ({ numbers, stored }: { numbers: number[]; stored: number[] }): PackedMap => ({
  numbers: packNumbers(numbers),
  stored: packNumbers(stored),
});

function packNumbers(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * numbers.length);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setUint32(4 * index, number, true);
  return bytes;
}

/** Of the deflated form of a block: incompressible data grow a little. */
export const MOST_BLOCK_BYTES = BLOCK_BYTES + 1024;
