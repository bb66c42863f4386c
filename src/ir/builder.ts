/** Builds values and statements, checking widths and folding constants on the way. Equal values are one node. */
import { fold } from './fold.ts';
import type { Statement } from './statement.ts';
import type { Operator, Temporary, Value, Width } from './value.ts';
import { ValueInterner } from './value-interner.ts';

/** A value, or a number that takes the width of its neighbour. */
export type Operandish = Value | number | bigint;

export class IrBuilder<P = unknown, S = unknown> {
  #block: Statement<P, S>[] = [];
  #temporaries = 0;
  readonly #interner: ValueInterner;

  /** @param interner shared by builders whose values are compared with each other, or of which there are many */
  constructor(interner = new ValueInterner()) {
    this.#interner = interner;
  }

  /** The statements so far, in order. */
  get statements(): readonly Statement<P, S>[] {
    return this.#block;
  }

  emit(statement: Statement<P, S>): void {
    this.#block.push(statement);
  }

  temporary(width: Width): Temporary {
    return this.#interner.intern({ op: 'temporary', width, id: this.#temporaries++ });
  }

  constant(value: number | bigint, width: Width): Value {
    return this.#interner.intern({ op: 'constant', width, value: BigInt.asUintN(width, BigInt(value)) });
  }

  /** A result the manual leaves undefined; `pick` is what real CPUs do, where known. */
  undefined(width: Width = 1, pick?: Operandish): Value {
    if (pick === undefined) return this.#interner.intern({ op: 'undefined', width });
    const picked = typeof pick === 'object' ? pick : this.constant(pick, width);
    return this.#interner.intern({ op: 'undefined', width, pick: picked });
  }

  /** A value that the layer above knows by name; see `Value`. */
  input(name: string, width: Width): Value {
    return this.#interner.intern({ op: 'input', width, name });
  }

  // Arithmetic and logic, modulo 2^width.
  add(left: Operandish, right: Operandish): Value {
    return this.#same('add', left, right);
  }
  sub(left: Operandish, right: Operandish): Value {
    return this.#same('sub', left, right);
  }
  mul(left: Operandish, right: Operandish): Value {
    return this.#same('mul', left, right);
  }
  mulHighUnsigned(left: Operandish, right: Operandish): Value {
    return this.#same('mulHighUnsigned', left, right);
  }
  mulHighSigned(left: Operandish, right: Operandish): Value {
    return this.#same('mulHighSigned', left, right);
  }
  udiv(left: Operandish, right: Operandish): Value {
    return this.#same('udiv', left, right);
  }
  urem(left: Operandish, right: Operandish): Value {
    return this.#same('urem', left, right);
  }
  sdiv(left: Operandish, right: Operandish): Value {
    return this.#same('sdiv', left, right);
  }
  srem(left: Operandish, right: Operandish): Value {
    return this.#same('srem', left, right);
  }
  and(left: Operandish, right: Operandish): Value {
    return this.#same('and', left, right);
  }
  or(left: Operandish, right: Operandish): Value {
    return this.#same('or', left, right);
  }
  xor(left: Operandish, right: Operandish): Value {
    return this.#same('xor', left, right);
  }
  not(value: Value): Value {
    return this.#make('not', value.width, [value]);
  }
  neg(value: Value): Value {
    return this.#make('neg', value.width, [value]);
  }

  // Shifts: the count has any width; see `Operator` for its range.
  shl(value: Value, count: Operandish): Value {
    return this.#shift('shl', value, count);
  }
  shr(value: Value, count: Operandish): Value {
    return this.#shift('shr', value, count);
  }
  sar(value: Value, count: Operandish): Value {
    return this.#shift('sar', value, count);
  }
  /** Rotates: the count is taken modulo the width. */
  rotl(value: Value, count: Operandish): Value {
    return this.#shift('rotl', value, count);
  }
  rotr(value: Value, count: Operandish): Value {
    return this.#shift('rotr', value, count);
  }

