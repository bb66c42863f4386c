/**
 * The 80-bit numbers of the x87 FPU. SDM Vol. 1, "Double Extended-Precision Floating-Point Format".
 *
 * Arithmetic here is exact first and rounded once: a finite operand becomes an `Exact` (sign, integer, power of two),
 * the operation is done on BigInts, and `round.ts` turns the result into a register value and its exceptions.
 */

/** A register's contents, field by field. Every bit pattern is one; not every one is a number. */
export interface Float80 {
  readonly sign: 0 | 1;
  /** Biased: 0..0x7fff. */
  readonly exponent: number;
  /** 64 bits, the integer bit included. */
  readonly significand: bigint;
  /** It was a denormal in memory (m32, m64): it counts as a denormal operand although it is normal as 80 bits. */
  readonly fromDenormal?: boolean;
}

/** A non-zero real number: (−1)^sign × significand × 2^exponent, plus less than one unit of it if `sticky`. */
export interface Exact {
  readonly sign: 0 | 1;
  /** Positive, of any length. */
  readonly significand: bigint;
  readonly exponent: number;
  /** The true magnitude is a little larger. The significand then has at least 67 bits. */
  readonly sticky?: boolean;
}

export const BIAS = 16383;
export const MAX_EXPONENT = 0x7fff;
export const INTEGER_BIT = 1n << 63n;
export const QUIET_BIT = 1n << 62n;
/** Power of two of the least significant bit of a register with biased exponent 0 or 1. */
const LOWEST_POWER = 1 - BIAS - 63;

/** Real indefinite: what a masked invalid operation yields. */
export const DEFAULT_NAN: Float80 = { sign: 1, exponent: MAX_EXPONENT, significand: INTEGER_BIT | QUIET_BIT };
export const ONE: Float80 = { sign: 0, exponent: BIAS, significand: INTEGER_BIT };

export const zero = (sign: 0 | 1): Float80 => ({ sign, exponent: 0, significand: 0n });
export const infinity = (sign: 0 | 1): Float80 => ({ sign, exponent: MAX_EXPONENT, significand: INTEGER_BIT });

/**
 * 'denormal' includes pseudo-denormals. 'unsupported': pseudo-NaN, pseudo-infinity, unnormal; invalid as operands since
 * the 387.
 */
export type Float80Class = 'zero' | 'denormal' | 'normal' | 'infinity' | 'quietNan' | 'signalingNan' | 'unsupported';

export function classify({ exponent, significand }: Float80): Float80Class {
  if (exponent === 0) return significand === 0n ? 'zero' : 'denormal';
  if (significand < INTEGER_BIT) return 'unsupported';
  if (exponent !== MAX_EXPONENT) return 'normal';
  if (significand === INTEGER_BIT) return 'infinity';
  return (significand & QUIET_BIT) !== 0n ? 'quietNan' : 'signalingNan';
}

export const isNan = (kind: Float80Class): boolean => kind === 'quietNan' || kind === 'signalingNan';
/** Whether an operand of this class makes every arithmetic instruction invalid. */
export const isInvalid = (kind: Float80Class): boolean => kind === 'signalingNan' || kind === 'unsupported';
export const isDenormal = (value: Float80): boolean =>
  value.fromDenormal === true || (value.exponent === 0 && value.significand !== 0n);

/** The real number a finite, non-zero register holds. */
export const toExact = ({ sign, exponent, significand }: Float80): Exact => ({
  sign,
  significand,
  exponent: LOWEST_POWER - 1 + (exponent === 0 ? 1 : exponent),
});

export const negate = (value: Float80): Float80 => ({ ...value, sign: value.sign ? 0 : 1 });
export const quiet = ({ sign, exponent, significand }: Float80): Float80 => ({
  sign,
  exponent,
  significand: significand | QUIET_BIT,
});

/** Number of bits of a positive integer. */
export function bitLength(value: bigint): number {
  if (value >= 1n << 1000n) return value.toString(2).length;
  const guess = Math.floor(Math.log2(Number(value)));
  // The conversion to a double may round up to the next power of two, the logarithm to either side.
  for (let length = guess; ; length++) {
    if (value >> BigInt(length) === 0n) return length;
  }
}

/**
 * Result of an operation with at least one NaN among its operands. SDM Vol. 1, "Rules for Handling NaNs": a quiet NaN
 * wins over a signaling one, then the larger significand, then the positive sign.
 */
export function propagateNan(left: Float80, right: Float80): Float80 {
  const [leftKind, rightKind] = [classify(left), classify(right)];
  if (!isNan(rightKind)) return quiet(left);
  if (!isNan(leftKind)) return quiet(right);
  if (leftKind !== rightKind) return leftKind === 'quietNan' ? quiet(left) : quiet(right);
  if (left.significand !== right.significand) return left.significand > right.significand ? quiet(left) : quiet(right);
  return left.sign === 0 ? quiet(left) : quiet(right);
}
