/** FRNDINT, FSCALE, FXTRACT, FPREM, FPREM1: instructions that take numbers apart. SDM Vol. 1, "Basic Arithmetic Instructions". */
import { INVALID, nanOutcome, nanOutcome1, withDenormal } from './arithmetic.ts';
import { EXCEPTION, roundingOf, STATUS } from './control.ts';
import { BIAS, bitLength, classify, type Float80, infinity, isDenormal, toExact, zero } from './float80.ts';
import { exactly, type Outcome, pack, roundAt, roundToRegister } from './round.ts';

/** Precision control acts on the four basic operations and the square root only; the others round to 64 bits. */
export const fullPrecision = (fcw: number): number => fcw | 0x300;

const isFiniteNonZero = (value: Float80): boolean => {
  const kind = classify(value);
  return kind === 'normal' || kind === 'denormal';
};

export function roundToInteger(value: Float80, fcw: number): Outcome {
  const nan = nanOutcome1(value);
  if (nan) return nan;
  if (!isFiniteNonZero(value) || value.exponent >= BIAS + 63) return exactly(value);
  return withDenormal(isDenormal(value), fcw, () => {
    const rounded = roundAt(toExact(value), 0, roundingOf(fcw));
    return {
      value: pack(value.sign, rounded),
      flags: rounded.inexact ? EXCEPTION.PE : 0,
      roundedUp: rounded.roundedUp,
    };
  });
}

/** Beyond this every scaling over- or underflows, whatever number is scaled. */
const LARGEST_SCALE = 0x1_0000;

/** value × 2^(scale rounded toward zero) */
export function scale(value: Float80, by: Float80, fcw: number): Outcome {
  const nan = nanOutcome(value, by);
  if (nan) return nan;
  const [kind, byKind] = [classify(value), classify(by)];
  if (byKind === 'infinity' && kind === (by.sign ? 'infinity' : 'zero')) return INVALID;
  return withDenormal(isDenormal(value) || isDenormal(by), fcw, () => {
    if (kind === 'zero' || kind === 'infinity') return exactly(value);
    if (byKind === 'infinity') return exactly(by.sign ? zero(value.sign) : infinity(value.sign));
    const exact = toExact(value);
    const distance = byKind === 'zero' ? 0 : scaleDistance(by);
    return roundToRegister({ ...exact, exponent: exact.exponent + distance }, fullPrecision(fcw));
  });
}

function scaleDistance(by: Float80): number {
  const magnitude =
    by.exponent > BIAS + 20
      ? LARGEST_SCALE
      : Math.min(LARGEST_SCALE, Number(roundAt(toExact(by), 0, 'zero').significand));
  return by.sign ? -magnitude : magnitude;
}

export interface Extracted {
  readonly exponent: Float80;
  readonly significand: Float80;
  readonly flags: number;
}

/** FXTRACT: unbiased exponent and significand as two numbers. Of zero: −infinity and zero, with ZE. */
export function extract(value: Float80, fcw: number): Extracted {
  const nan = nanOutcome1(value);
  if (nan) return { exponent: nan.value, significand: nan.value, flags: nan.flags };
  switch (classify(value)) {
    case 'infinity':
      return { exponent: infinity(0), significand: value, flags: 0 };
    case 'zero':
      return { exponent: infinity(1), significand: value, flags: EXCEPTION.ZE };
  }
  const { significand, exponent } = toExact(value);
  const top = exponent + bitLength(significand) - 1;
  const magnitude = BigInt(Math.abs(top));
  return {
    exponent: pack(top < 0 ? 1 : 0, { significand: magnitude, exponent: 0 }),
    significand: pack(value.sign, { significand, exponent: exponent - top }),
    flags: withDenormal(isDenormal(value), fcw, () => exactly(value)).flags,
  };
}

export interface RemainderOutcome extends Outcome {
  /** C0 C1 C2 C3 at their places: quotient bits, or C2 if the reduction is not complete. Undefined if there is no quotient. */
  readonly codes: number | undefined;
}

/** Reductions go at most so far in one step: exponents nearer than this are finished at once. */
const COMPLETE_BELOW = 64;

/** FPREM (quotient rounded toward zero) and FPREM1 (`ieee`: to nearest). */
export function remainder(
  dividend: Float80,
  divisor: Float80,
  fcw: number,
  { ieee }: { ieee: boolean },
): RemainderOutcome {
  const nan = nanOutcome(dividend, divisor);
  if (nan) return { ...nan, codes: undefined };
  const [kind, divisorKind] = [classify(dividend), classify(divisor)];
  if (kind === 'infinity' || divisorKind === 'zero') return { ...INVALID, codes: undefined };
  let codes: number | undefined;
  const outcome = withDenormal(isDenormal(dividend) || isDenormal(divisor), fcw, () => {
    codes = 0;
    if (kind === 'zero') return exactly(dividend);
    const number = toExact(dividend);
    if (divisorKind === 'infinity') return roundToRegister(number, fullPrecision(fcw));
    const step = reduce(number.significand, number.exponent, toExact(divisor), ieee);
    codes = step.codes;
    if (step.remainder === 0n) return exactly(zero(dividend.sign));
    const sign = (dividend.sign ^ (step.remainder < 0n ? 1 : 0)) as 0 | 1;
    const significand = step.remainder < 0n ? -step.remainder : step.remainder;
    return roundToRegister({ sign, significand, exponent: step.exponent }, fullPrecision(fcw));
  });
  return { ...outcome, codes };
}

/** Exact remainder of magnitudes; negative when the quotient was rounded up. */
function reduce(
  dividend: bigint,
  dividendExponent: number,
  divisor: { readonly significand: bigint; readonly exponent: number },
  ieee: boolean,
): { remainder: bigint; exponent: number; codes: number } {
  const top = (significand: bigint, exponent: number) => exponent + bitLength(significand);
  const distance = top(dividend, dividendExponent) - top(divisor.significand, divisor.exponent);
  const exponent = Math.min(dividendExponent, divisor.exponent);
  const whole = dividend << BigInt(dividendExponent - exponent);
  const part = divisor.significand << BigInt(divisor.exponent - exponent);
  if (distance >= COMPLETE_BELOW) {
    // How far one step goes is up to the CPU, between 32 and 63 bits.
    const left = distance - ((distance & 31) | 32);
    return { remainder: whole % (part << BigInt(left)), exponent, codes: STATUS.C2 };
  }
  let quotient = whole / part;
  let rest = whole - quotient * part;
  if (ieee && (2n * rest > part || (2n * rest === part && (quotient & 1n) === 1n))) {
    quotient += 1n;
    rest -= part;
  }
  const bits = Number(quotient & 7n);
  const codes = (bits & 4 ? STATUS.C0 : 0) | (bits & 2 ? STATUS.C3 : 0) | (bits & 1 ? STATUS.C1 : 0);
  return { remainder: rest, exponent, codes };
}
