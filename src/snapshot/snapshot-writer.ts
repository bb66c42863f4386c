/** Writes a snapshot file from its beginning to its end: see `layout.ts`. */
import type { Codec } from './codec.ts';
import { PAGES_A_BLOCK, type PackedMap } from './layout.ts';
import { PageFileWriter, packNumbers } from './page-file-writer.ts';
import { PageSet } from './page-set.ts';

/** A page of 4 KiB by its number within what it belongs to. */
export interface NumberedPage {
  readonly page: number;
  readonly bytes: Uint8Array;
}

/** Pages that are looked at without a rest, which takes about a millisecond. */
const PAGES_A_TURN = 256;

/** What is to be written. */
export class SnapshotContents {
  readonly maps = new Map<string, Iterable<NumberedPage> | AsyncIterable<NumberedPage>>();
  /**
   * By name: numbers of the pages that may differ from what they were in the snapshot before, of which alone there are
   * pages in `maps`, if they are not zero. A name that is missing has all of its pages there.
   */
  readonly changed = new Map<string, ReadonlySet<number>>();
  readonly #releases: (() => void)[] = [];

  /** Adds copies of the pages of `name`, of which the numbers rise. */
  add(name: string, pages: Iterable<NumberedPage>): void {
    this.maps.set(
      name,
      Array.from(pages, ({ page, bytes }) => ({ page, bytes: new Uint8Array(bytes) })),
    );
  }

  /** As `add`, of pages that nobody changes before `release` is called: they are asked for when they are written. */
  addLasting(
    name: string,
    pages: Iterable<NumberedPage> | AsyncIterable<NumberedPage>,
    release: () => void = () => {},
  ): void {
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
  const writer = new PageFileWriter({ codec, write });
  for (let first = 0; first < pages.size; first += PAGES_A_BLOCK) {
    await writer.addBlock(pages.pages(first, Math.min(PAGES_A_BLOCK, pages.size - first)));
    await rest();
  }
  await writer.finish(head, Object.fromEntries([...maps].map(([name, map]) => [name, packMap(map)])));
  return writer.length;
}

/** Copies all pages, those that are equal once. */
async function collect(contents: SnapshotContents, rest: () => Promise<void>) {
  const pages = new PageSet();
  const maps = new Map<string, { readonly numbers: number[]; readonly stored: number[] }>();
  let looked = 0;
  for (const [name, given] of contents.maps) {
    const map = { numbers: [] as number[], stored: [] as number[] };
    maps.set(name, map);
    for await (const { page, bytes } of given) {
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

const packMap = ({ numbers, stored }: { numbers: number[]; stored: number[] }): PackedMap => ({
  numbers: packNumbers(numbers),
  stored: packNumbers(stored),
});
