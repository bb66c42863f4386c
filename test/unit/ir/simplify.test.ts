import { describe, expect, it } from 'vitest';
import { IrBuilder } from '../../../src/ir/builder.ts';
import { evaluateOperator } from '../../../src/ir/evaluate-operator.ts';
import { Simplifier } from '../../../src/ir/simplify.ts';
import type { Statement } from '../../../src/ir/statement.ts';
import { isOperation, type Value } from '../../../src/ir/value.ts';

/** A value whose temporaries have the given values. */
function evaluate(value: Value, temporaries: readonly bigint[]): bigint {
  if (value.op === 'constant') return value.value;
  if (value.op === 'temporary') return temporaries[value.id];
  if (!isOperation(value)) throw new TypeError(value.op);
  const args = value.args.map((arg) => evaluate(arg, temporaries));
  return evaluateOperator(value.op, value.width, value.args[0].width, args);
}

const EDGES = [0n, 1n, 2n, 0x7fn, 0x80n, 0x81n, 0xfen, 0xffn];

describe('comparisons made of flags', () => {
  const b = new IrBuilder();
  const [left, right] = [b.temporary(8), b.temporary(8)];
  const result = b.sub(left, right);
  const borrows = b.subBorrows(left, right, result);
  const [CF, ZF, SF, OF] = [b.msb(borrows), b.isZero(result), b.msb(result), b.overflow(borrows)];
  const cases: readonly (readonly [string, Value])[] = [
    ['ult', CF],
    ['ule', b.xor(CF, 1)],
    ['eq', ZF],
    ['ne', b.xor(ZF, 1)],
    ['ule', b.or(CF, ZF)],
    ['ult', b.xor(b.or(CF, ZF), 1)],
    ['slt', b.xor(SF, OF)],
    ['sle', b.xor(b.xor(SF, OF), 1)],
    ['sle', b.or(ZF, b.xor(SF, OF))],
    ['slt', b.xor(b.or(ZF, b.xor(SF, OF)), 1)],
  ];

  it.each(cases)('become %s', (op, value) => {
    const simple = new Simplifier().value(value);
    expect(simple.op).toBe(op);
    for (const one of EDGES) {
      for (const other of EDGES) expect(evaluate(simple, [one, other])).toBe(evaluate(value, [one, other]));
    }
  });

  it('are left alone where a borrow went in as well', () => {
    const borrowIn = b.zeroExtend(b.temporary(1), 8);
    const difference = b.sub(b.sub(left, right), borrowIn);
    const carry = b.msb(b.subBorrows(left, right, difference));
    const signed = b.xor(b.msb(difference), b.overflow(b.subBorrows(left, right, difference)));
    for (const value of [carry, signed]) {
      const simple = new Simplifier().value(value);
      for (const one of EDGES) {
        for (const other of EDGES) {
          for (const bit of [0n, 1n]) {
            expect(evaluate(simple, [one, other, bit])).toBe(evaluate(value, [one, other, bit]));
          }
        }
      }
    }
  });

  it('are right when the operand on the right has become zero', () => {
    const zero: Value = { op: 'constant', width: 8, value: 0n };
    for (const [, value] of cases) {
      const simple = new Simplifier({ leaf: (one) => (one === right ? zero : undefined) }).value(value);
      for (const one of EDGES) expect(evaluate(simple, [one])).toBe(evaluate(value, [one, 0n]));
    }
  });

  it('stay what they are as the values of flags, whose shape tells engines what to keep', () => {
    const [flags] = new Simplifier().statements([{ kind: 'flags', values: { CF, ZF, SF, OF } }]);
    expect(flags).toMatchObject({ values: { CF: { op: 'msb' }, ZF: { op: 'isZero' }, OF: { op: 'overflow' } } });
  });
});

describe('statements', () => {
  const b = new IrBuilder<string, string>();
  const [x, count, flag] = [b.temporary(32), b.input('count', 32), b.input('flag', 1)];
  const write = (place: string, value: Value): Statement<string, string> => ({ kind: 'write', place, value });
  const when = (condition: Value, then: Statement<string, string>[], otherwise: Statement<string, string>[] = []) =>
    ({ kind: 'when', condition, then, otherwise }) as const;
  const given = (values: Record<string, bigint>) =>
    new Simplifier<string, string>({
      leaf: (value) =>
        value.op === 'input' && value.name in values
          ? { op: 'constant', width: value.width, value: values[value.name] }
          : undefined,
    });

  it('under a condition that is decided stand alone, or go', () => {
    const inner = when(flag, [write('c', x)]);
    const statement = when(b.ne(count, 0), [write('a', x), inner], [write('b', x)]);
    expect(given({ count: 3n }).statements([statement])).toEqual([write('a', x), inner]);
    expect(given({ count: 3n, flag: 1n }).statements([statement])).toEqual([write('a', x), write('c', x)]);
    expect(given({ count: 0n }).statements([statement])).toEqual([write('b', x)]);
    expect(given({}).statements([statement])).toEqual([statement]);
  });

  it('that jump, check or raise under a condition that is decided do so always, or never', () => {
    const conditional: Statement<string, string>[] = [
      { kind: 'jump', target: x, condition: flag },
      { kind: 'checkTarget', target: x, condition: flag },
      { kind: 'raise', vector: 0, cause: 'a test', condition: flag },
    ];
    expect(given({ flag: 0n }).statements(conditional)).toEqual([]);
    for (const { condition, ...always } of conditional as (Statement & { condition?: Value })[]) {
      expect(given({ flag: 1n }).statements([{ ...always, condition: flag } as never])).toEqual([always]);
    }
  });

  it('do not go on after a fault', () => {
    const fault: Statement<string, string> = { kind: 'raise', vector: 0, cause: 'a test', condition: flag };
    expect(given({ flag: 1n }).statements([fault, write('a', x)])).toHaveLength(1);
    expect(given({}).statements([fault, write('a', x)])).toHaveLength(2);
  });

  it('are not replaced twice: what takes the place of a leaf is not looked at again', () => {
    const swap = new Simplifier<string, string>({
      leaf: (value) =>
        value.op === 'input' && value.name === 'flag' ? b.input('count', 1) : value === count ? x : undefined,
    });
    expect(swap.value(flag)).toEqual(b.input('count', 1));
  });

  it('have chains of constants added up', () => {
    const sum = b.add(b.add(b.add(x, 0xffff_ffff), count), 8);
    expect(given({ count: 3n }).value(sum)).toEqual(b.add(x, 10));
    expect(given({ count: 3n }).value(b.sub(b.sub(x, count), 4))).toEqual(b.sub(x, 7));
  });
});
