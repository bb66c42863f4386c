/**
 * Rounding, as wasm. What is rounded is a magnitude of 128 bits, `high` and `low`, whose lowest bit is 1 also if anything
 * non-zero was cut off below it. SDM Vol. 1, "Rounding", "Numeric Overflow Exception", "Numeric Underflow Exception".
 */
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Int32, type Int64, i32, i64, type Local, select } from '../../../wasm/expression.ts';
import { type DeclaredFunction, defineFunction, type FunctionWriter } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import {
  C1,
  EXCEPTION,
  FLAGS_SHIFT,
  INTEGER_BIT,
  inHead,
  lacksIntegerBit,
  MAX_EXPONENT,
  NUMBER,
  type NumberParts,
  type NumberWriter,
} from './number.ts';

/** Rounding control, bits 10 and 11 of the control word. */
export const ROUNDING = { NEAREST: 0, DOWN: 1, UP: 2, ZERO: 3 } as const;
export const roundingControl = (control: Int32): Int32 => control.shr(10).and(3);

/** Bits of a 64-bit significand beyond those that precision control keeps. */
export const dropOf = (control: Int32): Int32 => {
  const precision = control.shr(8).and(3);
  return select(precision.isZero(), i32(40), select(precision.eq(2), i32(11), 0));
};

/** (sign, biased exponent, high with bit 63 set, low, control word, bits to drop, first exponent too large) → number */
export const ROUND_PARAMETERS = [I32, I32, I64, I64, I32, I32, I32] as const;
export type RoundFunction = DeclaredFunction<typeof ROUND_PARAMETERS, typeof NUMBER>;

/**
 * Whether a magnitude is rounded away from zero.
 * @param odd whether the last bit kept is 1
 * @param rest what is cut off, as a fraction of that bit: 2^63 is half of it
 */
export const roundsUp = (sign: Int32, odd: Int32, rest: Int64, control: Int32): Int32 => {
  const half = 1n << 63n;
  const toNearest = rest.aboveU(half).or(rest.eq(half).and(odd));
  const away = roundingControl(control).eq(select(sign.isZero(), i32(ROUNDING.UP), ROUNDING.DOWN));
  return select(roundingControl(control).isZero(), toNearest, away.and(rest.isNotZero()));
};

/** Shifts `high` and `low` right by `count` > 0. */
export function shiftRightSticky(
  f: FunctionWriter,
  high: Local<typeof I64>,
  low: Local<typeof I64>,
  count: Int32,
): void {
  const by = f.local(count.widen());
  f.if(
    by.belowU(64),
    () => {
      const lost = low.shl(i64(0).sub(by)).isNotZero().widen();
      f.set(
        low,
        low
          .shr(by)
          .or(high.shl(i64(0).sub(by)))
          .or(lost),
      );
      f.set(high, high.shr(by));
    },
    () => {
      // From 64 on only the sticky bit and what is left of `high` remain, in `low`.
      const lost = high.shl(1).shl(i64(63).sub(by)).or(low).isNotZero().widen();
      f.set(low, select(by.belowU(128), high.shr(by).or(lost), high.or(low).isNotZero().widen()));
      f.set(high, 0);
    },
  );
}

/** Cuts `drop` bits from `high`, and all of `low`; sets what is kept, and returns whether it is inexact and rounded up. */
function cut(f: FunctionWriter, number: { sign: Int32; high: Int64; low: Int64; control: Int32; drop: Int32 }) {
  const { sign, high, low, control, drop } = number;
  const unit = f.local(i64(1).shl(drop.widen()));
  // Bits of `high` that are cut move to the top, and what was below them is one sticky bit.
  const cutHigh = high.shl(i64(0).sub(drop.widen())).or(low.isNotZero().widen());
  const rest = f.local(select(drop.isZero(), low, cutHigh));
  const kept = f.local(high.and(i64(0).sub(unit)));
  const up = f.local(roundsUp(sign, kept.and(unit).isNotZero(), rest, control));
  f.set(kept, kept.add(select(up, unit, 0n)));
  return { kept, inexact: rest.isNotZero(), up, unit };
}

const flagIf = (condition: Int32, flags: number): Int32 => select(condition, i32(inHead(flags)), 0);
const roundedFlags = (inexact: Int32, up: Int32, flags: number): Int32 => flagIf(inexact, flags).or(flagIf(up, C1));

