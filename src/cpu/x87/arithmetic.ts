/** Addition, subtraction, multiplication, division, square root. SDM Vol. 2A, "FADD", "FSUB", "FMUL", "FDIV", "FSQRT". */
import { EXCEPTION, roundingOf, unmasked } from './control.ts';
import {
  bitLength,
  classify,
  DEFAULT_NAN,
  type Exact,
  type Float80,
  INTEGER_BIT,
  infinity,
  isDenormal,
  isInvalid,
  isNan,
  MAX_EXPONENT,
  negate,
  propagateNan,
  quiet,
  toExact,
  zero,
} from './float80.ts';
import { exactly, type Outcome, roundToRegister } from './round.ts';

export type BinaryOperation = (left: Float80, right: Float80, fcw: number) => Outcome;

export const INVALID: Outcome = exactly(DEFAULT_NAN, EXCEPTION.IE);

/** The answer that NaNs and unsupported operands call for, if there are any. */
export function nanOutcome(left: Float80, right: Float80): Outcome | undefined {
  const [leftKind, rightKind] = [classify(left), classify(right)];
  if (leftKind === 'unsupported' || rightKind === 'unsupported') return INVALID;
  if (!isNan(leftKind) && !isNan(rightKind)) return undefined;
  const invalid = isInvalid(leftKind) || isInvalid(rightKind);
  return exactly(propagateNan(left, right), invalid ? EXCEPTION.IE : 0);
}

/** The same for one operand. */
export function nanOutcome1(value: Float80): Outcome | undefined {
  const kind = classify(value);
  if (kind === 'unsupported') return INVALID;
  if (!isNan(kind)) return undefined;
  return exactly(quiet(value), kind === 'signalingNan' ? EXCEPTION.IE : 0);
}

/**
 * Adds the denormal-operand exception to a result. Unmasked, it is reported before anything is computed, so no other
 * exception shows.
 */
export function withDenormal(denormal: boolean, fcw: number, compute: () => Outcome): Outcome {
  if (!denormal) return compute();
  if (unmasked(EXCEPTION.DE, fcw)) return exactly(DEFAULT_NAN, EXCEPTION.DE);
  const outcome = compute();
  return { ...outcome, flags: outcome.flags | EXCEPTION.DE };
}

const isZero = (value: Float80): boolean => value.exponent === 0 && value.significand === 0n;
const isInfinite = (value: Float80): boolean => classify(value) === 'infinity';

/** Sum of two non-zero numbers; undefined if it is zero. */
export function addExact(left: Exact, right: Exact): Exact | undefined {
  const [high, low] = left.exponent >= right.exponent ? [left, right] : [right, left];
  const distance = high.exponent - low.exponent;
  // Far apart, all that matters of the lower number is its sign: any non-zero amount far below the last bit will do.
  const far = distance > 200 && distance - bitLength(low.significand) > 136;
  const shift = far ? 200 : distance;
  const highPart = high.significand << BigInt(shift);
  const lowPart = far ? 1n : low.significand;
  const signed = (high.sign ? -highPart : highPart) + (low.sign ? -lowPart : lowPart);
  if (signed === 0n) return undefined;
  return {
    sign: signed < 0n ? 1 : 0,
    significand: signed < 0n ? -signed : signed,
    exponent: high.exponent - shift,
  };
}

/** Neither operand calls for anything but arithmetic: the common case, and the only one that has to be fast. */
const areOrdinary = (left: Float80, right: Float80): boolean => isOrdinary(left) && isOrdinary(right);
const isOrdinary = ({ exponent, significand, fromDenormal }: Float80): boolean =>
  exponent !== 0 && exponent !== MAX_EXPONENT && significand >= INTEGER_BIT && !fromDenormal;

function sum(left: Float80, right: Float80, fcw: number): Outcome {
  const exact = addExact(toExact(left), toExact(right));
  return exact ? roundToRegister(exact, fcw) : exactly(zero(signOfZeroSum(fcw)));
}

/** Of x − x. */
const signOfZeroSum = (fcw: number): 0 | 1 => (roundingOf(fcw) === 'down' ? 1 : 0);

