/** Addition, subtraction, multiplication, division, square root on numbers, as wasm. SDM Vol. 1, "Basic Arithmetic Instructions". */
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Int32, type Int64, i32, i64, type Local, select } from '../../../wasm/expression.ts';
import { type DeclaredFunction, defineFunction, type FunctionWriter } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { type NanFunction, returnNan } from './nan.ts';
import {
  areOrdinary,
  BIAS,
  denormalFlag,
  EXCEPTION,
  exponentOf,
  INDEFINITE,
  INTEGER_BIT,
  INVALID_HEAD,
  inHead,
  isInfinite,
  isNanOrUnsupported,
  isZero,
  MAX_EXPONENT,
  NUMBER,
  type NumberParts,
  type NumberWriter,
  normalize,
  SIGN,
  signOf,
} from './number.ts';
import {
  dropOf,
  isWithinRange,
  ROUNDING,
  type RoundFunction,
  returnRounded,
  roundingControl,
  roundsAsUsual,
  roundUsually,
} from './rounding.ts';
import { divideWide, multiplyWide, squareRootWide } from './wide-arithmetic.ts';

/** (left, right, control word) → number */
export const BINARY = [...NUMBER, ...NUMBER, I32] as const;
/** (left, right, control word, sign to be changed in `right`) → number */
export const ADDITION = [...BINARY, I32] as const;
/** (number, control word) → number */
export const UNARY = [...NUMBER, I32] as const;

type Binary = DeclaredFunction<typeof BINARY, typeof NUMBER>;
export type UnaryFunction = DeclaredFunction<typeof UNARY, typeof NUMBER>;

/** What these functions call. */
interface Below {
  readonly round: RoundFunction;
  readonly nanOfTwo: NanFunction;
}

/** A finite, non-zero number taken apart: `significand` has bit 63 set. */
interface Finite {
  readonly significand: Local<typeof I64>;
  readonly exponent: Local<typeof I32>;
}

/** A finite, non-zero number before it is rounded: `high` has bit 63 set, the lowest bit of `low` stands for all below. */
interface Exact {
  readonly sign: Local<typeof I32>;
  readonly exponent: Local<typeof I32>;
  readonly high: Local<typeof I64>;
  readonly low: Local<typeof I64>;
}

/** Takes two operands apart. What is not ordinary goes to `special`, which returns whatever needs no arithmetic. */
function takeApart(
  f: NumberWriter,
  left: readonly [Local<typeof I64>, Local<typeof I32>],
  right: readonly [Local<typeof I64>, Local<typeof I32>],
  nanOfTwo: NanFunction,
  special: () => void,
): { left: Finite; right: Finite; denormal: Local<typeof I32> } {
  const finite = {
    left: { significand: left[0], exponent: f.local(exponentOf(left[1])) },
    right: { significand: right[0], exponent: f.local(exponentOf(right[1])) },
    denormal: f.variable(I32),
  };
  f.if(areOrdinary([left, right]).isZero(), () => {
    f.if(isNanOrUnsupported(left).or(isNanOrUnsupported(right)), () => f.returnCall(nanOfTwo, ...left, ...right));
    f.set(finite.denormal, denormalFlag([left, right]));
    special();
    for (const { significand, exponent } of [finite.left, finite.right]) normalize(f, significand, exponent);
  });
  return finite;
}

const invalid = (f: NumberWriter): void => f.return(INDEFINITE, INVALID_HEAD);

export function defineAdd(
  module: ModuleBuilder,
  { round, nanOfTwo }: Below,
): DeclaredFunction<typeof ADDITION, typeof NUMBER> {
  return defineFunction(module, 'x87 add', ADDITION, NUMBER, (f, ls, lh, rs, rh, control, changed) => {
    const [left, right] = [[ls, lh] as const, [rs, rh] as const];
    const rightSign = f.local(signOf(rh.xor(changed)));
    const parts = takeApart(f, left, right, nanOfTwo, () => specialSum(f, { left, right, rightSign, control, round }));
    const sign = f.local(signOf(lh));
    const sum = addFinite(f, { left: parts.left, right: parts.right, sign, rightSign }, (isNothing) =>
      f.if(isNothing, () => f.return(0, signOfZeroSum(control).or(parts.denormal))),
    );
    returnReported(f, parts.denormal, round, { ...sum, control });
  });
}

