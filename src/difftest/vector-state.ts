/** Between a vector's state and a CPU's state block. The machine is as a process finds it under Linux. */
import { readEflags, writeEflags } from '../cpu/flags.ts';
import { loadNullSegment, refreshSegmentBounds } from '../cpu/segmentation.ts';
import { type CpuState, TR } from '../cpu/state-layout.ts';
import { readAbridgedTags, readStack, topOfStack, writeAbridgedTags, writePhysical } from '../cpu/x87/x87-state.ts';
import { SEGMENT } from '../isa/semantics.ts';
import { codeBase, dataBase, registerWidth, type VectorMode } from './address-space.ts';
import type { Vector, VectorState, X87State } from './vector.ts';

/** Linux's user segments: ES CS SS DS FS GS. FS of a 32-bit process: the first TLS entry, which the harness sets up. */
const SELECTORS = {
  16: [0x2b, 0x23, 0x2b, 0x2b, 0x2b, 0x2b],
  32: [0x2b, 0x23, 0x2b, 0x2b, 0x63, 0],
  64: [0, 0x33, 0x2b, 0, 0, 0],
} as const;
const ACCESS = {
  16: { code: 0xfb00, data: 0xf300 },
  32: { code: 0x00c0_fb00, data: 0x00c0_f300 },
  64: { code: 0x00a0_fb00, data: 0x00c0_f300 },
} as const;
const CR0_USER = 0x8005_0033; // PG, AM, WP, NE, ET, MP, PE
const CR4_PAE = 1 << 5;
const CR4_OSFXSR = 1 << 9;
const EFER_LONG = 0x501; // SCE, LME, LMA
const FLAG_IF = 0x200;
const MXCSR_DEFAULT = 0x1f80;

/** Flat segments, CPL 3, paging on (what the page tables hold is the caller's affair). */
export function enterUserMode(state: CpuState, mode: VectorMode): void {
  state.cr0 = CR0_USER;
  state.cr4 = CR4_OSFXSR | (mode === 64 ? CR4_PAE : 0);
  state.efer = mode === 64 ? EFER_LONG : 0;
  state.cpl = 3;
  SELECTORS[mode].forEach((selector, number) => {
    const segment = state.segments[number];
    segment.selector = selector;
    const code = number === SEGMENT.CS;
    segment.base = code ? codeBase(mode) : dataBase(mode, number);
    segment.limit = mode === 16 ? 0xffff : 0xffff_ffff;
    segment.access = ACCESS[mode][code ? 'code' : 'data'];
    refreshSegmentBounds(segment);
  });
  // No TSS, so no I/O permission bit map: all ports are refused.
  state.segments[TR].access = 0;
  if (mode === 32) loadNullSegment(state.segments[SEGMENT.GS], 0);
}

export function loadState(state: CpuState, { registers, flags, x87 }: VectorState): void {
  for (let register = 0; register < 16; register++) state.setReg64(register, registers[register] ?? 0n);
  writeEflags(state, flags | FLAG_IF);
  if (x87) loadX87(state, x87);
}

/** The state after a vector, but for memory. */
export const readState = (state: CpuState, { mode, initial }: Vector): Omit<VectorState, 'memory'> => ({
  registers: initial.registers.map((_, register) => BigInt.asUintN(registerWidth(mode), state.reg64(register))),
  flags: readEflags(state),
  ...(initial.x87 && { x87: readX87(state) }),
});

function loadX87(state: CpuState, x87: X87State): void {
  state.fcw = x87.controlWord;
  state.fsw = x87.statusWord;
  state.fop = 0;
  state.fip = 0;
  state.fdp = 0;
  state.fcs = 0;
  state.fds = 0;
  state.mxcsr = MXCSR_DEFAULT;
  writeAbridgedTags(state, x87.tags);
  const top = topOfStack(state);
  x87.stack.forEach((value, index) => {
    const [significand, rest] = [BigInt.asUintN(64, value), Number(value >> 64n)];
    writePhysical(state, (top + index) & 7, { sign: (rest >> 15) as 0 | 1, exponent: rest & 0x7fff, significand });
  });
}

function readX87(state: CpuState): X87State {
  return {
    controlWord: state.fcw,
    statusWord: state.fsw,
    tags: readAbridgedTags(state),
    stack: Array.from({ length: 8 }, (_, index) => {
      const { sign, exponent, significand } = readStack(state, index);
      return (BigInt((sign << 15) | exponent) << 64n) | significand;
    }),
  };
}
