/**
 * Pre-decoded blocks, keyed by guest-physical address and mode. A block is straight-line code from an entry to an
 * unconditional transfer, an instruction that may change the mode, the page's end or a length limit; conditional
 * branches leave it on the way.
 *
 * Writes to bytes of a block make it stale: its records are overwritten with a handler that looks the code up again, so
 * that whoever still points there (a link, the jump cache, the running block itself) comes back. Records are reused
 * only when all blocks are dropped at once. What else there is to know of a block stands in front of its records
 * (`block-index`).
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { VECTOR } from '../../cpu/fault.ts';
import { codeSize, MODE, stackSize } from '../../cpu/mode-key.ts';
import { GPR_SLOT, SEGMENT_STRIDE, STATE, ZERO_SLOT } from '../../cpu/state-layout.ts';
import type { DecodedInstruction } from '../../isa/decoded-instruction.ts';
import { type Decoder, isFailure, MAX_INSTRUCTION_LENGTH } from '../../isa/decoder.ts';
import { OPERAND_KINDS, type OperandKind } from '../../isa/operand-kind.ts';
import { GPR, SEGMENT } from '../../isa/semantics.ts';
import type { Pool } from '../../memory/pool.ts';
import { BlockTable } from '../blocks/block-table.ts';
import { BLOCK_HEADER_SIZE, BlockIndex, firstPage } from './block-index.ts';
import type { CatalogForm } from './form-catalog.ts';
import { RECORD, RECORD_SIZE } from './record-layout.ts';
import { PSEUDO } from './run-module.ts';
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

/** Where code comes from. */
export interface CodeSource {
  /** Bytes of a physical page, 4096 of them; undefined if no frame holds it. */
  pageBytes(page: number): Uint8Array | undefined;
  /** Writes to the page must be reported from now on. */
  watch(page: number): void;
  /** Physical page that follows in the linear address space. Throws a GuestFault. */
  nextPage(): number;
  /** Bytes of code from the entry to the end of the code segment. */
  readonly limit: number;
  /** Page offsets at which a block ends, and another may begin. */
  readonly stops: ReadonlySet<number>;
}

export class BlockCache {
  readonly #pool: Pool;
  readonly #runtime: InterpreterRuntime;
  readonly #decoder: Decoder;
  readonly #supports: (feature: string) => boolean;
  readonly #index: BlockIndex;
  readonly #chunks: number[] = [];
  readonly #scratch: number;
  /** What of the blocks emitted code finds by itself. */
  readonly table: BlockTable;
  readonly #lone: number;
  /** Chunks that may be used. */
  #room: number = ROOM.FIRST;
  #chunk = -1;
  #used = CHUNK_BYTES;

  constructor(pool: Pool, runtime: InterpreterRuntime, decoder: Decoder, supports: (feature: string) => boolean) {
    this.#pool = pool;
    this.#runtime = runtime;
    this.#decoder = decoder;
    this.#supports = supports;
    this.table = new BlockTable(pool);
    this.#index = new BlockIndex(pool);
    this.#scratch = pool.allocate((MAX_INSTRUCTIONS + 2) * RECORD_SIZE, 64);
    this.#lone = pool.allocate(LONE_BYTES, 64) + BLOCK_HEADER_SIZE;
    this.#index.addStale(this.#lone);
  }

  /** No room for another block: `clear` must come first. */
  get full(): boolean {
    return (
      this.#chunk === this.#room - 1 &&
      this.#used + BLOCK_HEADER_SIZE + (MAX_INSTRUCTIONS + 2) * RECORD_SIZE > CHUNK_BYTES
    );
  }

