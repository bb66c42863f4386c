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

/** Operations that are done at once on 32-bit constants, so that conditions on them are decided while code is written. */
const FOLDED: Readonly<Record<string, (left: number, right: number) => number>> = {
  add: (left, right) => (left + right) | 0,
  sub: (left, right) => (left - right) | 0,
  and: (left, right) => left & right,
  or: (left, right) => left | right,
  xor: (left, right) => left ^ right,
  shl: (left, right) => left << right,
  eq: (left, right) => (left === right ? 1 : 0),
  ne: (left, right) => (left !== right ? 1 : 0),
  gt_u: (left, right) => (left >>> 0 > right >>> 0 ? 1 : 0),
  lt_u: (left, right) => (left >>> 0 < right >>> 0 ? 1 : 0),
};

export class Expression<T extends ValueType = ValueType> {
  readonly type: T;
  /** Emits the code that leaves the value on the stack. */
  readonly push: Push;
  /** Its value, if it is a 32-bit constant. */
  readonly constant: number | undefined;

  constructor(type: T, push: Push, constant?: number) {
    this.type = type;
    this.push = push;
    this.constant = constant;
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
    if (this.constant !== undefined) return i32(this.constant === 0 ? 1 : 0);
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

  /** The square root of an unsigned 64-bit integer in double precision, cut to an integer: at most 1 from the exact one. */
  nearSquareRoot(): Int64 {
    return new Expression(I64, (code) => {
      this.push(code);
      code.op('f64.convert_i64_u', 'f64.sqrt', 'i64.trunc_f64_u');
    });
  }

  #same(name: string, right: Operand<T>): Expression<T> {
    return (
      (this.#fold(name, right) as Expression<T> | undefined) ??
      new Expression(this.type, (code) => this.#apply(code, name, right))
    );
  }
  #compared(name: string, right: Operand<T>): Int32 {
    return this.#fold(name, right) ?? new Expression(I32, (code) => this.#apply(code, name, right));
  }
  #fold(name: string, operand: Operand<T>): Int32 | undefined {
    const right = operand instanceof Expression ? operand.constant : Number(operand) | 0;
    const known = FOLDED[name];
    if (this.constant === undefined || right === undefined || !known) return undefined;
    return i32(known(this.constant, right));
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

export const i32 = (value: number): Int32 => new Expression(I32, (code) => code.i32(value), value | 0);
export const i64 = (value: number | bigint): Int64 => new Expression(I64, (code) => code.i64(BigInt(value)));

export function toExpression<T extends ValueType>(type: T, operand: Operand<T>): Expression<T> {
  if (operand instanceof Expression) return operand as Expression<T>;
  return (type === I64 ? i64(operand) : i32(Number(operand))) as Expression as Expression<T>;
}

/** `whenTrue` if the condition holds; both are evaluated. */
export function select<T extends ValueType>(
  condition: Int32,
  whenTrue: Expression<T>,
  whenFalse: Operand<T>,
): Expression<T> {
  const other = toExpression(whenTrue.type, whenFalse);
  if (condition.constant !== undefined) return condition.constant ? whenTrue : other;
  return new Expression(whenTrue.type, (code) => {
    whenTrue.push(code);
    other.push(code);
    condition.push(code);
    code.op('select');
  });
}
