import { describe, expect, it } from 'vitest';
import { CodeWriter, I32, I64 } from '../../../src/wasm/code-writer.ts';
import { i32, i64, Local, select } from '../../../src/wasm/expression.ts';
import { defineFunction, writeInPlace } from '../../../src/wasm/function-writer.ts';
import { ModuleBuilder } from '../../../src/wasm/module-builder.ts';

type Functions = Record<string, (...args: (number | bigint)[]) => number | bigint>;

function compile(build: (module: ModuleBuilder) => void): Functions {
  const module = new ModuleBuilder();
  build(module);
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish()), {}).exports as unknown as Functions;
}

describe('functions written from expressions', () => {
  it('several results go from function to function', () => {
    const { sumOfDivision } = compile((module) => {
      const divide = defineFunction(module, 'divide', [I64, I64], [I64, I64], (f, left, right) => {
        const quotient = f.local(left.divU(right));
        f.return(quotient, left.sub(quotient.mul(right)));
      });
      const sum = defineFunction(module, 'sum', [I64, I64], [I64], (f, left, right) => {
        const [quotient, rest] = f.call(divide, left, right);
        f.return(quotient.add(rest));
      });
      module.export('sumOfDivision', sum.index);
    });
    expect(sumOfDivision(100n, 7n)).toBe(14n + 2n);
  });

  it('an expression is evaluated where it is used, a local where it is set', () => {
    const { both } = compile((module) => {
      const { index } = defineFunction(module, 'late', [I32], [I32], (f, value) => {
        const late = value.add(1);
        const early = f.local(value.add(1));
        f.set(value, 100);
        f.return(late.mul(1000).add(early));
      });
      module.export('both', index);
    });
    expect(both(5)).toBe(101_006);
  });

  it('conditions, selections and repetition', () => {
    const { bits } = compile((module) => {
      const { index } = defineFunction(module, 'count', [I64], [I32], (f, value) => {
        const count = f.local(i32(0));
        f.if(value.isZero(), () => f.return(-1));
        f.repeat(() => {
          f.set(count, count.add(select(value.and(1).isNotZero(), i32(1), 0)));
          f.set(value, value.shr(1));
          return value.isNotZero();
        });
        f.return(count);
      });
      module.export('bits', index);
    });
    expect([bits(0n), bits(1n), bits(0xff00_0000_0000_0001n - 2n ** 64n)]).toEqual([-1, 1, 9]);
  });

  it('conditions on constants are decided while code is written', () => {
    const written: string[] = [];
    const code = new CodeWriter(0);
    writeInPlace(code, I32, (f) => {
      f.if(
        i32(5).and(4).isZero(),
        () => written.push('then'),
        () => written.push('otherwise'),
      );
      f.return(select(i32(3).eq(3), i32(7), new Local(I32, 99)));
    });
    expect(written).toEqual(['otherwise']);
    expect(
      [i32(1).sub(2), i32(-1).aboveU(1), i32(1).shl(31), i32(6).xor(3), i32(2).ne(2)].map((e) => e.constant),
    ).toEqual([-1, 1, -(2 ** 31), 5, 0]);
    expect([i64(1).add(1), new Local(I32, 0).add(1)].map((e) => e.constant)).toEqual([undefined, undefined]);
  });

  it('what is written in place goes on behind, with its result', () => {
    const { inPlace } = compile((module) => {
      const { index } = defineFunction(module, 'answer', [I32], [I32], (f, value) => {
        const answer = f.variable(I32);
        writeInPlace(f.code, I32, (inner) => {
          inner.if(value.belowS(0), () => inner.return(1));
          inner.return(2);
        });
        f.code.set(answer.index);
        f.return(answer.mul(10));
      });
      module.export('inPlace', index);
    });
    expect([inPlace(-5), inPlace(5)]).toEqual([10, 20]);
  });
});