/**
 * The function that rounds to a format whose exponents are biased by half of `limit`. Exceptions are reported in the
 * head; what it answers where overflow or underflow is unmasked has no meaning.
 */
export function defineRound(module: ModuleBuilder): RoundFunction {
  return defineFunction(
    module,
    'x87 round',
    ROUND_PARAMETERS,
    NUMBER,
    (f, sign, exponent, high, low, control, drop, limit) => {
      const { kept, inexact, up, unit } = cut(f, { sign, high, low, control, drop });
      // Rounding up may carry into one bit more; all others are zero then.
      const carried = f.local(kept.isZero());
      const rounded = f.local(exponent.add(carried));
      f.if(rounded.sub(1).belowU(limit.sub(1)), () => {
        const head = sign.or(rounded).or(roundedFlags(inexact, up, EXCEPTION.PE));
        f.return(select(carried, i64(INTEGER_BIT), kept), head);
      });
      f.if(rounded.aboveS(0), () => overflow(f, { sign, control, limit, unit }));

      // Tiny (found after rounding): from the exact number, rounded at the place of the smallest normal number's last bit.
      shiftRightSticky(f, high, low, i32(1).sub(exponent));
      const denormal = cut(f, { sign, high, low, control, drop });
      const flags = f.local(roundedFlags(denormal.inexact, denormal.up, EXCEPTION.UE | EXCEPTION.PE));
      // Unmasked, underflow is reported even if nothing is lost.
      f.set(flags, flags.or(control.xor(-1).and(EXCEPTION.UE).shl(FLAGS_SHIFT)));
      f.return(denormal.kept, sign.or(lacksIntegerBit(denormal.kept).xor(1)).or(flags));
    },
  );
}

/** Infinity, or the largest finite number of the precision. */
function overflow(f: NumberWriter, number: { sign: Int32; control: Int32; limit: Int32; unit: Int64 }): void {
  const { sign, control, limit, unit } = number;
  const mode = f.local(roundingControl(control));
  const toInfinity = f.local(mode.isZero().or(mode.eq(select(sign.isZero(), i32(ROUNDING.UP), ROUNDING.DOWN))));
  const flags = i32(inHead(EXCEPTION.OE | EXCEPTION.PE)).or(flagIf(toInfinity, C1));
  f.return(select(toInfinity, i64(INTEGER_BIT), i64(0).sub(unit)), sign.or(limit.sub(toInfinity.xor(1))).or(flags));
}

/** Control words that round to nearest and to 64 bits. */
const USUAL = { MASK: 0xf00, VALUE: 0x300 };

/** Whether numbers are rounded to nearest, to 64 bits. */
export const roundsAsUsual = (control: Int32): Int32 => control.and(USUAL.MASK).eq(USUAL.VALUE);
/** Whether neither rounding up nor what is cut off can bring overflow or underflow about. */
export const isWithinRange = (exponent: Int32): Int32 => exponent.sub(1).belowU(MAX_EXPONENT - 2);

/** A number rounded to nearest, to 64 bits, within range. */
export function roundUsually(
  f: FunctionWriter,
  number: {
    readonly sign: Int32;
    readonly exponent: Local<typeof I32>;
    readonly high: Local<typeof I64>;
    readonly low: Local<typeof I64>;
  },
): NumberParts {
  const { sign, exponent, high, low } = number;
  const half = 1n << 63n;
  const up = f.local(low.aboveU(half).or(low.eq(half).and(high.narrow())).and(1));
  f.if(low.isNotZero(), () => {
    f.set(high, high.add(up.widen()));
    f.if(high.isZero(), () => {
      f.set(high, INTEGER_BIT);
      f.set(exponent, exponent.add(1));
    });
  });
  return [high, sign.or(exponent).or(roundedFlags(low.isNotZero(), up, EXCEPTION.PE))];
}

/** Returns a number rounded as the control word says; the usual case in place. */
export function returnRounded(
  f: NumberWriter,
  round: RoundFunction,
  number: {
    readonly sign: Int32;
    readonly exponent: Local<typeof I32>;
    readonly high: Local<typeof I64>;
    readonly low: Local<typeof I64>;
    readonly control: Int32;
  },
): void {
  const { sign, exponent, high, low, control } = number;
  f.if(roundsAsUsual(control).and(isWithinRange(exponent)), () => f.return(...roundUsually(f, number)));
  f.returnCall(round, sign, exponent, high, low, control, dropOf(control), MAX_EXPONENT);
}
