/** Rounding, scaling, remainders and transcendental functions on the register stack. */
import type { CpuState } from '../state-layout.ts';
import { EXCEPTION, STATUS } from './control.ts';
import { DEFAULT_NAN, type Float80, ONE } from './float80.ts';
import { complete, haveOperands, operation, report } from './operation.ts';
import { extract, remainder, roundToInteger, scale } from './partial.ts';
import { exactly, type Outcome } from './round.ts';
import {
  arctangent,
  cosine,
  isOutOfRange,
  sine,
  tangent,
  twoToXMinus1,
  yLog2X,
  yLog2XPlus1,
} from './transcendental.ts';
import { isEmpty, push, readStack, setC1, setConditionCodes, stackFault, writeStack } from './x87-state.ts';

type Unary = (value: Float80, fcw: number) => Outcome;
type Binary = (first: Float80, second: Float80, fcw: number) => Outcome;

/** ST(0) ← f(ST(0)) */
const unary = (compute: Unary) =>
  operation((state) => {
    if (haveOperands(state, [0])) complete(state, compute(readStack(state, 0), state.fcw));
  });

/** ST(1) ← f(ST(1), ST(0)), pop */
const binary = (state: CpuState, compute: Binary): void => {
  if (!haveOperands(state, [0, 1], 1, 1)) return;
  complete(state, compute(readStack(state, 1), readStack(state, 0), state.fcw), 1, 1);
};

/** C2: the argument was out of range (or a reduction is not complete). */
function setC2(state: CpuState, value: boolean): void {
  state.fsw = (state.fsw & ~STATUS.C2) | (value ? STATUS.C2 : 0);
}

/** FSIN, FCOS: out of range, only C2 is set. */
const trigonometric = (compute: Unary) =>
  operation((state) => {
    setC2(state, false);
    if (!haveOperands(state, [0])) return;
    const value = readStack(state, 0);
    const outOfRange = isOutOfRange(value);
    setC2(state, outOfRange);
    if (outOfRange) setC1(state, false);
    else complete(state, compute(value, state.fcw));
  });

/** Replaces ST(0) by `first` and pushes `second`. The stack must hold one value and have room for another. */
function replaceAndPush(state: CpuState, compute: (value: Float80) => { first: Outcome; second: Outcome }): void {
  const [underflow, overflow] = [isEmpty(state, 0), !isEmpty(state, 7)];
  if (underflow || overflow) {
    if (!stackFault(state, underflow ? 'underflow' : 'overflow')) return;
    writeStack(state, 0, DEFAULT_NAN);
    push(state, DEFAULT_NAN);
    return;
  }
  const { first, second } = compute(readStack(state, 0));
  const both = { ...second, flags: first.flags | second.flags };
  if (!report(state, both)) return;
  writeStack(state, 0, first.value);
  push(state, second.value);
}

const partialTangent = (state: CpuState): void =>
  whenInRange(state, () =>
    replaceAndPush(state, (value) => {
      const first = tangent(value, state.fcw);
      const isNumber = (first.flags & EXCEPTION.IE) === 0 && first.value.exponent !== DEFAULT_NAN.exponent;
      return { first, second: { ...first, value: isNumber ? ONE : first.value } };
    }),
  );

const sineCosine = (state: CpuState): void =>
  whenInRange(state, () =>
    replaceAndPush(state, (value) => ({ first: sine(value, state.fcw), second: cosine(value, state.fcw) })),
  );

function whenInRange(state: CpuState, compute: () => void): void {
  const outOfRange = !isEmpty(state, 0) && isEmpty(state, 7) && isOutOfRange(readStack(state, 0));
  setC2(state, outOfRange);
  if (outOfRange) setC1(state, false);
  else compute();
}

const extractParts = (state: CpuState): void =>
  replaceAndPush(state, (value) => {
    const { exponent, significand, flags } = extract(value, state.fcw);
    return { first: exactly(exponent, flags), second: exactly(significand, flags) };
  });

/** C0, C3 and C1 carry the quotient's last bits. Without a quotient C0 and C3 stay as they were. */
function partialRemainder(state: CpuState, ieee: number): void {
  setC2(state, false);
  if (!haveOperands(state, [0, 1])) return;
  const { codes, ...outcome } = remainder(readStack(state, 0), readStack(state, 1), state.fcw, { ieee: ieee === 1 });
  complete(state, { ...outcome, roundedUp: false });
  if (codes !== undefined) setConditionCodes(state, codes);
}

export const FUNCTION_HELPERS = {
  x87RoundToInteger: unary(roundToInteger),
  x87Scale: operation((state) => {
    if (!haveOperands(state, [0, 1])) return;
    complete(state, scale(readStack(state, 0), readStack(state, 1), state.fcw));
  }),
  x87Extract: operation(extractParts),
  x87Remainder: operation(partialRemainder),
  x87TwoToXMinus1: unary(twoToXMinus1),
  x87Logarithm: operation((state, plusOne: number) => binary(state, plusOne ? yLog2XPlus1 : yLog2X)),
  x87Arctangent: operation((state) => binary(state, arctangent)),
  x87Tangent: operation(partialTangent),
  x87Sine: trigonometric(sine),
  x87Cosine: trigonometric(cosine),
  x87SineCosine: operation(sineCosine),
};
