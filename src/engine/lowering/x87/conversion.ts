/** Between register format and the formats of memory, and rounding to integers, as wasm. SDM Vol. 1, "x87 FPU Data Types". */
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Int32, type Int64, i32, i64, type Local, select } from '../../../wasm/expression.ts';
import { type DeclaredFunction, defineFunction, type FunctionWriter } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { UNARY, type UnaryFunction } from './arithmetic.ts';
import { returnNan } from './nan.ts';
import {
  areOrdinary,
  BIAS,
  C1,
  denormalFlag,
  EXCEPTION,
  exponentOf,
  INTEGER_BIT,
  inHead,
  isInfinite,
  isZero,
  MAX_EXPONENT,
  NUMBER,
  normalize,
  SIGN,
  signOf,
} from './number.ts';
import { type RoundFunction, roundingControl, roundsUp } from './rounding.ts';

/** Formats of memory: bits of the fraction, and of the exponent. */
export const FORMAT = { 32: { fraction: 23, exponent: 8 }, 64: { fraction: 52, exponent: 11 } } as const;
export type FormatWidth = keyof typeof FORMAT;

export const FROM_MEMORY = [I64] as const;
/** (bits) → number; a denormal is reported, a signaling NaN stays one. */
export type FromMemory = DeclaredFunction<typeof FROM_MEMORY, typeof NUMBER>;
/** (number, control word) → number with the format's exponent, rounded. */
export type ToFormat = UnaryFunction;
/** (number, control word) → magnitude, head with the sign; not for NaNs, infinities and unsupported. */
export type ToMagnitude = UnaryFunction;

export function defineFromFloat(module: ModuleBuilder, width: FormatWidth): FromMemory {
  const { fraction, exponent: exponentBits } = FORMAT[width];
  const largest = 2 ** exponentBits - 1;
  const bias = largest >> 1;
  return defineFunction(module, `x87 fromFloat${width}`, FROM_MEMORY, NUMBER, (f, bits) => {
    const biased = f.local(bits.shr(fraction).narrow().and(largest));
    const sign = f.local(
      bits
        .shr(width - 16)
        .narrow()
        .and(SIGN),
    );
    const significand = f.local(bits.shl(63 - fraction).and(INTEGER_BIT - 1n));
    f.if(biased.sub(1).belowU(largest - 1), () =>
      f.return(significand.or(INTEGER_BIT), sign.or(biased.add(BIAS - bias))),
    );
    f.if(biased.isNotZero(), () => f.return(significand.or(INTEGER_BIT), sign.or(MAX_EXPONENT)));
    f.if(significand.isZero(), () => f.return(0, sign));
    const exponent = f.local(i32(1 + BIAS - bias));
    normalize(f, significand, exponent);
    f.return(significand, sign.or(exponent).or(inHead(EXCEPTION.DE)));
  });
}

/** The number that bits of a format stand for; a normal one in place, others by the function. */
export function readFloat(f: FunctionWriter, fromFloat: FromMemory, width: FormatWidth, value: Int64) {
  const { fraction, exponent: exponentBits } = FORMAT[width];
  const largest = 2 ** exponentBits - 1;
  const bits = f.local(value);
  const biased = f.local(bits.shr(fraction).narrow().and(largest));
  const [significand, head] = [f.variable(I64), f.variable(I32)];
  f.if(
    biased.sub(1).belowU(largest - 1),
    () => {
      f.set(significand, bits.shl(63 - fraction).or(INTEGER_BIT));
      f.set(
        head,
        bits
          .shr(width - 16)
          .narrow()
          .and(SIGN)
          .or(biased.add(BIAS - (largest >> 1))),
      );
    },
    () => {
      const number = f.call(fromFloat, bits);
      f.set(significand, number[0]);
      f.set(head, number[1]);
    },
  );
  return [significand, head] as const;
}

export function defineToFloat(
  module: ModuleBuilder,
  { round }: { round: RoundFunction },
  width: FormatWidth,
): ToFormat {
  const { fraction, exponent: exponentBits } = FORMAT[width];
  const largest = 2 ** exponentBits - 1;
  const bias = largest >> 1;
  return defineFunction(module, `x87 toFloat${width}`, UNARY, NUMBER, (f, significand, head, control) => {
    const exponent = f.local(exponentOf(head));
    const number = [significand, head] as const;
    f.if(areOrdinary([number]).isZero(), () => {
      returnNan(f, number);
      f.if(isZero(number).or(isInfinite(number)), () => f.return(significand, head));
      normalize(f, significand, exponent);
    });
    const rebased = exponent.sub(BIAS - bias);
    const usual = roundingControl(control)
      .isZero()
      .and(rebased.sub(1).belowU(largest - 2));
    f.if(usual, () => {
      const unit = 1n << BigInt(63 - fraction);
      const rest = f.local(significand.and(unit - 1n));
      const up = f.local(rest.aboveU(unit >> 1n).or(rest.eq(unit >> 1n).and(significand.and(unit).isNotZero())));
      const kept = f.local(significand.and(-unit).add(select(up, i64(unit), 0)));
      const carried = f.local(kept.isZero());
      const flags = select(rest.isZero(), i32(0), inHead(EXCEPTION.PE)).or(select(up, i32(inHead(C1)), 0));
      const result = select(carried, i64(INTEGER_BIT), kept);
      f.return(result, signOf(head).or(rebased.add(carried)).or(flags));
    });
    f.returnCall(round, signOf(head), rebased, significand, 0, control, 63 - fraction, largest);
  });
}

