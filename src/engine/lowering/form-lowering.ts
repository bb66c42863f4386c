/** Lowers the statements of a form: what all emitters have in common. */
import {
  FIELD_KINDS,
  type FieldName,
  GPR_SLOT,
  SEGMENT_FIELDS,
  SEGMENT_STRIDE,
  STATE,
} from '../../cpu/state-layout.ts';
import type { Statement } from '../../ir/statement.ts';
import type { Value, Width } from '../../ir/value.ts';
import type { Place, SegmentRef } from '../../isa/operand.ts';
import { I64, type MemoryOpcode } from '../../wasm/code-writer.ts';
import { type Expression, i32, Local } from '../../wasm/expression.ts';
import { FlagLowering } from './flag-lowering.ts';
import { countUses, typeOf } from './value-lowering.ts';

export type FormStatement = Statement<Place, SegmentRef>;

/** A place in the state block. */
export type StatePlace = Exclude<Place, { space: 'flag' }>;

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

/**
 * What is left to subclasses: where operands come from (`input`, and of places what the instruction alone names), how
 * memory is reached, and how control leaves. One that keeps registers or flags in locals overrides `readPlace` and
 * `writePlace`, or the four accessors of the flags' words.
 */
export abstract class FormLowering extends FlagLowering {
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
        this.readPlace(statement.place, statement.result.width);
        return code.set(this.temporaryLocal(statement.result.id, statement.result.width));
      case 'write':
        return this.writePlace(statement.place, statement.value);
      case 'load':
        return this.load(statement);
      case 'store':
        return this.store(statement);
      case 'flags':
        return this.writeFlags(statement.values);
      case 'jump':
        return this.jump(statement);
      case 'checkTarget':
        return this.checkTarget(statement);
      case 'raise':
        return this.raise(statement);
      case 'call':
        return this.call(statement);
      case 'when':
        return this.when(statement);
    }
  }

  protected when(statement: Extract<FormStatement, { kind: 'when' }>): void {
    const { code } = this;
    this.value(statement.condition);
    code.if();
    this.scoped(() => this.statements(statement.then));
    if (statement.otherwise.length > 0) {
      code.else();
      this.scoped(() => this.statements(statement.otherwise));
    }
    code.end();
  }

  /** Must run before the statements are lowered. */
  protected prepare(statements: readonly FormStatement[]): void {
    this.useCounts(countUses(statements));
  }

  // Places ------------------------------------------------------------------------------------------------------

  /** Pushes a place's value, clean. */
  protected readPlace(place: Place, width: Width): void {
    if (place.space === 'flag') return this.readFlag(place.flag);
    const offset = this.addressOf(place);
    this.code.memory(loadOpcode(width), offset);
  }

  protected writePlace(place: Place, value: Value): void {
    const { code } = this;
    if (place.space === 'flag') return this.writeFlags({ [place.flag]: value });
    const offset = this.addressOf(place);
    this.value(value);
    const isGpr = place.space === 'gpr' || place.space === 'field';
    if (isGpr && this.wide && value.width === 32) {
      code.op('i64.extend_i32_u');
      code.memory('i64.store', offset);
    } else code.memory(storeOpcode(value.width), offset);
  }

  /** Pushes the address of a place in the state block; returns the constant offset to add. */
  protected addressOf(place: StatePlace): number {
    this.code.get(this.state);
    switch (place.space) {
      case 'gpr':
        return place.register * GPR_SLOT + (place.high ? 1 : 0);
      case 'selector':
        if (place.segment === 'reg') break;
        return STATE.segments + place.segment * SEGMENT_STRIDE + SEGMENT_FIELDS.selector;
      case 'state':
        if (!(place.name in FIELD_KINDS)) throw new TypeError(`no state field ${place.name}`);
        return STATE.fields[place.name as FieldName];
    }
    throw new TypeError(`a ${place.space} that only the instruction names: its form is not bound`);
  }

  /** Pushes a field of the state block. */
  protected pushField(load: MemoryOpcode, field: FieldName): void {
    this.code.get(this.state);
    this.code.memory(load, STATE.fields[field]);
  }

  /** An argument for emitted code: a constant, or a local of its own. */
  protected argument(value: Value): Expression {
    if (value.op === 'constant' && value.width !== 64) return i32(Number(value.value));
    const local = new Local(typeOf(value.width), this.pool.take(typeOf(value.width)));
    this.clean(value);
    this.code.set(local.index);
    return local;
  }

  /** Pushes a value as i64, zero-extended. */
  protected asI64(value: Value): void {
    this.clean(value);
    if (typeOf(value.width) !== I64) this.code.op('i64.extend_i32_u');
  }
}
