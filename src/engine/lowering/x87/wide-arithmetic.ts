/** Products, quotients and roots of 128 bits from 64-bit operations. */
import type { I64 } from '../../../wasm/code-writer.ts';
import { type Int64, i64, type Local, select } from '../../../wasm/expression.ts';
import type { FunctionWriter } from '../../../wasm/function-writer.ts';

const LOW_HALF = 0xffff_ffffn;

/** The 128 bits of a product, schoolbook on 32-bit halves. */
export function multiplyWide(f: FunctionWriter, left: Int64, right: Int64) {
  const [a, b] = [f.local(left.shr(32)), f.local(left.and(LOW_HALF))];
  const [c, d] = [f.local(right.shr(32)), f.local(right.and(LOW_HALF))];
  const bd = f.local(b.mul(d));
  const first = f.local(a.mul(d).add(bd.shr(32)));
  const second = f.local(b.mul(c).add(first.and(LOW_HALF)));
  const high = f.local(a.mul(c).add(first.shr(32)).add(second.shr(32)));
  const low = f.local(second.shl(32).or(bd.and(LOW_HALF)));
  return { high, low };
}

/**
 * Quotient and remainder of (high, low) by a divisor with bit 63 set, high < divisor: long division in two digits of 32
 * bits. Knuth, "The Art of Computer Programming", Vol. 2, 4.3.1.
 */
export function divideWide(f: FunctionWriter, high: Int64, low: Int64, divisor: Local<typeof I64>) {
  const top = f.local(divisor.shr(32));
  const bottom = f.local(divisor.and(LOW_HALF));
  const rest = f.local(high);
  const digits = [low.shr(32), low.and(LOW_HALF)].map((next) => divideDigit(f, { rest, next, divisor, top, bottom }));
  return { quotient: f.local(digits[0].shl(32).or(digits[1])), remainder: rest };
}

/** One digit of the quotient of rest × 2^32 + next; `rest` becomes the remainder. */
function divideDigit(
  f: FunctionWriter,
  parts: { rest: Local<typeof I64>; next: Int64; divisor: Int64; top: Int64; bottom: Int64 },
): Local<typeof I64> {
  const { rest, next, divisor, top, bottom } = parts;
  // The estimate from the divisor's upper half is at most 2 too large.
  const digit = f.local(rest.divU(top));
  const estimated = f.local(rest.sub(digit.mul(top)));
  const tooLarge = () => digit.aboveU(LOW_HALF).or(digit.mul(bottom).aboveU(estimated.shl(32).or(next)));
  const correct = (by: Int64) => {
    f.set(digit, digit.sub(by));
    f.set(estimated, estimated.add(top.mul(by)));
  };
  const once = f.local(tooLarge());
  correct(once.widen());
  // The second time is rare. Beyond 32 bits the estimated remainder is larger than any product.
  f.if(once.and(estimated.shr(32).isZero()).and(tooLarge()), () => correct(i64(1)));
  // Modulo 2^64, which the remainder is below.
  f.set(rest, rest.shl(32).or(next).sub(digit.mul(divisor)));
  return digit;
}

/**
 * Largest integer whose square is at most (high, low), one of the two top bits of which is set. Karatsuba square root:
 * the upper half from double precision, the lower half by one division (Zimmermann, INRIA RR-3805).
 */
export function squareRootWide(f: FunctionWriter, high: Int64, low: Int64) {
  // In double precision the root of the upper half is 1 too large or too small at most.
  const upper = f.local(high.nearSquareRoot());
  const rest = f.local(high.sub(upper.mul(upper)));
  const tooLarge = f.local(rest.belowS(0).widen());
  f.set(upper, upper.sub(tooLarge));
  f.set(rest, rest.add(upper.shl(1).or(1).mul(tooLarge)));
  const tooSmall = f.local(rest.aboveU(upper.shl(1)).widen());
  f.set(rest, rest.sub(upper.shl(1).or(1).mul(tooSmall)));
  f.set(upper, upper.add(tooSmall));
  // rest ≤ 2 upper has 33 bits: half of (rest, next 32 bits) by upper, in place of the whole by 2 upper.
  const dividend = f.local(rest.shl(31).or(low.shr(33)));
  const digit = f.local(dividend.divU(upper));
  f.set(digit, select(digit.aboveU(LOW_HALF), i64(LOW_HALF), digit));
  const twice = f.local(dividend.sub(digit.mul(upper)).shl(1).or(low.shr(32).and(1)));
  const root = f.local(upper.shl(32).or(digit));
  // What is left: (twice, lower 32 bits) less the digit's square. It may be negative, then the root is 1 too large.
  const square = f.local(digit.mul(digit));
  const restLow = f.local(twice.shl(32).or(low.and(LOW_HALF)));
  const restHigh = f.local(twice.shr(32).sub(restLow.belowU(square).widen()));
  f.set(restLow, restLow.sub(square));
  f.if(restHigh.belowS(0), () => {
    f.set(root, root.sub(1));
    const step = f.local(root.shl(1).or(1));
    f.set(restLow, restLow.add(step));
    f.set(restHigh, restHigh.add(root.shr(63)).add(restLow.belowU(step).widen()));
  });
  return { root, restHigh, restLow };
}
