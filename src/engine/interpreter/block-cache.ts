/**
 * Blocks as records, keyed by guest-physical address and mode. Conditional branches leave a block on the way.
 *
 * Writes to bytes of a block make it stale: its records are overwritten with a handler that looks the code up again, so
 * that whoever still points there (a link, the jump cache, the running block itself) comes back. Records are reused
 * only when all blocks are dropped at once.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { MODE } from '../../cpu/mode-key.ts';
import type { Decoder } from '../../isa/decoder.ts';
import type { Pool } from '../../memory/pool.ts';
import { BlockDecoder, type BlockInstruction, type CodeSource } from '../blocks/block-decoder.ts';
import { BlockTable } from '../blocks/block-table.ts';
import { CodeBytes } from '../blocks/code-bytes.ts';
import { RECORD, RECORD_SIZE } from './record-layout.ts';
import { RecordWriter } from './record-writer.ts';
import { PSEUDO } from './run-module.ts';
import type { InterpreterRuntime } from './runtime.ts';

/** Longest block, in instructions. */
const MAX_INSTRUCTIONS = 64;
/** As page offset: of no page, so that no branch is linked to the record. */
const OUTSIDE = 2 * PAGE_SIZE;
const CHUNK_BYTES = 1 << 20;
const MAX_CHUNKS = 24;
/** A page of more blocks, as no compiler makes it, loses all of them when it is written: a search at each write would take too long. */
const SEARCH_LIMIT = 512;

export interface Block {
  /** Host address of the first record. */
  readonly address: number;
  readonly records: number;
  /** Bytes covered: offsets in the first page; and in the second, for an instruction that crosses. */
  readonly start: number;
  readonly end: number;
  readonly crossing: { readonly page: number; readonly end: number } | undefined;
  readonly key: number;
  /** Bytes to the end of the code segment when it was decoded. */
  readonly limit: number;
  /** It only faults, because its instruction ends beyond the code segment. */
  readonly cutOff: boolean;
  stale: boolean;
}

/** A page with code. */
interface CodePage {
  readonly blocks: Set<Block>;
  readonly bytes: CodeBytes;
}

export class BlockCache {
  readonly #pool: Pool;
  readonly #runtime: InterpreterRuntime;
  readonly #decoder: BlockDecoder;
  readonly #writer: RecordWriter;
  readonly #blocks = new Map<number, Block>();
  readonly #byAddress = new Map<number, Block>();
  readonly #byPage = new Map<number, CodePage>();
  readonly #chunks: number[] = [];
  readonly #scratch: number;
  /** What of the blocks emitted code finds by itself. */
  readonly table: BlockTable;
  readonly #lone: number;
  #chunk = -1;
  #used = CHUNK_BYTES;

