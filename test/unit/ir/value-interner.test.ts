import { describe, expect, it } from 'vitest';
import { enumerateForms } from '../../../src/difftest/test-form.ts';
import { IrBuilder } from '../../../src/ir/builder.ts';
import type { Value } from '../../../src/ir/value.ts';
import { ValueInterner } from '../../../src/ir/value-interner.ts';
import { forEachUse } from '../../../src/ir/visit.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';

describe('interned values', () => {
  it('are one node if they are the same expression', () => {
    const b = new IrBuilder();
    const [x, y] = [b.temporary(32), b.temporary(32)];
    expect(b.add(x, b.shl(y, 2))).toBe(b.add(x, b.shl(y, 2)));
    expect(b.constant(-1, 8)).toBe(b.constant(255, 8));
    expect(b.undefined(1, 0)).toBe(b.undefined(1, b.constant(0, 1)));
    expect(b.input('ea', 32)).toBe(b.input('ea', 32));
  });

  it('are apart if anything differs', () => {
    const b = new IrBuilder();
    const [x, y, byte] = [b.temporary(32), b.temporary(32), b.temporary(8)];
    const different: Value[] = [
      x,
      y,
      b.sub(x, y),
      b.sub(y, x),
      b.add(x, y),
      b.zeroExtend(byte, 16),
      b.zeroExtend(byte, 32),
      b.signExtend(byte, 32),
      b.constant(1, 32),
      b.constant(1, 8),
      b.constant(2, 8),
      b.input('reg', 8),
      b.input('rm', 8),
      b.input('rm', 32),
      b.undefined(1),
      b.undefined(1, 0),
      b.undefined(1, 1),
    ];
    expect(new Set(different).size).toBe(different.length);
  });

  it('take in nodes made elsewhere, with all that is in them', () => {
    const [one, other] = [new IrBuilder(), new IrBuilder()];
    const build = (b: IrBuilder) => b.not(b.add(b.temporary(16), b.constant(3, 16)));
    const interner = new ValueInterner();
    const first = interner.intern(build(one));
    expect(interner.intern(build(other))).toBe(first);
    expect(interner.intern(first)).toBe(first);
  });

  it('leave no two equal nodes in any form of the table', () => {
    const duplicates = enumerateForms(INSTRUCTIONS).filter(({ form }) => {
      const nodes = new Set<Value>();
      forEachUse(form.statements, (value) => nodes.add(value));
      const interner = new ValueInterner();
      return new Set([...nodes].map((node) => interner.intern(node))).size !== nodes.size;
    });
    expect(duplicates.map(({ name }) => name)).toEqual([]);
  });
});
