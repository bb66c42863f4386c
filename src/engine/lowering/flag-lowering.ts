/**
 * Lowers flags. The six status flags are two words (see `cpu/flags.ts`): a result and a vector of carries. Most
 * instructions give all six in shapes that are those words; any other combination is composed.
 */
import { EFLAGS, FLAG_CARRIES } from '../../cpu/flags.ts';
import { STATE } from '../../cpu/state-layout.ts';
import { isOperation, type Value } from '../../ir/value.ts';
import type { CodeWriter } from '../../wasm/code-writer.ts';
import { type LocalPool, typeOf, ValueLowering } from './value-lowering.ts';

export interface CodeShape {
  /** Local that holds the address of the state block. */
  readonly state: number;
  /** Code for 64-bit mode: linear addresses and instruction pointers are i64. */
  readonly wide: boolean;
}

export abstract class FlagLowering extends ValueLowering {
  protected readonly state: number;
  protected readonly wide: boolean;

  constructor(code: CodeWriter, pool: LocalPool, { state, wide }: CodeShape) {
    super(code, pool);
    this.state = state;
    this.wide = wide;
  }

  // The two words: in the state block, unless a subclass keeps them elsewhere. The interpreter's loop does not: locals
  // for them would only be spilled (see `interpreter/loop/run-module.ts`).

  /** Pushes the low 32 bits of the result; in wide code all 64. */
  protected getFlagResult(): void {
    this.code.get(this.state);
    this.code.memory(this.wide ? 'i64.load' : 'i32.load', STATE.fields.flagResult);
  }
  /** Pushes the carries, an i32. */
  protected getFlagCarries(): void {
    this.code.get(this.state);
    this.code.memory('i32.load', STATE.fields.flagCarries);
  }
  /** `push` pushes the sign-extended result: i32, in wide code i64. */
  protected setFlagResult(push: () => void): void {
    this.code.get(this.state);
    push();
    if (!this.wide) this.code.op('i64.extend_i32_s');
    this.code.memory('i64.store', STATE.fields.flagResult);
  }
  protected setFlagCarries(push: () => void): void {
    this.code.get(this.state);
    push();
    this.code.memory('i32.store', STATE.fields.flagCarries);
  }

  /** Pushes a flag: 0 or 1. */
  protected readFlag(flag: string): void {
    const { code } = this;
    const resultOp = (narrow: Parameters<CodeWriter['op']>[0], wide: Parameters<CodeWriter['op']>[0]) =>
      code.op(this.wide ? wide : narrow);
    switch (flag) {
      case 'CF':
        this.getFlagCarries();
        code.i32(31);
        return code.op('i32.shr_u');
      case 'OF':
        this.getFlagCarries();
        this.getFlagCarries();
        code.i32(1);
        code.op('i32.shl', 'i32.xor');
        code.i32(31);
        return code.op('i32.shr_u');
      case 'AF':
        this.getFlagCarries();
        code.i32(3);
        code.op('i32.shr_u');
        code.i32(1);
        return code.op('i32.and');
      case 'ZF':
        this.getFlagResult();
        return resultOp('i32.eqz', 'i64.eqz');
      case 'SF':
        this.getFlagResult();
        if (this.wide) {
          code.i64(63n);
          code.op('i64.shr_u', 'i32.wrap_i64');
        } else {
          code.i32(31);
          code.op('i32.shr_u');
        }
        this.getFlagCarries();
        code.i32(FLAG_CARRIES.SF_DELTA);
        return code.op('i32.and', 'i32.xor');
      case 'PF':
        this.getFlagResult();
        if (this.wide) code.op('i32.wrap_i64');
        code.i32(0xff);
        code.op('i32.and', 'i32.popcnt');
        this.getFlagCarries();
        code.i32(1);
        code.op('i32.shr_u', 'i32.xor');
        code.i32(1);
        return code.op('i32.and', 'i32.eqz');
      case 'DF':
        code.get(this.state);
        code.memory('i32.load', STATE.fields.flagsOther);
        code.i32(Math.log2(EFLAGS.DF));
        code.op('i32.shr_u');
        code.i32(1);
        return code.op('i32.and');
      default:
        throw new TypeError(`no flag ${flag}`);
    }
  }

  /** Sets the flags given; the others keep their values. */
  protected writeFlags(values: Readonly<Record<string, Value>>): void {
    if (values.DF) {
      const { DF, ...others } = values;
      this.#writeDirectionFlag(DF);
      return this.writeFlags(others);
    }
    const { code } = this;
    const touched = (names: readonly string[]) => names.some((name) => name in values);
    if (Object.keys(values).length === 0) return;

    // Everything is evaluated before the first word changes: a flag kept, or read by another's value, is the old one.
    const result = soleArgument(values, { SF: 'msb', ZF: 'isZero', PF: 'parity' });
    const vector = soleArgument(values, { CF: 'msb', OF: 'overflow', AF: 'bit3' });
    if (result && vector) return this.setAllFlags(result, vector);
    const apart = values.CF ? undefined : soleArgument(values, { OF: 'overflow', AF: 'bit3' });
    if (result && apart && this.setAllButCarry(result, apart)) return;
    const carries = this.pool.take(typeOf(32));
    if (vector) this.#maskedVector(vector);
    else if (touched(['CF', 'OF', 'AF'])) this.#composeCarries(values);
    else {
      this.getFlagCarries();
      code.i32(~(FLAG_CARRIES.SF_DELTA | FLAG_CARRIES.PF_DELTA));
      code.op('i32.and');
    }
    if (result || !touched(['SF', 'ZF', 'PF'])) {
      if (!result) this.#keepDeltas();
      code.set(carries);
      if (result) this.setFlagResult(() => this.signedResult(result));
    } else {
      // Any combination of SF, ZF, PF: result 0 or 1, and deltas.
      const zero = this.pool.take(typeOf(32));
      this.#flagOrOld(values, 'ZF');
      code.set(zero);
      this.#flagOrOld(values, 'SF');
      code.op('i32.or');
      this.#flagOrOld(values, 'PF');
      code.get(zero);
      code.op('i32.xor');
      code.i32(1);
      code.op('i32.shl', 'i32.or');
      code.set(carries);
      this.setFlagResult(() => {
        code.get(zero);
        code.op('i32.eqz');
        if (this.wide) code.op('i64.extend_i32_u');
      });
    }
    this.setFlagCarries(() => code.get(carries));
  }