/**
 * The exact sum of two numbers that are finite and not zero, as far as rounding needs to know it; all given may change.
 * @param whenNothing takes care of the condition on which nothing is left
 */
function addFinite(
  f: FunctionWriter,
  numbers: { readonly left: Finite; readonly right: Finite; readonly sign: Local<typeof I32>; rightSign: Int32 },
  whenNothing: (isNothing: Int32) => void,
): Exact {
  const { left, right, sign, rightSign } = numbers;
  const [high, exponent] = [left.significand, left.exponent];
  const [lower, lowerExponent] = [right.significand, right.exponent];
  const unlike = f.local(sign.ne(rightSign));
  // The larger magnitude goes left; the sum has its sign. Which one that is cannot be foretold: no branches.
  const isLower = exponent.belowS(lowerExponent).or(exponent.eq(lowerExponent).and(high.belowU(lower)));
  const swaps = f.local(isLower);
  const significands = f.local(select(swaps, high.xor(lower), 0));
  const exponents = f.local(select(swaps, exponent.xor(lowerExponent), 0));
  f.set(high, high.xor(significands));
  f.set(lower, lower.xor(significands));
  f.set(exponent, exponent.xor(exponents));
  f.set(lowerExponent, lowerExponent.xor(exponents));
  f.set(sign, select(swaps, rightSign, sign));
  const low = alignLower(f, lower, f.local(exponent.sub(lowerExponent).widen()));
  f.if(
    unlike,
    () => {
      f.set(high, high.sub(lower).sub(low.isNotZero().widen()));
      f.set(low, i64(0).sub(low));
      whenNothing(high.or(low).isZero());
      // Cancellation by more than a bit leaves nothing in `low` (but, of neighbours, the one bit that is left).
      f.if(high.isZero(), () => {
        f.set(high, low);
        f.set(low, 0);
        f.set(exponent, exponent.sub(64));
      });
      shiftLeftToTop(f, high, low, exponent);
    },
    () => {
      f.set(high, high.add(lower));
      const carry = f.local(high.belowU(lower));
      const by = f.local(carry.widen());
      const lost = low.and(by).or(select(carry, high.shl(63), 0));
      f.set(low, low.shr(by).or(lost));
      f.set(high, high.shr(by).or(by.shl(63)));
      f.set(exponent, exponent.add(carry));
    },
  );
  return { sign, exponent, high, low };
}

/** Numbers for whose sum or product nothing but the usual is to be done: all of it in place. */
export interface InPlace {
  readonly left: NumberParts;
  readonly right: NumberParts;
  readonly control: Int32;
  readonly giveUpIf: (condition: Int32) => void;
}

export function addInPlace(
  f: FunctionWriter,
  { left, right, control, giveUpIf }: InPlace,
  changed: Int32,
): NumberParts {
  giveUpIf(areOrdinary([left, right]).and(roundsAsUsual(control)).isZero());
  const numbers = { left: takeOrdinary(f, left), right: takeOrdinary(f, right) };
  const sign = f.local(signOf(left[1]));
  const rightSign = f.local(signOf(right[1].xor(changed)));
  const sum = addFinite(f, { ...numbers, sign, rightSign }, giveUpIf);
  giveUpIf(isWithinRange(sum.exponent).isZero());
  return roundUsually(f, sum);
}

export function multiplyInPlace(f: FunctionWriter, { left, right, control, giveUpIf }: InPlace): NumberParts {
  giveUpIf(areOrdinary([left, right]).and(roundsAsUsual(control)).isZero());
  const sign = f.local(signOf(left[1].xor(right[1])));
  const product = multiplyFinite(f, takeOrdinary(f, left), takeOrdinary(f, right));
  giveUpIf(isWithinRange(product.exponent).isZero());
  return roundUsually(f, { sign, ...product });
}

const takeOrdinary = (f: FunctionWriter, [significand, head]: NumberParts): Finite => ({
  significand: f.local(significand),
  exponent: f.local(exponentOf(head)),
});

/** x − x */
const signOfZeroSum = (control: Int32): Int32 => select(roundingControl(control).eq(ROUNDING.DOWN), i32(SIGN), 0);

