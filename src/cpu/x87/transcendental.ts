/**
 * F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FPTAN, FSINCOS. SDM Vol. 1, "Trigonometric Instructions", "Logarithmic,
 * Exponential, and Scale".
 *
 * Each function is an exact reduction of its argument, a power series with more than 130 bits, and one rounding: results
 * are the correctly rounded ones but for about one in 2^50. Arguments of the trigonometric functions are reduced with
 * the 66-bit value of pi that Intel and AMD CPUs use, so that they agree with those for large arguments too.
 */
import { addExact, divideExact, INVALID, multiplyExact, nanOutcome, nanOutcome1, withDenormal } from './arithmetic.ts';
import { EXCEPTION } from './control.ts';
import {
  ARCTANGENTS,
  arctangentRatio,
  cosine as cosineSeries,
  exponentialRatio,
  FRACTION,
  inverseTanhRatio,
  LN2,
  PI,
  sineRatio,
} from './fixed-point.ts';
import {
  BIAS,
  bitLength,
  classify,
  type Exact,
  type Float80,
  infinity,
  isDenormal,
  negate,
  ONE,
  toExact,
  zero,
} from './float80.ts';
import { fullPrecision } from './partial.ts';
import { exactly, type Outcome, roundToRegister } from './round.ts';

/** A fixed-point value that is not zero. */
const fromFixed = (value: bigint): Exact => ({
  sign: value < 0n ? 1 : 0,
  significand: value < 0n ? -value : value,
  exponent: -FRACTION,
});

/** A number below 1 in fixed point. */
const toFixed = ({ sign, significand, exponent }: Exact): bigint => {
  const shift = exponent + FRACTION;
  const magnitude = shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift);
  return sign ? -magnitude : magnitude;
};

const squared = (value: Exact): bigint => toFixed({ ...multiplyExact(value, value), sign: 0 });

/** Rounds a result that has infinitely many bits. */
function roundInexact(value: Exact, fcw: number): Outcome {
  const missing = 80 - bitLength(value.significand);
  const long =
    missing > 0
      ? { ...value, significand: value.significand << BigInt(missing), exponent: value.exponent - missing }
      : value;
  return roundToRegister({ ...long, sticky: true }, fullPrecision(fcw));
}

const topOf = ({ significand, exponent }: Exact): number => exponent + bitLength(significand) - 1;

/** A number a hair smaller in magnitude. */
const justBelow = ({ sign, significand, exponent }: Exact): Exact => ({
  sign,
  significand: (significand << 80n) - 1n,
  exponent: exponent - 80,
});

// Exponential and logarithm ----------------------------------------------------------------------------------------

/** 2^x − 1 for −1 ≤ x ≤ 1. */
export function twoToXMinus1(x: Float80, fcw: number): Outcome {
  const nan = nanOutcome1(x);
  if (nan) return nan;
  switch (classify(x)) {
    case 'zero':
      return exactly(x);
    case 'infinity':
      return exactly(x.sign ? negate(ONE) : x);
  }
  return withDenormal(isDenormal(x), fcw, () => {
    const exact = toExact(x);
    if (topOf(exact) >= 0) return outsideExponential(x);
    const y = multiplyExact(exact, fromFixed(LN2));
    return roundInexact(multiplyExact(y, fromFixed(exponentialRatio(toFixed(y)))), fcw);
  });
}

/** 1 and −1 are exact. Beyond, the result is undefined; CPUs leave the argument as it is. */
const outsideExponential = (x: Float80): Outcome =>
  x.exponent === BIAS && x.significand === ONE.significand && x.sign
    ? exactly({ ...x, exponent: BIAS - 1 }, EXCEPTION.PE)
    : exactly(x, EXCEPTION.PE);

