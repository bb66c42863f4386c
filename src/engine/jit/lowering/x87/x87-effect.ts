/** What a form does with the x87's register stack, found by writing its helpers' code once for nobody. */
import type { Width } from '../../../../ir/value.ts';
import { forEachStatement } from '../../../../ir/visit.ts';
import { CodeWriter, I32 } from '../../../../wasm/code-writer.ts';
import { type Int32, i32, i64, Local } from '../../../../wasm/expression.ts';
import { FunctionWriter } from '../../../../wasm/function-writer.ts';
import { ModuleBuilder } from '../../../../wasm/module-builder.ts';
import type { FormStatement } from '../../../lowering/form-lowering.ts';
import { typeOf } from '../../../lowering/value-lowering.ts';
import type { NumberParts } from '../../../lowering/x87/number.ts';
import { importNumberFunctions } from '../../../lowering/x87/number-functions.ts';
import { isX87Function, writeX87With } from '../../../lowering/x87/x87-module.ts';
import type { X87State } from '../../../lowering/x87/x87-state.ts';

export interface X87Effect {
  /** By how much TOP counts up, modulo 8. */
  readonly turn: number;
  /** Registers whose contents it reads or writes, counted from TOP before it. */
  readonly touched: ReadonlySet<number>;
}

/** Of all emitted calls of x87 helpers among statements; undefined: there are none. */
export function findX87Effect(statements: readonly FormStatement[]): X87Effect | undefined {
  const recorder = new Recorder();
  let found = false;
  forEachStatement(statements, (one) => {
    if (one.kind !== 'call' || !isX87Function(one.helper)) return;
    found = true;
    const code = new CodeWriter(0);
    const local = ({ width }: { readonly width: Width }) => new Local(typeOf(width), code.newLocal(typeOf(width)));
    const args = one.args.map((arg) =>
      arg.op === 'constant' && arg.width !== 64 ? i32(Number(arg.value)) : local(arg),
    );
    code.block();
    const context = {
      f: new FunctionWriter(code, [I32] as const),
      state: i32(0),
      functions: importNumberFunctions(new ModuleBuilder()),
      wide: false,
      results: one.results.map(local),
      x87: recorder,
    };
    writeX87With(one.helper, context, args);
  });
  return found ? { turn: recorder.turned, touched: recorder.touched } : undefined;
}

/** The number of a register, which forms always name. @throws TypeError if this one does not */
export function knownNumber({ constant }: Int32): number {
  if (constant === undefined) throw new TypeError('an x87 register that is not known');
  return constant;
}

class Recorder implements X87State {
  readonly status = i32(0);
  readonly control = i32(0);
  readonly mayBePending = false;
  turned = 0;
  readonly touched = new Set<number>();

  top(): Int32 {
    return i32(this.turned);
  }
  turn(_status: Int32, top: Int32): void {
    this.turned = knownNumber(top);
  }
  place(number: Int32): Int32 {
    this.touched.add(knownNumber(number));
    return number;
  }
  read(): NumberParts {
    return [i64(0), i32(0)];
  }
  isEmpty(number: Int32): Int32 {
    // Whatever comes of it, both is written.
    return new Local(I32, 0).eq(number);
  }
  begin(): void {}
  mark(): void {}
  learn(): void {}
  write(): void {}
  notePointer(): void {}
  noteInstruction(): void {}
  writeStatus(): void {}
  writeControl(): void {}
}
