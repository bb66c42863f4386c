/**
 * A form as a handler inside the loop: only what usually happens. Segments are flat, memory is in the TLB, nothing
 * faults; as soon as that is not so, nothing has been changed yet and the form's cold function does it all.
 */
import { STATE } from '../../cpu/state-layout.ts';
import { isOperation, type Value } from '../../ir/value.ts';
import type { SegmentRef } from '../../isa/operand.ts';
import { type CodeWriter, I32, type Label } from '../../wasm/code-writer.ts';
import { type FormStatement, loadOpcode, storeOpcode } from '../lowering/form-lowering.ts';
import { isExit } from '../lowering/restartable.ts';
import { addSegmentBase } from '../lowering/segment-bounds.ts';
import { pushHostAddress, pushProbe, type TlbProbe } from '../lowering/tlb-probe.ts';
import type { LocalPool } from '../lowering/value-lowering.ts';
import { RECORD } from './record-layout.ts';
import { type FormLocals, RecordLowering } from './record-lowering.ts';

/** Locals of the loop. */
export interface RunLocals extends FormLocals {
  /** Where control goes: an instruction pointer. */
  readonly target: number;
  /** The record of the direct branch that goes there, to be linked with it; or 0. */
  readonly linkFrom: number;
}

interface Labels {
  readonly again: Label;
  readonly enter: Label;
  readonly resolve: Label;
  readonly cold: Label;
}

export class HotLowering extends RecordLowering {
  readonly #run: RunLocals;
  readonly #labels: Labels;
  /** The memory operand's segment is none of the flat ones. */
  readonly #segmented: boolean;
  /** Host address of a 'modify' load, for the store that follows. */
  readonly #hostAddress = new Map<number, number>();

  constructor(code: CodeWriter, pool: LocalPool, run: RunLocals, labels: Labels, options: { segmented: boolean }) {
    super(code, pool, run, { wide: false });
    this.#run = run;
    this.#labels = labels;
    this.#segmented = options.segmented;
  }

  /** Ends with the record still on the form; control falls through unless the form ends in a jump. */
  handler(statements: readonly FormStatement[]): void {
    // In a flat segment every target can be reached.
    const needed = statements.filter(({ kind }) => kind !== 'checkTarget');
    this.prepare(needed);
    this.statements(needed);
  }

  /** Leaves the host address of `width` bits at `offset` in a local; goes to the cold function on a TLB miss. */
  #translate(segment: SegmentRef, offset: Value, width: number, table: 'tlbRead' | 'tlbWrite'): number {
    const { code, state } = this;
    const [linear, entry] = [this.pool.take(I32), this.pool.take(I32)];
    const probe: TlbProbe = { table, bytes: width / 8, wide: false, state, linear, entry };
    this.clean(offset);
    code.set(linear);
    if (segment === 'operand' && this.#segmented) this.#addSegmentBase(linear, width / 8, table);
    pushProbe(code, probe, 'misses');
    code.brIf(this.#labels.cold);
    pushHostAddress(code, probe);
    code.set(linear);
    return linear;
  }

  /** Offset to linear address; what is not clearly within the segment goes to the cold function. */
  #addSegmentBase(offset: number, bytes: number, table: 'tlbRead' | 'tlbWrite'): void {
    const { code, state } = this;
    const segment = this.pool.take(I32);
    code.get(state);
    code.get(this.#run.record);
    code.memory('i32.load16_u', RECORD.segment);
    code.op('i32.add');
    code.set(segment);
    const access = { pushSegment: () => code.get(segment), segment: 0, offset, bytes, table };
    addSegmentBase(code, access, () => code.brIf(this.#labels.cold));
  }

  protected load(statement: Extract<FormStatement, { kind: 'load' }>): void {
    const { code } = this;
    const modify = statement.intent === 'modify';
    const host = this.#translate(statement.segment, statement.offset, statement.width, modify ? 'tlbWrite' : 'tlbRead');
    if (modify) this.#hostAddress.set(statement.result.id, host);
    code.get(host);
    code.memory(loadOpcode(statement.width), 0);
    code.set(this.temporaryLocal(statement.result.id, statement.width));
  }

  protected store(statement: Extract<FormStatement, { kind: 'store' }>): void {
    const { code } = this;
    const known = statement.after && this.#hostAddress.get(statement.after.id);
    const host = known ?? this.#translate(statement.segment, statement.offset, statement.value.width, 'tlbWrite');
    code.get(host);
    this.value(statement.value);
    code.memory(storeOpcode(statement.value.width), 0);
  }

  protected jump({ target, condition }: Extract<FormStatement, { kind: 'jump' }>): void {
    const { code } = this;
    if (condition) {
      this.value(condition);
      code.if();
    }
    this.#giveBackBudget();
    this.scoped(() => {
      if (isDirect(target)) this.#jumpLinked(target);
      else this.#jumpTo(target, () => code.i32(0));
    });
    if (condition) code.end();
  }

  /** budget += remaining − count: the instructions after this one in the block do not run. */
  #giveBackBudget(): void {
    const { code } = this;
    code.get(this.state);
    this.pushField('i32.load', 'budget');
    this.pushRecord('i32.load8_u', RECORD.remaining);
    code.op('i32.add');
    this.pushRecord('i32.load8_u', RECORD.count);
    code.op('i32.sub');
    code.memory('i32.store', STATE.fields.budget);
  }

  /** To the block that the record is linked with, or to have it found and linked. */
  #jumpLinked(target: Value): void {
    const { code } = this;
    const { record } = this.#run;
    const link = this.pool.take(I32);
    this.pushRecord('i32.load', RECORD.link);
    code.tee(link);
    code.if();
    code.get(link);
    code.set(record);
    code.br(this.#labels.enter);
    code.end();
    this.#jumpTo(target, () => code.get(record));
  }

  #jumpTo(target: Value, pushLinkFrom: () => void): void {
    const { code } = this;
    this.value(target);
    code.set(this.#run.target);
    pushLinkFrom();
    code.set(this.#run.linkFrom);
    code.br(this.#labels.resolve);
  }

  /** A hot form that would fault is left to its cold function. */
  protected raise(statement: Extract<FormStatement, { kind: 'raise' }>): void {
    if (!statement.condition) return this.code.br(this.#labels.cold);
    this.value(statement.condition);
    this.code.brIf(this.#labels.cold);
  }

  /** What a helper has to do is left to the cold function. */
  protected override when(statement: Extract<FormStatement, { kind: 'when' }>): void {
    if (!isExit(statement)) return super.when(statement);
    this.value(statement.condition);
    this.code.brIf(this.#labels.cold);
    this.statements(statement.otherwise);
  }

  protected checkTarget(): never {
    throw new TypeError('a hot form checks no target');
  }

  protected call(): never {
    throw new TypeError('a hot form calls no helper');
  }
}

/** Next instruction pointer plus a constant of the instruction. */
function isDirect(target: Value): boolean {
  return (
    isOperation(target) &&
    target.op === 'add' &&
    target.args.every((arg) => arg.op === 'input') &&
    target.args.some((arg) => arg.op === 'input' && arg.name === 'nextIp')
  );
}
