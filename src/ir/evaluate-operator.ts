/** What each operator means, on unsigned BigInts. Folding and the reference evaluator both use it. */
import type { Operator, Width } from './value.ts';

const bitCount = (value: bigint): number => value.toString(2).replaceAll('0', '').length;

/**
 * @param width width of the result in bits
 * @param argWidth width of the first argument in bits
 * @param args unsigned, each below 2^its width
 * @throws RangeError on division by zero (rows must guard against it)
 */
export function evaluateOperator(op: Operator, width: Width, argWidth: Width, args: readonly bigint[]): bigint {
  const [a = 0n, b = 0n, c = 0n] = args;
  const unsigned = (value: bigint) => BigInt.asUintN(width, value);
  const signed = (value: bigint) => BigInt.asIntN(argWidth, value);
  const truth = (value: boolean) => (value ? 1n : 0n);
  const top = BigInt(argWidth - 1);
  switch (op) {
    case 'add':
      return unsigned(a + b);
    case 'sub':
      return unsigned(a - b);
    case 'mul':
      return unsigned(a * b);
    case 'mulHighUnsigned':
      return (a * b) >> BigInt(width);
    case 'mulHighSigned':
      return unsigned((signed(a) * signed(b)) >> BigInt(width));
    case 'udiv':
      return a / b;
    case 'urem':
      return a % b;
    case 'sdiv':
      return unsigned(signed(a) / signed(b));
    case 'srem':
      return unsigned(signed(a) % signed(b));
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'not':
      return unsigned(~a);
    case 'neg':
      return unsigned(-a);
    case 'shl':
      return unsigned(a << b);
    case 'shr':
      return a >> b;
    case 'sar':
      return unsigned(signed(a) >> b);
    case 'rotl':
      return rotate(a, b % BigInt(width), width);
    case 'rotr':
      return rotate(a, (BigInt(width) - (b % BigInt(width))) % BigInt(width), width);
    case 'eq':
      return truth(a === b);
    case 'ne':
      return truth(a !== b);
    case 'ult':
      return truth(a < b);
    case 'ule':
      return truth(a <= b);
    case 'slt':
      return truth(signed(a) < signed(b));
    case 'sle':
      return truth(signed(a) <= signed(b));
    case 'addCarries':
      return unsigned((a & b) | ((a | b) & ~c));
    case 'subBorrows':
      return unsigned((~a & b) | ((~a | b) & c));
    case 'msb':
      return (a >> top) & 1n;
    case 'overflow':
      return ((a >> top) ^ (a >> (top - 1n))) & 1n;
    case 'bit3':
      return (a >> 3n) & 1n;
    case 'isZero':
      return truth(a === 0n);
    case 'parity':
      return truth(bitCount(a & 0xffn) % 2 === 0);
    case 'select':
      return a ? b : c;
    case 'zeroExtend':
      return a;
    case 'signExtend':
      return unsigned(signed(a));
    case 'truncate':
      return unsigned(a);
    case 'countLeadingZeros':
      return BigInt(argWidth) - BigInt(a === 0n ? 0 : a.toString(2).length);
    case 'countTrailingZeros':
      return a === 0n ? BigInt(argWidth) : BigInt((a & -a).toString(2).length - 1);
    case 'popCount':
      return BigInt(bitCount(a));
  }
}

const rotate = (value: bigint, count: bigint, width: Width): bigint =>
  BigInt.asUintN(width, (value << count) | (value >> (BigInt(width) - count)));
