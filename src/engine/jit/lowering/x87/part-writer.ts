/** Writes what would be a function that is done or declines, as a part of another one. */
import { type CodeWriter, I32, I64, type Label, type ValueType } from '../../../../wasm/code-writer.ts';
import { type Expression, Local, type Operand } from '../../../../wasm/expression.ts';
import { FunctionWriter } from '../../../../wasm/function-writer.ts';
import { DECLINED } from '../../../lowering/emitted-function.ts';
import type { LocalPool } from '../../../lowering/value-lowering.ts';

type Status = readonly [typeof I32];

export class PartWriter extends FunctionWriter<Status> {
  readonly #pool: LocalPool;
  readonly #labels: { readonly done: Label; readonly declined: Label };

  /** @param pool of its locals */
  constructor(code: CodeWriter, pool: LocalPool, labels: { readonly done: Label; readonly declined: Label }) {
    super(code, [I32]);
    this.#pool = pool;
    this.#labels = labels;
  }

  override local<T extends ValueType>(value: Expression<T>): Local<T> {
    const local = new Local(value.type, this.#pool.take(value.type));
    this.set(local, value);
    return local;
  }
  override variable<T extends ValueType>(type: T): Local<T> {
    const local = new Local(type, this.#pool.take(type));
    // Others have used it.
    if (type === I64) this.code.i64(0n);
    else this.code.i32(0);
    this.code.set(local.index);
    return local;
  }
  /** Returns a constant. */
  override return(status: Operand<typeof I32>): void {
    this.code.br(status === DECLINED ? this.#labels.declined : this.#labels.done);
  }
}