/** Shifts the lower number right by `distance` ≥ 0 and returns what leaves it, as 64 bits of which the last is sticky. */
function alignLower(f: FunctionWriter, lower: Local<typeof I64>, distance: Local<typeof I64>): Local<typeof I64> {
  const low = f.variable(I64);
  f.if(
    distance.belowU(64),
    () => {
      f.set(low, lower.shl(1).shl(i64(63).sub(distance)));
      f.set(lower, lower.shr(distance));
    },
    () => {
      const lost = lower.shl(1).shl(i64(63).sub(distance)).isNotZero().widen();
      f.set(low, select(distance.belowU(128), lower.shr(distance).or(lost), i64(1)));
      f.set(lower, 0);
    },
  );
  return low;
}

/** Sums with zero or infinity; returns nothing if both numbers are finite and not zero. */
function specialSum(
  f: NumberWriter,
  sum: {
    left: NumberParts;
    right: NumberParts;
    rightSign: Int32;
    control: Int32;
    round: RoundFunction;
  },
): void {
  const { left, right, rightSign, control, round } = sum;
  const denormal = denormalFlag([left, right]);
  const leftSign = signOf(left[1]);
  f.if(isInfinite(left), () => {
    f.if(isInfinite(right).and(leftSign.ne(rightSign)), () => invalid(f));
    f.return(INTEGER_BIT, leftSign.or(MAX_EXPONENT).or(denormal));
  });
  f.if(isInfinite(right), () => f.return(INTEGER_BIT, rightSign.or(MAX_EXPONENT).or(denormal)));
  f.if(isZero(left), () => {
    f.if(isZero(right), () => f.return(0, select(leftSign.eq(rightSign), leftSign, signOfZeroSum(control))));
    returnOther(right, rightSign);
  });
  f.if(isZero(right), () => returnOther(left, leftSign));

  /** Plus zero: precision control still applies. */
  function returnOther([value, head]: NumberParts, sign: Int32): void {
    const significand = f.local(value);
    const exponent = f.local(exponentOf(head));
    const flag = f.local(denormal);
    normalize(f, significand, exponent);
    const zero = f.local(i64(0));
    returnReported(f, flag, round, { sign, exponent, high: significand, low: zero, control });
  }
}

/** Returns a number rounded, with the denormal-operand exception if it was found before. */
function returnReported(
  f: NumberWriter,
  denormal: Int32,
  round: RoundFunction,
  number: Parameters<typeof returnRounded>[2],
): void {
  f.if(denormal, () => {
    const { sign, exponent, high, low, control } = number;
    const [significand, head] = f.call(round, sign, exponent, high, low, control, dropOf(control), MAX_EXPONENT);
    f.return(significand, head.or(denormal));
  });
  returnRounded(f, round, number);
}

export function defineMultiply(module: ModuleBuilder, { round, nanOfTwo }: Below): Binary {
  return defineFunction(module, 'x87 multiply', BINARY, NUMBER, (f, ls, lh, rs, rh, control) => {
    const [left, right] = [[ls, lh] as const, [rs, rh] as const];
    const sign = f.local(signOf(lh.xor(rh)));
    const parts = takeApart(f, left, right, nanOfTwo, () => {
      const denormal = denormalFlag([left, right]);
      f.if(isInfinite(left).or(isInfinite(right)), () => {
        f.if(isZero(left).or(isZero(right)), () => invalid(f));
        f.return(INTEGER_BIT, sign.or(MAX_EXPONENT).or(denormal));
      });
      f.if(isZero(left).or(isZero(right)), () => f.return(0, sign.or(denormal)));
    });
    const product = multiplyFinite(f, parts.left, parts.right);
    returnReported(f, parts.denormal, round, { sign, ...product, control });
  });
}

/** The exact product. */
function multiplyFinite(f: FunctionWriter, left: Finite, right: Finite): Omit<Exact, 'sign'> {
  const { high, low } = multiplyWide(f, left.significand, right.significand);
  const exponent = f.local(left.exponent.add(right.exponent).sub(BIAS - 1));
  // The product has 127 or 128 bits, which no processor can foretell: no branches.
  shiftLeftToTop(f, high, low, exponent);
  return { high, low, exponent };
}

