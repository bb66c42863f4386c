/** Loads, stores, exchanges, constants. SDM Vol. 1, "x87 FPU Data Transfer Instructions". */
import type { CpuState } from '../state-layout.ts';
import { EXCEPTION, roundingOf, unmasked } from './control.ts';
import {
  fromDecimal,
  fromFloat32,
  fromFloat64,
  fromInteger,
  load,
  type Stored,
  toDecimal,
  toFloat32,
  toFloat64,
  toInteger,
} from './convert.ts';
import { DEFAULT_NAN, type Float80, ONE, zero } from './float80.ts';
import { haveOperands, notePointer, operation, report } from './operation.ts';
import { exactly, type Outcome, pack, roundAt } from './round.ts';
import { isEmpty, pop, push, readStack, setC1, setEmpty, stackFault, writeStack } from './x87-state.ts';

/** Pushes a value, unless the register it would go to is in use: that is a stack overflow. */
export function loadOutcome(state: CpuState, outcome: Outcome): void {
  if (!isEmpty(state, 7)) {
    if (stackFault(state, 'overflow')) push(state, DEFAULT_NAN);
  } else if (report(state, outcome)) push(state, outcome.value);
}

/** FLD m32, m64: a denormal is reported but loaded even if that is unmasked, unlike any other use of one. */
function loadNumber(state: CpuState, value: Float80): void {
  const outcome = load(value);
  const empty = isEmpty(state, 7);
  loadOutcome(state, outcome);
  if (empty && unmasked(outcome.flags & EXCEPTION.DE, state.fcw)) push(state, outcome.value);
}

/** Constants with 128 significant bits, the most significant one of weight 2^exponent. */
const CONSTANTS: readonly { readonly significand: bigint; readonly exponent: number }[] = [
  { significand: 1n, exponent: 0 },
  { significand: 0xd49a_784b_cd1b_8afe_492b_f6ff_4daf_db4cn, exponent: 1 }, // log2(10)
  { significand: 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88n, exponent: 0 }, // log2(e)
  { significand: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1n, exponent: 1 }, // pi
  { significand: 0x9a20_9a84_fbcf_f798_8f89_59ac_0b7c_9178n, exponent: -2 }, // log10(2)
  { significand: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6afn, exponent: -1 }, // ln(2)
];

/** Rounding control applies to constants, precision control does not; nothing is reported as inexact. */
export function constant(number: number, fcw: number): Float80 {
  if (number === 0) return ONE;
  const entry = CONSTANTS[number];
  if (entry === undefined) return zero(0);
  const power = entry.exponent - 63;
  const exact = { sign: 0, significand: entry.significand, exponent: power - 64, sticky: true } as const;
  return pack(0, roundAt(exact, power, roundingOf(fcw)));
}

/** A store to memory: whether it takes place, and what is stored. Pops if it does. */
function storeOutcome<T>(
  state: CpuState,
  pops: number,
  convert: (value: Float80) => Stored<bigint>,
  indefinite: bigint,
  split: (bits: bigint) => readonly T[],
): readonly (number | T)[] {
  if (isEmpty(state, 0)) {
    if (!stackFault(state, 'underflow')) return [0, ...split(0n)];
    pop(state, pops);
    return [1, ...split(indefinite)];
  }
  const outcome = convert(readStack(state, 0));
  report(state, outcome);
  if (outcome.value === undefined) return [0, ...split(0n)];
  pop(state, pops);
  return [1, ...split(outcome.value)];
}

const asNumber = (bits: bigint): readonly number[] => [Number(bits)];
const asBigInt = (bits: bigint): readonly bigint[] => [bits];
const as80 = (bits: bigint): readonly (number | bigint)[] => [BigInt.asUintN(64, bits), Number(bits >> 64n)];

const DECIMAL_INDEFINITE = 0xffff_c000_0000_0000_0000n;
const encode80 = ({ sign, exponent, significand }: Float80): bigint =>
  (BigInt((sign << 15) | exponent) << 64n) | significand;

