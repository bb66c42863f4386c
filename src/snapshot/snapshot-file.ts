/**
 * Reads a snapshot file: first its end and the index, then of the pages those that are wanted. Nothing in it is trusted:
 * what is read is compared with its digest, and lengths are looked at before anything is allocated.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { InternalError, UserError } from '../base/errors.ts';
import { type Codec, DIGEST_BYTES } from './codec.ts';
import {
  FORMAT_VERSION,
  HEADER_BYTES,
  MAGIC,
  MOST_INDEX_BYTES,
  PAGES_A_BLOCK,
  type PackedMap,
  TRAILER,
} from './layout.ts';
import { MOST_BLOCK_BYTES } from './page-file-writer.ts';
import { decodePlain } from './plain-data.ts';
import type { SavedPages } from './saved-pages.ts';
import { damaged, isLater } from './snapshot-error.ts';
import type { NumberedPage } from './snapshot-writer.ts';

/** Blocks that are kept unpacked: 1 MiB. */
const KEPT_BLOCKS = 16;
/** Pages that are read without a rest, which takes less than a millisecond. */
const PAGES_A_TURN = 16;

/** Where a snapshot is. */
export interface SnapshotSource {
  readonly size: number;
  /** @returns exactly `length` bytes, which lie within `size` */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/** Which pages belong to something, and where they are stored. */
interface PageMap {
  readonly numbers: Uint32Array;
  readonly stored: Uint32Array;
}

export class SnapshotFile implements SavedPages {
  /** As it was written: plain data that nobody has looked at. */
  readonly head: unknown;
  /** Of its index: it tells the file from all others. */
  readonly digest: Uint8Array;
  readonly #source: SnapshotSource;
  readonly #codec: Codec;
  readonly #maps: ReadonlyMap<string, PageMap>;
  /** By block: where it begins; and where the last one ends. */
  readonly #starts: Float64Array;
  readonly #digests: Uint8Array;
  readonly #rest: () => Promise<void>;
  /** The blocks that were used last, the latest at the end. */
  readonly #blocks = new Map<number, Uint8Array>();
  #read = 0;

  private constructor(
    source: SnapshotSource,
    { codec, rest = async () => {} }: ReaderOptions,
    index: CheckedIndex & { readonly digest: Uint8Array },
  ) {
    this.#source = source;
    this.#codec = codec;
    this.#rest = rest;
    this.head = index.head;
    this.digest = index.digest;
    this.#maps = index.maps;
    this.#starts = index.starts;
    this.#digests = index.digests;
  }

  /** @throws UserError for what is no snapshot, is damaged, or has a version that is not known */
  static async open(source: SnapshotSource, options: ReaderOptions): Promise<SnapshotFile> {
    const { codec } = options;
    if (source.size < HEADER_BYTES + TRAILER.BYTES) throw new UserError('this is no snapshot: it is too short');
    checkHeader(await source.read(0, HEADER_BYTES));
    const trailerAt = source.size - TRAILER.BYTES;
    const trailer = await source.read(trailerAt, TRAILER.BYTES);
    if (!startsWith(trailer.subarray(TRAILER.MAGIC), MAGIC)) throw damaged('its end is missing');
    const view = new DataView(trailer.buffer, trailer.byteOffset);
    const at = Number(view.getBigUint64(TRAILER.INDEX_AT, true));
    const packedLength = view.getUint32(TRAILER.INDEX_PACKED, true);
    const length = view.getUint32(TRAILER.INDEX_LENGTH, true);
    if (at < HEADER_BYTES || at + packedLength !== trailerAt) throw damaged('its index is not where it should be');
    if (packedLength > MOST_INDEX_BYTES || length > MOST_INDEX_BYTES) throw damaged('its index is too long');
    const packed = await source.read(at, packedLength);
    const digest = trailer.subarray(TRAILER.INDEX_DIGEST, TRAILER.INDEX_DIGEST + DIGEST_BYTES);
    if (!startsWith(digest, await codec.digest(packed))) throw damaged('its index has another checksum');
    const plain = await unpack(codec, packed, length, 'its index');
    return new SnapshotFile(source, options, { ...checkIndex(decodePlain(plain), at), digest: new Uint8Array(digest) });
  }

