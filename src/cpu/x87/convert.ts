/** Conversion between register format and the formats of memory. SDM Vol. 1, "x87 FPU Data Types". */
import { nanOutcome1 } from './arithmetic.ts';
import { EXCEPTION, roundingOf, unmasked } from './control.ts';
import { BIAS, classify, type Float80, INTEGER_BIT, MAX_EXPONENT, toExact, zero } from './float80.ts';
import { DOUBLE, exactly, type Format, type Outcome, pack, roundAt, roundToFormat, SINGLE } from './round.ts';

interface MemoryFormat extends Format {
  /** Width of the exponent field. */
  readonly exponentBits: number;
}
const MEMORY32: MemoryFormat = { ...SINGLE, exponentBits: 8 };
const MEMORY64: MemoryFormat = { ...DOUBLE, exponentBits: 11 };

/** The same number or NaN, with nothing signaled: a signaling NaN stays one. */
export const fromFloat32 = (bits: number): Float80 => fromMemory(BigInt(bits >>> 0), MEMORY32);
/** @param bits unsigned */
export const fromFloat64 = (bits: bigint): Float80 => fromMemory(bits, MEMORY64);

function fromMemory(bits: bigint, { precision, exponentBits, maxExponent, minExponent }: MemoryFormat): Float80 {
  const fraction = BigInt.asUintN(precision - 1, bits);
  const signExponent = Number(bits >> BigInt(precision - 1));
  const sign = (signExponent >> exponentBits) as 0 | 1;
  const largest = (1 << exponentBits) - 1;
  const biased = signExponent & largest;
  if (biased === 0) {
    if (fraction === 0n) return zero(sign);
    return { ...pack(sign, { significand: fraction, exponent: minExponent - precision + 1 }), fromDenormal: true };
  }
  const significand = (fraction << BigInt(64 - precision)) | INTEGER_BIT;
  return { sign, exponent: biased === largest ? MAX_EXPONENT : biased - maxExponent + BIAS, significand };
}

/** FLD m32, m64: a signaling NaN is made quiet, a denormal reported. */
export function load(value: Float80): Outcome {
  const nan = nanOutcome1(value);
  if (nan) return nan;
  return exactly(value, value.fromDenormal ? EXCEPTION.DE : 0);
}

/** What FST has to store; `undefined` if an unmasked exception suppresses it. */
export type Stored<T> = Outcome<T | undefined>;

export const toFloat32 = (value: Float80, fcw: number): Stored<bigint> => toMemory(value, MEMORY32, fcw);
export const toFloat64 = (value: Float80, fcw: number): Stored<bigint> => toMemory(value, MEMORY64, fcw);

function toMemory(value: Float80, format: MemoryFormat, fcw: number): Stored<bigint> {
  const { precision, exponentBits, maxExponent } = format;
  const fractionBits = BigInt(precision - 1);
  const encode = (sign: number, biased: number, fraction: bigint): bigint =>
    (((BigInt(sign) << BigInt(exponentBits)) | BigInt(biased)) << fractionBits) | fraction;
  const specialExponent = (1 << exponentBits) - 1;

  const nan = nanOutcome1(value);
  if (nan) {
    if (unmasked(nan.flags, fcw)) return { ...nan, value: undefined };
    const { sign, significand } = nan.value;
    return exactly(encode(sign, specialExponent, (significand ^ INTEGER_BIT) >> (63n - fractionBits)), nan.flags);
  }
  const { sign } = value;
  switch (classify(value)) {
    case 'zero':
      return exactly(encode(sign, 0, 0n));
    case 'infinity':
      return exactly(encode(sign, specialExponent, 0n));
  }
  const result = roundToFormat(toExact(value), format, roundingOf(fcw));
  switch (result.kind) {
    case 'normal': {
      const { significand, exponent, inexact, roundedUp } = result.unbounded;
      const bits = encode(sign, exponent + precision - 1 + maxExponent, BigInt.asUintN(precision - 1, significand));
      return { value: bits, flags: inexact ? EXCEPTION.PE : 0, roundedUp };
    }
    case 'overflow': {
      if (unmasked(EXCEPTION.OE, fcw)) return exactly(undefined, EXCEPTION.OE);
      const { toInfinity } = result;
      const largest = BigInt.asUintN(precision - 1, -1n);
      const bits = toInfinity ? encode(sign, specialExponent, 0n) : encode(sign, specialExponent - 1, largest);
      return { value: bits, flags: EXCEPTION.OE | EXCEPTION.PE, roundedUp: toInfinity };
    }
    case 'underflow': {
      if (unmasked(EXCEPTION.UE, fcw)) return exactly(undefined, EXCEPTION.UE);
      const { significand, inexact, roundedUp } = result.rounded;
      // Rounded up to the smallest normal number, the significand's top bit becomes the exponent 1.
      return { value: encode(sign, 0, 0n) + significand, flags: inexact ? EXCEPTION.UE | EXCEPTION.PE : 0, roundedUp };
    }
  }
}