  /** All six: those of a result, and those of a vector of carries (`addCarries` and the like). */
  protected setAllFlags(result: Value, vector: Value): void {
    const carries = this.pool.take(typeOf(32));
    this.#maskedVector(vector);
    this.code.set(carries);
    this.setFlagResult(() => this.signedResult(result));
    this.setFlagCarries(() => this.code.get(carries));
  }

  /** The same but for CF, which is kept. @returns whether there was a better way than to put the words together */
  protected setAllButCarry(_result: Value, _vector: Value): boolean {
    return false;
  }

  #flagOrOld(values: Readonly<Record<string, Value>>, flag: string): void {
    const value = values[flag];
    if (value) this.clean(value);
    else this.readFlag(flag);
  }

  /** ORs the deltas that go with the present result to the carries on the stack. */
  #keepDeltas(): void {
    this.getFlagCarries();
    this.code.i32(FLAG_CARRIES.SF_DELTA | FLAG_CARRIES.PF_DELTA);
    this.code.op('i32.and', 'i32.or');
  }

  /** Pushes a result as `setFlagResult` takes it. */
  protected signedResult(result: Value): void {
    this.signed(result);
    if (this.wide && result.width !== 64) this.code.op('i64.extend_i32_s');
  }

  /** A carry vector of any width in the form of `flagCarries`. */
  #maskedVector(vector: Value): void {
    const { code } = this;
    const top = FLAG_CARRIES.CF | FLAG_CARRIES.OVERFLOW;
    if (vector.width === 32) {
      this.value(vector);
      code.i32(top | FLAG_CARRIES.AF);
      return code.op('i32.and');
    }
    this.value(vector);
    if (vector.width === 64) {
      code.i64(32n);
      code.op('i64.shr_u', 'i32.wrap_i64');
    } else {
      code.i32(32 - vector.width);
      code.op('i32.shl');
    }
    code.i32(top);
    code.op('i32.and');
    this.value(vector);
    if (vector.width === 64) code.op('i32.wrap_i64');
    code.i32(FLAG_CARRIES.AF);
    code.op('i32.and', 'i32.or');
  }

  /** (CF << 31) | ((CF ^ OF) << 30) | (AF << 3), each given or kept. */
  #composeCarries(values: Readonly<Record<string, Value>>): void {
    const { code } = this;
    const zero = (flag: string) => values[flag]?.op === 'constant' && values[flag].value === 0n;
    const isZeroOrUndefined = (flag: string) =>
      zero(flag) || (values[flag]?.op === 'undefined' && (!values[flag].pick || isConstantZero(values[flag].pick)));
    if (isZeroOrUndefined('CF') && isZeroOrUndefined('OF') && isZeroOrUndefined('AF')) return code.i32(0);
    const carry = this.pool.take(typeOf(32));
    this.#flagOrOld(values, 'CF');
    code.tee(carry);
    code.i32(31);
    code.op('i32.shl');
    code.get(carry);
    this.#flagOrOld(values, 'OF');
    code.op('i32.xor');
    code.i32(30);
    code.op('i32.shl', 'i32.or');
    if (isZeroOrUndefined('AF')) return;
    this.#flagOrOld(values, 'AF');
    code.i32(3);
    code.op('i32.shl', 'i32.or');
  }

  #writeDirectionFlag(value: Value): void {
    const { code } = this;
    code.get(this.state);
    code.get(this.state);
    code.memory('i32.load', STATE.fields.flagsOther);
    code.i32(~EFLAGS.DF);
    code.op('i32.and');
    this.clean(value);
    code.i32(Math.log2(EFLAGS.DF));
    code.op('i32.shl', 'i32.or');
    code.memory('i32.store', STATE.fields.flagsOther);
  }
}

const isConstantZero = (value: Value): boolean => value.op === 'constant' && value.value === 0n;

/** If every flag named in `shape` is given as that operator of one and the same value: that value. */
function soleArgument(values: Readonly<Record<string, Value>>, shape: Record<string, string>): Value | undefined {
  let sole: Value | undefined;
  for (const [flag, op] of Object.entries(shape)) {
    const value = values[flag];
    if (!value || !isOperation(value) || value.op !== op) return undefined;
    if (sole && value.args[0] !== sole) return undefined;
    sole = value.args[0];
  }
  return sole;
}
