/** Comparison and classification. SDM Vol. 1, "Comparison and Classification Instructions". */
import { EXCEPTION, STATUS } from './control.ts';
import { classify, type Float80, type Float80Class, isDenormal, isInvalid, isNan, toExact } from './float80.ts';

/** C3 C2 C0 of a comparison. */
export const RELATION = { GREATER: 0, LESS: STATUS.C0, EQUAL: STATUS.C3, UNORDERED: STATUS.C3 | STATUS.C2 | STATUS.C0 };

export interface ComparisonOutcome {
  readonly relation: number;
  readonly flags: number;
}

/** @param unordered a quiet NaN is not an invalid operand (FUCOM) */
export function compare(left: Float80, right: Float80, { unordered }: { unordered: boolean }): ComparisonOutcome {
  const [leftKind, rightKind] = [classify(left), classify(right)];
  const invalid = isInvalid(leftKind) || isInvalid(rightKind);
  const nan = isNan(leftKind) || isNan(rightKind);
  if (invalid || nan) return { relation: RELATION.UNORDERED, flags: invalid || !unordered ? EXCEPTION.IE : 0 };
  const flags = isDenormal(left) || isDenormal(right) ? EXCEPTION.DE : 0;
  return { relation: relate(left, right), flags };
}

function relate(left: Float80, right: Float80): number {
  if (left.significand === 0n && right.significand === 0n) return RELATION.EQUAL;
  const leftSign = left.significand === 0n ? right.sign ^ 1 : left.sign;
  const rightSign = right.significand === 0n ? left.sign ^ 1 : right.sign;
  if (leftSign !== rightSign) return leftSign ? RELATION.LESS : RELATION.GREATER;
  const magnitude = compareMagnitude(left, right);
  if (magnitude === 0) return RELATION.EQUAL;
  return magnitude < 0 === (leftSign === 0) ? RELATION.LESS : RELATION.GREATER;
}

/** Neither is zero. Infinity has the largest exponent, so it needs no case of its own. */
function compareMagnitude(left: Float80, right: Float80): number {
  const [a, b] = [toExact(left), toExact(right)];
  if (a.exponent !== b.exponent) return a.exponent < b.exponent ? -1 : 1;
  return a.significand === b.significand ? 0 : a.significand < b.significand ? -1 : 1;
}

/** FXAM: C3 C2 C0 by class; empty registers are the caller's business. */
export const EXAMINED: Readonly<Record<Float80Class | 'empty', number>> = {
  unsupported: 0,
  signalingNan: STATUS.C0,
  quietNan: STATUS.C0,
  normal: STATUS.C2,
  infinity: STATUS.C2 | STATUS.C0,
  zero: STATUS.C3,
  empty: STATUS.C3 | STATUS.C0,
  denormal: STATUS.C3 | STATUS.C2,
};
