/** Writes a snapshot file from its beginning to its end: see `layout.ts`. */
import { PAGE_SIZE } from '../base/address.ts';
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

/** Pages that are copied to one array. */
const PAGES_A_CHUNK = 256;

/** What is to be written. Pages are copied when they are added, and no more is done with them, so that the world may go on. */
export class SnapshotContents {
  readonly maps = new Map<string, Iterable<NumberedPage>>();

  /** Adds the pages of `name`, of which the numbers rise. */
  add(name: string, pages: Iterable<NumberedPage>): void {
    const copies: NumberedPage[] = [];
    let chunk = new Uint8Array(0);
    for (const { page, bytes } of pages) {
      const at = (copies.length % PAGES_A_CHUNK) * PAGE_SIZE;
      if (at === 0) chunk = new Uint8Array(PAGES_A_CHUNK * PAGE_SIZE);
      chunk.set(bytes, at);
      copies.push({ page, bytes: chunk.subarray(at, at + PAGE_SIZE) });
    }
    this.maps.set(name, copies);
  }

  /** As `add`, of pages that nobody will change: they are asked for when they are written. */
  addLasting(name: string, pages: Iterable<NumberedPage>): void {
    this.maps.set(name, pages);
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

/** Finds pages that are equal. */
async function collect(contents: SnapshotContents, rest: () => Promise<void>) {
  const pages = new PageSet();
  const maps = new Map<string, { readonly numbers: number[]; readonly stored: number[] }>();
  let looked = 0;
  for (const [name, given] of contents.maps) {
    const map = { numbers: [] as number[], stored: [] as number[] };
    maps.set(name, map);
    for (const { page, bytes } of given) {
      const stored = pages.add(bytes);
      if (++looked % PAGES_A_CHUNK === 0) await rest();
      if (stored === undefined) continue;
      map.numbers.push(page);
      map.stored.push(stored);
    }
  }
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
