/** Lowers the statements of a form: what is common to hot handlers and cold functions. */
import { EFLAGS, FLAG_CARRIES } from '../../cpu/flags.ts';
import {
  FIELD_KINDS,
  type FieldName,
  GPR_SLOT,
  SEGMENT_FIELDS,
  SEGMENT_STRIDE,
  STATE,
} from '../../cpu/state-layout.ts';
import type { Statement } from '../../ir/statement.ts';
import { isOperation, type Value, type Width } from '../../ir/value.ts';
import { forEachUse } from '../../ir/visit.ts';
import type { Place, SegmentRef } from '../../isa/operand.ts';
import { type CodeWriter, I64, type MemoryOpcode } from '../../wasm/code-writer.ts';
import { RECORD } from '../interpreter/record-layout.ts';
import { type LocalPool, typeOf, ValueLowering } from './value-lowering.ts';

export type FormStatement = Statement<Place, SegmentRef>;

/** Locals that every form finds: state block and current record. */
export interface FormLocals {
  readonly state: number;
  readonly record: number;
}

const LOAD_OPCODE: Record<number, MemoryOpcode> = {
  8: 'i32.load8_u',
  16: 'i32.load16_u',
  32: 'i32.load',
  64: 'i64.load',
};
const STORE_OPCODE: Record<number, MemoryOpcode> = {
  8: 'i32.store8',
  16: 'i32.store16',
  32: 'i32.store',
  64: 'i64.store',
};
export const loadOpcode = (width: number): MemoryOpcode => LOAD_OPCODE[width];
export const storeOpcode = (width: number): MemoryOpcode => STORE_OPCODE[width];

export abstract class FormLowering extends ValueLowering {
  protected readonly locals: FormLocals;
  /** Code for 64-bit mode: linear addresses and instruction pointers are i64. */
  protected readonly wide: boolean;
  #effectiveAddress: number | undefined;

  constructor(code: CodeWriter, pool: LocalPool, locals: FormLocals, options: { readonly wide: boolean }) {
    super(code, pool);
    this.locals = locals;
    this.wide = options.wide;
  }

  protected abstract load(statement: Extract<FormStatement, { kind: 'load' }>): void;
  protected abstract store(statement: Extract<FormStatement, { kind: 'store' }>): void;
  protected abstract jump(statement: Extract<FormStatement, { kind: 'jump' }>): void;
  protected abstract checkTarget(statement: Extract<FormStatement, { kind: 'checkTarget' }>): void;
  protected abstract raise(statement: Extract<FormStatement, { kind: 'raise' }>): void;
  protected abstract call(statement: Extract<FormStatement, { kind: 'call' }>): void;

  statements(statements: readonly FormStatement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: FormStatement): void {
    const { code } = this;
    switch (statement.kind) {
      case 'read':
        this.#read(statement.place, statement.result.width);
        return code.set(this.temporaryLocal(statement.result.id, statement.result.width));
      case 'write':
        return this.#write(statement.place, statement.value);
      case 'load':
        return this.load(statement);
      case 'store':
        return this.store(statement);
      case 'flags':
        return this.#flags(statement.values);
      case 'jump':
        return this.jump(statement);
      case 'checkTarget':
        return this.checkTarget(statement);
      case 'raise':
        return this.raise(statement);
      case 'call':
        return this.call(statement);
      case 'when':
        this.value(statement.condition);
        code.if();
        this.scoped(() => this.statements(statement.then));
        if (statement.otherwise.length > 0) {
          code.else();
          this.scoped(() => this.statements(statement.otherwise));
        }
        return code.end();
    }
  }

  // Inputs ------------------------------------------------------------------------------------------------------

