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

/** What is to be written: pages are copied when they are added, so that the world may go on. */
export class SnapshotContents {
  readonly pages = new PageSet();
  readonly maps = new Map<string, { readonly numbers: number[]; readonly stored: number[] }>();

  /** Adds the pages of `name`, of which the numbers rise. */
  add(name: string, pages: Iterable<NumberedPage>): void {
    const map = { numbers: [] as number[], stored: [] as number[] };
    this.maps.set(name, map);
    for (const { page, bytes } of pages) {
      const stored = this.pages.add(bytes);
      if (stored === undefined) continue;
      map.numbers.push(page);
      map.stored.push(stored);
    }
  }
}

export interface WriterOptions {
  readonly codec: Codec;
  /** Takes what comes next in the file. */
  write(bytes: Uint8Array): void | Promise<void>;
}

/** @returns the length of the file */
export async function writeSnapshot(
  head: unknown,
  { pages, maps }: SnapshotContents,
  { codec, write }: WriterOptions,
): Promise<number> {
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
