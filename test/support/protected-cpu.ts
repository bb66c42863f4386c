/**
 * A fake processor whose memory accesses go through segmentation, with tables to fill: GDT, LDT, IDT and TSSs. Linear
 * addresses are physical ones; single pages can be taken away, so that accesses to them raise #PF.
 */
import type { Cpu } from '../../src/cpu/cpu.ts';
import { type GuestFault, raise } from '../../src/cpu/fault.ts';
import { EFLAGS, readEflags, writeEflags } from '../../src/cpu/flags.ts';
import type { Mmu } from '../../src/cpu/mmu.ts';
import { resetState } from '../../src/cpu/reset.ts';
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  loadVirtual8086Segment,
  refreshSegmentBounds,
  SS,
  translateLogical,
} from '../../src/cpu/segmentation.ts';
import { LDTR, TR } from '../../src/cpu/state-layout.ts';
import { createFakeCpu, type FakeCpu, faultOf } from './fake-cpu.ts';

export const GDT = 0x1000;
export const LDT = 0x1800;
export const IDT = 0x2000;
export const TSS_MAIN = 0x3000;
export const TSS_OTHER = 0x3800;
const TABLE_LIMIT = 0x7ff;
const RSP = 4;

/** Selectors of the GDT that `createProtectedCpu` fills. */
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  tssMain: 0x28,
  tssOther: 0x30,
  ldt: 0x38,
  code1: 0x41,
  data1: 0x49,
  conforming0: 0x50,
  stack16: 0x58,
  code16: 0x60,
  /** First one that is free. */
  free: 0x80,
} as const;

/** First stack bytes, by privilege level. */
export const STACK_TOP = [0x8000, 0x9000, 0xa000, 0xb000] as const;

export interface SegmentSpec {
  readonly base?: number;
  /** In bytes or, with `granular`, in pages. */
  readonly limit?: number;
  /** Access byte: P, DPL, S, type. */
  readonly access: number;
  /** G, D/B, L, AVL: the upper nibble of byte 6. */
  readonly flags?: number;
}

export const descriptorWords = ({ base = 0, limit = 0xfffff, access, flags = 0xc }: SegmentSpec): [number, number] => [
  (((base & 0xffff) << 16) | (limit & 0xffff)) >>> 0,
  ((base & 0xff00_0000) | (flags << 20) | (limit & 0xf_0000) | (access << 8) | ((base >>> 16) & 0xff)) >>> 0,
];

export const gateWords = (gate: {
  selector: number;
  offset?: number;
  access: number;
  count?: number;
}): [number, number] => {
  const { selector, offset = 0, access, count = 0 } = gate;
  return [((selector << 16) | (offset & 0xffff)) >>> 0, ((offset & 0xffff_0000) | (access << 8) | count) >>> 0];
};

export interface ProtectedCpu {
  readonly cpu: FakeCpu;
  /** Linear addresses of pages that are not there. */
  readonly missingPages: Set<number>;
  write32(address: number, ...values: number[]): void;
  write16(address: number, ...values: number[]): void;
  read32(address: number): number;
  read16(address: number): number;
  describe(selector: number, spec: SegmentSpec): void;
  gate(selector: number, gate: Parameters<typeof gateWords>[0]): void;
  interruptGate(vector: number, gate: Parameters<typeof gateWords>[0]): void;
  /** Access byte of a descriptor in memory. */
  accessByte(selector: number): number;
  /** Doublewords (or words) at SS:ESP, top of stack first. */
  stack(count: number, size?: 2 | 4): number[];
  push(size: 2 | 4, ...values: number[]): void;
  selectors(): Record<'cs' | 'ss' | 'ds' | 'es' | 'fs' | 'gs', number>;
  flags(): number;
  esp: number;
  /** The fault of an action, as "#GP(18)", or 'none'. The action must leave registers as they were if it faults. */
  fault(action: () => unknown): string;
}

const MNEMONICS: Record<number, string> = {
  0: 'DE',
  1: 'DB',
  6: 'UD',
  7: 'NM',
  8: 'DF',
  10: 'TS',
  11: 'NP',
  12: 'SS',
  13: 'GP',
  14: 'PF',
};