  /**
   * First record of the block at a physical address, decoded if it was not yet; 0 if no frame holds its first
   * instruction. Throws a GuestFault if the code can't be fetched.
   */
  find(address: number, modeKey: number, source: CodeSource): number {
    const index = this.#index;
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
    const index = this.#index;
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
    const index = this.#index;
    if (index.isStale(address)) return this.#staleRecord(address, count);
    if (this.#copyRecords(address, count)) return this.#scratch;
    const from = Math.floor(index.key(address) / 16);
    const key = index.key(address) % 16;
    // The block's own pages, whatever the tables say by now: it is running.
    const pages = { ...source, limit: index.limit(address), nextPage: () => index.crossingPage(address) };
    const { forms, instructions } = this.#decode(from, key, pages, { limit: count, fuse: false })!;
    this.#runtime.compile(forms);
    this.#write(this.#scratch, forms, instructions, from % PAGE_SIZE, key, PSEUDO.STOP);
    return this.#scratch;
  }

  /** Copies the records of a block's first `count` instructions and adds a stop. @returns false if that would cut through one */
  #copyRecords(address: number, count: number): boolean {
    const { u8, u16, u32 } = this.#pool.views;
    let records = 0;
    for (let left = count; left > 0; records++) left -= u8[address + records * RECORD_SIZE + RECORD.count];
    const scratch = this.#scratch;
    const next = address + records * RECORD_SIZE;
    const beyond = u8[next + RECORD.remaining];
    if (u8[address + RECORD.remaining] - beyond !== count) return false;
    u32.copyWithin(scratch >>> 2, address >>> 2, next >>> 2);
    for (let at = scratch; at < scratch + records * RECORD_SIZE; at += RECORD_SIZE) u8[at + RECORD.remaining] -= beyond;
    // The handler of a pair would run on over the end.
    const last = (scratch + (records - 1) * RECORD_SIZE + RECORD.handler) >>> 1;
    if (records > 0) u16[last] = this.#runtime.catalog.firstOf(u16[last]);
    const stop = scratch + records * RECORD_SIZE;
    u32.fill(0, stop >>> 2, (stop + RECORD_SIZE) >>> 2);
    u16[(stop + RECORD.handler) >>> 1] = PSEUDO.STOP;
    u16[(stop + RECORD.pageOffset) >>> 1] = u16[(next + RECORD.pageOffset) >>> 1];
    return true;
  }

  /** The record of an instruction given by its bytes, followed by a look-up; good until the next one. Nobody links to it. */
  lone(bytes: Uint8Array, modeKey: number): { record: number; repeats: boolean } {
    const stops = new Set<number>();
    const source = { limit: bytes.length, pageBytes: () => bytes, nextPage: () => 0, stops, watch() {} };
    const { forms, instructions } = this.#decode(0, modeKey, source, { limit: 1, fuse: false })!;
    this.#runtime.compile(forms);
    const outside = instructions.map((instruction) => ({ ...instruction, offset: OUTSIDE }));
    this.#write(this.#lone, forms, outside, OUTSIDE, modeKey, PSEUDO.STALE);
    return { record: this.#lone, repeats: forms[0].repeat !== 'none' };
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
    const index = this.#index;
    const crowded = this.#isCrowded(page);
    let found = false;
    for (let block = index.firstOfPage(page); block !== 0; block = index.nextOfPage(block, page)) {
      if (!crowded && !this.#covers(block, page, offset, offset + length)) continue;
      this.#markStale(block, index.records(block));
      index.markStale(block);
      this.table.remove(Math.floor(index.key(block) / 16), block);
      found = true;
    }
    if (!found) return false;
    // The running partial block may hold them, too.
    this.#markStale(this.#scratch, MAX_INSTRUCTIONS);
    return true;
  }

  /** Whether a page holds decoded code. */
  holds(page: number): boolean {
    return this.#index.hasPage(page);
  }

  /** Drops everything. Nothing may be running in it. @returns the pages that held code */
  clear(): readonly number[] {
    if (this.full) this.#room = Math.min(this.#room * ROOM.FACTOR, ROOM.MOST);
    const pages = this.#index.clear();
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
    const index = this.#index;
    const crossingEnd = index.crossingEnd(block);
    const start = Math.floor(index.key(block) / 16) % PAGE_SIZE;
    const fits = index.isCutOff(block)
      ? index.limit(block) === source.limit
      : index.end(block) - start + crossingEnd <= source.limit;
    return fits && (crossingEnd === 0 || index.crossingPage(block) === source.nextPage());
  }

  /** Whether it has bytes of a page's [first, end). Both its parts may lie in the same page. */
  #covers(block: number, page: number, first: number, end: number): boolean {
    const index = this.#index;
    const key = index.key(block);
    if (firstPage(key) === page && first < index.end(block) && end > Math.floor(key / 16) % PAGE_SIZE) return true;
    return index.crossingPage(block) === page && first < index.crossingEnd(block);
  }

  #isCrowded(page: number): boolean {
    const index = this.#index;
    let count = 0;
    for (let block = index.firstOfPage(page); block !== 0; block = index.nextOfPage(block, page))
      if (++count > SEARCH_LIMIT) return true;
    return false;
  }

