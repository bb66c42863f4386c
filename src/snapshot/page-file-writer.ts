/** Writes what `layout.ts` describes, from its beginning to its end: blocks of pages, and what is known of them. */
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
import { encodePlain } from './plain-data.ts';

export interface PageFileWriterOptions {
  readonly codec: Codec;
  /** Takes what comes next in the file. */
  write(bytes: Uint8Array): void | Promise<void>;
}

export class PageFileWriter {
  readonly #codec: Codec;
  readonly #write: PageFileWriterOptions['write'];
  readonly #lengths: number[] = [];
  readonly #digests: Uint8Array[] = [];
  #at = 0;

  constructor({ codec, write }: PageFileWriterOptions) {
    this.#codec = codec;
    this.#write = write;
  }

  /** Of the file, so far. */
  get length(): number {
    return this.#at;
  }

  /** 32 bytes for each page that was added. */
  get digests(): Uint8Array {
    return joined(this.#digests);
  }

  /** Pages, one behind the other: `PAGES_A_BLOCK` of them, or fewer if none follow. `digests`: if they are known. */
  async addBlock(pages: Uint8Array, digests?: Uint8Array): Promise<void> {
    const known = digests ?? (await this.#digestsOf(pages));
    await this.addPacked(await this.#codec.deflate(pages), known);
  }

  /** As `addBlock`, of one that is deflated; of no bytes: its pages are gone. */
  async addPacked(packed: Uint8Array, digests: Uint8Array): Promise<void> {
    if (this.#at === 0) await this.#put(header());
    this.#digests.push(digests);
    this.#lengths.push(packed.length);
    await this.#put(packed);
  }

  /** @returns the digest of the index: it tells the file from all others */
  async finish(head: unknown, maps: Readonly<Record<string, PackedMap>> = {}): Promise<Uint8Array> {
    if (this.#at === 0) await this.#put(header());
    const { digests } = this;
    const index: SnapshotIndex = { version: FORMAT_VERSION, head, blocks: packNumbers(this.#lengths), digests, maps };
    const plain = encodePlain(index);
    const packed = await this.#codec.deflate(plain);
    const digest = await this.#codec.digest(packed);
    const trailer = new Uint8Array(TRAILER.BYTES);
    const view = new DataView(trailer.buffer);
    view.setBigUint64(TRAILER.INDEX_AT, BigInt(this.#at), true);
    view.setUint32(TRAILER.INDEX_PACKED, packed.length, true);
    view.setUint32(TRAILER.INDEX_LENGTH, plain.length, true);
    trailer.set(digest, TRAILER.INDEX_DIGEST);
    view.setUint32(TRAILER.VERSION, FORMAT_VERSION, true);
    trailer.set(MAGIC, TRAILER.MAGIC);
    await this.#put(packed);
    await this.#put(trailer);
    return digest;
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#at += bytes.length;
    await this.#write(bytes);
  }

  async #digestsOf(pages: Uint8Array): Promise<Uint8Array> {
    const digests = new Uint8Array((pages.length / PAGE_SIZE) * DIGEST_BYTES);
    for (let page = 0; page * PAGE_SIZE < pages.length; page++) {
      const bytes = pages.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
      digests.set(await this.#codec.digest(bytes), page * DIGEST_BYTES);
    }
    return digests;
  }
}

export function packNumbers(numbers: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 * numbers.length);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < numbers.length; index++) view.setUint32(4 * index, numbers[index], true);
  return bytes;
}

/** Of the deflated form of a block: incompressible data grow a little. */
export const MOST_BLOCK_BYTES = BLOCK_BYTES + 1024;

/** Pages that come one at a time, as blocks. */
export class BlockFiller {
  readonly #writer: PageFileWriter;
  readonly #pages = new Uint8Array(BLOCK_BYTES);
  readonly #digests = new Uint8Array(PAGES_A_BLOCK * DIGEST_BYTES);
  #filled = 0;
  #added = 0;

  constructor(writer: PageFileWriter) {
    this.#writer = writer;
  }

  /** Pages that were added. */
  get count(): number {
    return this.#added;
  }

  /** Copies the page. @returns its number in the file */
  async add(page: Uint8Array, digest: Uint8Array): Promise<number> {
    this.#pages.set(page, this.#filled * PAGE_SIZE);
    this.#digests.set(digest, this.#filled * DIGEST_BYTES);
    if (++this.#filled === PAGES_A_BLOCK) await this.flush();
    return this.#added++;
  }

  /** The last block, however full it is. */
  async flush(): Promise<void> {
    const filled = this.#filled;
    if (filled === 0) return;
    this.#filled = 0;
    const digests = new Uint8Array(this.#digests.subarray(0, filled * DIGEST_BYTES));
    await this.#writer.addBlock(this.#pages.subarray(0, filled * PAGE_SIZE), digests);
  }
}

function header(): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(MAGIC.length, FORMAT_VERSION, true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
