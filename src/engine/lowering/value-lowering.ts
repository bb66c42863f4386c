/**
 * Lowers values to wasm. Values up to 32 bits live in an i32, 64-bit ones in an i64. An 8- or 16-bit value may be
 * "dirty": its upper bits are arbitrary until someone needs them; temporaries and inputs are always clean.
 */
import type { Statement } from '../../ir/statement.ts';
import { isOperation, type Operation, type Value, type Width } from '../../ir/value.ts';
import { forEachStatement, partsOf, valuesOf } from '../../ir/visit.ts';
import { type CodeWriter, I32, I64, type SimpleOpcode, type ValueType } from '../../wasm/code-writer.ts';

export const typeOf = (width: Width): ValueType => (width === 64 ? I64 : I32);

/** Hands out locals and takes them back wholesale, so that handlers of one function share them. */
export class LocalPool {
  readonly #code: CodeWriter;
  readonly #free: Record<number, number[]> = { [I32]: [], [I64]: [] };
  #used: [ValueType, number][] = [];

  constructor(code: CodeWriter) {
    this.#code = code;
  }
  take(type: ValueType): number {
    const local = this.#free[type].shift() ?? this.#code.newLocal(type);
    this.#used.push([type, local]);
    return local;
  }
  releaseAll(): void {
    for (const [type, local] of this.#used) this.#free[type].push(local);
    this.#used = [];
  }
}

const MULTIPLE_USE_OF_ARGUMENTS: ReadonlySet<string> = new Set([
  'addCarries',
  'subBorrows',
  'overflow',
  'mulHighUnsigned',
  'mulHighSigned',
  'sdiv',
  'srem',
]);

/** How often each operation in statements is used. */
export function countUses(statements: readonly Statement[]): ReadonlyMap<Value, number> {
  const counts = new Map<Value, number>();
  const visit = (value: Value): void => {
    if (isOperation(value)) {
      const uses = counts.get(value) ?? 0;
      counts.set(value, uses + 1);
      if (uses > 0) return;
    }
    const parts = partsOf(value);
    if (parts.length === 0) return;
    const isMultiple = MULTIPLE_USE_OF_ARGUMENTS.has(value.op);
    for (const part of parts) {
      visit(part);
      if (isMultiple) visit(part);
    }
  };
  forEachStatement(statements, (statement) => {
    for (const value of valuesOf(statement)) {
      visit(value);
      // A flag's value may be looked at more than once.
      if (statement.kind === 'flags') visit(value);
    }
  });
  return counts;
}

export abstract class ValueLowering {
  protected readonly code: CodeWriter;
  protected readonly pool: LocalPool;
  /** Locals of temporaries. */
  protected temporaries = new Map<number, number>();
  #shared = new Map<Value, number>();
  #uses: ReadonlyMap<Value, number> = new Map();

  constructor(code: CodeWriter, pool: LocalPool) {
    this.code = code;
    this.pool = pool;
  }

  /** Pushes an input of the instruction, clean. */
  protected abstract input(name: string, width: Width): void;

  /** What comes has temporaries, and values, of its own. */
  protected forgetValues(): void {
    this.temporaries = new Map();
    this.#shared = new Map();
  }

  /** How often each operation is used, so that shared ones are computed once. */
  protected useCounts(uses: ReadonlyMap<Value, number>): void {
    this.#uses = uses;
  }

  /** Runs `body`; what it computed once is forgotten afterwards (it may not have run). */
  protected scoped(body: () => void): void {
    const outer = this.#shared;
    this.#shared = new Map(outer);
    body();
    this.#shared = outer;
  }

  /** Local that a temporary lives in. */
  protected temporaryLocal(id: number, width: Width): number {
    let local = this.temporaries.get(id);
    if (local === undefined) {
      local = this.pool.take(typeOf(width));
      this.temporaries.set(id, local);
    }
    return local;
  }

  /** Pushes a value; its upper bits may be dirty. */
  value(value: Value): void {
    switch (value.op) {
      case 'constant':
        if (value.width === 64) this.code.i64(value.value);
        else this.code.i32(Number(value.value) | 0);
        return;
      case 'undefined':
        if (value.pick) this.value(value.pick);
        else if (value.width === 64) this.code.i64(0n);
        else this.code.i32(0);
        return;
      case 'temporary':
        this.code.get(this.temporaryLocal(value.id, value.width));
        return;
      case 'input':
        this.input(value.name, value.width);
        return;
      default: {
        const local = this.#shared.get(value);
        if (local !== undefined) return this.code.get(local);
        this.#operation(value);
        if ((this.#uses.get(value) ?? 0) > 1) {
          const fresh = this.pool.take(typeOf(value.width));
          this.#shared.set(value, fresh);
          this.code.tee(fresh);
        }
      }
    }
  }

  /** Pushes a value whose bits above its width are zero. */
  clean(value: Value): void {
    this.value(value);
    if (!isClean(value)) {
      this.code.i32(value.width === 8 ? 0xff : 0xffff);
      this.code.op('i32.and');
    }
  }

  /** Pushes a value sign-extended to its wasm type. */
  signed(value: Value): void {
    this.value(value);
    this.#extendSign(value.width);
  }

  #extendSign(width: Width): void {
    if (width === 8) this.code.op('i32.extend8_s');
    else if (width === 16) this.code.op('i32.extend16_s');
    else if (width === 1) {
      this.code.i32(31);
      this.code.op('i32.shl');
      this.code.i32(31);
      this.code.op('i32.shr_s');
    }
  }