function storeRegister(state: CpuState, register: number, pops: number): void {
  if (!haveOperands(state, [0], register, pops)) return;
  setC1(state, false);
  writeStack(state, register, readStack(state, 0));
  pop(state, pops);
}

/** FSTPNCE: an empty ST(0) is popped without being stored, and without complaint. */
function storeRegisterOrDrop(state: CpuState, register: number): void {
  setC1(state, false);
  if (!isEmpty(state, 0)) writeStack(state, register, readStack(state, 0));
  pop(state);
}

/** An empty register counts as the real indefinite if that is masked. */
function exchange(state: CpuState, register: number): void {
  const [topEmpty, otherEmpty] = [isEmpty(state, 0), isEmpty(state, register)];
  if ((topEmpty || otherEmpty) && !stackFault(state, 'underflow')) return;
  const top = topEmpty ? DEFAULT_NAN : readStack(state, 0);
  const other = otherEmpty ? DEFAULT_NAN : readStack(state, register);
  if (!topEmpty && !otherEmpty) setC1(state, false);
  writeStack(state, register, top);
  writeStack(state, 0, other);
}

function conditionalMove(state: CpuState, register: number, condition: number): void {
  if (!haveOperands(state, [0, register])) return;
  if (condition) writeStack(state, 0, readStack(state, register));
}

export const TRANSFER_HELPERS = {
  x87LoadFloat32: operation((state, value: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    loadNumber(state, fromFloat32(value));
  }),
  x87LoadFloat64: operation((state, value: bigint, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    loadNumber(state, fromFloat64(BigInt.asUintN(64, value)));
  }),
  x87LoadFloat80: operation((state, low: bigint, high: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    const value: Float80 = {
      sign: ((high >> 15) & 1) as 0 | 1,
      exponent: high & 0x7fff,
      significand: BigInt.asUintN(64, low),
    };
    loadOutcome(state, exactly(value));
  }),
  x87LoadInteger: operation((state, value: bigint, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    loadOutcome(state, exactly(fromInteger(BigInt.asIntN(64, value))));
  }),
  x87LoadDecimal: operation((state, low: bigint, high: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    loadOutcome(state, exactly(fromDecimal((BigInt(high & 0xffff) << 64n) | BigInt.asUintN(64, low))));
  }),
  x87LoadRegister: operation((state, register: number) => {
    if (isEmpty(state, register)) {
      if (stackFault(state, 'underflow')) push(state, DEFAULT_NAN);
    } else loadOutcome(state, exactly(readStack(state, register)));
  }),
  x87LoadConstant: operation((state, number: number) => {
    loadOutcome(state, exactly(constant(number, state.fcw)));
  }),

  x87StoreFloat32: operation((state, pops: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    return storeOutcome(state, pops, (value) => toFloat32(value, state.fcw), 0xffc0_0000n, asNumber);
  }),
  x87StoreFloat64: operation((state, pops: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    return storeOutcome(state, pops, (value) => toFloat64(value, state.fcw), 0xfff8_0000_0000_0000n, asBigInt);
  }),
  x87StoreFloat80: operation((state, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    return storeOutcome(state, 1, (value) => exactly(encode80(value)), encode80(DEFAULT_NAN), as80);
  }),
  x87StoreDecimal: operation((state, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    return storeOutcome(state, 1, (value) => toDecimal(value, state.fcw), DECIMAL_INDEFINITE, as80);
  }),
  x87StoreInteger: operation((state, width: number, pops: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    const convert = (value: Float80) => toInteger(value, width as 16 | 32 | 64, state.fcw);
    return storeOutcome(state, pops, convert, 1n << BigInt(width - 1), asBigInt);
  }),
  x87StoreRegister: operation(storeRegister),
  x87Exchange: operation(exchange),
  x87ConditionalMove: operation(conditionalMove),
  x87StoreRegisterOrDrop: operation(storeRegisterOrDrop),
  x87Free: operation((state, register: number, pops: number) => {
    setC1(state, false);
    setEmpty(state, register);
    pop(state, pops);
  }),
};