export const showFault = (fault: GuestFault | undefined): string => {
  if (fault === undefined) return 'none';
  const name = MNEMONICS[fault.vector] ?? `vector ${fault.vector}`;
  return fault.errorCode === undefined ? `#${name}` : `#${name}(${fault.errorCode.toString(16)})`;
};

/** In protected mode at a privilege level, with flat segments, a TSS that has stacks for levels 0 to 2, and an empty IDT. */
export function createProtectedCpu(cpl: 0 | 1 | 3 = 0): ProtectedCpu {
  const base = createFakeCpu();
  const missingPages = new Set<number>();
  const cpu: FakeCpu = Object.assign(base, { mmu: segmentedMmu(base, missingPages) });
  const { state } = cpu;
  resetState(state, cpu.model);
  state.cr0 = 0x11;
  state.gdtrBase = GDT;
  state.gdtrLimit = TABLE_LIMIT;
  state.idtrBase = IDT;
  state.idtrLimit = TABLE_LIMIT;

  const write32 = (address: number, ...values: number[]) =>
    values.forEach((value, i) => {
      cpu.memory.write(address + 4 * i, value >>> 0, 4);
    });
  const write16 = (address: number, ...values: number[]) =>
    values.forEach((value, i) => {
      cpu.memory.write(address + 2 * i, value & 0xffff, 2);
    });
  const tableEntry = (selector: number) => (selector & 4 ? LDT : GDT) + (selector & 0xfff8);
  const stackAddress = () => {
    const { base: start, access } = state.segments[SS];
    return start + (access & (1 << 22) ? state.reg32(RSP) : state.reg16(RSP));
  };
  const self: ProtectedCpu = {
    cpu,
    missingPages,
    write32,
    write16,
    read32: (address) => cpu.memory.read(address, 4),
    read16: (address) => cpu.memory.read(address, 2),
    describe: (selector, spec) => write32(tableEntry(selector), ...descriptorWords(spec)),
    gate: (selector, gate) => write32(tableEntry(selector), ...gateWords(gate)),
    interruptGate: (vector, gate) => write32(IDT + vector * 8, ...gateWords(gate)),
    accessByte: (selector) => cpu.memory.read(tableEntry(selector) + 5, 1),
    stack: (count, size = 4) =>
      Array.from({ length: count }, (_, i) => cpu.memory.read(stackAddress() + i * size, size)),
    push: (size, ...values) => {
      for (const value of values) {
        state.setReg32(RSP, state.reg32(RSP) - size);
        cpu.memory.write(stackAddress(), value >>> 0, size);
      }
    },
    selectors: () => {
      const [es, cs, ss, ds, fs, gs] = state.segments.map(({ selector }) => selector) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      return { cs, ss, ds, es, fs, gs };
    },
    flags: () => readEflags(state),
    get esp() {
      return state.reg32(RSP);
    },
    set esp(value) {
      state.setReg32(RSP, value);
    },
    fault: (action) => {
      const before = visibleState(cpu);
      const fault = faultOf(action);
      if (fault !== undefined && visibleState(cpu) !== before) return `${showFault(fault)}, with the state changed`;
      return showFault(fault);
    },
  };
  fillTables(self);
  loadFlat(self, cpl);
  writeEflags(state, EFLAGS.IF);
  state.ip = 0x5000;
  state.nextIp = 0x5005;
  return self;
}