  #markStale(address: number, records: number): void {
    const { u16 } = this.#pool.views;
    for (let index = 0; index < records; index++)
      u16[(address + index * RECORD_SIZE + RECORD.handler) >>> 1] = PSEUDO.STALE;
  }

  /** Pages that were watched for blocks that are all gone. */
  releasedPages(page: number): boolean {
    const index = this.#index;
    if (!index.hasPage(page) || index.firstOfPage(page) !== 0) return false;
    index.releasePage(page);
    return true;
  }

  #build(address: number, modeKey: number, key: number, source: CodeSource): number {
    const decoded = this.#decode(address, modeKey, source, { limit: MAX_INSTRUCTIONS, fuse: true });
    if (decoded === undefined) return 0;
    const { forms, instructions, end, crossing, cutOff } = decoded;
    this.#runtime.compile(forms);
    // Also behind a branch: it may not be taken.
    const records = forms.length + 1;
    const at = this.#allocate(BLOCK_HEADER_SIZE + records * RECORD_SIZE) + BLOCK_HEADER_SIZE;
    const start = address % PAGE_SIZE;
    // The limit of a code segment is checked when a block is looked up: where there is one, no block is linked to the next.
    const tail = modeKey & (MODE.FLAT | MODE.CODE64) ? PSEUDO.FALL_THROUGH : PSEUDO.STALE;
    this.#write(at, forms, instructions, start, modeKey, tail);
    this.#index.add(at, { records, key, end, crossing, limit: source.limit, cutOff });
    const page = firstPage(key);
    for (const one of crossing && crossing.page !== page ? [page, crossing.page] : [page])
      if (this.#index.addToPage(at, one)) source.watch(one);
    return at;
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

  #decode(address: number, modeKey: number, source: CodeSource, options: { limit: number; fuse: boolean }) {
    const mode = codeSize(modeKey);
    const context = { stackSize: stackSize(modeKey), longMode: mode === 64 };
    const page = Math.floor(address / PAGE_SIZE);
    const start = address % PAGE_SIZE;
    const available = Math.min(PAGE_SIZE, start + source.limit);
    const bytes = source.pageBytes(page)?.subarray(0, available);
    if (bytes === undefined) return undefined;
    const forms: CatalogForm[] = [];
    const instructions: DecodedRecord[] = [];
    let offset = start;
    let crossing: { readonly page: number; readonly end: number } | undefined;
    let cutOff = false;
    let count = 0;
    while (count < options.limit && offset < available) {
      if (count > 0 && source.stops.has(offset)) break;
      let decoded = this.#decoder.decode(bytes, offset, mode);
      if (isFailure(decoded) && decoded.failure === 'incomplete') {
        if (count > 0) break;
        // The instruction crosses the page, or the end of its segment.
        const across = this.#acrossPage(bytes, offset, source);
        if (across === undefined) return undefined;
        decoded = this.#decoder.decode(across.bytes, 0, mode);
        // What is no instruction depends on the bytes behind the page border, too.
        const length = isFailure(decoded) ? MAX_INSTRUCTION_LENGTH : decoded.length;
        if (across.page !== undefined) crossing = { page: across.page, end: Math.max(1, offset + length - PAGE_SIZE) };
        if (isFailure(decoded) && decoded.failure === 'incomplete') {
          cutOff = true;
          forms.push(
            this.#runtime.catalog.faultForm(VECTOR.GP, 'instruction extends beyond the code segment limit', {
              wide: mode === 64,
              errorCode: 0,
            }),
          );
          instructions.push({
            first: undefined,
            second: undefined,
            offset,
            length: crossing ? MAX_INSTRUCTION_LENGTH : 1,
          });
          offset = available;
          break;
        }
      }
      if (isFailure(decoded) || (decoded.row.feature && !this.#supports(decoded.row.feature))) {
        const tooLong = isFailure(decoded) && decoded.failure === 'tooLong';
        const form = tooLong
          ? this.#runtime.catalog.faultForm(VECTOR.GP, 'instruction longer than 15 bytes', {
              wide: mode === 64,
              errorCode: 0,
            })
          : this.#runtime.catalog.faultForm(VECTOR.UD, 'no such instruction', { wide: mode === 64 });
        forms.push(form);
        instructions.push({
          first: undefined,
          second: undefined,
          offset,
          length: crossing ? MAX_INSTRUCTION_LENGTH : 1,
        });
        offset = Math.min(offset + ('length' in decoded ? decoded.length : MAX_INSTRUCTION_LENGTH), available);
        break;
      }
      const form = this.#runtime.catalog.formOf(decoded, context);
      count++;
      const previous = instructions.at(-1);
      const fused =
        options.fuse && previous?.first && isPlain(previous, modeKey) && modeKey & MODE.FLAT
          ? this.#runtime.catalog.fusedForm(forms.at(-1)!, form)
          : undefined;
      if (fused) {
        forms[forms.length - 1] = fused;
        // No `...previous`: what V8 makes of that for each survives all small collections.
        const { first, offset: at, length } = previous!;
        instructions[instructions.length - 1] = { first, second: decoded, offset: at, length: length + decoded.length };
      } else {
        forms.push(form);
        instructions.push({ first: decoded, second: undefined, offset, length: decoded.length });
      }
      offset += decoded.length;
      if (form.endsBlock || form.repeat !== 'none' || crossing) break;
    }
    return { forms, instructions, end: Math.min(offset, PAGE_SIZE), crossing, cutOff };
  }

  /** Up to 15 bytes from `offset` on, with those of the next page; undefined if no frame holds that. */
  #acrossPage(
    bytes: Uint8Array,
    offset: number,
    source: CodeSource,
  ): { bytes: Uint8Array; page: number | undefined } | undefined {
    const limited = source.limit < MAX_INSTRUCTION_LENGTH;
    if (source.limit <= PAGE_SIZE - offset) return { bytes: bytes.subarray(offset), page: undefined };
    const page = source.nextPage();
    const next = source.pageBytes(page);
    if (next === undefined) return undefined;
    const joined = new Uint8Array(MAX_INSTRUCTION_LENGTH + 1);
    const first = bytes.subarray(offset);
    joined.set(first);
    joined.set(next.subarray(0, joined.length - first.length), first.length);
    return { bytes: limited ? joined.subarray(0, source.limit) : joined, page };
  }

  #write(
    at: number,
    forms: readonly CatalogForm[],
    instructions: readonly DecodedRecord[],
    start: number,
    modeKey: number,
    tail: number | undefined,
  ): void {
    const { u8, u16, u32 } = this.#pool.views;
    u32.fill(0, at >>> 2, (at + (forms.length + 1) * RECORD_SIZE) >>> 2);
    const handlers = this.#handlers(forms, instructions, modeKey);
    let remaining = 0;
    for (let index = forms.length - 1; index >= 0; index--) {
      const form = forms[index];
      const record = instructions[index];
      const address = at + index * RECORD_SIZE;
      remaining += form.count;
      u16[(address + RECORD.handler) >>> 1] = handlers[index];
      u8[address + RECORD.length] = record.length;
      u8[address + RECORD.remaining] = remaining;
      u16[(address + RECORD.pageOffset) >>> 1] = record.offset;
      u8[address + RECORD.count] = form.count;
      if (record.first) this.#fields(address, record.first, form.count === 2 ? record.second : undefined);
    }
    if (tail === undefined) return;
    const address = at + forms.length * RECORD_SIZE;
    const last = instructions.at(-1);
    u16[(address + RECORD.handler) >>> 1] = tail;
    u16[(address + RECORD.pageOffset) >>> 1] = last ? last.offset + last.length : start;
  }

  /** Handler numbers of a block's records: hot ones where they may be, two at a time where there is one for the pair. */
  #handlers(forms: readonly CatalogForm[], instructions: readonly DecodedRecord[], modeKey: number): number[] {
    const numbers = forms.map((form, index) => {
      if (isPlain(instructions[index], modeKey)) return form.hotNumber ?? form.number;
      const { first } = instructions[index];
      return (isFlat32(modeKey) && first?.memory ? form.segmentedNumber : undefined) ?? form.number;
    });
    for (let index = 0; index + 1 < numbers.length; index++) {
      const pair = this.#runtime.pairHandler(forms[index], numbers[index], numbers[index + 1]);
      if (pair !== undefined) numbers[index++] = pair;
    }
    return numbers;
  }

  #fields(address: number, instruction: DecodedInstruction, branch: DecodedInstruction | undefined): void {
    const { u8, u16, u32 } = this.#pool.views;
    const { reg, rm, memory, encoding, row, rex } = instruction;
    const kinds = encoding.slice(1).map((name) => OPERAND_KINDS[name as keyof typeof OPERAND_KINDS] as OperandKind);
    const slot = (number: number, sources: readonly string[]) => {
      const high =
        !rex && number >= 4 && number < 8 && kinds.some(({ source, width }) => width === 8 && sources.includes(source));
      return high ? (number - 4) * GPR_SLOT + 1 : number * GPR_SLOT;
    };
    u8[address + RECORD.reg] = slot(reg, ['reg']);
    u8[address + RECORD.regNumber] = reg;
    u8[address + RECORD.rm] = slot(rm, ['rm', 'rmReg', 'opcode']);
    u8[address + RECORD.rmNumber] = rm;
    u8[address + RECORD.base] = ZERO_SLOT;
    u8[address + RECORD.index] = ZERO_SLOT;
    const segment = memory?.segment ?? instruction.segmentOverride ?? SEGMENT.DS;
    u16[(address + RECORD.segment) >>> 1] = STATE.segments + segment * SEGMENT_STRIDE;
    if (memory) {
      let { displacement } = memory;
      if (memory.base === 'ip') u8[address + RECORD.base] = STATE.fields.nextIp;
      else if (memory.base !== undefined) u8[address + RECORD.base] = memory.base * GPR_SLOT;
      if (memory.index !== undefined) u8[address + RECORD.index] = memory.index * GPR_SLOT;
      u8[address + RECORD.scale] = memory.scale;
      if (row.addressAfterPop && memory.base === GPR.rSP) displacement += instruction.operandSize / 8;
      u32[(address + RECORD.displacement) >>> 2] = displacement;
    }
    const [first, second] = instruction.immediates;
    if (first !== undefined) {
      u32[(address + RECORD.immediate) >>> 2] = Number(first & 0xffff_ffffn);
      u32[(address + RECORD.immediate + 4) >>> 2] = Number((first >> 32n) & 0xffff_ffffn);
    }
    if (second !== undefined) u32[(address + RECORD.immediate2) >>> 2] = Number(second & 0xffff_ffffn);
    if (branch) u32[(address + RECORD.branch) >>> 2] = Number(branch.immediates[0] & 0xffff_ffffn);
  }
}

interface DecodedRecord {
  /** Undefined: a record that only faults. */
  readonly first: DecodedInstruction | undefined;
  /** The branch fused to it. */
  readonly second: DecodedInstruction | undefined;
  readonly offset: number;
  readonly length: number;
}

function isFlat32(modeKey: number): boolean {
  const flat = MODE.FLAT | MODE.CODE32 | MODE.STACK32;
  return (modeKey & (flat | MODE.CODE64)) === flat;
}

/** Whether the hot handler may run it: flat 32-bit code, and a memory operand in a flat segment. */
function isPlain(record: DecodedRecord, modeKey: number): boolean {
  if (!isFlat32(modeKey) || !record.first) return false;
  const segment = record.first.memory?.segment ?? record.first.segmentOverride;
  return segment === undefined || segment === SEGMENT.DS || segment === SEGMENT.SS || segment === SEGMENT.ES;
}
