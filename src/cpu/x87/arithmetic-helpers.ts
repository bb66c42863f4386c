/** Arithmetic and comparison on the register stack. SDM Vol. 1, "Basic Arithmetic Instructions" ff. */
import type { CpuState } from '../state-layout.ts';
import { add, type BinaryOperation, divide, multiply, squareRoot, subtract } from './arithmetic.ts';
import { compare, EXAMINED, RELATION } from './compare.ts';
import { STATUS, unmasked } from './control.ts';
import { fromFloat32, fromFloat64, fromInteger } from './convert.ts';
import { classify, type Float80, negate, zero } from './float80.ts';
import { complete, haveOperands, notePointer, operation } from './operation.ts';
import {
  isEmpty,
  pop,
  readStack,
  setC1,
  setConditionCodes,
  setExceptions,
  stackFault,
  writeStack,
} from './x87-state.ts';

const reversed =
  (compute: BinaryOperation): BinaryOperation =>
  (left, right, fcw) =>
    compute(right, left, fcw);

/** By ModR/M.reg of D8; 2 and 3 are comparisons. */
const OPERATIONS: Readonly<Record<number, BinaryOperation>> = {
  0: add,
  1: multiply,
  4: subtract,
  5: reversed(subtract),
  6: divide,
  7: reversed(divide),
};

function arithmetic(state: CpuState, number: number, destination: number, source: number, pops: number): void {
  if (!haveOperands(state, [destination, source], destination, pops)) return;
  const outcome = OPERATIONS[number](readStack(state, destination), readStack(state, source), state.fcw);
  complete(state, outcome, destination, pops);
}

function arithmeticWith(state: CpuState, number: number, value: Float80): void {
  if (!haveOperands(state, [0])) return;
  complete(state, OPERATIONS[number](readStack(state, 0), value, state.fcw));
}

/**
 * The relation of ST(0) to `right` (undefined: an empty register). It is reported even if an unmasked exception stops the
 * instruction, which then only fails to pop (seen on AMD CPUs; the manual has it otherwise).
 */
function relate(
  state: CpuState,
  right: Float80 | undefined,
  { unordered }: { unordered: boolean },
): { relation: number; completes: boolean } {
  if (isEmpty(state, 0) || right === undefined) {
    return { relation: RELATION.UNORDERED, completes: stackFault(state, 'underflow') };
  }
  const { relation, flags } = compare(readStack(state, 0), right, { unordered });
  setExceptions(state, flags);
  return { relation, completes: unmasked(flags, state.fcw) === 0 };
}

function compareWith(state: CpuState, right: Float80 | undefined, options: { unordered: boolean; pops: number }): void {
  const { relation, completes } = relate(state, right, options);
  setConditionCodes(state, relation);
  if (completes) pop(state, options.pops);
}

const contents = (state: CpuState, register: number): Float80 | undefined =>
  isEmpty(state, register) ? undefined : readStack(state, register);

/** FCOMI: C3 C2 C0 go to ZF PF CF. C1 stays, but for a stack fault. */
function compareFlags(state: CpuState, register: number, unordered: number, pops: number): readonly number[] {
  const { relation, completes } = relate(state, contents(state, register), { unordered: unordered === 1 });
  if (completes) pop(state, pops);
  return [1, relation & STATUS.C3 ? 1 : 0, relation & STATUS.C2 ? 1 : 0, relation & STATUS.C0 ? 1 : 0];
}

/** FXAM looks at the register even if it is empty: C1 is its sign. */
function examine(state: CpuState): void {
  const value = readStack(state, 0);
  const codes = EXAMINED[isEmpty(state, 0) ? 'empty' : classify(value)];
  setConditionCodes(state, codes | (value.sign ? STATUS.C1 : 0));
}

/** FCHS, FABS: any contents, nothing signaled. */
const onSign = (change: (value: Float80) => Float80) =>
  operation((state) => {
    if (!haveOperands(state, [0])) return;
    setC1(state, false);
    writeStack(state, 0, change(readStack(state, 0)));
  });

export const ARITHMETIC_HELPERS = {
  x87Arithmetic: operation(arithmetic),
  x87ArithmeticFloat32: operation((state, number: number, value: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    arithmeticWith(state, number, fromFloat32(value));
  }),
  x87ArithmeticFloat64: operation((state, number: number, value: bigint, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    arithmeticWith(state, number, fromFloat64(BigInt.asUintN(64, value)));
  }),
  x87ArithmeticInteger: operation((state, number: number, value: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    arithmeticWith(state, number, fromInteger(BigInt(value | 0)));
  }),

  x87Compare: operation((state, register: number, unordered: number, pops: number) => {
    compareWith(state, contents(state, register), { unordered: unordered === 1, pops });
  }),
  x87CompareFloat32: operation((state, pops: number, value: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    compareWith(state, fromFloat32(value), { unordered: false, pops });
  }),
  x87CompareFloat64: operation((state, pops: number, value: bigint, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    compareWith(state, fromFloat64(BigInt.asUintN(64, value)), { unordered: false, pops });
  }),
  x87CompareInteger: operation((state, pops: number, value: number, segment: number, offset: number | bigint) => {
    notePointer(state, segment, offset);
    compareWith(state, fromInteger(BigInt(value | 0)), { unordered: false, pops });
  }),
  x87CompareFlags: operation(compareFlags),
  x87Test: operation((state) => {
    compareWith(state, zero(0), { unordered: false, pops: 0 });
  }),
  x87Examine: operation(examine),

  x87ChangeSign: onSign(negate),
  x87Absolute: onSign((value) => ({ ...value, sign: 0 })),
  x87SquareRoot: operation((state) => {
    if (haveOperands(state, [0])) complete(state, squareRoot(readStack(state, 0), state.fcw));
  }),
};