  protected input(name: string, width: Width): void {
    const { code, locals } = this;
    switch (name) {
      case 'immediate':
        code.get(locals.record);
        return code.memory(loadOpcode(width), RECORD.immediate);
      case 'branch':
        code.get(locals.record);
        return code.memory('i32.load', RECORD.branch);
      case 'immediate2':
        code.get(locals.record);
        return code.memory(width === 8 ? 'i32.load8_u' : width === 16 ? 'i32.load16_u' : 'i32.load', RECORD.immediate2);
      case 'reg':
      case 'rm':
        code.get(locals.record);
        return code.memory('i32.load8_u', name === 'reg' ? RECORD.regNumber : RECORD.rmNumber);
      case 'segment':
        code.get(locals.record);
        code.memory('i32.load16_u', RECORD.segment);
        code.i32(STATE.segments);
        code.op('i32.sub');
        code.i32(Math.log2(SEGMENT_STRIDE));
        return code.op('i32.shr_u');
      case 'ip':
      case 'nextIp':
        this.pushIp(name, width);
        return;
      case 'ea':
        this.#effectiveAddress ??= this.#computeEffectiveAddress(width);
        return code.get(this.#effectiveAddress);
      default:
        throw new TypeError(`unknown input ${name}`);
    }
  }

  /** Pushes the offset of this or the next instruction: i32, or i64 for width 64. */
  protected pushIp(which: 'ip' | 'nextIp', width: Width): void {
    const { code, locals } = this;
    code.get(locals.state);
    code.memory(this.wide ? 'i64.load' : 'i32.load', STATE.fields.base);
    code.get(locals.record);
    code.memory('i32.load16_u', RECORD.pageOffset);
    if (which === 'nextIp') {
      code.get(locals.record);
      code.memory('i32.load8_u', RECORD.length);
      code.op('i32.add');
    }
    if (this.wide) {
      code.op('i64.extend_i32_u', 'i64.add');
      if (width !== 64) code.op('i32.wrap_i64');
    } else code.op('i32.add');
  }

  /** Evaluates ModR/M's address once, before anything is written, into a local. */
  #computeEffectiveAddress(width: Width): number {
    const { code, locals } = this;
    const wide = width === 64;
    const register = (field: number) => {
      code.get(locals.state);
      code.get(locals.record);
      code.memory('i32.load8_u', field);
      code.op('i32.add');
      code.memory(wide ? 'i64.load' : 'i32.load', 0);
    };
    register(RECORD.base);
    register(RECORD.index);
    code.get(locals.record);
    code.memory(wide ? 'i64.load8_u' : 'i32.load8_u', RECORD.scale);
    code.op(wide ? 'i64.shl' : 'i32.shl', wide ? 'i64.add' : 'i32.add');
    code.get(locals.record);
    code.memory(wide ? 'i64.load32_s' : 'i32.load', RECORD.displacement);
    code.op(wide ? 'i64.add' : 'i32.add');
    if (width === 16) {
      code.i32(0xffff);
      code.op('i32.and');
    }
    const local = this.pool.take(typeOf(width));
    code.set(local);
    return local;
  }

  /** Must run before the statements: inside a branch or after a write it would be too late. */
  protected prepare(statements: readonly FormStatement[]): void {
    this.countUses(statements);
    const width = findEffectiveAddress(statements);
    if (width !== undefined) this.#effectiveAddress = this.#computeEffectiveAddress(width);
  }

  // Places ------------------------------------------------------------------------------------------------------

