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
  if (rest === 0n && !sticky) return { significand: kept, exponent: power, inexact: false, roundedUp: false };
  const up = roundsUp(sign, kept, rest - (1n << (shift - 1n)), sticky, rounding);
  return { significand: up ? kept + 1n : kept, exponent: power, inexact: true, roundedUp: up };
}

/** @param aboveHalf what is cut off, less half a unit of what is kept */
function roundsUp(sign: 0 | 1, kept: bigint, aboveHalf: bigint, sticky: boolean, rounding: Rounding): boolean {
  switch (rounding) {
    case 'nearest':
      return aboveHalf > 0n || (aboveHalf === 0n && (sticky || (kept & 1n) === 1n));
    case 'up':
      return sign === 0;
    case 'down':
      return sign === 1;
    case 'zero':
      return false;
  }
}

/** How a number fits a format once rounded. `unbounded`: as if exponents had no bounds, with all bits of the precision. */
export type Fit =
  | { readonly kind: 'normal'; readonly unbounded: Rounded }
  | { readonly kind: 'overflow'; readonly unbounded: Rounded; readonly toInfinity: boolean }
  /** `rounded`: the masked answer, a denormal, zero or the smallest normal number. */
  | { readonly kind: 'underflow'; readonly unbounded: Rounded; readonly rounded: Rounded };

/** Rounds to a format. Tininess is detected after rounding. */
export function roundToFormat(exact: Exact, format: Format, rounding: Rounding): Fit {
  const { precision, minExponent, maxExponent } = format;
  const unbounded = roundToPrecision(exact, precision, rounding);
  const top = unbounded.exponent + precision - 1;
  if (top > maxExponent) {
    const toInfinity = rounding === 'nearest' || rounding === (exact.sign ? 'down' : 'up');
    return { kind: 'overflow', unbounded, toInfinity };
  }
  if (top >= minExponent) return { kind: 'normal', unbounded };
  return { kind: 'underflow', unbounded, rounded: roundAt(exact, minExponent - precision + 1, rounding) };
}

function roundToPrecision(exact: Exact, precision: number, rounding: Rounding): Rounded {
  const rounded = roundAt(exact, exact.exponent + bitLength(exact.significand) - precision, rounding);
  // Rounding may carry into one bit more; the lowest one is then zero.
  if (!rounded.roundedUp || rounded.significand >> BigInt(precision) === 0n) return rounded;
  return { ...rounded, significand: rounded.significand >> 1n, exponent: rounded.exponent + 1 };
}

/** Exponents are moved by this much in unmasked overflow and underflow of a register result. */
const SCALE = 24576;

/** A number as register contents, rounded as the control word says, masked or unmasked answers included. */
export function roundToRegister(exact: Exact, fcw: number): Outcome {
  const format = registerFormat(fcw);
  const { precision } = format;
  const { sign } = exact;
  const result = roundToFormat(exact, format, roundingOf(fcw));
  switch (result.kind) {
    case 'normal': {
      const { inexact, roundedUp } = result.unbounded;
      return { value: align(sign, result.unbounded, precision), flags: inexact ? EXCEPTION.PE : 0, roundedUp };
    }
    case 'overflow': {
      const { unbounded, toInfinity } = result;
      if (unmasked(EXCEPTION.OE, fcw)) return scaled(sign, unbounded, -SCALE, EXCEPTION.OE, precision);
      const flags = EXCEPTION.OE | EXCEPTION.PE;
      return { value: toInfinity ? infinity(sign) : largest(sign, precision), flags, roundedUp: toInfinity };
    }
    case 'underflow': {
      const { unbounded, rounded } = result;
      if (unmasked(EXCEPTION.UE, fcw)) return scaled(sign, unbounded, SCALE, EXCEPTION.UE, precision);
      const flags = rounded.inexact ? EXCEPTION.UE | EXCEPTION.PE : 0;
      return { value: pack(sign, rounded), flags, roundedUp: rounded.roundedUp };
    }
  }
}

/** A magnitude with `precision` bits and an exponent in range, as register contents. */
const align = (sign: 0 | 1, { significand, exponent }: Rounded, precision: number): Float80 => ({
  sign,
  exponent: exponent + precision - 1 + BIAS,
  significand: precision === 64 ? significand : significand << BigInt(64 - precision),
});

/** The answer to an unmasked overflow or underflow: the exponent wrapped into range. Beyond even that: infinity or zero. */
function scaled(sign: 0 | 1, unbounded: Rounded, scale: number, flag: number, precision: number): Outcome {
  const value = align(sign, { ...unbounded, exponent: unbounded.exponent + scale }, precision);
  if (value.exponent >= MAX_EXPONENT) return { value: infinity(sign), flags: flag | EXCEPTION.PE, roundedUp: true };
  if (value.exponent <= 0) return { value: zero(sign), flags: flag | EXCEPTION.PE, roundedUp: false };
  return { value, flags: flag | (unbounded.inexact ? EXCEPTION.PE : 0), roundedUp: unbounded.roundedUp };
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
