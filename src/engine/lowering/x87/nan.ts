/** Operands that are NaNs or unsupported, and what they answer. SDM Vol. 1, "Rules for Handling NaNs". */
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { type DeclaredFunction, defineFunction } from '../../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../../wasm/module-builder.ts';
import {
  EXCEPTION,
  exponentOf,
  INDEFINITE,
  INTEGER_BIT,
  INVALID_HEAD,
  inHead,
  isNanOrUnsupported,
  lacksIntegerBit,
  MAX_EXPONENT,
  NUMBER,
  type NumberParts,
  type NumberWriter,
  QUIET_BIT,
  signOf,
} from './number.ts';

/** Pseudo-NaN, pseudo-infinity, unnormal. */
export const isUnsupported = ([significand, head]: NumberParts): Int32 =>
  exponentOf(head).isNotZero().and(lacksIntegerBit(significand));

/** Given that it is not unsupported. */
export const isNan = ([significand, head]: NumberParts): Int32 =>
  exponentOf(head).eq(MAX_EXPONENT).and(significand.ne(INTEGER_BIT));
/** Given that it is a NaN. */
export const isQuiet = ([significand]: NumberParts): Int32 => significand.and(QUIET_BIT).isNotZero();

/** Returns if the one operand is a NaN or unsupported. */
export function returnNan(f: NumberWriter, number: NumberParts): void {
  const [significand, head] = number;
  f.if(isNanOrUnsupported(number), () => {
    f.if(isUnsupported(number), () => f.return(INDEFINITE, INVALID_HEAD));
    f.return(significand.or(QUIET_BIT), quietHead(head).or(invalidIf(isQuiet(number).xor(1))));
  });
}

const quietHead = (head: Int32): Int32 => signOf(head).or(MAX_EXPONENT);
const invalidIf = (condition: Int32): Int32 => select(condition, i32(inHead(EXCEPTION.IE)), 0);

export const NAN_OF_TWO = [...NUMBER, ...NUMBER] as const;
/** (left, right) → the answer, given that at least one is a NaN or unsupported. */
export type NanFunction = DeclaredFunction<typeof NAN_OF_TWO, typeof NUMBER>;

export function defineNanOfTwo(module: ModuleBuilder): NanFunction {
  return defineFunction(module, 'x87 nanOfTwo', NAN_OF_TWO, NUMBER, (f, ls, lh, rs, rh) => {
    const [left, right] = [[ls, lh] as const, [rs, rh] as const];
    f.if(isUnsupported(left).or(isUnsupported(right)), () => f.return(INDEFINITE, INVALID_HEAD));
    const [leftSignals, rightSignals] = [f.local(isSignaling(left)), f.local(isSignaling(right))];
    const takesRight = f.local(isNan(left).isZero());
    f.if(isNan(left).and(isNan(right)), () => f.set(takesRight, rightWins(left, right, leftSignals, rightSignals)));
    const answer: NumberParts = [select(takesRight, rs, ls), select(takesRight, rh, lh)];
    f.return(answer[0].or(QUIET_BIT), quietHead(answer[1]).or(invalidIf(leftSignals.or(rightSignals))));
  });
}

const isSignaling = (number: NumberParts): Int32 => isNan(number).and(isQuiet(number).xor(1));

/** Of two NaNs: a quiet one wins over a signaling one, then the larger significand, then the positive sign. */
const rightWins = (left: NumberParts, right: NumberParts, leftSignals: Int32, rightSignals: Int32): Int32 =>
  select(
    leftSignals.ne(rightSignals),
    leftSignals,
    select(left[0].eq(right[0]), signOf(left[1]).isNotZero(), left[0].belowU(right[0])),
  );