  /** What pages belong to. */
  get names(): readonly string[] {
    return [...this.#maps.keys()];
  }

  /** Pages that are stored, each once. */
  get stored(): number {
    return this.#digests.length / DIGEST_BYTES;
  }

  /** Of all pages that are stored, 32 bytes each. */
  get digests(): Uint8Array {
    return this.#digests;
  }

  /** Whether a page that is stored is still there: of a pack, blocks that nobody needs are taken out. */
  holds(page: number): boolean {
    const block = Math.floor(page / PAGES_A_BLOCK);
    return this.#starts[block + 1] > this.#starts[block];
  }

  /** Numbers of the pages that belong to `name`, rising. */
  numbers(name: string): Uint32Array {
    return this.#maps.get(name)?.numbers ?? new Uint32Array(0);
  }

  /**
   * The pages that belong to `name`, by number. Who keeps one copies it: it lies in a block of many.
   * @throws UserError where one is damaged
   */
  async *pages(name: string): AsyncGenerator<NumberedPage> {
    const map = this.#maps.get(name);
    if (!map) return;
    for (const [index, page] of map.numbers.entries()) yield { page, bytes: await this.page(map.stored[index]) };
  }

  /** Which of the pages stored is at each of `numbers(name)`. */
  storedAt(name: string): Uint32Array {
    return this.#maps.get(name)?.stored ?? new Uint32Array(0);
  }

  /**
   * A page by its number among those that are stored, at once: for who cannot wait. Good until it is asked for another one.
   * @throws UserError where it is damaged; InternalError where source or codec answer later
   */
  readStored(number: number): Uint8Array {
    const block = blockOf(number);
    const unpacked = this.#blocks.get(block) ?? this.#unpackNow(block);
    this.#keep(block, unpacked);
    const bytes = pageIn(unpacked, number);
    return this.#checked(number, bytes, atOnce(this.#codec.digest(bytes)));
  }

  #unpackNow(block: number): Uint8Array {
    const { start, length, unpacked } = this.#extent(block);
    const packed = atOnce(this.#source.read(start, length));
    try {
      return atOnce(this.#codec.inflate(packed, unpacked));
    } catch {
      throw cannotUnpack(`block ${block}`);
    }
  }

  /** A page that is stored, by its number in the file. It lies in a block of many. @throws UserError if it is damaged */
  async page(number: number): Promise<Uint8Array> {
    const block = blockOf(number);
    if (++this.#read % PAGES_A_TURN === 0) await this.#rest();
    const unpacked = this.#blocks.get(block) ?? (await this.#readBlock(block));
    this.#keep(block, unpacked);
    const bytes = pageIn(unpacked, number);
    return this.#checked(number, bytes, await this.#codec.digest(bytes));
  }

  #checked(number: number, bytes: Uint8Array, digest: Uint8Array): Uint8Array {
    if (!startsWith(this.#digests.subarray(number * DIGEST_BYTES), digest)) throw damaged(`page ${number}`);
    return bytes;
  }

  /** A block as it lies in the file. */
  async packedBlock(block: number): Promise<Uint8Array> {
    return await this.#source.read(this.#starts[block], this.#starts[block + 1] - this.#starts[block]);
  }

  /** Reads all that is there. @throws UserError for the first thing that is damaged */
  async verify(): Promise<void> {
    for (let page = 0; page < this.stored; page++) await this.page(page);
  }

  #keep(block: number, unpacked: Uint8Array): void {
    this.#blocks.delete(block);
    this.#blocks.set(block, unpacked);
    if (this.#blocks.size <= KEPT_BLOCKS) return;
    const [oldest] = this.#blocks.keys();
    this.#blocks.delete(oldest);
  }

  async #readBlock(block: number): Promise<Uint8Array> {
    const { unpacked } = this.#extent(block);
    return await unpack(this.#codec, await this.packedBlock(block), unpacked, `block ${block}`);
  }

  /** Where a block is in the file, and how long it is, there and unpacked. */
  #extent(block: number): { readonly start: number; readonly length: number; readonly unpacked: number } {
    const start = this.#starts[block];
    const pages = Math.min(PAGES_A_BLOCK, this.stored - block * PAGES_A_BLOCK);
    return { start, length: this.#starts[block + 1] - start, unpacked: pages * PAGE_SIZE };
  }
}

export interface ReaderOptions {
  readonly codec: Codec;
  /** Lets the world have its turn; asked about every millisecond. */
  rest?(): Promise<void>;
}

interface CheckedIndex {
  readonly head: unknown;
  readonly starts: Float64Array;
  readonly digests: Uint8Array;
  readonly maps: ReadonlyMap<string, PageMap>;
}

function checkHeader(header: Uint8Array): void {
  if (!startsWith(header, MAGIC)) throw new UserError('this is no snapshot');
  const version = new DataView(header.buffer, header.byteOffset).getUint32(MAGIC.length, true);
  if (version !== FORMAT_VERSION) throw isLater('format', version, FORMAT_VERSION);
}

/** `end`: where the blocks end. */
function checkIndex(data: unknown, end: number): CheckedIndex {
  const { version, head, blocks, digests, maps, ...others } = properties(data);
  if (version !== FORMAT_VERSION) throw isLater('format', version, FORMAT_VERSION);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw damaged(`its index has an unknown part: ${unknown}`);
  if (!(digests instanceof Uint8Array) || digests.length % DIGEST_BYTES !== 0) throw damaged('digests of its pages');
  const stored = digests.length / DIGEST_BYTES;
  const lengths = unpackNumbers(blocks);
  if (lengths.length !== Math.ceil(stored / PAGES_A_BLOCK)) throw damaged('the number of its blocks');
  const starts = new Float64Array(lengths.length + 1);
  starts[0] = HEADER_BYTES;
  for (const [block, length] of lengths.entries()) {
    if (length > MOST_BLOCK_BYTES) throw damaged(`block ${block} is too long`);
    starts[block + 1] = starts[block] + length;
  }
  if (starts[lengths.length] !== end) throw damaged('its blocks do not fill it');
  const checked = new Map(Object.entries(properties(maps)).map(([name, map]) => [name, checkMap(name, map, stored)]));
  return { head, starts, digests, maps: checked };
}

function checkMap(name: string, map: unknown, pages: number): PageMap {
  const { numbers: packedNumbers, stored: packedStored } = properties(map) as Partial<PackedMap>;
  const [numbers, stored] = [unpackNumbers(packedNumbers), unpackNumbers(packedStored)];
  if (numbers.length !== stored.length) throw damaged(`the pages of ${name}`);
  if (numbers.some((number, index) => index > 0 && number <= numbers[index - 1])) throw damaged(`the order of ${name}`);
  if (stored.some((page) => page >= pages)) throw damaged(`pages of ${name} that are not there`);
  return { numbers, stored };
}

function properties(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw damaged('its index');
  return value as Record<string, unknown>;
}

export function unpackNumbers(bytes: unknown): Uint32Array {
  if (!(bytes instanceof Uint8Array) || bytes.length % 4 !== 0) throw damaged('its index');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = new Uint32Array(bytes.length / 4);
  for (let index = 0; index < numbers.length; index++) numbers[index] = view.getUint32(4 * index, true);
  return numbers;
}

async function unpack(codec: Codec, packed: Uint8Array, length: number, what: string): Promise<Uint8Array> {
  try {
    return await codec.inflate(packed, length);
  } catch {
    // The library has errors of its own for what it cannot read.
    throw cannotUnpack(what);
  }
}

const cannotUnpack = (what: string): UserError => damaged(`${what} cannot be unpacked`);

function atOnce<Answer>(answer: Answer | Promise<Answer>): Answer {
  if (answer instanceof Promise) throw new InternalError('what should answer at once does not');
  return answer;
}

const blockOf = (page: number): number => Math.floor(page / PAGES_A_BLOCK);

/** A page that is stored, in its block. */
function pageIn(unpacked: Uint8Array, number: number): Uint8Array {
  const at = (number % PAGES_A_BLOCK) * PAGE_SIZE;
  return unpacked.subarray(at, at + PAGE_SIZE);
}

const startsWith = (bytes: Uint8Array, start: Uint8Array): boolean =>
  start.every((byte, index) => bytes[index] === byte);
