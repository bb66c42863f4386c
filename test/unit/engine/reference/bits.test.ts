import { describe, expect, it } from 'vitest';
import { applyOperator, type Bits, defined } from '../../../../src/engine/reference/bits.ts';
import type { Operator, Width } from '../../../../src/ir/value.ts';

const bits = (value: number, undefinedMask: number): Bits => ({
  value: BigInt(value),
  undefined: BigInt(undefinedMask),
});
const undefinedOf = (op: Operator, width: Width, ...args: Bits[]): number =>
  Number(applyOperator(op, width, 8, args).undefined);

describe('undefined bits', () => {
  it('come from nowhere: defined arguments give a defined result', () => {
    expect(applyOperator('add', 8, 8, [defined(250n), defined(10n)])).toEqual({ value: 4n, undefined: 0n });
  });

  it('carry a value all the same: what engines pick', () => {
    expect(applyOperator('or', 8, 8, [bits(0x05, 0x0f), defined(0x80n)]).value).toBe(0x85n);
  });

  it('AND with a defined 0, and OR with a defined 1, is defined', () => {
    expect(undefinedOf('and', 8, bits(0, 0xff), defined(0x0fn))).toBe(0x0f);
    expect(undefinedOf('or', 8, bits(0, 0xff), defined(0x0fn))).toBe(0xf0);
    expect(undefinedOf('xor', 8, bits(0, 0x3c), defined(0xffn))).toBe(0x3c);
  });

  it('spread upwards through carries', () => {
    expect(undefinedOf('add', 8, bits(0, 0x10), defined(1n))).toBe(0xf0);
    expect(undefinedOf('sub', 8, defined(1n), bits(0, 0x80))).toBe(0x80);
  });

  it('move with shifts and rotates by a defined count', () => {
    expect(undefinedOf('shl', 8, bits(0, 0x03), defined(2n))).toBe(0x0c);
    expect(undefinedOf('sar', 8, bits(0, 0x80), defined(3n))).toBe(0xf0);
    expect(undefinedOf('rotr', 8, bits(0, 0x01), defined(1n))).toBe(0x80);
    expect(undefinedOf('shr', 8, defined(1n), bits(0, 1))).toBe(0xff);
  });

  it('leave a comparison defined when other bits decide it', () => {
    expect(undefinedOf('eq', 1, bits(0x10, 0x01), defined(0n))).toBe(0);
    expect(undefinedOf('eq', 1, bits(0, 0x01), defined(0n))).toBe(1);
    expect(undefinedOf('isZero', 1, bits(0x40, 0x01))).toBe(0);
    expect(undefinedOf('parity', 1, bits(0, 0x80))).toBe(1);
    expect(undefinedOf('msb', 1, bits(0, 0x7f))).toBe(0);
  });

  it('select takes them from the branch chosen; with an undefined condition, where the branches differ', () => {
    expect(undefinedOf('select', 8, defined(1n), defined(3n), bits(0, 0xff))).toBe(0);
    expect(undefinedOf('select', 8, bits(0, 1), defined(0b1100n), defined(0b1010n))).toBe(0b0110);
  });
});
