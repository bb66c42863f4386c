/** Emitted functions for the helpers that compare and classify. */
import { EXAMINED } from '../../../cpu/x87/compare.ts';
import { EXCEPTIONS } from '../../../cpu/x87/control.ts';
import type { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { examined } from './comparison.ts';
import { type NumberParts, STATUS, signOf } from './number.ts';
import type { NumberFunctions } from './number-functions.ts';
import { type Arg, fromFloat, fromInteger, onStack } from './on-stack.ts';
import type { RegisterStack } from './register-stack.ts';
import type { Write } from './write-context.ts';

const compareRegister = onStack((x87, functions, register: Int32, unordered: Int32, pops: Int32) => {
  x87.require(0, register);
  const [top, other] = [x87.read(x87.place(0)), x87.read(x87.place(register))];
  const [codes] = x87.f.call(functions.compare, ...top, ...other, unordered);
  x87.requireMasked(codes);
  x87.reportCodes(codes);
  x87.pop(pops);
});

const compareWith = (from: (functions: NumberFunctions, x87: RegisterStack, value: Arg) => NumberParts) =>
  onStack((x87, functions, pops: Int32, value: Arg, segment: Int32, offset: Arg) => {
    x87.require(0);
    const operand = from(functions, x87, value);
    const [codes] = x87.f.call(functions.compare, ...x87.read(x87.place(0)), ...operand, 0);
    x87.requireMasked(codes);
    x87.notePointer(segment, offset);
    x87.reportCodes(codes);
    x87.pop(pops);
  });

const bit = (codes: Int32, which: number): Int32 => codes.shr(Math.log2(which)).and(1);

const compareFlags = onStack((x87, functions, register: Int32, unordered: Int32, pops: Int32) => {
  x87.require(0, register);
  const [top, other] = [x87.read(x87.place(0)), x87.read(x87.place(register))];
  const [codes] = x87.f.call(functions.compare, ...top, ...other, unordered);
  x87.requireMasked(codes);
  x87.answer(i32(1), bit(codes, STATUS.C3), bit(codes, STATUS.C2), bit(codes, STATUS.C0));
  x87.reportExceptions(codes.and(EXCEPTIONS));
  x87.pop(pops);
});

const test = onStack((x87, functions) => {
  x87.require(0);
  const [codes] = x87.f.call(functions.compare, ...x87.read(x87.place(0)), 0, 0, 0);
  x87.requireMasked(codes);
  x87.reportCodes(codes);
});

/** An empty register is looked at, too: C1 is its sign. */
const examine = onStack((x87) => {
  const number = x87.read(x87.place(0));
  const codes = select(x87.isEmpty(0), i32(EXAMINED.empty), examined(number));
  x87.reportCodes(codes.or(select(signOf(number[1]).isZero(), i32(0), STATUS.C1)));
});

/** By the helper's name. */
export const COMPARISON_FUNCTIONS = {
  x87Compare: compareRegister,
  x87CompareFloat32: compareWith(fromFloat(32)),
  x87CompareFloat64: compareWith(fromFloat(64)),
  x87CompareInteger: compareWith(fromInteger),
  x87CompareFlags: compareFlags,
  x87Test: test,
  x87Examine: examine,
} as const satisfies Partial<Record<keyof typeof X87_HELPER_SIGNATURES, Write>>;
