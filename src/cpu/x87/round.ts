/** The one place where results are rounded. SDM Vol. 1, "Rounding", "Numeric Overflow Exception", "Numeric Underflow Exception". */
import { EXCEPTION, precisionOf, type Rounding, roundingOf, unmasked } from './control.ts';
import { BIAS, bitLength, type Exact, type Float80, infinity, MAX_EXPONENT, zero } from './float80.ts';

/** What an operation yields: value, exceptions it found, and whether rounding went away from zero (C1). */
export interface Outcome<T = Float80> {
  readonly value: T;
  /** `EXCEPTION` bits. */
  readonly flags: number;
  readonly roundedUp: boolean;
}

export const exactly = <T>(value: T, flags = 0): Outcome<T> => ({ value, flags, roundedUp: false });

/** A binary format: significand bits, and the unbiased exponents of its smallest and largest normal numbers. */
export interface Format {
  readonly precision: number;
  readonly minExponent: number;
  readonly maxExponent: number;
}
export const SINGLE: Format = { precision: 24, minExponent: -126, maxExponent: 127 };
export const DOUBLE: Format = { precision: 53, minExponent: -1022, maxExponent: 1023 };
/** Precision control shortens the significand, never the exponent. */
export const registerFormat = (fcw: number): Format => ({
  precision: precisionOf(fcw),
  minExponent: 1 - BIAS,
  maxExponent: BIAS,
});

/** A rounded magnitude: significand × 2^exponent; the significand may be 0. */
export interface Rounded {
  readonly significand: bigint;
  readonly exponent: number;
  readonly inexact: boolean;
  readonly roundedUp: boolean;
}

/** Rounds to a multiple of 2^power. */
export function roundAt(exact: Exact, power: number, rounding: Rounding): Rounded {
  const { sign, significand, exponent, sticky = false } = exact;
  const drop = power - exponent;
  if (drop <= 0) {
    // Nothing to cut; a sticky number always has bits to cut.
    return { significand: significand << BigInt(-drop), exponent: power, inexact: false, roundedUp: false };
  }
  const shift = BigInt(drop);
  const kept = significand >> shift;
  const rest = significand - (kept << shift);
  const inexact = rest !== 0n || sticky;
  const half = 1n << (shift - 1n);
  const aboveHalf = rest > half || (rest === half && (sticky || (kept & 1n) === 1n));
  const up =
    inexact &&
    (rounding === 'nearest' ? aboveHalf : rounding === 'up' ? sign === 0 : rounding === 'down' && sign === 1);
  return { significand: up ? kept + 1n : kept, exponent: power, inexact, roundedUp: up };
}

/** Unbiased exponent of the most significant bit. */
const topOf = ({ significand, exponent }: { significand: bigint; exponent: number }): number =>
  exponent + bitLength(significand) - 1;

/** How a number fits a format once rounded. */
export type Fit =
  | { readonly kind: 'normal' | 'denormal'; readonly rounded: Rounded; readonly flags: number }
  /** Too large or too small: `unbounded` is the result as if the exponent had no bounds, `masked` the masked answer. */
  | { readonly kind: 'overflow'; readonly unbounded: Rounded; readonly toInfinity: boolean }
  | { readonly kind: 'underflow'; readonly unbounded: Rounded; readonly rounded: Rounded };

/** Rounds to a format. Tininess is detected after rounding. */
export function roundToFormat(exact: Exact, format: Format, rounding: Rounding): Fit {
  const unbounded = roundAt(exact, topOf(exact) - format.precision + 1, rounding);
  const top = topOf(unbounded);
  if (top > format.maxExponent) {
    const toInfinity = rounding === 'nearest' || rounding === (exact.sign ? 'down' : 'up');
    return { kind: 'overflow', unbounded, toInfinity };
  }
  if (top < format.minExponent) {
    return {
      kind: 'underflow',
      unbounded,
      rounded: roundAt(exact, format.minExponent - format.precision + 1, rounding),
    };
  }
  return { kind: 'normal', rounded: unbounded, flags: unbounded.inexact ? EXCEPTION.PE : 0 };
}

/** Exponents are moved by this much in unmasked overflow and underflow of a register result. */
const SCALE = 24576;

/** A number as register contents, rounded as the control word says, masked or unmasked answers included. */
export function roundToRegister(exact: Exact, fcw: number): Outcome {
  const format = registerFormat(fcw);
  const { sign } = exact;
  const result = roundToFormat(exact, format, roundingOf(fcw));
  if (result.kind === 'overflow') {
    const { unbounded, toInfinity } = result;
    if (unmasked(EXCEPTION.OE, fcw)) return scaled(sign, unbounded, -SCALE, EXCEPTION.OE);
    const flags = EXCEPTION.OE | EXCEPTION.PE;
    return { value: toInfinity ? infinity(sign) : largest(sign, format.precision), flags, roundedUp: toInfinity };
  }
  if (result.kind === 'underflow' && unmasked(EXCEPTION.UE, fcw)) {
    return scaled(sign, result.unbounded, SCALE, EXCEPTION.UE);
  }
  const { rounded } = result;
  const flags = !rounded.inexact ? 0 : result.kind === 'underflow' ? EXCEPTION.UE | EXCEPTION.PE : EXCEPTION.PE;
  return { value: pack(sign, rounded), flags, roundedUp: rounded.roundedUp };
}

/** The answer to an unmasked overflow or underflow: the exponent wrapped into range. Beyond even that: infinity or zero. */
function scaled(sign: 0 | 1, unbounded: Rounded, scale: number, flag: number): Outcome {
  const moved = { ...unbounded, exponent: unbounded.exponent + scale };
  const flags = flag | (unbounded.inexact ? EXCEPTION.PE : 0);
  const top = topOf(moved);
  if (top > BIAS) return { value: infinity(sign), flags: flags | EXCEPTION.PE, roundedUp: true };
  if (top < 1 - BIAS) return { value: zero(sign), flags: flags | EXCEPTION.PE, roundedUp: false };
  return { value: pack(sign, moved), flags, roundedUp: unbounded.roundedUp };
}

/** The largest finite number of a precision. */
const largest = (sign: 0 | 1, precision: number): Float80 => ({
  sign,
  exponent: MAX_EXPONENT - 1,
  significand: ((1n << BigInt(precision)) - 1n) << BigInt(64 - precision),
});

/** A magnitude that fits, as register contents. */
export function pack(sign: 0 | 1, { significand, exponent }: { significand: bigint; exponent: number }): Float80 {
  if (significand === 0n) return zero(sign);
  const length = bitLength(significand);
  const top = exponent + length - 1;
  // Denormal: the exponent stays at its minimum and the significand starts lower.
  const lowest = Math.max(top, 1 - BIAS) - 63;
  const shift = exponent - lowest;
  const aligned = shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift);
  return { sign, exponent: top < 1 - BIAS ? 0 : top + BIAS, significand: aligned };
}