/** Brings the top bit of `high`, which is not 0, to bit 63. */
function shiftLeftToTop(
  f: FunctionWriter,
  high: Local<typeof I64>,
  low: Local<typeof I64>,
  exponent: Local<typeof I32>,
): void {
  const shift = f.local(high.leadingZeros());
  f.set(high, high.shl(shift).or(low.shr(1).shr(i64(63).sub(shift))));
  f.set(low, low.shl(shift));
  f.set(exponent, exponent.sub(shift.narrow()));
}

export function defineDivide(module: ModuleBuilder, { round, nanOfTwo }: Below): Binary {
  return defineFunction(module, 'x87 divide', BINARY, NUMBER, (f, ls, lh, rs, rh, control) => {
    const [left, right] = [[ls, lh] as const, [rs, rh] as const];
    const sign = f.local(signOf(lh.xor(rh)));
    const parts = takeApart(f, left, right, nanOfTwo, () => {
      const denormal = denormalFlag([left, right]);
      f.if(isInfinite(left), () => {
        f.if(isInfinite(right), () => invalid(f));
        f.return(INTEGER_BIT, sign.or(MAX_EXPONENT).or(denormal));
      });
      f.if(isZero(right), () => {
        f.if(isZero(left), () => invalid(f));
        f.return(INTEGER_BIT, sign.or(MAX_EXPONENT | inHead(EXCEPTION.ZE)));
      });
      f.if(isZero(left).or(isInfinite(right)), () => f.return(0, sign.or(denormal)));
    });
    const [dividend, divisor] = [parts.left.significand, parts.right.significand];
    // The quotient of dividend × 2^64, or 2^63 if that would have 65 bits.
    const smaller = f.local(dividend.belowU(divisor));
    const exponent = f.local(parts.left.exponent.sub(parts.right.exponent).add(BIAS).sub(smaller));
    const low = f.local(select(smaller, i64(0), dividend.shl(63)));
    f.set(dividend, select(smaller, dividend, dividend.shr(1)));
    const { quotient, remainder } = divideWide(f, dividend, low, divisor);
    // What follows the quotient, told apart as far as rounding needs: nothing, below, at or above half.
    const toDivisor = divisor.sub(remainder);
    const rest = f.local(fraction(remainder, remainder.aboveU(toDivisor), remainder.eq(toDivisor)));
    returnReported(f, parts.denormal, round, { sign, exponent, high: quotient, low: rest, control });
  });
}

const HALF = 1n << 63n;
/** A fraction of a unit as far as rounding needs to know it. */
const fraction = (rest: Int64, aboveHalf: Int32, half: Int32): Int64 =>
  select(aboveHalf, i64(HALF | 1n), select(half, i64(HALF), rest.isNotZero().widen()));

export function defineSquareRoot(module: ModuleBuilder, { round }: Pick<Below, 'round'>): UnaryFunction {
  return defineFunction(module, 'x87 squareRoot', UNARY, NUMBER, (f, significand, head, control) => {
    const number = [significand, head] as const;
    const exponent = f.local(exponentOf(head));
    const denormal = f.variable(I32);
    f.if(areOrdinary([number]).isZero(), () => {
      returnNan(f, number);
      f.if(isZero(number), () => f.return(significand, head));
      f.if(signOf(head), () => invalid(f));
      f.if(isInfinite(number), () => f.return(significand, head));
      f.set(denormal, denormalFlag([number]));
      normalize(f, significand, exponent);
    });
    f.if(signOf(head), () => invalid(f));
    // The bias is odd: an even biased exponent is an odd power of two, for which the radicand has one bit more.
    const odd = exponent.and(1).isZero();
    const low = f.local(select(odd, i64(0), significand.shl(63)));
    f.set(significand, select(odd, significand, significand.shr(1)));
    f.set(exponent, exponent.add(BIAS).shr(1));
    const { root, restHigh, restLow } = squareRootWide(f, significand, low);
    // The root lies more than half above if what is left exceeds it; it is never half exactly.
    const aboveHalf = restHigh.isNotZero().or(restLow.aboveU(root));
    const rest = f.local(fraction(restLow, aboveHalf, i32(0)));
    returnReported(f, denormal, round, { sign: i32(0), exponent, high: root, low: rest, control });
  });
}