export const add: BinaryOperation = (left, right, fcw) => {
  if (areOrdinary(left, right)) return sum(left, right, fcw);
  const nan = nanOutcome(left, right);
  if (nan) return nan;
  if (isInfinite(left) && isInfinite(right) && left.sign !== right.sign) return INVALID;
  return withDenormal(isDenormal(left) || isDenormal(right), fcw, () => {
    if (isInfinite(left)) return exactly(infinity(left.sign));
    if (isInfinite(right)) return exactly(infinity(right.sign));
    if (isZero(left) && isZero(right)) return exactly(zero(left.sign === right.sign ? left.sign : signOfZeroSum(fcw)));
    if (isZero(left)) return roundToRegister(toExact(right), fcw);
    if (isZero(right)) return roundToRegister(toExact(left), fcw);
    return sum(left, right, fcw);
  });
};

export const subtract: BinaryOperation = (left, right, fcw) =>
  areOrdinary(left, right) ? sum(left, negate(right), fcw) : (nanOutcome(left, right) ?? add(left, negate(right), fcw));

export const multiply: BinaryOperation = (left, right, fcw) => {
  const product = () => roundToRegister(multiplyExact(toExact(left), toExact(right)), fcw);
  if (areOrdinary(left, right)) return product();
  const nan = nanOutcome(left, right);
  if (nan) return nan;
  const sign = (left.sign ^ right.sign) as 0 | 1;
  if ((isInfinite(left) && isZero(right)) || (isZero(left) && isInfinite(right))) return INVALID;
  return withDenormal(isDenormal(left) || isDenormal(right), fcw, () => {
    if (isInfinite(left) || isInfinite(right)) return exactly(infinity(sign));
    return isZero(left) || isZero(right) ? exactly(zero(sign)) : product();
  });
};

export const multiplyExact = (left: Exact, right: Exact): Exact => ({
  sign: (left.sign ^ right.sign) as 0 | 1,
  significand: left.significand * right.significand,
  exponent: left.exponent + right.exponent,
});

/** left / right. */
export const divide: BinaryOperation = (left, right, fcw) => {
  const quotient = () => roundToRegister(divideExact(toExact(left), toExact(right)), fcw);
  if (areOrdinary(left, right)) return quotient();
  const nan = nanOutcome(left, right);
  if (nan) return nan;
  const sign = (left.sign ^ right.sign) as 0 | 1;
  if ((isInfinite(left) && isInfinite(right)) || (isZero(left) && isZero(right))) return INVALID;
  if (isZero(right) && !isInfinite(left)) return exactly(infinity(sign), EXCEPTION.ZE);
  return withDenormal(isDenormal(left) || isDenormal(right), fcw, () => {
    if (isInfinite(left)) return exactly(infinity(sign));
    return isZero(left) || isInfinite(right) ? exactly(zero(sign)) : quotient();
  });
};

/** Quotient with at least `bits` bits, for operands of up to 64. */
export function divideExact(left: Exact, right: Exact, bits = 68): Exact {
  const shift = BigInt(bits + 64);
  const dividend = left.significand << shift;
  const quotient = dividend / right.significand;
  return {
    sign: (left.sign ^ right.sign) as 0 | 1,
    significand: quotient,
    exponent: left.exponent - Number(shift) - right.exponent,
    sticky: quotient * right.significand !== dividend,
  };
}

export function squareRoot(value: Float80, fcw: number): Outcome {
  const nan = nanOutcome1(value);
  if (nan) return nan;
  if (isZero(value)) return exactly(value);
  if (value.sign) return INVALID;
  return withDenormal(isDenormal(value), fcw, () =>
    isInfinite(value) ? exactly(value) : roundToRegister(squareRootExact(toExact(value)), fcw),
  );
}

/** Root of a positive number of up to 64 bits, with at least 68. */
function squareRootExact({ significand, exponent }: Exact): Exact {
  const shift = exponent % 2 === 0 ? 136 : 137;
  const radicand = significand << BigInt(shift);
  const root = integerSquareRoot(radicand);
  return { sign: 0, significand: root, exponent: (exponent - shift) / 2, sticky: root * root !== radicand };
}

/** Largest integer whose square is at most `value`. */
export function integerSquareRoot(value: bigint): bigint {
  // Newton from above; a double gives the first 50 bits.
  let root = BigInt(Math.ceil(Math.sqrt(Number(value)) * (1 + 2 ** -50)));
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
