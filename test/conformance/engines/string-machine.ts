/**
 * A machine for one repeated string instruction: eight data pages seen through page tables that each case makes, in
 * 16-, 32- or 64-bit code, with segments of any base and limit. Everything is put into the state block directly.
 */
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { readEflags, writeEflags } from '../../../src/cpu/flags.ts';
import { refreshSegmentBounds } from '../../../src/cpu/segmentation.ts';
import { createCodeSpace } from '../../../src/engine/code-space.ts';
import { type EngineName, Processor, type ProcessorOptions } from '../../../src/engine/processor.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { sharedCode } from '../../support/shared-code.ts';

export type CodeSize = 16 | 32 | 64;

export const PAGE = 0x1000;
export const PAGES = 8;
/** Where the data pages are seen: across the end of the 32-bit space; in 64-bit code low and, the same, very high. */
export const WINDOW = { 16: 2 ** 32 - 4 * PAGE, 32: 2 ** 32 - 4 * PAGE, 64: 0x40_0000 } as const;
export const HIGH_WINDOW = 5 * 2 ** 39 + WINDOW[64];
const TABLES = 0x2000;
const TABLE_PAGES = 6;
const DATA = 0x20_000;
const CODE = 0x10_000;
/** Where the code is seen: too far from the window for an offset that wraps at 64 KiB. */
const LINEAR_CODE = 0x18_0000;
const ALL = 7;
const CR0 = 0x8005_0033; // PG, AM, WP, NE, ET, MP, PE
const CR4_PAE = 1 << 5;
const EFER_LONG = 0x501;
const SEGMENT = { ES: 0, CS: 1, FS: 4 } as const;
const CODE_ACCESS = { 16: 0x9b00, 32: 0x00c0_9b00, 64: 0x00a0_9b00 } as const;
const FLAT_DATA = { base: 0, limit: 0xffff_ffff, access: 0x00c0_9300 };

export interface SegmentSpec {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
}

export interface StringCase {
  readonly codeSize: CodeSize;
  /** The code segment begins at 0, too. */
  readonly flat?: boolean;
  /** From `lead` on, where control stays until the instruction is done. */
  readonly code: readonly number[];
  readonly lead?: number;
  /** rAX, rCX, rSI, rDI. */
  readonly rax: bigint;
  readonly rcx: bigint;
  readonly rsi: bigint;
  readonly rdi: bigint;
  readonly flags: number;
  readonly es: SegmentSpec;
  /** The source's: DS, or FS with an override. */
  readonly ds: SegmentSpec;
  readonly fs: SegmentSpec;
  /** For each page of the window: which data page it is, and the low bits of its table entry. */
  readonly mapping: readonly { readonly page: number; readonly bits: number }[];
  readonly data: Uint8Array;
  /** The TLB is emptied before. */
  readonly cold: boolean;
}

export class StringMachine {
  readonly processor: Processor;
  readonly memory: GuestMemory;
  #lead = 0;

  constructor(engine: EngineName, translation?: ProcessorOptions['translation']) {
    const pool = Pool.create();
    this.memory = new GuestMemory(pool, { size: 1 << 20 });
    this.processor = new Processor({
      name: engine,
      code: createCodeSpace(pool, sharedCode()),
      memory: this.memory,
      ports: { read: () => 0xffff_ffff, write: () => {} },
      clock: new VirtualClock(),
      model: 'x86-64',
      engine,
      translation,
      interrupts: { acknowledge: () => 0 },
    });
  }

  load(given: StringCase): void {
    const { memory, processor } = this;
    const { state } = processor;
    const wide = given.codeSize === 64;
    const codeBase = wide || given.flat ? 0 : LINEAR_CODE;
    this.#lead = given.lead ?? 0;
    this.#mapPages(given);
    memory.copyIn(CODE, Uint8Array.from(given.code));
    memory.copyIn(DATA, given.data);
    state.cr0 = CR0;
    state.cr3 = TABLES;
    state.cr4 = wide ? CR4_PAE : 0;
    state.efer = wide ? EFER_LONG : 0;
    state.cpl = 0;
    state.segments.forEach((segment, number) => {
      const { es, ds, fs } = given;
      Object.assign(segment, number === SEGMENT.ES ? es : number === 3 ? ds : number === SEGMENT.FS ? fs : FLAT_DATA);
      segment.selector = 8;
      if (number === SEGMENT.CS) Object.assign(segment, { base: codeBase, access: CODE_ACCESS[given.codeSize] });
      refreshSegmentBounds(segment);
    });
    for (let register = 0; register < 16; register++) state.setReg64(register, BigInt(register) << 60n);
    const { rax, rcx, rsi, rdi } = given;
    for (const [register, value] of [rax, rcx].entries()) state.setReg64(register, value);
    state.setReg64(6, rsi);
    state.setReg64(7, rdi);
    writeEflags(state, given.flags);
    state.ip = LINEAR_CODE - codeBase;
    state.halted = 0;
    processor.pendingFault = undefined;
    if (given.cold) processor.mmu.flush('all');
    processor.modeChanged();
    state.attention = 0;
  }

  /** One run of so many instructions; what it ended with. */
  run(budget: number): string {
    const { processor } = this;
    const { state } = processor;
    state.suspended = 0;
    state.attention = 0;
    const exit = processor.engine.run(budget);
    const fault = processor.pendingFault;
    processor.pendingFault = undefined;
    const { vector, errorCode, address } = fault ?? {};
    return [exit, `left ${state.budget}`, `fault ${vector} ${errorCode} ${address}`, this.#registers()].join(', ');
  }

  #registers(): string {
    const { state } = this.processor;
    const registers = Array.from({ length: 16 }, (_, number) => state.reg64(number).toString(16));
    return `ip ${state.ip.toString(16)} flags ${readEflags(state).toString(16)} suspended ${state.suspended} ${registers.join(' ')}`;
  }

  /** Behind the instruction. */
  get isDone(): boolean {
    const { state } = this.processor;
    return state.ip % LINEAR_CODE > this.#lead;
  }

  /** Data pages, those next to them, and page tables with their accessed and dirty bits. */
  contents(): Buffer {
    return Buffer.concat([
      this.memory.copyOut(TABLES, TABLE_PAGES * PAGE),
      this.memory.copyOut(DATA - PAGE, (PAGES + 2) * PAGE),
    ]);
  }

  #mapPages({ codeSize, mapping }: StringCase): void {
    const { memory } = this;
    memory.copyIn(TABLES, new Uint8Array(TABLE_PAGES * PAGE));
    const table = (index: number) => TABLES + index * PAGE;
    const set = (at: number, target: number) => memory.write(at, target | ALL, 4);
    if (codeSize === 64) {
      for (const entry of [0, 5]) set(table(0) + entry * 8, table(1));
      set(table(1), table(2));
      set(table(2), table(3));
      set(table(3) + (LINEAR_CODE / PAGE) * 8, CODE);
      set(table(2) + (WINDOW[64] / 2 ** 21) * 8, table(4));
      for (const [index, { page, bits }] of mapping.entries())
        memory.write(table(4) + index * 8, (DATA + page * PAGE) | bits, 4);
      return;
    }
    set(table(0), table(1));
    set(table(0) + 1023 * 4, table(2));
    set(table(1) + (LINEAR_CODE / PAGE) * 4, CODE);
    for (const [index, { page, bits }] of mapping.entries()) {
      const number = (WINDOW[32] / PAGE + index) % 2 ** 20;
      memory.write(table(number < 1024 ? 1 : 2) + (number % 1024) * 4, (DATA + page * PAGE) | bits, 4);
    }
  }
}
