/** Scaling, remainders, taking numbers apart, as wasm. SDM Vol. 1, "Basic Arithmetic Instructions". */
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Int32, type Int64, i32, i64, type Local, select } from '../../../wasm/expression.ts';
import { type DeclaredFunction, defineFunction, type FunctionWriter } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { BINARY } from './arithmetic.ts';
import { isNan, isQuiet, isUnsupported, type NanFunction } from './nan.ts';
import {
  areOrdinary,
  BIAS,
  denormalFlag,
  EXCEPTION,
  exponentOf,
  INDEFINITE,
  INTEGER_BIT,
  INVALID_HEAD,
  inHead,
  isInfinite,
  isNanOrUnsupported,
  isZero,
  MAX_EXPONENT,
  NUMBER,
  normalize,
  QUIET_BIT,
  SIGN,
  STATUS,
  signOf,
} from './number.ts';
import type { RoundFunction } from './rounding.ts';
import { divideWide } from './wide-arithmetic.ts';

interface Below {
  readonly round: RoundFunction;
  readonly nanOfTwo: NanFunction;
}

/** (number, scale, control word) → number × 2^(scale rounded toward zero) */
export type ScaleFunction = DeclaredFunction<typeof BINARY, typeof NUMBER>;

/** Every scaling by more over- or underflows, whatever number is scaled. */
const LARGEST_SCALE = 0x1_0000;

export function defineScale(module: ModuleBuilder, { round, nanOfTwo }: Below): ScaleFunction {
  return defineFunction(module, 'x87 scale', BINARY, NUMBER, (f, ls, lh, rs, rh, control) => {
    const [number, by] = [[ls, lh] as const, [rs, rh] as const];
    const exponent = f.local(exponentOf(lh));
    const denormal = f.variable(I32);
    f.if(areOrdinary([number, by]).isZero(), () => {
      f.if(isNanOrUnsupported(number).or(isNanOrUnsupported(by)), () => f.returnCall(nanOfTwo, ...number, ...by));
      const shrinks = f.local(signOf(rh).isNotZero());
      f.if(isInfinite(by).and(select(shrinks, isInfinite(number), isZero(number))), () =>
        f.return(INDEFINITE, INVALID_HEAD),
      );
      f.set(denormal, denormalFlag([number, by]));
      f.if(isZero(number).or(isInfinite(number)), () => f.return(ls, lh.or(denormal)));
      f.if(isInfinite(by), () => {
        f.if(shrinks, () => f.return(0, signOf(lh).or(denormal)));
        f.return(INTEGER_BIT, signOf(lh).or(MAX_EXPONENT).or(denormal));
      });
      normalize(f, ls, exponent);
    });
    const place = f.local(exponentOf(rh).sub(BIAS));
    const magnitude = f.local(rs.shr(i32(63).sub(place).widen()).narrow());
    f.if(place.aboveS(15), () => f.set(magnitude, LARGEST_SCALE));
    f.if(place.belowS(0), () => f.set(magnitude, 0));
    const distance = select(signOf(rh).isZero(), magnitude, i32(0).sub(magnitude));
    const scaled = exponent.add(distance);
    const [significand, head] = f.call(round, signOf(lh), scaled, ls, 0, control, 0, MAX_EXPONENT);
    f.return(significand, head.or(denormal));
  });
}

const REMAINDER = [...BINARY, I32] as const;
const REMAINDER_RESULTS = [...NUMBER, I32] as const;
/**
 * (dividend, divisor, control word, 1: quotient rounded to nearest) → remainder, C0 to C3 at their places; `NO_CODES` if
 * there is no quotient.
 */
export type RemainderFunction = DeclaredFunction<typeof REMAINDER, typeof REMAINDER_RESULTS>;
export const REMAINDER_TYPE = { parameters: REMAINDER, results: REMAINDER_RESULTS } as const;
export const NO_CODES = -1;

/** Reductions go at most so far in one step: exponents nearer than this are finished at once. */
const COMPLETE_BELOW = 64;