  /** Pushes the address of a place; returns the constant offset to add. */
  #address(place: Exclude<Place, { space: 'flag' }>): number {
    const { code, locals } = this;
    code.get(locals.state);
    const dynamic = (field: number) => {
      code.get(locals.record);
      code.memory('i32.load8_u', field);
    };
    switch (place.space) {
      case 'gpr':
        return place.register * GPR_SLOT + (place.high ? 1 : 0);
      case 'field':
        dynamic(place.field === 'reg' ? RECORD.reg : RECORD.rm);
        code.op('i32.add');
        return 0;
      case 'selector':
        if (place.segment !== 'reg') return STATE.segments + place.segment * SEGMENT_STRIDE + SEGMENT_FIELDS.selector;
        dynamic(RECORD.regNumber);
        code.i32(Math.log2(SEGMENT_STRIDE));
        code.op('i32.shl', 'i32.add');
        return STATE.segments + SEGMENT_FIELDS.selector;
      case 'state': {
        if (!(place.name in FIELD_KINDS)) throw new TypeError(`no state field ${place.name}`);
        return STATE.fields[place.name as FieldName];
      }
    }
  }

  #read(place: Place, width: Width): void {
    if (place.space === 'flag') return this.#readFlag(place.flag);
    const offset = this.#address(place);
    this.code.memory(loadOpcode(width), offset);
  }

  #write(place: Place, value: Value): void {
    const { code } = this;
    if (place.space === 'flag') return this.#flags({ [place.flag]: value });
    const offset = this.#address(place);
    this.value(value);
    const isGpr = place.space === 'gpr' || place.space === 'field';
    if (isGpr && this.wide && value.width === 32) {
      code.op('i64.extend_i32_u');
      code.memory('i64.store', offset);
    } else code.memory(storeOpcode(value.width), offset);
  }

  // Flags -------------------------------------------------------------------------------------------------------

  // Flags: in the state block, also in the loop. Locals for them would only be spilled (see `run-module.ts`). ---
  protected getFlagResult(): void {
    this.code.get(this.locals.state);
    this.code.memory(this.wide ? 'i64.load' : 'i32.load', STATE.fields.flagResult);
  }
  protected getFlagCarries(): void {
    this.code.get(this.locals.state);
    this.code.memory('i32.load', STATE.fields.flagCarries);
  }
  protected setFlagResult(push: () => void): void {
    this.code.get(this.locals.state);
    push();
    if (!this.wide) this.code.op('i64.extend_i32_s');
    this.code.memory('i64.store', STATE.fields.flagResult);
  }
  protected setFlagCarries(push: () => void): void {
    this.code.get(this.locals.state);
    push();
    this.code.memory('i32.store', STATE.fields.flagCarries);
  }

  #readFlag(flag: string): void {
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
        code.get(this.locals.state);
        code.memory('i32.load', STATE.fields.flagsOther);
        code.i32(Math.log2(EFLAGS.DF));
        code.op('i32.shr_u');
        code.i32(1);
        return code.op('i32.and');
      default:
        throw new TypeError(`no flag ${flag}`);
    }
  }

  #flags(given: Readonly<Record<string, Value>>): void {
    const { DF, ...values } = given;
    if (DF) this.#writeDirectionFlag(DF);
    const { code } = this;
    const touched = (names: readonly string[]) => names.some((name) => name in values);
    if (Object.keys(values).length === 0) return;

    // Everything is evaluated before the first word changes: a flag kept, or read by another's value, is the old one.
    const result = soleArgument(values, { SF: 'msb', ZF: 'isZero', PF: 'parity' });
    const vector = soleArgument(values, { CF: 'msb', OF: 'overflow', AF: 'bit3' });
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
      if (result) this.setFlagResult(() => this.#signExtendedResult(result));
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

  #flagOrOld(values: Readonly<Record<string, Value>>, flag: string): void {
    const value = values[flag];
    if (value) this.clean(value);
    else this.#readFlag(flag);
  }

  /** ORs the deltas that go with the present result to the carries on the stack. */
  #keepDeltas(): void {
    this.getFlagCarries();
    this.code.i32(FLAG_CARRIES.SF_DELTA | FLAG_CARRIES.PF_DELTA);
    this.code.op('i32.and', 'i32.or');
  }

  #signExtendedResult(result: Value): void {
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
    const { code, locals } = this;
    code.get(locals.state);
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.flagsOther);
    code.i32(~EFLAGS.DF);
    code.op('i32.and');
    this.clean(value);
    code.i32(Math.log2(EFLAGS.DF));
    code.op('i32.shl', 'i32.or');
    code.memory('i32.store', STATE.fields.flagsOther);
  }

  /** Pushes a value as i64, zero-extended. */
  protected asI64(value: Value): void {
    this.clean(value);
    if (typeOf(value.width) !== I64) this.code.op('i64.extend_i32_u');
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

/** Width of the effective address, if the statements use it anywhere. */
function findEffectiveAddress(statements: readonly FormStatement[]): Width | undefined {
  let width: Width | undefined;
  forEachUse(statements, (value) => {
    if (value.op === 'input' && value.name === 'ea') width = value.width;
  });
  return width;
}
