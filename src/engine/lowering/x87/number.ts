/**
 * How x87 numbers go from function to function: a significand (i64) and a head (i32). The head's low half is sign and
 * exponent as a register holds them; in the upper half are the exceptions that making the number raised, and C1.
 */
import { EXCEPTION, STATUS } from '../../../cpu/x87/control.ts';
import { BIAS, INTEGER_BIT, MAX_EXPONENT, QUIET_BIT } from '../../../cpu/x87/float80.ts';
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Int32, type Int64, i32, type Local, select } from '../../../wasm/expression.ts';
import type { FunctionWriter } from '../../../wasm/function-writer.ts';

export { BIAS, EXCEPTION, INTEGER_BIT, MAX_EXPONENT, QUIET_BIT, STATUS };

/** Parameters and results that are one number. */
export const NUMBER = [I64, I32] as const;
export type NumberWriter = FunctionWriter<typeof NUMBER>;
export type NumberParts = readonly [significand: Int64, head: Int32];

export const SIGN = 0x8000;
/** Where a head keeps exceptions (`EXCEPTION`) and C1 (`STATUS.C1`). */
export const FLAGS_SHIFT = 16;
export const C1 = STATUS.C1;
export const inHead = (flags: number): number => flags << FLAGS_SHIFT;

/** Real indefinite, and the exception that yields it. */
export const INVALID_HEAD = SIGN | MAX_EXPONENT | inHead(EXCEPTION.IE);
export const INDEFINITE = INTEGER_BIT | QUIET_BIT;

export const exponentOf = (head: Int32): Int32 => head.and(MAX_EXPONENT);
export const signOf = (head: Int32): Int32 => head.and(SIGN);

/** Whether the integer bit is 0. */
export const lacksIntegerBit = (significand: Int64): Int32 => significand.shr(63).isZero();

/** Normal numbers whose making raised nothing: all that most instructions ever meet. */
export const areOrdinary = (numbers: readonly NumberParts[]): Int32 =>
  numbers
    .map(([significand, head]) =>
      significand
        .shr(63)
        .narrow()
        .and(
          head
            .sub(1)
            .and(~SIGN)
            .belowU(MAX_EXPONENT - 1),
        ),
    )
    .reduce((all, one) => all.and(one));

/** Not zero, finite or infinite: NaNs and what CPUs since the 387 do not support. */
export const isNanOrUnsupported = ([significand, head]: NumberParts): Int32 => {
  const exponent = exponentOf(head);
  const unsupported = exponent.isNotZero().and(lacksIntegerBit(significand));
  return unsupported.or(exponent.eq(MAX_EXPONENT).and(significand.ne(INTEGER_BIT)));
};
/** Given that it is not a NaN or unsupported. */
export const isInfinite = ([, head]: NumberParts): Int32 => exponentOf(head).eq(MAX_EXPONENT);
export const isZero = ([significand]: NumberParts): Int32 => significand.isZero();
/** Denormal or pseudo-denormal as a register holds it. */
export const isDenormal = ([significand, head]: NumberParts): Int32 =>
  exponentOf(head).isZero().and(significand.isNotZero());

/** EXCEPTION.DE at its place in a head if a denormal is among the numbers, those that memory held included. */
export const denormalFlag = (numbers: readonly NumberParts[]): Int32 =>
  numbers
    .map((number) => isDenormal(number).shl(DENORMAL_SHIFT).or(number[1]))
    .reduce((all, one) => all.or(one))
    .and(inHead(EXCEPTION.DE));

const DENORMAL_SHIFT = FLAGS_SHIFT + Math.log2(EXCEPTION.DE);

/**
 * Brings the top bit of a finite, non-zero number's significand to bit 63. The exponent becomes that of a register with
 * unbounded exponents: biased, 0 or negative for denormals.
 */
export function normalize(f: FunctionWriter, significand: Local<typeof I64>, exponent: Local<typeof I32>): void {
  const shift = f.local(significand.leadingZeros());
  f.set(exponent, select(exponent.isZero(), i32(1), exponent).sub(shift.narrow()));
  f.set(significand, significand.shl(shift));
}
