/** Comparison and classification, as wasm. SDM Vol. 1, "Comparison and Classification Instructions". */
import { EXAMINED, RELATION } from '../../../cpu/x87/compare.ts';
import { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { type DeclaredFunction, defineFunction } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { isNan, isQuiet, isUnsupported } from './nan.ts';
import {
  areOrdinary,
  denormalFlag,
  exponentOf,
  FLAGS_SHIFT,
  isNanOrUnsupported,
  isZero,
  lacksIntegerBit,
  MAX_EXPONENT,
  NUMBER,
  type NumberParts,
  signOf,
} from './number.ts';

export const COMPARE = [...NUMBER, ...NUMBER, I32] as const;
/** (left, right, 1: quiet NaNs are not invalid) → C3 C2 C0 and exceptions, all at their places in the status word. */
export type CompareFunction = DeclaredFunction<typeof COMPARE, readonly [typeof I32]>;

export function defineCompare(module: ModuleBuilder): CompareFunction {
  return defineFunction(module, 'x87 compare', COMPARE, [I32] as const, (f, ls, lh, rs, rh, unordered) => {
    const [left, right] = [[ls, lh] as const, [rs, rh] as const];
    const flags = f.variable(I32);
    const [leftSign, rightSign] = [f.local(signOf(lh).isNotZero()), f.local(signOf(rh).isNotZero())];
    f.if(areOrdinary([left, right]).isZero(), () => {
      f.if(isNanOrUnsupported(left).or(isNanOrUnsupported(right)), () => {
        const invalid = isInvalid(left).or(isInvalid(right)).or(unordered.isZero());
        f.return(invalid.or(RELATION.UNORDERED)); // EXCEPTION.IE is bit 0
      });
      f.set(flags, denormalFlag([left, right]).shr(FLAGS_SHIFT));
      f.if(isZero(left).and(isZero(right)), () => f.return(flags.or(RELATION.EQUAL)));
      // Beside a zero only the other's sign counts.
      f.if(isZero(left), () => f.set(leftSign, rightSign.xor(1)));
      f.if(isZero(right), () => f.set(rightSign, leftSign.xor(1)));
    });
    f.if(leftSign.ne(rightSign), () => f.return(flags.or(relation(leftSign))));
    const [leftExponent, rightExponent] = [f.local(placeOf(lh)), f.local(placeOf(rh))];
    f.if(leftExponent.ne(rightExponent), () =>
      f.return(flags.or(relation(leftExponent.belowU(rightExponent).xor(leftSign)))),
    );
    f.if(ls.eq(rs), () => f.return(flags.or(RELATION.EQUAL)));
    f.return(flags.or(relation(ls.belowU(rs).xor(leftSign))));
  });
}

/** Denormals have the place value of exponent 1. */
const placeOf = (head: Int32): Int32 => {
  const exponent = exponentOf(head);
  return select(exponent.isZero(), i32(1), exponent);
};
const relation = (less: Int32): Int32 => select(less, i32(RELATION.LESS), RELATION.GREATER);
const isInvalid = (number: NumberParts): Int32 => isUnsupported(number).or(isNan(number).and(isQuiet(number).xor(1)));

/** C3 C2 C0 for what a register holds that is not empty. */
export const examined = (number: NumberParts): Int32 => {
  const [significand, head] = number;
  const special = exponentOf(head).eq(MAX_EXPONENT);
  const nanOrInfinity = select(isNan(number), i32(EXAMINED.quietNan), EXAMINED.infinity);
  const withoutIntegerBit = select(
    exponentOf(head).isZero(),
    select(significand.isZero(), i32(EXAMINED.zero), EXAMINED.denormal),
    i32(EXAMINED.unsupported),
  );
  const pseudoDenormal = exponentOf(head).isZero();
  const others = select(pseudoDenormal, i32(EXAMINED.denormal), select(special, nanOrInfinity, i32(EXAMINED.normal)));
  return select(lacksIntegerBit(significand), withoutIntegerBit, others);
};
