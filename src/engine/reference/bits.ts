/**
 * A value as the reference evaluator sees it: what the engines compute, and which of its bits the manual leaves
 * undefined. An undefined bit still has a value, the one that the engines pick, so that a machine can go on with it.
 */
import { evaluateOperator } from '../../ir/evaluate-operator.ts';
import type { Operator, Width } from '../../ir/value.ts';

export interface Bits {
  /** Unsigned, below 2^width; in undefined bits what the engines pick. */
  readonly value: bigint;
  /** Mask of the bits that are undefined. */
  readonly undefined: bigint;
}

export const defined = (value: bigint): Bits => ({ value, undefined: 0n });
export const maskOf = (width: number): bigint => (1n << BigInt(width)) - 1n;

/** All bits from the lowest set bit of `mask` up: as far as a carry can take an uncertainty. */
const upwards = (mask: bigint, width: Width): bigint =>
  mask === 0n ? 0n : BigInt.asUintN(width, ~((mask & -mask) - 1n));

/**
 * An operator on values some of whose bits may be undefined. A result bit is undefined unless it is the same whatever
 * the undefined bits are; where finding that out is not cheap, it counts as undefined.
 */
export function applyOperator(op: Operator, width: Width, argWidth: Width, args: readonly Bits[]): Bits {
  const value = evaluateOperator(
    op,
    width,
    argWidth,
    args.map((arg) => arg.value),
  );
  if (args.every((arg) => arg.undefined === 0n)) return { value, undefined: 0n };
  return { value, undefined: BigInt.asUintN(width, undefinedBits(op, width, argWidth, args)) };
}

function undefinedBits(op: Operator, width: Width, argWidth: Width, args: readonly Bits[]): bigint {
  const [a, b, c] = args as [Bits, Bits, Bits];
  const either = a.undefined | (b?.undefined ?? 0n);
  const onMask = () => evaluateOperator(op, width, argWidth, [a.undefined, b?.value ?? 0n]);
  switch (op) {
    case 'and':
      return either & ~(~a.value & ~a.undefined) & ~(~b.value & ~b.undefined);
    case 'or':
      return either & ~(a.value & ~a.undefined) & ~(b.value & ~b.undefined);
    case 'xor':
    case 'not':
      return either;
    case 'add':
    case 'sub':
    case 'mul':
    case 'neg':
      return upwards(either, width);
    case 'addCarries':
    case 'subBorrows':
      return upwards(either | c.undefined, width);
    case 'shl':
    case 'shr':
    case 'sar':
    case 'rotl':
    case 'rotr':
      return b.undefined === 0n ? onMask() : maskOf(width);
    case 'zeroExtend':
    case 'signExtend':
    case 'truncate':
    case 'msb':
    case 'bit3':
      return onMask();
    case 'overflow':
      return onMask() | evaluateOperator('msb', 1, argWidth, [a.undefined]);
    case 'isZero':
      return (a.value & ~a.undefined) === 0n ? 1n : 0n;
    case 'eq':
    case 'ne':
      return ((a.value ^ b.value) & ~either) === 0n ? 1n : 0n;
    case 'parity':
      return (a.undefined & 0xffn) === 0n ? 0n : 1n;
    case 'select':
      return a.undefined === 0n ? (a.value ? b : c).undefined : b.undefined | c.undefined | (b.value ^ c.value);
    default:
      return maskOf(width);
  }
}