/** log2 of a positive number (if `plusOne`, of 1 + x, given an x in −1/4..1/4); undefined if that is 0. `exact`: a whole number. */
function logarithm(value: Exact, plusOne: boolean): { log: Exact; exact: boolean } | undefined {
  // The argument is numerator / 2^shift, of which `excess` is numerator − 2^shift, with 2^shift scaled to lie near it.
  let numerator = value.significand;
  let power = 0;
  let excess: bigint;
  let unit: bigint;
  if (plusOne && value.exponent < 0) {
    unit = 1n << BigInt(-value.exponent);
    excess = value.sign ? -value.significand : value.significand;
    numerator = unit + excess;
  } else {
    const length = bitLength(numerator);
    // Between 1/√2 and √2, roughly.
    const up = numerator * numerator > 1n << BigInt(2 * length - 1) ? 1 : 0;
    power = value.exponent + length - 1 + up;
    unit = 1n << BigInt(length);
    numerator <<= BigInt(1 - up);
    excess = numerator - unit;
  }
  if (excess === 0n) {
    if (power === 0) return undefined;
    return { log: integer(power), exact: true };
  }
  const t = divideExact(
    { sign: excess < 0n ? 1 : 0, significand: excess < 0n ? -excess : excess, exponent: 0 },
    { sign: 0, significand: numerator + unit, exponent: 0 },
    FRACTION + 80,
  );
  const fraction = divideExact(
    multiplyExact(t, fromFixed(2n * inverseTanhRatio(squared(t)))),
    fromFixed(LN2),
    FRACTION + 80,
  );
  return { log: power === 0 ? fraction : addExact(integer(power), fraction)!, exact: false };
}

const integer = (value: number): Exact => ({
  sign: value < 0 ? 1 : 0,
  significand: BigInt(Math.abs(value)),
  exponent: 0,
});

/** y × log2(x) */
export function yLog2X(y: Float80, x: Float80, fcw: number): Outcome {
  const nan = nanOutcome(y, x);
  if (nan) return nan;
  const [yKind, xKind] = [classify(y), classify(x)];
  if (xKind !== 'zero' && x.sign) return INVALID;
  const relation = xKind === 'zero' ? -1 : xKind === 'infinity' ? 1 : relationToOne(x);
  const resultSign = (y.sign ^ (relation < 0 ? 1 : 0)) as 0 | 1;
  if (yKind === 'zero' && (xKind === 'zero' || xKind === 'infinity')) return INVALID;
  if (yKind === 'infinity' && relation === 0) return INVALID;
  if (xKind === 'zero' && yKind !== 'infinity') return exactly(infinity(resultSign), EXCEPTION.ZE);
  return withDenormal(isDenormal(x) || isDenormal(y), fcw, () => {
    if (xKind === 'zero' || xKind === 'infinity' || yKind === 'infinity') return exactly(infinity(resultSign));
    if (yKind === 'zero' || relation === 0) return exactly(zero(resultSign));
    return timesLogarithm(y, logarithm(toExact(x), false)!, fcw);
  });
}

/** −1, 0, 1: a positive number is below, equal to, above 1. */
function relationToOne(x: Float80): number {
  if (x.exponent !== BIAS) return x.exponent < BIAS ? -1 : 1;
  return x.significand === ONE.significand ? 0 : 1;
}

function timesLogarithm(y: Float80, { log, exact }: { log: Exact; exact: boolean }, fcw: number): Outcome {
  const product = multiplyExact(toExact(y), log);
  if (!exact) return roundInexact(product, fcw);
  // CPUs report even a whole logarithm as inexact.
  const outcome = roundToRegister(product, fullPrecision(fcw));
  const tiny = isDenormal(outcome.value) ? EXCEPTION.UE : 0;
  return { ...outcome, flags: outcome.flags | tiny | EXCEPTION.PE };
}