  // Comparisons: width 1.
  eq(left: Operandish, right: Operandish): Value {
    return this.#same('eq', left, right, 1);
  }
  ne(left: Operandish, right: Operandish): Value {
    return this.#same('ne', left, right, 1);
  }
  ult(left: Operandish, right: Operandish): Value {
    return this.#same('ult', left, right, 1);
  }
  ule(left: Operandish, right: Operandish): Value {
    return this.#same('ule', left, right, 1);
  }
  slt(left: Operandish, right: Operandish): Value {
    return this.#same('slt', left, right, 1);
  }
  sle(left: Operandish, right: Operandish): Value {
    return this.#same('sle', left, right, 1);
  }
  isZero(value: Value): Value {
    return this.#make('isZero', 1, [value]);
  }
  msb(value: Value): Value {
    return this.#make('msb', 1, [value]);
  }
  /** 1 if the low byte has an even number of ones. */
  parity(value: Value): Value {
    return this.#make('parity', 1, [value]);
  }
  overflow(carries: Value): Value {
    return this.#make('overflow', 1, [carries]);
  }
  bit3(carries: Value): Value {
    return this.#make('bit3', 1, [carries]);
  }
  addCarries(left: Value, right: Value, sum: Value): Value {
    return this.#make('addCarries', sum.width, [left, right, sum]);
  }
  subBorrows(left: Value, right: Value, difference: Value): Value {
    return this.#make('subBorrows', difference.width, [left, right, difference]);
  }

  countLeadingZeros(value: Value): Value {
    return this.#make('countLeadingZeros', value.width, [value]);
  }
  countTrailingZeros(value: Value): Value {
    return this.#make('countTrailingZeros', value.width, [value]);
  }
  popCount(value: Value): Value {
    return this.#make('popCount', value.width, [value]);
  }

  select(condition: Value, then: Operandish, otherwise: Operandish): Value {
    if (condition.width !== 1) throw new TypeError(`select: condition of width ${condition.width}`);
    const [left, right] = this.#pair('select', then, otherwise);
    return this.#make('select', left.width, [condition, left, right]);
  }

  /** To `width` bits (the same width: unchanged). */
  zeroExtend(value: Value, width: Width): Value {
    return this.#convert('zeroExtend', value, width);
  }
  signExtend(value: Value, width: Width): Value {
    return this.#convert('signExtend', value, width);
  }
  truncate(value: Value, width: Width): Value {
    return this.#convert('truncate', value, width);
  }

  /** Statements under a condition of width 1. */
  when(condition: Value, then: () => void, otherwise: () => void = () => {}): void {
    if (condition.width !== 1) throw new TypeError(`when: condition of width ${condition.width}`);
    const outer = this.#block;
    const branch = (body: () => void) => {
      const block: Statement<P, S>[] = [];
      this.#block = block;
      body();
      return block;
    };
    // biome-ignore lint/suspicious/noThenProperty: a statement's branch; nobody awaits a statement
    const statement = { kind: 'when', condition, then: branch(then), otherwise: branch(otherwise) } as const;
    this.#block = outer;
    this.emit(statement);
  }

  #pair(op: string, left: Operandish, right: Operandish): [Value, Value] {
    const width = typeof left === 'object' ? left.width : typeof right === 'object' ? right.width : undefined;
    if (width === undefined) throw new TypeError(`${op}: two bare numbers have no width`);
    const [a, b] = [left, right].map((side) => (typeof side === 'object' ? side : this.constant(side, width)));
    if (a!.width !== b!.width) throw new TypeError(`${op}: widths ${a!.width} and ${b!.width} differ`);
    return [a!, b!];
  }

  #same(op: Operator, left: Operandish, right: Operandish, width?: Width): Value {
    const [a, b] = this.#pair(op, left, right);
    return this.#make(op, width ?? a.width, [a, b]);
  }

  #shift(op: Operator, value: Value, count: Operandish): Value {
    return this.#make(op, value.width, [value, typeof count === 'object' ? count : this.constant(count, 8)]);
  }

  #convert(op: 'zeroExtend' | 'signExtend' | 'truncate', value: Value, width: Width): Value {
    if (value.width === width) return value;
    if (op === 'truncate' ? width > value.width : width < value.width) {
      throw new TypeError(`${op}: from ${value.width} to ${width} bits`);
    }
    return this.#make(op, width, [value]);
  }

  #make(op: Operator, width: Width, args: readonly Value[]): Value {
    return this.#interner.intern(fold({ op, width, args }));
  }
}