/** FILD. @param integer signed */
export function fromInteger(integer: bigint): Float80 {
  if (integer === 0n) return zero(0);
  return pack(integer < 0n ? 1 : 0, { significand: integer < 0n ? -integer : integer, exponent: 0 });
}

/** Rounded to an integer; undefined if it is none (NaN, infinity, unsupported). */
function toRoundedInteger(value: Float80, fcw: number): Outcome<bigint> | undefined {
  switch (classify(value)) {
    case 'zero':
      return exactly(0n);
    case 'normal':
    case 'denormal': {
      if (value.exponent > BIAS + 200) return undefined; // beyond every integer format
      const { significand, inexact, roundedUp } = roundAt(toExact(value), 0, roundingOf(fcw));
      return {
        value: value.sign ? -significand : significand,
        flags: inexact ? EXCEPTION.PE : 0,
        roundedUp,
      };
    }
    default:
      return undefined;
  }
}

/** FIST, FISTP: two's complement of 16, 32 or 64 bits, unsigned. Out of range: integer indefinite, the most negative. */
export function toInteger(value: Float80, width: 16 | 32 | 64, fcw: number): Stored<bigint> {
  const rounded = toRoundedInteger(value, fcw);
  if (rounded === undefined || BigInt.asIntN(width, rounded.value) !== rounded.value) {
    return unmasked(EXCEPTION.IE, fcw)
      ? exactly(undefined, EXCEPTION.IE)
      : exactly(1n << BigInt(width - 1), EXCEPTION.IE);
  }
  return { ...rounded, value: BigInt.asUintN(width, rounded.value) };
}

/** Packed BCD indefinite. */
const DECIMAL_INDEFINITE = 0xffff_c000_0000_0000_0000n;
const DECIMAL_LIMIT = 10n ** 18n;

/** FBSTP: 80 bits. */
export function toDecimal(value: Float80, fcw: number): Stored<bigint> {
  const rounded = toRoundedInteger(value, fcw);
  const magnitude = rounded && (rounded.value < 0n ? -rounded.value : rounded.value);
  if (rounded === undefined || magnitude! >= DECIMAL_LIMIT) {
    return unmasked(EXCEPTION.IE, fcw) ? exactly(undefined, EXCEPTION.IE) : exactly(DECIMAL_INDEFINITE, EXCEPTION.IE);
  }
  // The decimal digits, read as hexadecimal ones, are the encoding.
  return { ...rounded, value: (BigInt(value.sign) << 79n) | BigInt(`0x${magnitude}`) };
}

/** FBLD: 80 bits. Digits above 9 are undefined; they count with their weight, as in the microcode of real CPUs. */
export function fromDecimal(bits: bigint): Float80 {
  let magnitude = 0n;
  for (let digit = 17n; digit >= 0n; digit--) magnitude = magnitude * 10n + ((bits >> (4n * digit)) & 15n);
  const value = fromInteger(magnitude);
  return { ...value, sign: Number((bits >> 79n) & 1n) as 0 | 1 };
}