/** y × log2(x + 1) for |x| below 1 − √½; beyond, undefined: here as defined as mathematics allows. */
export function yLog2XPlus1(y: Float80, x: Float80, fcw: number): Outcome {
  const nan = nanOutcome(y, x);
  if (nan) return nan;
  const [yKind, xKind] = [classify(y), classify(x)];
  const sign = (y.sign ^ x.sign) as 0 | 1;
  if (yKind === 'infinity' && xKind === 'zero') return INVALID;
  if (xKind === 'infinity' && (x.sign || yKind === 'zero')) return INVALID;
  return withDenormal(isDenormal(x) || isDenormal(y), fcw, () => {
    if (xKind === 'infinity' || yKind === 'infinity') return exactly(infinity(sign));
    if (xKind === 'zero' || yKind === 'zero') return exactly(zero(sign));
    const exact = toExact(x);
    const top = topOf(exact);
    if (top >= 0 && x.sign) return exactly(x, EXCEPTION.PE); // no logarithm; CPUs leave the argument
    if (top >= -2) return timesLogarithm(y, logarithm(addExact(exact, integer(1))!, false)!, fcw);
    if (top < -FRACTION) {
      // log2(1 + x) is x / ln 2, less x² / (2 ln 2), which is far below the last bit.
      const line = divideExact(multiplyExact(toExact(y), exact), fromFixed(LN2), FRACTION + 80);
      return roundInexact(line, fcw);
    }
    return timesLogarithm(y, logarithm(exact, true)!, fcw);
  });
}

// Trigonometry -----------------------------------------------------------------------------------------------------

/** Arguments of 2^63 and more are left alone, with C2 set. */
export const isOutOfRange = (x: Float80): boolean => x.exponent >= BIAS + 63 && classify(x) === 'normal';

/** pi/2 to 66 bits, as the CPU has it: significand × 2^-65. */
const HALF_PI: Exact = { sign: 0, significand: 0xc90f_daa2_2168_c234_cn >> 2n, exponent: -65 };

/** x = quadrant × pi/2 + rest, |rest| ≤ pi/4, exactly; `rest` undefined for 0. */
function reduceAngle(x: Exact): { rest: Exact | undefined; quadrant: number } {
  // Below 1/2 nothing is to be reduced, and the exponents may be far apart.
  if (topOf(x) < -1) return { rest: x, quadrant: 0 };
  const exponent = Math.min(x.exponent, HALF_PI.exponent);
  const magnitude = x.significand << BigInt(x.exponent - exponent);
  const half = HALF_PI.significand << BigInt(HALF_PI.exponent - exponent);
  const turns = (2n * magnitude + half) / (2n * half);
  const rest = magnitude - turns * half;
  const quadrant = Number(turns & 3n);
  if (rest === 0n) return { rest: undefined, quadrant: x.sign ? (4 - quadrant) & 3 : quadrant };
  const sign = ((rest < 0n ? 1 : 0) ^ x.sign) as 0 | 1;
  return {
    rest: { sign, significand: rest < 0n ? -rest : rest, exponent },
    quadrant: x.sign ? (4 - quadrant) & 3 : quadrant,
  };
}

/** sin and cos of a number in −pi/4..pi/4 that is not 0. */
const sineOfRest = (rest: Exact): Exact =>
  topOf(rest) < -70 ? justBelow(rest) : multiplyExact(rest, fromFixed(sineRatio(squared(rest))));
const cosineOfRest = (rest: Exact): Exact =>
  topOf(rest) < -60 ? justBelow(integer(1)) : fromFixed(cosineSeries(squared(rest)));

const withSign = (value: Exact, flip: boolean): Exact => (flip ? { ...value, sign: value.sign ? 0 : 1 } : value);

/** sin(x + shift × pi/2), x finite, not 0 and in range. */
function sineShifted(x: Float80, shift: 0 | 1, fcw: number): Outcome {
  const { rest, quadrant } = reduceAngle(toExact(x));
  const turn = (quadrant + shift) & 3;
  const negative = turn >= 2;
  if (turn & 1) {
    if (rest === undefined) return exactly(negative ? negate(ONE) : ONE);
    return roundInexact(withSign(cosineOfRest(rest), negative), fcw);
  }
  if (rest === undefined) return exactly(zero(negative ? 1 : 0));
  return roundInexact(withSign(sineOfRest(rest), negative), fcw);
}

/** A trigonometric function: `atZero` is its value there. */
function trigonometric(x: Float80, fcw: number, atZero: Float80, compute: () => Outcome): Outcome {
  const nan = nanOutcome1(x);
  if (nan) return nan;
  switch (classify(x)) {
    case 'infinity':
      return INVALID;
    case 'zero':
      return exactly(atZero);
  }
  return withDenormal(isDenormal(x), fcw, compute);
}

