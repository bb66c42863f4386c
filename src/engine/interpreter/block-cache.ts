/**
 * Blocks as records, keyed by guest-physical address and mode. Conditional branches leave a block on the way.
 *
 * Writes to bytes of a block make it stale: its records are overwritten with a handler that looks the code up again, so
 * that whoever still points there (a link, the jump cache, the running block itself) comes back. Records are reused
 * only when all blocks are dropped at once. What else there is to know of a block stands in front of its records
 * (`block-index`).
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { MODE } from '../../cpu/mode-key.ts';
import type { Decoder } from '../../isa/decoder.ts';
import type { Pool } from '../../memory/pool.ts';
import { BlockDecoder, type BlockInstruction, type CodeSource } from '../blocks/block-decoder.ts';
import { BlockTable } from '../blocks/block-table.ts';
import { CodeBytes } from '../blocks/code-bytes.ts';
import { BLOCK_HEADER_SIZE, BlockIndex, COOL, firstPage } from './block-index.ts';
import type { CatalogForm } from './form-catalog.ts';
import { PSEUDO } from './pseudo-handlers.ts';
import { RECORD, RECORD_SIZE } from './record-layout.ts';
import { RecordWriter } from './record-writer.ts';
import type { InterpreterRuntime } from './runtime.ts';

/** Longest block, in instructions. */
const MAX_INSTRUCTIONS = 64;
/** As page offset: of no page, so that no branch is linked to the record. */
const OUTSIDE = 2 * PAGE_SIZE;
/** The record of one instruction, and what follows it. */
const LONE_BYTES = BLOCK_HEADER_SIZE + 2 * RECORD_SIZE;
const CHUNK_BYTES = 1 << 20;
/**
 * Chunks until all blocks are dropped, the first time and each time after: most of what a system runs while it starts it
 * never runs again, but one that fills them again needs them.
 */
const ROOM = { FIRST: 4, FACTOR: 2, MOST: 24 } as const;
/** A page of more blocks, as no compiler makes it, loses all of them when it is written: a search at each write would take too long. */
const SEARCH_LIMIT = 512;
/** Blocks that are looked at for one key. Behind them are more only if a guest has chosen its addresses to that end. */
const CHAIN_LIMIT = 64;

/** An instruction of a block that is in records. */
export interface KnownInstruction extends BlockInstruction {
  readonly form: CatalogForm;
  /** Its record's function does the instruction behind it, too, or that before it. */
  readonly isFused: boolean;
}

export class BlockCache {
  readonly #pool: Pool;
  readonly #runtime: InterpreterRuntime;
  readonly #decoder: BlockDecoder;
  readonly #writer: RecordWriter;
  readonly index: BlockIndex;
  /** By page: which of its bytes belong to blocks. */
  readonly #code = new Map<number, CodeBytes>();
  readonly #chunks: number[] = [];
  readonly #scratch: number;
  /** What of the blocks emitted code finds by itself. */
  readonly table: BlockTable;
  readonly #lone: number;
  /** Entries of a new block, at a physical address and in a mode, until it is hot. */
  heatFor: (address: number, modeKey: number) => number = () => COOL;
  /** Called when bytes of blocks have changed, once for each write. */
  onStale: (blocks: readonly number[]) => void = () => {};
  #built = 0;
  /** Chunks that may be used. */
  #room: number = ROOM.FIRST;
  #chunk = -1;
  #used = CHUNK_BYTES;