/** What `toFloat` made, as bits of the format. */
export function encodeFloat(width: FormatWidth, significand: Int64, head: Int32): Int64 {
  const { fraction, exponent } = FORMAT[width];
  const sign = signOf(head)
    .widen()
    .shl(width - 16);
  const biased = head
    .and(2 ** exponent - 1)
    .widen()
    .shl(fraction);
  return sign.or(biased).or(significand.shl(1).shr(64 - fraction));
}

export function defineFromInteger(module: ModuleBuilder): FromMemory {
  return defineFunction(module, 'x87 fromInteger', FROM_MEMORY, NUMBER, (f, integer) => {
    f.if(integer.isZero(), () => f.return(0, 0));
    const negative = f.local(integer.belowS(0));
    f.set(integer, select(negative, i64(0).sub(integer), integer));
    const shift = f.local(integer.leadingZeros());
    f.return(integer.shl(shift), select(negative, i32(SIGN), 0).or(i32(BIAS + 63).sub(shift.narrow())));
  });
}

/** Beyond every integer format; the magnitude is then all ones. */
const TOO_LARGE = -1n;

export function defineToMagnitude(module: ModuleBuilder): ToMagnitude {
  return defineFunction(module, 'x87 toMagnitude', UNARY, NUMBER, (f, significand, head, control) => {
    f.if(significand.isZero(), () => f.return(0, signOf(head)));
    // How many bits lie behind the binary point; for denormals (far too many) one more or less does not matter.
    const drop = f.local(i32(BIAS + 63).sub(exponentOf(head)));
    f.if(drop.belowS(0), () => f.return(TOO_LARGE, signOf(head)));
    f.if(drop.isZero(), () => f.return(significand, signOf(head)));
    const cut = integerPart(f, significand, drop);
    const up = f.local(roundsUp(signOf(head), cut.kept.narrow().and(1), cut.rest, control));
    const flags = select(cut.rest.isNotZero(), i32(inHead(EXCEPTION.PE)), 0).or(select(up, i32(inHead(C1)), 0));
    f.return(cut.kept.add(up.widen()), signOf(head).or(flags));
  });
}

/** A significand without its `drop` > 0 last bits, and these as a fraction (as far as rounding needs to know it). */
function integerPart(
  f: FunctionWriter,
  significand: Int64,
  drop: Int32,
): { kept: Local<typeof I64>; rest: Local<typeof I64> } {
  const by = f.local(drop.widen());
  const below64 = f.local(drop.belowU(64));
  return {
    kept: f.local(select(below64, significand.shr(by), 0)),
    rest: f.local(select(below64, significand.shl(i64(64).sub(by)), select(drop.eq(64), significand, i64(1)))),
  };
}

export function defineRoundToInteger(
  module: ModuleBuilder,
  { toMagnitude }: { toMagnitude: ToMagnitude },
): UnaryFunction {
  return defineFunction(module, 'x87 roundToInteger', UNARY, NUMBER, (f, significand, head, control) => {
    const number = [significand, head] as const;
    returnNan(f, number);
    // Infinities have the largest exponent of all.
    f.if(isZero(number).or(exponentOf(head).aboveU(BIAS + 62)), () => f.return(significand, head));
    const denormal = f.local(denormalFlag([number]));
    const [magnitude, rounded] = f.call(toMagnitude, significand, head, control);
    f.set(rounded, rounded.or(denormal));
    f.if(magnitude.isZero(), () => f.return(0, rounded));
    const shift = f.local(magnitude.leadingZeros());
    f.return(magnitude.shl(shift), rounded.or(i32(BIAS + 63).sub(shift.narrow())));
  });
}

/** Whether a magnitude with this sign is within two's complement of `width` bits. */
export const fitsInteger = (magnitude: Int64, sign: Int32, width: Int32): Int32 => {
  const limit = i64(1).shl(width.sub(1).widen());
  // The most negative number has no positive counterpart.
  return magnitude.belowU(limit).or(magnitude.eq(limit).and(sign.isNotZero()));
};
