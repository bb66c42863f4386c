/** Values at which instructions go wrong: the ends of ranges, sign boundaries, powers of two, NaNs and denormals. */
import type { Random } from './random.ts';

const WIDTHS = [8, 16, 32, 64] as const;

/** An integer of `width` bits, unsigned: an edge three times out of four. */
export function edgeInteger(random: Random, width: number): bigint {
  switch (random.below(12)) {
    case 0:
      return 0n;
    case 1:
      return 1n;
    case 2:
      return BigInt.asUintN(width, -1n);
    case 3:
      return 1n << BigInt(width - 1);
    case 4:
      return BigInt.asUintN(width, (1n << BigInt(width - 1)) - 1n);
    case 5:
      return 1n << BigInt(random.below(width));
    case 6:
      return BigInt.asUintN(width, (1n << BigInt(random.below(width))) + BigInt(random.pick([-1, 1])));
    case 7:
      // A sign boundary of a narrower width, sign-extended.
      return BigInt.asUintN(width, -(1n << BigInt(random.pick(WIDTHS) - 1)) - BigInt(random.below(2)));
    case 8:
      return BigInt.asUintN(width, BigInt(random.below(256) - 128));
    default:
      return random.bits(width);
  }
}

/** Fields of the floating-point formats: exponent width and whether the integer bit is explicit. */
const FLOAT = {
  32: { exponent: 8, fraction: 23 },
  64: { exponent: 11, fraction: 52 },
  80: { exponent: 15, fraction: 64 },
} as const;

/** A floating-point number's bits: all classes, unsupported ones of the 80-bit format included. */
export function edgeFloat(random: Random, width: 32 | 64 | 80): bigint {
  const { exponent: exponentBits, fraction: fractionBits } = FLOAT[width];
  const topExponent = (1n << BigInt(exponentBits)) - 1n;
  const bias = topExponent >> 1n;
  const sign = random.bits(1);
  const top = 1n << BigInt(fractionBits - 1);
  const integer = width === 80 ? top : 0n;
  const fraction = random.pick([
    0n,
    1n,
    top >> 1n,
    integer ? top - 1n : top,
    random.bits(fractionBits),
    random.bits(fractionBits),
  ]);
  const join = (exponent: bigint, significand: bigint) =>
    (((sign << BigInt(exponentBits)) | exponent) << BigInt(fractionBits)) | BigInt.asUintN(fractionBits, significand);
  const near = bias + BigInt(random.below(140) - 70);
  switch (random.below(16)) {
    case 0:
      return join(0n, 0n);
    case 1:
      return join(0n, BigInt.asUintN(fractionBits, fraction & ~integer) || 1n); // denormal
    case 2:
      return join(topExponent, integer); // infinity
    case 3:
      return join(topExponent, fraction | integer | (random.oneIn(2) ? top >> (integer ? 1n : 0n) : 1n)); // NaN
    case 4:
      return join(topExponent - 1n, BigInt.asUintN(fractionBits, -1n)); // largest
    case 5:
      return join(1n, integer); // smallest normal
    case 6:
      return width === 80 ? random.bits(80) : random.bits(width); // anything, unnormals included
    case 7:
      return width === 80 && random.oneIn(4) ? join(near, fraction & ~integer) : join(near, fraction | integer);
    case 8:
      return join(bias, integer); // one
    case 9: {
      // A small integer or half-integer.
      const value = BigInt(random.below(1 << 16)) + 1n;
      const length = BigInt(value.toString(2).length);
      const shift = BigInt(fractionBits) - length + (width === 80 ? 0n : 1n);
      return join(bias + length - 1n - random.bits(1), value << shift);
    }
    case 10:
      return join(BigInt.asUintN(exponentBits, random.bits(exponentBits)), fraction | integer);
    default:
      return join(near, fraction | integer);
  }
}

/** A packed BCD integer of 18 digits, now and then with digits that are none. */
export function edgeDecimal(random: Random): bigint {
  if (random.oneIn(8)) return random.bits(80);
  let value = random.bits(1) << 79n;
  const digits = random.pick([0, 1, 9, 17, 18, 18]);
  for (let digit = 0; digit < digits; digit++)
    value |= BigInt(random.oneIn(4) ? 9 : random.below(10)) << BigInt(4 * digit);
  return value;
}