export function defineRemainder(module: ModuleBuilder, { round, nanOfTwo }: Below): RemainderFunction {
  return defineFunction(module, 'x87 remainder', REMAINDER, REMAINDER_RESULTS, (f, ls, lh, rs, rh, control, ieee) => {
    const [dividend, divisor] = [[ls, lh] as const, [rs, rh] as const];
    const [exponent, divisorExponent] = [f.local(exponentOf(lh)), f.local(exponentOf(rh))];
    const [sign, denormal] = [f.local(signOf(lh)), f.variable(I32)];
    const finish = (codes: Int32) => {
      const [significand, head] = f.call(round, sign, exponent, ls, 0, control, 0, MAX_EXPONENT);
      f.return(significand, head.or(denormal), codes);
    };
    f.if(areOrdinary([dividend, divisor]).isZero(), () => {
      f.if(isNanOrUnsupported(dividend).or(isNanOrUnsupported(divisor)), () => {
        const [significand, head] = f.call(nanOfTwo, ...dividend, ...divisor);
        f.return(significand, head, NO_CODES);
      });
      f.if(isInfinite(dividend).or(isZero(divisor)), () => f.return(INDEFINITE, INVALID_HEAD, NO_CODES));
      f.set(denormal, denormalFlag([dividend, divisor]));
      f.if(isZero(dividend), () => f.return(0, sign.or(denormal), 0));
      normalize(f, ls, exponent);
      f.if(isInfinite(divisor), () => finish(i32(0)));
      normalize(f, rs, divisorExponent);
    });
    const distance = f.local(exponent.sub(divisorExponent));
    const [quotient, codes] = [f.variable(I64), f.variable(I32)];
    f.if(distance.belowS(0).isZero(), () => {
      // How far one step goes is up to the CPU, between 32 and 63 bits.
      const complete = f.local(distance.belowU(COMPLETE_BELOW));
      const by = f.local(select(complete, distance, distance.and(31).or(32)).widen());
      const divided = divideWide(f, ls.shr(1).shr(i64(63).sub(by)), ls.shl(by), rs);
      f.set(ls, divided.remainder);
      f.set(exponent, exponent.sub(by.narrow()));
      f.set(quotient, divided.quotient);
      f.if(complete.isZero(), () => f.set(codes, STATUS.C2));
    });
    f.if(codes.isZero(), () => {
      f.if(ieee, () => roundQuotient(f, { rest: ls, exponent, divisor: rs, distance, quotient, sign }));
      f.set(codes, quotientCodes(quotient.narrow()));
    });
    f.if(ls.isZero(), () => f.return(0, signOf(lh).or(denormal), codes));
    const shift = f.local(ls.leadingZeros());
    f.set(ls, ls.shl(shift));
    f.set(exponent, exponent.sub(shift.narrow()));
    finish(codes);
  });
}

/** To nearest, to even: the remainder may change its sign. */
function roundQuotient(
  f: FunctionWriter,
  step: {
    readonly rest: Local<typeof I64>;
    readonly exponent: Local<typeof I32>;
    readonly divisor: Int64;
    readonly distance: Int32;
    readonly quotient: Local<typeof I64>;
    readonly sign: Local<typeof I32>;
  },
): void {
  const { rest, divisor, distance, quotient, sign } = step;
  // A dividend below the divisor keeps its own scale, on which the divisor is twice as large; farther below it is no half.
  const below = distance.belowS(0);
  const toNext = f.local(select(below, divisor.shl(1), divisor).sub(rest));
  const odd = quotient.narrow().and(1);
  const aboveHalf = rest.aboveU(toNext).or(rest.eq(toNext).and(odd));
  f.if(select(below, distance.eq(-1).and(rest.aboveU(divisor)), aboveHalf), () => {
    f.set(rest, toNext);
    f.set(quotient, quotient.add(1));
    f.set(sign, sign.xor(SIGN));
  });
}

const quotientCodes = (quotient: Int32): Int32 =>
  [
    [4, STATUS.C0],
    [2, STATUS.C3],
    [1, STATUS.C1],
  ]
    .map(([bit, code]) => select(quotient.and(bit), i32(code), 0))
    .reduce((all, one) => all.or(one));

const EXTRACTED = [I64, I32, I64, I32] as const;
export const EXTRACT_TYPE = { parameters: NUMBER, results: EXTRACTED } as const;
/** (number) → its exponent as a number, its significand; exceptions are in the second head. */
export type ExtractFunction = DeclaredFunction<typeof NUMBER, typeof EXTRACTED>;

export function defineExtract(module: ModuleBuilder): ExtractFunction {
  return defineFunction(module, 'x87 extract', NUMBER, EXTRACTED, (f, significand, head) => {
    const number = [significand, head] as const;
    const exponent = f.local(exponentOf(head));
    const denormal = f.variable(I32);
    f.if(areOrdinary([number]).isZero(), () => {
      f.if(isUnsupported(number), () => f.return(INDEFINITE, INVALID_HEAD, INDEFINITE, INVALID_HEAD));
      f.if(isNan(number), () => {
        const invalid = select(isQuiet(number), i32(0), inHead(EXCEPTION.IE));
        f.return(significand.or(QUIET_BIT), head, significand.or(QUIET_BIT), head.or(invalid));
      });
      f.if(isInfinite(number), () => f.return(INTEGER_BIT, MAX_EXPONENT, significand, head));
      f.if(isZero(number), () =>
        f.return(INTEGER_BIT, SIGN | MAX_EXPONENT, significand, head.or(inHead(EXCEPTION.ZE))),
      );
      f.set(denormal, denormalFlag([number]));
      normalize(f, significand, exponent);
    });
    const place = f.local(exponent.sub(BIAS));
    const negative = f.local(place.belowS(0));
    const magnitude = f.local(select(negative, i32(0).sub(place), place).widen());
    const shift = f.local(magnitude.leadingZeros());
    const placeHead = select(negative, i32(SIGN), 0).or(i32(BIAS + 63).sub(shift.narrow()));
    f.return(
      magnitude.shl(shift),
      select(magnitude.isZero(), i32(0), placeHead),
      significand,
      signOf(head).or(BIAS).or(denormal),
    );
  });
}
