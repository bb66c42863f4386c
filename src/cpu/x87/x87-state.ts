/**
 * The x87 FPU: eight 80-bit registers used as a stack. SDM Vol. 1, "x87 FPU Execution Environment".
 *
 * Everything lives in the CPU's state block. Registers are addressed here relative to the top, as ST(i). The tag word
 * in the state block only tells empty (11) from not empty (00): `readTagWord` derives the rest from the contents, as
 * CPUs since the P6 do. ES and B in `fsw` always agree with the flags and masks.
 */
import { type CpuState, STATE } from '../state-layout.ts';
import {
  CONDITION_CODES,
  CONTROL_FIXED,
  CONTROL_WRITABLE,
  EXCEPTION,
  INITIAL_CONTROL,
  STATUS,
  TOP_SHIFT,
  unmasked,
} from './control.ts';
import { classify, type Float80 } from './float80.ts';

const TAG = { VALID: 0, ZERO: 1, SPECIAL: 2, EMPTY: 3 } as const;
const ALL_EMPTY = 0xffff;

export const topOfStack = (state: CpuState): number => (state.fsw >> TOP_SHIFT) & 7;
/** Physical register number of ST(index). */
const physical = (state: CpuState, index: number): number => (topOfStack(state) + index) & 7;

export function setTop(state: CpuState, top: number): void {
  state.fsw = (state.fsw & ~STATUS.TOP) | ((top & 7) << TOP_SHIFT);
}

export const isEmpty = (state: CpuState, index: number): boolean =>
  ((state.ftw >> (2 * physical(state, index))) & 3) === TAG.EMPTY;

export function setEmpty(state: CpuState, index: number): void {
  state.ftw |= TAG.EMPTY << (2 * physical(state, index));
}

/** Contents of a physical register, empty or not. */
export function readPhysical(state: CpuState, register: number): Float80 {
  const at = state.address + STATE.x87 + register * 16;
  const { u32, u64 } = state.pool.views;
  const signExponent = u32[(at >>> 2) + 2] & 0xffff;
  return { sign: (signExponent >> 15) as 0 | 1, exponent: signExponent & 0x7fff, significand: u64[at >>> 3] };
}

/** Replaces the contents of a physical register; its tag stays. */
export function writePhysical(state: CpuState, register: number, { sign, exponent, significand }: Float80): void {
  const at = state.address + STATE.x87 + register * 16;
  const { u32, u64 } = state.pool.views;
  u64[at >>> 3] = significand;
  u32[(at >>> 2) + 2] = (sign << 15) | exponent;
}

export const readStack = (state: CpuState, index: number): Float80 => readPhysical(state, physical(state, index));

/** Writes ST(index) and marks it as not empty. */
export function writeStack(state: CpuState, index: number, value: Float80): void {
  const register = physical(state, index);
  writePhysical(state, register, value);
  state.ftw &= ~(TAG.EMPTY << (2 * register));
}

export function push(state: CpuState, value: Float80): void {
  setTop(state, topOfStack(state) - 1);
  writeStack(state, 0, value);
}

export function pop(state: CpuState, count = 1): void {
  for (let left = count; left > 0; left--) {
    setEmpty(state, 0);
    setTop(state, topOfStack(state) + 1);
  }
}

/** The tag word as FSTENV stores it, by physical register. */
export function readTagWord(state: CpuState): number {
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    const stored = (state.ftw >> (2 * register)) & 3;
    tags |= (stored === TAG.EMPTY ? TAG.EMPTY : contentsTag(readPhysical(state, register))) << (2 * register);
  }
  return tags;
}

function contentsTag(value: Float80): number {
  const kind = classify(value);
  return kind === 'normal' ? TAG.VALID : kind === 'zero' ? TAG.ZERO : TAG.SPECIAL;
}

/** Keeps of a tag word what counts: which registers are empty. */
export function writeTagWord(state: CpuState, tags: number): void {
  let kept = 0;
  for (let shift = 0; shift < 16; shift += 2) {
    if (((tags >> shift) & 3) === TAG.EMPTY) kept |= TAG.EMPTY << shift;
  }
  state.ftw = kept;
}

/** One bit a register, set if it is not empty: the form FXSAVE uses. */
export function readAbridgedTags(state: CpuState): number {
  let bits = 0;
  for (let register = 0; register < 8; register++) {
    if (((state.ftw >> (2 * register)) & 3) !== TAG.EMPTY) bits |= 1 << register;
  }
  return bits;
}

export function writeAbridgedTags(state: CpuState, bits: number): void {
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    if (((bits >> register) & 1) === 0) tags |= TAG.EMPTY << (2 * register);
  }
  state.ftw = tags;
}

/** Sets exception flags; ES and B follow. */
export function setExceptions(state: CpuState, flags: number): void {
  writeStatus(state, state.fsw | flags);
}

/** Replaces the status word; ES and B follow from flags and masks. */
export function writeStatus(state: CpuState, status: number): void {
  const pending = unmasked(status, state.fcw) !== 0;
  state.fsw = (status & 0xffff & ~(STATUS.ES | STATUS.B)) | (pending ? STATUS.ES | STATUS.B : 0);
}

/** FLDCW. Unmasking an exception whose flag is set makes it pending. */
export function writeControl(state: CpuState, control: number): void {
  state.fcw = (control & CONTROL_WRITABLE) | CONTROL_FIXED;
  writeStatus(state, state.fsw);
}

/** C1 alone: rounded up, or the direction of a stack fault. */
export function setC1(state: CpuState, value: boolean): void {
  state.fsw = (state.fsw & ~STATUS.C1) | (value ? STATUS.C1 : 0);
}

/** C0..C3 at their places in the status word. */
export function setConditionCodes(state: CpuState, codes: number): void {
  state.fsw = (state.fsw & ~CONDITION_CODES) | codes;
}

/**
 * A stack fault: IE and SF, C1 = 1 for overflow and 0 for underflow.
 * @returns whether it is masked, so that the instruction goes on with its masked answer
 */
export function stackFault(state: CpuState, kind: 'overflow' | 'underflow'): boolean {
  setC1(state, kind === 'overflow');
  setExceptions(state, EXCEPTION.IE | STATUS.SF);
  return unmasked(EXCEPTION.IE, state.fcw) === 0;
}

/** FNINIT. Register contents stay; all are empty. */
export function initialize(state: CpuState): void {
  state.fcw = INITIAL_CONTROL;
  state.fsw = 0;
  state.ftw = ALL_EMPTY;
  state.fip = 0;
  state.fdp = 0;
  state.fcs = 0;
  state.fds = 0;
  state.fop = 0;
}