export const sine = (x: Float80, fcw: number): Outcome => trigonometric(x, fcw, x, () => sineShifted(x, 0, fcw));
export const cosine = (x: Float80, fcw: number): Outcome => trigonometric(x, fcw, ONE, () => sineShifted(x, 1, fcw));

export const tangent = (x: Float80, fcw: number): Outcome =>
  trigonometric(x, fcw, x, () => {
    const { rest, quadrant } = reduceAngle(toExact(x));
    if (rest === undefined) return exactly(quadrant & 1 ? infinity(x.sign) : zero(x.sign));
    if (topOf(rest) < -70 && !(quadrant & 1)) {
      // tan x is a hair above x.
      return roundInexact({ ...rest, significand: (rest.significand << 80n) + 1n, exponent: rest.exponent - 80 }, fcw);
    }
    const [sin, cos] = [sineOfRest(rest), cosineOfRest(rest)];
    const quotient = quadrant & 1 ? withSign(divideExact(cos, sin, 240), true) : divideExact(sin, cos, 240);
    return roundInexact(quotient, fcw);
  });

/** FPATAN: the angle of the point (x, y). */
export function arctangent(y: Float80, x: Float80, fcw: number): Outcome {
  const nan = nanOutcome(y, x);
  if (nan) return nan;
  const angle = (fixed: bigint) => roundInexact(withSign(fromFixed(fixed), y.sign === 1), fcw);
  return withDenormal(isDenormal(x) || isDenormal(y), fcw, () => {
    const [yKind, xKind] = [classify(y), classify(x)];
    if (yKind === 'infinity') return angle(xKind !== 'infinity' ? PI >> 1n : x.sign ? (3n * PI) >> 2n : PI >> 2n);
    if (yKind === 'zero' || xKind === 'infinity') return x.sign ? angle(PI) : exactly(zero(y.sign));
    if (xKind === 'zero') return angle(PI >> 1n);
    return angleOf(toExact(y), toExact(x), fcw);
  });
}

/** Both coordinates finite and not 0. */
function angleOf(y: Exact, x: Exact, fcw: number): Outcome {
  const distance = topOf(y) - topOf(x);
  // Very steep or flat: the angle is a multiple of pi/2, or the slope itself, but for much less than the last bit.
  if (distance > 200) return roundInexact(withSign(fromFixed(PI >> 1n), y.sign === 1), fcw);
  if (distance < -200) {
    if (x.sign) return roundInexact(withSign(fromFixed(PI), y.sign === 1), fcw);
    return roundInexact(justBelow(divideExact(y, x, FRACTION)), fcw);
  }
  const exponent = Math.min(x.exponent, y.exponent);
  const [opposite, adjacent] = [y, x].map((side) => side.significand << BigInt(side.exponent - exponent));
  const steep = opposite! > adjacent!;
  const [small, large] = steep ? [adjacent!, opposite!] : [opposite!, adjacent!];
  // atan(s/l) = atan(i/16) + atan((16 s − i l) / (16 l + i s))
  const i = (32n * small + large) / (2n * large);
  const numerator = 16n * small - i * large;
  let first: Exact | undefined;
  if (numerator !== 0n) {
    const t = divideExact(
      { sign: numerator < 0n ? 1 : 0, significand: numerator < 0n ? -numerator : numerator, exponent: 0 },
      { sign: 0, significand: 16n * large + i * small, exponent: 0 },
      FRACTION + 400,
    );
    first = multiplyExact(t, fromFixed(arctangentRatio(squared(t))));
  }
  const base = fromFixedOrNone(ARCTANGENTS[Number(i)]);
  let angle = first && base ? addExact(base, first)! : (first ?? base)!;
  if (steep) angle = addExact(fromFixed(PI >> 1n), withSign(angle, true))!;
  if (x.sign) angle = addExact(fromFixed(PI), withSign(angle, true))!;
  return roundInexact(withSign(angle, y.sign === 1), fcw);
}

const fromFixedOrNone = (value: bigint): Exact | undefined => (value === 0n ? undefined : fromFixed(value));
