/**
 * Values of wasm code as objects, for functions that are written by hand: an expression is emitted where it is used,
 * each time it is used; what is needed twice goes into a local. It knows no x86.
 */
import { type CodeWriter, I32, I64, type SimpleOpcode, type ValueType } from './code-writer.ts';

export type Int32 = Expression<typeof I32>;
export type Int64 = Expression<typeof I64>;
/** An expression, or a constant of its type. */
export type Operand<T extends ValueType> = Expression<T> | (T extends typeof I32 ? number : number | bigint);

type Push = (code: CodeWriter) => void;

export class Expression<T extends ValueType = ValueType> {
  readonly type: T;
  /** Emits the code that leaves the value on the stack. */
  readonly push: Push;

  constructor(type: T, push: Push) {
    this.type = type;
    this.push = push;
  }

  // Arithmetic: both operands and the result have one type. Shift counts are taken modulo the width.
  add(right: Operand<T>): Expression<T> {
    return this.#same('add', right);
  }
  sub(right: Operand<T>): Expression<T> {
    return this.#same('sub', right);
  }
  mul(right: Operand<T>): Expression<T> {
    return this.#same('mul', right);
  }
  divU(right: Operand<T>): Expression<T> {
    return this.#same('div_u', right);
  }
  and(right: Operand<T>): Expression<T> {
    return this.#same('and', right);
  }
  or(right: Operand<T>): Expression<T> {
    return this.#same('or', right);
  }
  xor(right: Operand<T>): Expression<T> {
    return this.#same('xor', right);
  }
  shl(right: Operand<T>): Expression<T> {
    return this.#same('shl', right);
  }
  shr(right: Operand<T>): Expression<T> {
    return this.#same('shr_u', right);
  }
  leadingZeros(): Expression<T> {
    return new Expression(this.type, (code) => this.#apply(code, 'clz'));
  }

  // Comparisons: 0 or 1, as an i32.
  eq(right: Operand<T>): Int32 {
    return this.#compared('eq', right);
  }
  ne(right: Operand<T>): Int32 {
    return this.#compared('ne', right);
  }
  belowU(right: Operand<T>): Int32 {
    return this.#compared('lt_u', right);
  }
  aboveU(right: Operand<T>): Int32 {
    return this.#compared('gt_u', right);
  }
  belowS(right: Operand<T>): Int32 {
    return this.#compared('lt_s', right);
  }
  aboveS(right: Operand<T>): Int32 {
    return this.#compared('gt_s', right);
  }
  isZero(): Int32 {
    return new Expression(I32, (code) => this.#apply(code, 'eqz'));
  }
  isNotZero(): Int32 {
    return this.ne(0 as Operand<T>);
  }

  /** The low 32 bits. */
  narrow(): Int32 {
    return new Expression(I32, (code) => {
      this.push(code);
      if (this.type === I64) code.op('i32.wrap_i64');
    });
  }
  /** Zero-extended to 64 bits. */
  widen(): Int64 {
    return new Expression(I64, (code) => {
      this.push(code);
      if (this.type === I32) code.op('i64.extend_i32_u');
    });
  }
  /** Sign-extended to 64 bits. */
  widenSigned(): Int64 {
    return new Expression(I64, (code) => {
      this.push(code);
      if (this.type === I32) code.op('i64.extend_i32_s');
    });
  }

  #same(name: string, right: Operand<T>): Expression<T> {
    return new Expression(this.type, (code) => this.#apply(code, name, right));
  }
  #compared(name: string, right: Operand<T>): Int32 {
    return new Expression(I32, (code) => this.#apply(code, name, right));
  }
  #apply(code: CodeWriter, name: string, right?: Operand<T>): void {
    this.push(code);
    if (right !== undefined) toExpression(this.type, right).push(code);
    code.op(`${this.type === I64 ? 'i64' : 'i32'}.${name}` as SimpleOpcode);
  }
}

/** A local variable or a parameter. */
export class Local<T extends ValueType = ValueType> extends Expression<T> {
  readonly index: number;

  constructor(type: T, index: number) {
    super(type, (code) => code.get(index));
    this.index = index;
  }
}

export const i32 = (value: number): Int32 => new Expression(I32, (code) => code.i32(value));
export const i64 = (value: number | bigint): Int64 => new Expression(I64, (code) => code.i64(BigInt(value)));

export function toExpression<T extends ValueType>(type: T, operand: Operand<T>): Expression<T> {
  if (operand instanceof Expression) return operand as Expression<T>;
  return new Expression(type, (code) => {
    if (type === I64) code.i64(BigInt(operand as number | bigint));
    else code.i32(Number(operand));
  });
}

/** `whenTrue` if the condition holds; both are evaluated. */
export const select = <T extends ValueType>(
  condition: Int32,
  whenTrue: Expression<T>,
  whenFalse: Operand<T>,
): Expression<T> =>
  new Expression(whenTrue.type, (code) => {
    whenTrue.push(code);
    toExpression(whenTrue.type, whenFalse).push(code);
    condition.push(code);
    code.op('select');
  });