  constructor(pool: Pool, runtime: InterpreterRuntime, decoder: Decoder, supports: (feature: string) => boolean) {
    this.#pool = pool;
    this.#runtime = runtime;
    this.#decoder = new BlockDecoder(decoder, supports, (instruction, mode) => {
      const form = runtime.catalog.formOf(instruction, mode);
      return form.endsBlock || form.repeat !== 'none';
    });
    this.#writer = new RecordWriter(pool, runtime);
    this.table = new BlockTable(pool);
    this.#scratch = pool.allocate((MAX_INSTRUCTIONS + 2) * RECORD_SIZE, 64);
    this.#lone = pool.allocate(2 * RECORD_SIZE, 64);
  }

  /** No room for another block: `clear` must come first. */
  get full(): boolean {
    return this.#chunk === MAX_CHUNKS - 1 && this.#used + (MAX_INSTRUCTIONS + 2) * RECORD_SIZE > CHUNK_BYTES;
  }

  /**
   * The block at a physical address, decoded if it was not yet; undefined if no frame holds its first instruction. Throws
   * a GuestFault if the code can't be fetched.
   */
  find(address: number, modeKey: number, source: CodeSource): Block | undefined {
    const key = address * 16 + (modeKey & MODE.BLOCK_MASK);
    const known = this.#blocks.get(key);
    if (
      known &&
      !known.stale &&
      (!known.crossing || known.crossing.page === source.nextPage()) &&
      this.#fits(known, source)
    )
      return known;
    return this.#build(address, modeKey, key, source);
  }

  /** Lets emitted code find the block, if it may be entered from anywhere. */
  publish({ address, key, start, end, crossing, cutOff }: Block): void {
    if (crossing || cutOff) return;
    this.table.set(Math.floor(key / 16), key % 16, { address, bytes: end - start });
  }

  /**
   * Records of exactly the first `count` instructions of the block at a host address, followed by a stop. They are good
   * for one run.
   */
  partial(address: number, count: number, source: CodeSource): number {
    const block = this.#byAddress.get(address);
    if (block === undefined) return this.#staleRecord(address, count);
    const { records, instructions } = this.#copyRecords(address, count);
    const { u16 } = this.#pool.views;
    const offset = u16[(address + records * RECORD_SIZE + RECORD.pageOffset) >>> 1];
    const key = block.key % 16;
    // The last one may be the first of two that share a record.
    const single = instructions === count ? [] : this.#decodeWithin(block, offset, source);
    const prepared = this.#writer.prepare(single, key, { fuse: false });
    this.#writer.write(this.#scratch + records * RECORD_SIZE, prepared, { start: offset, tail: PSEUDO.STOP });
    return this.#scratch;
  }

  /** One instruction of a block, by its page offset. The block's own page, whatever the tables say by now: it is running. */
  #decodeWithin(block: Block, offset: number, source: CodeSource): readonly BlockInstruction[] {
    const from = Math.floor(block.key / 16);
    const within = { ...source, limit: block.limit - (offset - block.start) };
    return this.#decoder.decode(from - block.start + offset, block.key % 16, within, 1)!.instructions;
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
    const code = this.#byPage.get(page);
    if (!code?.bytes.any(offset, offset + length)) return false;
    const { blocks } = code;
    const crowded = blocks.size > SEARCH_LIMIT;
    let found = false;
    for (const block of blocks) {
      if (!crowded && !covers(block, page, offset, offset + length)) continue;
      this.#markStale(block.address, block.records);
      block.stale = true;
      if (this.#blocks.get(block.key) === block) this.#blocks.delete(block.key);
      this.#byAddress.delete(block.address);
      this.table.remove(Math.floor(block.key / 16), block.address);
      this.#forget(block);
      found = true;
    }
    code.bytes.clear(offset, offset + length);
    if (!found) return false;
    // The running partial block may hold them, too.
    this.#markStale(this.#scratch, MAX_INSTRUCTIONS);
    return true;
  }

  /** Whether a page holds decoded code. */
  holds(page: number): boolean {
    return this.#byPage.has(page);
  }

  /** Drops everything. Nothing may be running in it. @returns the pages that held code */
  clear(): readonly number[] {
    const pages = [...this.#byPage.keys()];
    this.table.clear();
    this.#blocks.clear();
    this.#byPage.clear();
    this.#byAddress.clear();
    this.#chunk = this.#chunks.length > 0 ? 0 : -1;
    this.#used = this.#chunks.length > 0 ? 0 : CHUNK_BYTES;
    return pages;
  }

  dispose(): void {
    this.table.dispose();
    for (const chunk of this.#chunks) this.#pool.release(chunk, CHUNK_BYTES);
    this.#pool.release(this.#scratch, (MAX_INSTRUCTIONS + 2) * RECORD_SIZE);
    this.#pool.release(this.#lone, 2 * RECORD_SIZE);
  }

  /** The code segment may have become shorter since, or longer. */
  #fits(block: Block, source: CodeSource): boolean {
    if (block.cutOff) return block.limit === source.limit;
    return block.end - block.start + (block.crossing?.end ?? 0) <= source.limit;
  }

  #markStale(address: number, records: number): void {
    const { u16 } = this.#pool.views;
    for (let index = 0; index < records; index++)
      u16[(address + index * RECORD_SIZE + RECORD.handler) >>> 1] = PSEUDO.STALE;
  }

  #forget(block: Block): void {
    const first = Math.floor(block.key / 16 / PAGE_SIZE);
    for (const page of block.crossing ? [first, block.crossing.page] : [first]) {
      this.#byPage.get(page)?.blocks.delete(block);
    }
  }

  /** Pages that were watched for blocks that are all gone. */
  releasedPages(page: number): boolean {
    const code = this.#byPage.get(page);
    if (!code || code.blocks.size > 0) return false;
    this.#byPage.delete(page);
    return true;
  }

  #build(address: number, modeKey: number, key: number, source: CodeSource): Block | undefined {
    const decoded = this.#decoder.decode(address, modeKey, source, MAX_INSTRUCTIONS);
    if (decoded === undefined) return undefined;
    const { end, crossing, cutOff } = decoded;
    const prepared = this.#writer.prepare(decoded.instructions, modeKey, { fuse: true });
    // Also behind a branch: it may not be taken.
    const records = prepared.forms.length + 1;
    const at = this.#allocate(records * RECORD_SIZE);
    const start = address % PAGE_SIZE;
    // The limit of a code segment is checked when a block is looked up: where there is one, no block is linked to the next.
    const tail = modeKey & (MODE.FLAT | MODE.CODE64) ? PSEUDO.FALL_THROUGH : PSEUDO.STALE;
    this.#writer.write(at, prepared, { start, tail });
    const block: Block = { address: at, records, start, end, crossing, key, limit: source.limit, cutOff, stale: false };
    this.#blocks.set(key, block);
    this.#byAddress.set(at, block);
    const page = Math.floor(address / PAGE_SIZE);
    this.#note(page, block, { first: start, end }, source);
    if (crossing) this.#note(crossing.page, block, { first: 0, end: crossing.end }, source);
    return block;
  }

  /** A block has these bytes of a page. */
  #note(page: number, block: Block, { first, end }: { first: number; end: number }, source: CodeSource): void {
    let code = this.#byPage.get(page);
    if (!code) {
      code = { blocks: new Set(), bytes: new CodeBytes() };
      this.#byPage.set(page, code);
      source.watch(page);
    }
    code.blocks.add(block);
    code.bytes.add(first, end);
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

/** Whether a block has bytes of a page's [first, end). Both its parts may lie in the same page. */
function covers({ key, start, end: blockEnd, crossing }: Block, page: number, first: number, end: number): boolean {
  if (Math.floor(key / 16 / PAGE_SIZE) === page && first < blockEnd && end > start) return true;
  return crossing !== undefined && crossing.page === page && first < crossing.end;
}