  #number(value: number, width: Width): void {
    if (width === 64) this.code.i64(BigInt(value));
    else this.code.i32(value);
  }

  /** Pushes a shift count in the type of the shifted value. */
  #count(count: Value, width: Width): void {
    this.clean(count);
    if (width === 64 && count.width !== 64) this.code.op('i64.extend_i32_u');
    if (width !== 64 && count.width === 64) this.code.op('i32.wrap_i64');
  }

  #operation(node: Operation): void {
    const { code } = this;
    const { op, width, args } = node;
    const [a, b, c] = args as [Value, Value, Value];
    const argWidth = a.width;
    if (width === 128 || argWidth === 128)
      throw new TypeError(`${op}: 128-bit values are for the reference evaluator only`);
    const prefix = argWidth === 64 ? 'i64' : 'i32';
    const simple = (name: string) => code.op(`${prefix}.${name}` as SimpleOpcode);
    switch (op) {
      case 'add':
      case 'sub':
      case 'mul':
      case 'and':
      case 'or':
      case 'xor':
        this.value(a);
        this.value(b);
        return simple(op);
      case 'not':
        this.value(a);
        this.#number(width === 1 ? 1 : -1, width);
        return simple('xor');
      case 'neg':
        this.#number(0, width);
        this.value(a);
        return simple('sub');
      case 'mulHighUnsigned':
      case 'mulHighSigned':
        return this.#multiplyHigh(a, b, op === 'mulHighSigned');
      case 'udiv':
      case 'urem':
        this.clean(a);
        // The row has raised #DE for zero; wasm must not trap where that was undefined.
        this.clean(b);
        this.clean(b);
        simple('eqz');
        if (width === 64) code.op('i64.extend_i32_u');
        simple('or');
        return simple(op === 'udiv' ? 'div_u' : 'rem_u');
      case 'sdiv':
      case 'srem': {
        // MIN / −1 traps in wasm (its row raises #DE): divide by 1 instead where the divisor is −1 or 0, and negate.
        const minusOne = () => {
          this.signed(b);
          this.#number(-1, width);
          simple('eq');
        };
        const safeDivisor = () => {
          this.#number(1, width);
          this.signed(b);
          this.signed(b);
          this.#number(1, width);
          simple('add');
          this.#number(1, width);
          simple('le_u');
          code.op('select');
        };
        if (op === 'sdiv') {
          this.#number(0, width);
          this.signed(a);
          simple('sub');
        } else this.#number(0, width);
        this.signed(a);
        safeDivisor();
        simple(op === 'sdiv' ? 'div_s' : 'rem_s');
        minusOne();
        return code.op('select');
      }
      case 'shl':
        this.value(a);
        this.#count(b, width);
        return simple('shl');
      case 'shr':
        this.clean(a);
        this.#count(b, width);
        return simple('shr_u');
      case 'sar':
        this.signed(a);
        this.#count(b, width);
        return simple('shr_s');
      case 'rotl':
      case 'rotr':
        if (width < 32) {
          // Repeating the pattern makes a 32-bit rotate do.
          this.clean(a);
          code.i32(width === 8 ? 0x0101_0101 : 0x0001_0001);
          code.op('i32.mul');
        } else this.value(a);
        this.#count(b, width);
        return simple(op);
      case 'eq':
      case 'ne':
        this.clean(a);
        this.clean(b);
        return simple(op);
      case 'ult':
      case 'ule':
        this.clean(a);
        this.clean(b);
        return simple(op === 'ult' ? 'lt_u' : 'le_u');
      case 'slt':
      case 'sle':
        this.signed(a);
        this.signed(b);
        return simple(op === 'slt' ? 'lt_s' : 'le_s');
      case 'addCarries': // (l & r) | ((l | r) & ~sum)
        this.value(a);
        this.value(b);
        simple('and');
        this.value(a);
        this.value(b);
        simple('or');
        this.value(c);
        this.#number(-1, width);
        simple('xor');
        simple('and');
        return simple('or');
      case 'subBorrows': // (~l & r) | (~(l ^ r) & difference)
        this.value(a);
        this.#number(-1, width);
        simple('xor');
        this.value(b);
        simple('and');
        this.value(a);
        this.value(b);
        simple('xor');
        this.#number(-1, width);
        simple('xor');
        this.value(c);
        simple('and');
        return simple('or');
      case 'msb':
        this.value(a);
        this.#number(argWidth - 1, argWidth);
        simple('shr_u');
        if (argWidth === 64) return code.op('i32.wrap_i64');
        if (argWidth === 32) return;
        code.i32(1);
        return code.op('i32.and');
      case 'overflow':
        this.value(a);
        this.#number(argWidth - 1, argWidth);
        simple('shr_u');
        this.value(a);
        this.#number(argWidth - 2, argWidth);
        simple('shr_u');
        simple('xor');
        if (argWidth === 64) code.op('i32.wrap_i64');
        code.i32(1);
        return code.op('i32.and');
      case 'bit3':
        this.value(a);
        if (argWidth === 64) code.op('i32.wrap_i64');
        code.i32(3);
        code.op('i32.shr_u');
        code.i32(1);
        return code.op('i32.and');
      case 'isZero':
        this.clean(a);
        return simple('eqz');
      case 'parity':
        this.value(a);
        if (argWidth === 64) code.op('i32.wrap_i64');
        code.i32(0xff);
        code.op('i32.and', 'i32.popcnt');
        code.i32(1);
        code.op('i32.and', 'i32.eqz');
        return;
      case 'select':
        this.value(b);
        this.value(c);
        this.value(a);
        return code.op('select');
      case 'zeroExtend':
        this.clean(a);
        if (width === 64) code.op('i64.extend_i32_u');
        return;
      case 'signExtend':
        this.signed(a);
        if (width === 64) code.op('i64.extend_i32_s');
        return;
      case 'truncate':
        this.value(a);
        if (argWidth === 64) code.op('i32.wrap_i64');
        if (width === 1) {
          code.i32(1);
          code.op('i32.and');
        }
        return;
      case 'countLeadingZeros':
        this.clean(a);
        simple('clz');
        if (argWidth < 32) {
          code.i32(32 - argWidth);
          code.op('i32.sub');
        }
        return;
      case 'countTrailingZeros':
        this.value(a);
        if (argWidth < 32) {
          code.i32(1 << argWidth);
          code.op('i32.or');
        }
        return simple('ctz');
      case 'popCount':
        this.clean(a);
        return simple('popcnt');
    }
  }

  #multiplyHigh(a: Value, b: Value, signed: boolean): void {
    const { code } = this;
    if (a.width < 64) {
      for (const side of [a, b]) {
        if (signed) this.signed(side);
        else this.clean(side);
        code.op(signed ? 'i64.extend_i32_s' : 'i64.extend_i32_u');
      }
      code.op('i64.mul');
      code.i64(BigInt(a.width));
      code.op('i64.shr_u', 'i32.wrap_i64');
      return;
    }
    // Schoolbook on 32-bit halves: high = ah·bh + (mid1 >> 32) + (mid2 >> 32), with
    // mid1 = ah·bl + (al·bl >> 32), mid2 = al·bh + (mid1 mod 2^32). Signed: minus b if a < 0, minus a if b < 0.
    const half = (value: Value, part: 'low' | 'high') => {
      this.value(value);
      if (part === 'high') {
        code.i64(32n);
        code.op('i64.shr_u');
      } else {
        code.i64(0xffff_ffffn);
        code.op('i64.and');
      }
    };
    const middle = this.pool.take(I64);
    half(a, 'high');
    half(b, 'low');
    code.op('i64.mul');
    half(a, 'low');
    half(b, 'low');
    code.op('i64.mul');
    code.i64(32n);
    code.op('i64.shr_u', 'i64.add');
    code.set(middle);
    half(a, 'high');
    half(b, 'high');
    code.op('i64.mul');
    code.get(middle);
    code.i64(32n);
    code.op('i64.shr_u', 'i64.add');
    half(a, 'low');
    half(b, 'high');
    code.op('i64.mul');
    code.get(middle);
    code.i64(0xffff_ffffn);
    code.op('i64.and', 'i64.add');
    code.i64(32n);
    code.op('i64.shr_u', 'i64.add');
    if (!signed) return;
    for (const [sign, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.value(sign);
      code.i64(63n);
      code.op('i64.shr_s');
      this.value(other);
      code.op('i64.and', 'i64.sub');
    }
  }
}

/** Whether a value's bits above its width are certainly zero. */
export function isClean(value: Value): boolean {
  if (value.width === 1 || value.width >= 32) return true;
  if (value.op === 'undefined') return !value.pick || isClean(value.pick);
  if (!isOperation(value)) return true;
  const [a, b, c] = value.args as [Value, Value, Value];
  switch (value.op) {
    case 'and':
      return isClean(a) || isClean(b);
    case 'or':
    case 'xor':
      return isClean(a) && isClean(b);
    case 'select':
      return isClean(b) && isClean(c);
    case 'shr':
    case 'udiv':
    case 'urem':
    case 'zeroExtend':
    case 'countLeadingZeros':
    case 'countTrailingZeros':
    case 'popCount':
      return true;
    default:
      return false;
  }
}