  constructor(pool: Pool, runtime: InterpreterRuntime, decoder: Decoder, supports: (feature: string) => boolean) {
    this.#pool = pool;
    this.#runtime = runtime;
    this.#decoder = new BlockDecoder(decoder, supports, (instruction, mode) => {
      const form = runtime.catalog.formOf(instruction, mode);
      return form.endsBlock || form.repeat !== 'none';
    });
    this.#writer = new RecordWriter(pool, runtime.catalog);
    this.table = new BlockTable(pool);
    this.index = new BlockIndex(pool);
    this.#scratch = pool.allocate((MAX_INSTRUCTIONS + 2) * RECORD_SIZE, 64);
    this.#lone = pool.allocate(LONE_BYTES, 64) + BLOCK_HEADER_SIZE;
    this.index.addStale(this.#lone);
  }

  /** Blocks decoded so far. */
  get built(): number {
    return this.#built;
  }

  /** No room for another block: `clear` must come first. Blocks that were made since without asking may be beyond it. */
  get full(): boolean {
    const left = (this.#room - this.#chunk) * CHUNK_BYTES - this.#used;
    return left < BLOCK_HEADER_SIZE + (MAX_INSTRUCTIONS + 2) * RECORD_SIZE;
  }

  /**
   * First record of the block at a physical address, decoded if it was not yet; 0 if no frame holds its first
   * instruction. Throws a GuestFault if the code can't be fetched.
   */
  find(address: number, modeKey: number, source: CodeSource): number {
    const index = this.index;
    const key = address * 16 + (modeKey & MODE.BLOCK_MASK);
    let block = index.firstOfKey(key);
    for (let steps = 0; block !== 0 && steps < CHAIN_LIMIT; steps++) {
      if (index.key(block) === key && this.#fits(block, source)) return block;
      block = index.nextOfKey(block);
    }
    return this.#build(address, modeKey, key, source);
  }

  /** Lets emitted code find the block, if it may be entered from anywhere. */
  publish(block: number): void {
    const index = this.index;
    if (index.crossingEnd(block) > 0 || index.isCutOff(block)) return;
    const key = index.key(block);
    const physical = Math.floor(key / 16);
    this.table.set(physical, key % 16, { address: block, bytes: index.end(block) - (physical % PAGE_SIZE) });
  }

  /**
   * Records of exactly the first `count` instructions of the block at a host address, followed by a stop. They are good
   * for one run.
   */
  partial(address: number, count: number, source: CodeSource): number {
    if (this.index.isStale(address)) return this.#staleRecord(address, count);
    const { records, instructions } = this.#copyRecords(address, count);
    const { u16 } = this.#pool.views;
    const offset = u16[(address + records * RECORD_SIZE + RECORD.pageOffset) >>> 1];
    // The last one may be the first of two that share a record.
    const single = instructions === count ? [] : this.#decodeWithin(address, offset, source);
    const prepared = this.#writer.prepare(single, this.index.key(address) % 16, { fuse: false });
    this.#writer.write(this.#scratch + records * RECORD_SIZE, prepared, { start: offset, tail: PSEUDO.STOP });
    return this.#scratch;
  }

  /** Host address of the block of a key, if it is known and lies in one page, within its segment; else 0. */
  known(key: number): number {
    const { index } = this;
    for (let block = index.firstOfKey(key); block !== 0; block = index.nextOfKey(block)) {
      if (index.key(block) === key && index.crossingEnd(block) === 0 && !index.isCutOff(block)) return block;
    }
    return 0;
  }

  /** A block's instructions, decoded anew, each with its form. */
  instructions(block: number, source: CodeSource): readonly KnownInstruction[] {
    const { index } = this;
    const key = index.key(block);
    const within = { ...source, limit: index.limit(block) };
    const { instructions } = this.#decoder.decode(Math.floor(key / 16), key % 16, within, MAX_INSTRUCTIONS)!;
    const { forms } = this.#writer.prepare(instructions, key % 16, { fuse: false });
    const { u8 } = this.#pool.views;
    return instructions.map(({ decoded, offset, length }, number) => {
      const isFused = u8[this.recordAt(block, offset) + RECORD.count] > 1;
      return { decoded, offset, length, form: forms[number], isFused };
    });
  }

  /** Host address of the record that holds a block's instruction at an offset in its page. */
  recordAt(block: number, offset: number): number {
    const { u16 } = this.#pool.views;
    let first = 0;
    let end = this.index.records(block);
    while (end - first > 1) {
      const middle = (first + end) >>> 1;
      if (u16[(block + middle * RECORD_SIZE + RECORD.pageOffset) >>> 1] > offset) end = middle;
      else first = middle;
    }
    return block + first * RECORD_SIZE;
  }

  /** One instruction of a block, by its page offset. The block's own page, whatever the tables say by now: it is running. */
  #decodeWithin(block: number, offset: number, source: CodeSource): readonly BlockInstruction[] {
    const key = this.index.key(block);
    const from = Math.floor(key / 16);
    const further = offset - (from % PAGE_SIZE);
    const within = { ...source, limit: this.index.limit(block) - further };
    return this.#decoder.decode(from + further, key % 16, within, 1)!.instructions;
  }

  /** Copies the records of at most `count` instructions of a block, as part of one that has `count` of them. */
  #copyRecords(address: number, count: number): { readonly records: number; readonly instructions: number } {
    const { u8, u16, u32 } = this.#pool.views;
    let records = 0;
    let instructions = 0;
    for (;;) {
      const next = instructions + u8[address + records * RECORD_SIZE + RECORD.count];
      if (next > count) break;
      instructions = next;
      records++;
      if (instructions === count) break;
    }
    const scratch = this.#scratch;
    u32.copyWithin(scratch >>> 2, address >>> 2, (address + records * RECORD_SIZE) >>> 2);
    const beyond = u8[address + RECORD.remaining] - count;
    for (let at = scratch; at < scratch + records * RECORD_SIZE; at += RECORD_SIZE) u8[at + RECORD.remaining] -= beyond;
    // The handler of a pair would run on over the end.
    const last = (scratch + (records - 1) * RECORD_SIZE + RECORD.handler) >>> 1;
    if (records > 0) u16[last] = this.#runtime.catalog.firstOf(u16[last]);
    return { records, instructions };
  }

  /** The record of an instruction given by its bytes, followed by a look-up; good until the next one. Nobody links to it. */
  lone(bytes: Uint8Array, modeKey: number): { record: number; repeats: boolean } {
    const stops = new Set<number>();
    const source = { limit: bytes.length, pageBytes: () => bytes, nextPage: () => 0, stops, watch() {} };
    const { instructions } = this.#decoder.decode(0, modeKey, source, 1)!;
    const outside = instructions.map((instruction) => ({ ...instruction, offset: OUTSIDE }));
    const prepared = this.#writer.prepare(outside, modeKey, { fuse: false });
    this.#writer.write(this.#lone, prepared, { start: OUTSIDE, tail: PSEUDO.STALE });
    return { record: this.#lone, repeats: prepared.forms[0].repeat !== 'none' };
  }

  /** A link has led to a block that was dropped since: a record that looks the code up again, with this much budget. */
  #staleRecord(address: number, budget: number): number {
    const { u8, u16, u32 } = this.#pool.views;
    const pageOffset = u16[(address + RECORD.pageOffset) >>> 1];
    u32.fill(0, this.#scratch >>> 2, (this.#scratch + RECORD_SIZE) >>> 2);
    u16[(this.#scratch + RECORD.handler) >>> 1] = PSEUDO.STALE;
    u16[(this.#scratch + RECORD.pageOffset) >>> 1] = pageOffset;
    u8[this.#scratch + RECORD.remaining] = budget;
    return this.#scratch;
  }

  /** Bytes of a page change: the blocks that hold them are dropped. @returns whether there were any */
  invalidate(page: number, offset: number, length: number): boolean {
    const index = this.index;
    const code = this.#code.get(page);
    if (!code?.any(offset, offset + length)) return false;
    const stale = this.#coveringBlocks(page, offset, offset + length);
    for (const block of stale) {
      this.#markStale(block, index.records(block));
      index.markStale(block);
      this.table.remove(index.address(block), block);
    }
    code.clear(offset, offset + length);
    if (stale.length === 0) return false;
    this.onStale(stale);
    // The running partial block may hold them, too.
    this.#markStale(this.#scratch, MAX_INSTRUCTIONS);
    return true;
  }

  /** Drops everything. Nothing may be running in it. @returns the pages that held code */
  clear(): readonly number[] {
    if (this.full) this.#room = Math.min(this.#room * ROOM.FACTOR, ROOM.MOST);
    const pages = this.index.clear();
    this.#code.clear();
    this.table.clear();
    this.#chunk = this.#chunks.length > 0 ? 0 : -1;
    this.#used = this.#chunks.length > 0 ? 0 : CHUNK_BYTES;
    return pages;
  }

  dispose(): void {
    this.table.dispose();
    for (const chunk of this.#chunks) this.#pool.release(chunk, CHUNK_BYTES);
    this.#pool.release(this.#scratch, (MAX_INSTRUCTIONS + 2) * RECORD_SIZE);
    this.#pool.release(this.#lone - BLOCK_HEADER_SIZE, LONE_BYTES);
  }

  /** The code segment may have become shorter since, or longer, and the next page be another one. */
  #fits(block: number, source: CodeSource): boolean {
    const index = this.index;
    const crossingEnd = index.crossingEnd(block);
    const start = index.address(block) % PAGE_SIZE;
    const fits = index.isCutOff(block)
      ? index.limit(block) === source.limit
      : index.end(block) - start + crossingEnd <= source.limit;
    return fits && (crossingEnd === 0 || index.crossingPage(block) === source.nextPage());
  }

  /** Whether it has bytes of a page's [first, end). Both its parts may lie in the same page. */
  #covers(block: number, page: number, first: number, end: number): boolean {
    const index = this.index;
    const key = index.key(block);
    if (firstPage(key) === page && first < index.end(block) && end > Math.floor(key / 16) % PAGE_SIZE) return true;
    return index.crossingPage(block) === page && first < index.crossingEnd(block);
  }

  /** Blocks that have bytes of a page's [first, end); of a crowded page, all. */
  #coveringBlocks(page: number, first: number, end: number): readonly number[] {
    const index = this.index;
    const covering: number[] = [];
    let count = 0;
    for (let block = index.firstOfPage(page); block !== 0; block = index.nextOfPage(block, page)) {
      if (++count > SEARCH_LIMIT) return this.#blocksOf(page);
      if (this.#covers(block, page, first, end)) covering.push(block);
    }
    return covering;
  }

  #blocksOf(page: number): readonly number[] {
    const index = this.index;
    const blocks: number[] = [];
    for (let block = index.firstOfPage(page); block !== 0; block = index.nextOfPage(block, page)) blocks.push(block);
    return blocks;
  }

  #markStale(address: number, records: number): void {
    const { u16 } = this.#pool.views;
    for (let index = 0; index < records; index++)
      u16[(address + index * RECORD_SIZE + RECORD.handler) >>> 1] = PSEUDO.STALE;
  }

  /** Pages that were watched for blocks that are all gone. */
  releasedPages(page: number): boolean {
    const index = this.index;
    if (!index.hasPage(page) || index.firstOfPage(page) !== 0) return false;
    index.releasePage(page);
    this.#code.delete(page);
    return true;
  }

  #build(address: number, modeKey: number, key: number, source: CodeSource): number {
    const decoded = this.#decoder.decode(address, modeKey, source, MAX_INSTRUCTIONS);
    if (decoded === undefined) return 0;
    this.#built++;
    const { end, crossing, cutOff } = decoded;
    const prepared = this.#writer.prepare(decoded.instructions, modeKey, { fuse: true });
    // Also behind a branch: it may not be taken.
    const records = prepared.forms.length + 1;
    const at = this.#allocate(BLOCK_HEADER_SIZE + records * RECORD_SIZE) + BLOCK_HEADER_SIZE;
    const start = address % PAGE_SIZE;
    // The limit of a code segment is checked when a block is looked up: where there is one, no block is linked to the next.
    const tail = modeKey & (MODE.FLAT | MODE.CODE64) ? PSEUDO.FALL_THROUGH : PSEUDO.STALE;
    this.#writer.write(at, prepared, { start, tail });
    this.index.add(at, {
      records,
      key,
      end,
      crossing,
      limit: source.limit,
      cutOff,
      heat: this.heatFor(address, modeKey),
    });
    const page = firstPage(key);
    this.#note(page, { first: start, end }, source);
    if (crossing) this.#note(crossing.page, { first: 0, end: crossing.end }, source);
    for (const one of crossing && crossing.page !== page ? [page, crossing.page] : [page])
      this.index.addToPage(at, one);
    return at;
  }

  /** These bytes of a page belong to a block. */
  #note(page: number, { first, end }: { readonly first: number; readonly end: number }, source: CodeSource): void {
    let code = this.#code.get(page);
    if (!code) {
      code = new CodeBytes();
      this.#code.set(page, code);
      source.watch(page);
    }
    code.add(first, end);
  }

  #allocate(bytes: number): number {
    if (this.#used + bytes > CHUNK_BYTES) {
      this.#chunk++;
      this.#used = 0;
      if (this.#chunk === this.#chunks.length) this.#chunks.push(this.#pool.allocate(CHUNK_BYTES, 64));
    }
    const at = this.#chunks[this.#chunk] + this.#used;
    this.#used += bytes;
    return at;
  }
}
