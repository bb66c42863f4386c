/** Forms of which each instruction's operands are in a record: the interpreter's, hot and cold. */
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../cpu/state-layout.ts';
import type { Width } from '../../ir/value.ts';
import { forEachUse } from '../../ir/visit.ts';
import type { CodeWriter, MemoryOpcode } from '../../wasm/code-writer.ts';
import { FormLowering, type FormStatement, loadOpcode, type StatePlace } from '../lowering/form-lowering.ts';
import { type LocalPool, typeOf } from '../lowering/value-lowering.ts';
import { RECORD } from './record-layout.ts';

/** Locals that every form finds: state block and current record. */
export interface FormLocals {
  readonly state: number;
  readonly record: number;
}

export abstract class RecordLowering extends FormLowering {
  protected readonly locals: FormLocals;
  #effectiveAddress: number | undefined;

  constructor(code: CodeWriter, pool: LocalPool, locals: FormLocals, options: { readonly wide: boolean }) {
    super(code, pool, { state: locals.state, wide: options.wide });
    this.locals = locals;
  }

  /** Works out the effective address as well: inside a branch or after a write it would be too late. */
  protected override prepare(statements: readonly FormStatement[]): void {
    super.prepare(statements);
    const width = findEffectiveAddress(statements);
    if (width !== undefined) this.#effectiveAddress = this.#computeEffectiveAddress(width);
  }

  protected input(name: string, width: Width): void {
    const { code } = this;
    switch (name) {
      case 'immediate':
        return this.pushRecord(loadOpcode(width), RECORD.immediate);
      case 'branch':
        return this.pushRecord('i32.load', RECORD.branch);
      case 'immediate2':
        return this.pushRecord(loadOpcode(width), RECORD.immediate2);
      case 'reg':
      case 'rm':
        return this.pushRecord('i32.load8_u', name === 'reg' ? RECORD.regNumber : RECORD.rmNumber);
      case 'segment':
        this.pushRecord('i32.load16_u', RECORD.segment);
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
    const { code } = this;
    this.pushField(this.wide ? 'i64.load' : 'i32.load', 'base');
    this.pushRecord('i32.load16_u', RECORD.pageOffset);
    if (which === 'nextIp') {
      this.pushRecord('i32.load8_u', RECORD.length);
      code.op('i32.add');
    }
    if (this.wide) {
      code.op('i64.extend_i32_u', 'i64.add');
      if (width !== 64) code.op('i32.wrap_i64');
    } else code.op('i32.add');
  }

  /** Evaluates ModR/M's address once, before anything is written, into a local. */
  #computeEffectiveAddress(width: Width): number {
    const { code } = this;
    const wide = width === 64;
    const register = (field: number) => {
      this.#stateAt(field);
      code.memory(wide ? 'i64.load' : 'i32.load', 0);
    };
    register(RECORD.base);
    register(RECORD.index);
    this.pushRecord(wide ? 'i64.load8_u' : 'i32.load8_u', RECORD.scale);
    code.op(wide ? 'i64.shl' : 'i32.shl', wide ? 'i64.add' : 'i32.add');
    this.pushRecord(wide ? 'i64.load32_s' : 'i32.load', RECORD.displacement);
    code.op(wide ? 'i64.add' : 'i32.add');
    if (width === 16) {
      code.i32(0xffff);
      code.op('i32.and');
    }
    const local = this.pool.take(typeOf(width));
    code.set(local);
    return local;
  }

  /** Registers that the record names, by their state offsets or numbers. */
  protected override addressOf(place: StatePlace): number {
    const { code } = this;
    if (place.space === 'field') {
      this.#stateAt(place.field === 'reg' ? RECORD.reg : RECORD.rm);
      return 0;
    }
    if (place.space !== 'selector' || place.segment !== 'reg') return super.addressOf(place);
    code.get(this.state);
    this.pushRecord('i32.load8_u', RECORD.regNumber);
    code.i32(Math.log2(SEGMENT_STRIDE));
    code.op('i32.shl', 'i32.add');
    return STATE.segments + SEGMENT_FIELDS.selector;
  }

  /** Pushes a field of the record. */
  protected pushRecord(load: MemoryOpcode, field: number): void {
    this.code.get(this.locals.record);
    this.code.memory(load, field);
  }

  /** Pushes the address in the state block that a byte of the record is the offset of. */
  #stateAt(field: number): void {
    this.code.get(this.state);
    this.pushRecord('i32.load8_u', field);
    this.code.op('i32.add');
  }
}

/** Width of the effective address, if the statements use it anywhere. */
function findEffectiveAddress(statements: readonly FormStatement[]): Width | undefined {
  let width: Width | undefined;
  forEachUse(statements, (value) => {
    if (value.op === 'input' && value.name === 'ea') width = value.width;
  });
  return width;
}