function fillTables({ describe, write32 }: ProtectedCpu): void {
  describe(SEL.code0, { access: 0x9a });
  describe(SEL.data0, { access: 0x92 });
  describe(SEL.code3, { access: 0xfa });
  describe(SEL.data3, { access: 0xf2 });
  describe(SEL.tssMain, { access: 0x8b, base: TSS_MAIN, limit: 0x67, flags: 0 });
  describe(SEL.tssOther, { access: 0x89, base: TSS_OTHER, limit: 0x67, flags: 0 });
  describe(SEL.ldt, { access: 0x82, base: LDT, limit: 0x7f, flags: 0 });
  describe(SEL.code1, { access: 0xba });
  describe(SEL.data1, { access: 0xb2 });
  describe(SEL.conforming0, { access: 0x9e });
  describe(SEL.stack16, { access: 0x92, limit: 0xffff, flags: 0 });
  describe(SEL.code16, { access: 0x9a, limit: 0xffff, flags: 0 });
  write32(TSS_MAIN + 4, STACK_TOP[0], SEL.data0, STACK_TOP[1], SEL.data1, STACK_TOP[2], 0);
}

function loadFlat({ cpu }: ProtectedCpu, cpl: 0 | 1 | 3): void {
  const { state } = cpu;
  const data = { 0: SEL.data0, 1: SEL.data1, 3: SEL.data3 }[cpl];
  const code = { 0: SEL.code0, 1: SEL.code1, 3: SEL.code3 }[cpl];
  for (const segment of [ES, CS, SS, DS, FS, GS]) {
    const isCode = segment === CS;
    Object.assign(state.segments[segment], {
      selector: isCode ? code : data,
      base: 0,
      limit: 0xffff_ffff,
      access: (isCode ? 0xc09b00 : 0xc09300) | (cpl << 13),
    });
    refreshSegmentBounds(state.segments[segment]);
  }
  Object.assign(state.segments[TR], { selector: SEL.tssMain, base: TSS_MAIN, limit: 0x67, access: 0x8b00 });
  Object.assign(state.segments[LDTR], { selector: SEL.ldt, base: LDT, limit: 0x7f, access: 0x8200 });
  state.cpl = cpl;
  state.setReg32(RSP, STACK_TOP[cpl]);
}

/** Puts the processor into virtual-8086 mode: all selectors `selector`, SP = 1000h. */
export function enterVirtual8086({ cpu }: ProtectedCpu, options: { iopl: number; selector?: number }): void {
  const { state } = cpu;
  writeEflags(state, EFLAGS.VM | EFLAGS.IF | (options.iopl << 12));
  for (let segment = 0; segment < 6; segment++) loadVirtual8086Segment(state, segment, options.selector ?? 0x0c00);
  state.cpl = 3;
  state.setReg32(RSP, 0x1000);
}

/** Everything that a fault must leave as it was, as text. */
function visibleState({ state }: Cpu): string {
  const registers = Array.from({ length: 8 }, (_, i) => state.reg32(i));
  const segments = state.segments.map(({ selector, base, limit, access }) => [selector, base, limit, access]);
  return JSON.stringify([
    registers,
    segments,
    readEflags(state),
    state.ip,
    state.nextIp,
    state.cpl,
    state.cr0,
    state.cr3,
  ]);
}

function segmentedMmu(cpu: Cpu, missingPages: ReadonlySet<number>): Mmu {
  const { memory } = cpu;
  const check = (address: number, size: number, write: boolean) => {
    for (const at of [address, address + size - 1]) {
      const page = at - (at % 4096);
      if (missingPages.has(page)) {
        throw raise.PF(Math.max(address, page), write ? 2 : 0, { check: 'page not present', on: { address } });
      }
    }
  };
  const read = (address: number, size: 1 | 2 | 4) => {
    check(address, size, false);
    return memory.read(address, size);
  };
  const write = (address: number, value: number, size: 1 | 2 | 4) => {
    check(address, size, true);
    memory.write(address, value, size);
  };
  const at = (segment: number, offset: number, size: number, access: 'read' | 'write') =>
    translateLogical(cpu, segment, offset, size, access);
  return {
    ...cpu.mmu,
    read,
    write,
    probeRead: (address, size) => check(address, size, false),
    probeWrite: (address, size) => check(address, size, true),
    readSegment: (segment, offset, size) => read(at(segment, offset, size, 'read'), size),
    writeSegment: (segment, offset, value, size) => write(at(segment, offset, size, 'write'), value, size),
    probeWriteSegment: (segment, offset, size) => check(at(segment, offset, size, 'write'), size, true),
  };
}
