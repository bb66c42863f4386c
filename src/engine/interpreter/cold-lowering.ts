/**
 * A form as a function: `(state, record) → status`. It does everything: segment checks, TLB misses, faults,
 * helpers. Registers and flags are in the state block while it runs.
 */
import { VECTOR } from '../../cpu/fault.ts';
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../cpu/state-layout.ts';
import type { Value, Width } from '../../ir/value.ts';
import { someStatement } from '../../ir/visit.ts';
import type { BulkKind } from '../../isa/instruction.ts';
import type { SegmentRef } from '../../isa/operand.ts';
import { GPR, SEGMENT } from '../../isa/semantics.ts';
import { CodeWriter, I32, I64, type Label } from '../../wasm/code-writer.ts';
import { Expression, Local } from '../../wasm/expression.ts';
import { FunctionWriter } from '../../wasm/function-writer.ts';
import { isEmittedHelper, type WriteEmittedCall } from '../lowering/emitted-helpers.ts';
import { type FormStatement, loadOpcode, storeOpcode } from '../lowering/form-lowering.ts';
import { translateInPlace } from '../lowering/translate-in-place.ts';
import { LocalPool, typeOf } from '../lowering/value-lowering.ts';
import type { BulkShape } from './bulk/bulk-elements.ts';
import { lowerBulk } from './bulk/bulk-lowering.ts';
import { RECORD } from './record-layout.ts';
import { RecordLowering } from './record-lowering.ts';

/** What a cold function returns. */
export const STATUS = {
  /** Go on with the next record. */
  NEXT: 0,
  /** A fault is pending; the instruction had no effect. */
  FAULT: 1,
  /** The block ends here: go on at `state.nextIp`. */
  LEAVE: 2,
} as const;

/** Indices of the functions that cold code calls. */
export interface ColdImports {
  /** By width in bits: (state, segment, offset) → value; `modify` checks for writing. They set `state.faulted`. */
  readonly load: Readonly<Record<number, number>>;
  readonly modify: Readonly<Record<number, number>>;
  /** (state, segment, offset, value) */
  readonly store: Readonly<Record<number, number>>;
  /** (state, helper number) → 1 if it faulted */
  readonly helper: number;
  /** (state, vector, error code or −1, cause number) */
  readonly raise: number;
}

export interface ColdForm {
  readonly statements: readonly FormStatement[];
  /** Repeated string instruction. */
  readonly repeat: 'none' | 'rep' | 'repe' | 'repne';
  /** What a run of its iterations amounts to. */
  readonly bulk: BulkKind | undefined;
  readonly addressSize: 16 | 32 | 64;
  readonly endsBlock: boolean;
}

export interface ColdEnvironment {
  readonly imports: ColdImports;
  /** For helpers that exist as emitted code; undefined where no form calls any. */
  readonly writeEmittedCall: WriteEmittedCall | undefined;
  /** Number of a call site: a helper with the widths of its arguments and results. */
  readonly helperNumber: (name: string, args: readonly Width[], results: readonly Width[]) => number;
  readonly causeNumber: (cause: string) => number;
}

/** Writes the function of one form. */
export function lowerCold(form: ColdForm, environment: ColdEnvironment, options: { wide: boolean }): CodeWriter {
  const code = new CodeWriter(2);
  new ColdLowering(code, environment, options).form(form);
  return code;
}

/** A form's iterations as `lowerBulk` wants them; its memory accesses are all of the same width. */
function bulkShape({ bulk, repeat, addressSize, statements }: ColdForm, wide: boolean): BulkShape | undefined {
  const access = statements.find((statement) => statement.kind === 'load' || statement.kind === 'store');
  if (bulk === undefined || access === undefined) return undefined;
  const width = access.kind === 'load' ? access.width : access.value.width;
  const stopsAt = repeat === 'rep' ? undefined : repeat === 'repe' ? 'different' : 'equal';
  return { kind: bulk, stopsAt, width, addressSize, wide };
}

/** Names of the helpers that statements call. */
export function helpersOf(statements: readonly FormStatement[]): ReadonlySet<string> {
  const names = new Set<string>();
  someStatement(statements, (one) => {
    if (one.kind === 'call') names.add(one.helper);
    return false;
  });
  return names;
}

class ColdLowering extends RecordLowering {
  readonly #environment: ColdEnvironment;
  #fault!: Label;
  /** Memory is accessed without a call where that is possible at once: what the form does itself is short. */
  #accessesInPlace = false;
  /** Host address (or 0) of a 'modify' load, for the store that follows. */
  readonly #hostAddress = new Map<number, number>();

  constructor(code: CodeWriter, environment: ColdEnvironment, options: { wide: boolean }) {
    super(code, new LocalPool(code), { state: 0, record: 1 }, options);
    this.#environment = environment;
  }

  form(form: ColdForm): void {
    const { code } = this;
    this.#fault = code.block();
    // Emitted code gets the instruction pointer from the record; if it declines, that is early enough.
    const helpers = [...helpersOf(form.statements)];
    const callsOut = !helpers.every((name) => isEmittedHelper(name, { wide: this.wide }));
    if (this.wide || form.endsBlock || form.repeat !== 'none' || callsOut) this.#publishIps();
    this.#accessesInPlace = !this.wide && !callsOut && helpers.length > 0;
    this.prepare(form.statements);
    if (form.repeat === 'none') this.statements(form.statements);
    else this.#repeat(form);
    code.i32(form.endsBlock ? STATUS.LEAVE : STATUS.NEXT);
    code.op('return');
    code.end();
    code.i32(STATUS.FAULT);
  }

  /** Helpers and faults find the instruction pointer in the state block. */
  #publishIps(): void {
    for (const which of ['ip', 'nextIp'] as const) this.#storeIp(which, () => this.pushIp(which, this.wide ? 64 : 32));
  }

  #storeIp(field: 'ip' | 'nextIp', push: () => void): void {
    this.code.get(this.locals.state);
    push();
    this.code.memory(this.wide ? 'i64.store' : 'i32.store', STATE.fields[field]);
  }

  /**
   * Every iteration counts as an instruction: the first was counted with the block, each further one takes from the
   * budget. When that is used up, or the dispatcher must look, the instruction is left with rCX counted down and
   * taken up again later, as an interrupted one is on hardware.
   */
  #repeat(form: ColdForm): void {
    const { code, locals } = this;
    const width = form.addressSize;
    const load = width === 64 ? 'i64.load' : width === 32 ? 'i32.load' : 'i32.load16_u';
    const countAt = GPR.rCX * 8;
    const type = width === 64 ? 'i64' : 'i32';
    const done = code.block();
    code.get(locals.state);
    code.memory(load, countAt);
    code.op(`${type}.eqz`);
    code.brIf(done);
    const again = code.loop();
    const counted = code.block();
    const bulk = bulkShape(form, this.wide);
    if (bulk) lowerBulk(code, locals, bulk, counted);
    this.scoped(() => this.statements(form.statements));
    // rCX counts down without touching flags; a 32-bit count clears the upper half.
    code.get(locals.state);
    code.get(locals.state);
    code.memory(load, countAt);
    if (width === 64) code.i64(1n);
    else code.i32(1);
    code.op(`${type}.sub`);
    if (width === 32) {
      code.op('i64.extend_i32_u');
      code.memory('i64.store', countAt);
    } else code.memory(width === 64 ? 'i64.store' : 'i32.store16', countAt);
    code.end();
    code.get(locals.state);
    code.memory(load, countAt);
    code.op(`${type}.eqz`);
    code.brIf(done);
    if (form.repeat !== 'rep') {
      this.getFlagResult();
      code.op(this.wide ? 'i64.eqz' : 'i32.eqz');
      if (form.repeat === 'repe') code.op('i32.eqz');
      code.brIf(done);
    }
    const suspend = code.block();
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.attention);
    code.brIf(suspend);
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.budget);
    code.op('i32.eqz');
    code.brIf(suspend);
    code.get(locals.state);
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.budget);
    code.i32(1);
    code.op('i32.sub');
    code.memory('i32.store', STATE.fields.budget);
    code.br(again);
    code.end();
    code.get(locals.state);
    code.i32(1);
    code.memory('i32.store', STATE.fields.suspended);
    this.#storeIp('nextIp', () => this.pushIp('ip', this.wide ? 64 : 32));
    code.i32(STATUS.LEAVE);
    code.op('return');
    code.end();
    code.end();
  }

  // Memory, control, helpers ------------------------------------------------------------------------------------

  #segment(segment: SegmentRef): void {
    const { code, locals } = this;
    code.get(locals.state);
    if (segment === 'operand') {
      code.get(locals.record);
      code.memory('i32.load16_u', RECORD.segment);
    } else code.i32(STATE.segments + segment * SEGMENT_STRIDE);
    code.op('i32.add');
  }

  #offset(offset: Value): void {
    if (this.wide) this.asI64(offset);
    else this.clean(offset);
  }

  protected load(statement: Extract<FormStatement, { kind: 'load' }>): void {
    const { code } = this;
    const { width, result, intent } = statement;
    const modify = intent === 'modify';
    const local = this.temporaryLocal(result.id, width);
    const host = this.#translate(statement, width, modify ? 'tlbWrite' : 'tlbRead');
    if (host !== undefined) {
      if (modify) this.#hostAddress.set(result.id, host);
      code.get(host);
      code.if();
      code.get(host);
      code.memory(loadOpcode(width), 0);
      code.set(local);
      code.else();
    }
    this.#callAccess(modify ? 'modify' : 'load', statement, width);
    code.set(local);
    this.#leaveIfFaulted();
    if (host !== undefined) code.end();
  }

  protected store(statement: Extract<FormStatement, { kind: 'store' }>): void {
    const { code } = this;
    const { width } = statement.value;
    const host = statement.after && this.#hostAddress.get(statement.after.id);
    const call = () => {
      this.#callAccess('store', statement, width, statement.value);
      this.#leaveIfFaulted();
    };
    if (host === undefined) return call();
    code.get(host);
    code.if();
    this.scoped(() => {
      code.get(host);
      this.value(statement.value);
      code.memory(storeOpcode(width), 0);
    });
    code.else();
    this.scoped(call);
    code.end();
  }

  /** Host address of an access, or 0, in a local; only for forms that try it. */
  #translate(at: { segment: SegmentRef; offset: Value }, width: Width, table: 'tlbRead' | 'tlbWrite') {
    if (!this.#accessesInPlace) return undefined;
    const pushed = (push: () => void) => new Expression(I32, push);
    return translateInPlace(new FunctionWriter(this.code, []), {
      state: new Local(I32, this.locals.state),
      segment: pushed(() => this.#segment(at.segment)),
      offset: pushed(() => this.#offset(at.offset)),
      bytes: width / 8,
      table,
    }).index;
  }

  #callAccess(
    kind: 'load' | 'modify' | 'store',
    at: { segment: SegmentRef; offset: Value },
    width: Width,
    value?: Value,
  ): void {
    this.code.get(this.locals.state);
    this.#segment(at.segment);
    this.#offset(at.offset);
    if (value) this.clean(value);
    this.code.call(this.#environment.imports[kind][width]);
  }

  #leaveIfFaulted(): void {
    this.code.get(this.locals.state);
    this.code.memory('i32.load', STATE.fields.faulted);
    this.code.brIf(this.#fault);
  }

  protected jump(statement: Extract<FormStatement, { kind: 'jump' }>): void {
    const { code } = this;
    if (statement.condition) {
      this.value(statement.condition);
      code.if();
    }
    this.scoped(() => {
      this.#unreachable(statement.target);
      code.if();
      this.#raiseUnreachable();
      code.end();
      this.#storeIp('nextIp', () => this.value(statement.target));
      code.i32(STATUS.LEAVE);
      code.op('return');
    });
    if (statement.condition) code.end();
  }

  /** Pushes whether control can't be transferred to the target. */
  #unreachable(target: Value): void {
    const { code, locals } = this;
    this.value(target);
    if (!this.wide) {
      // SDM: #GP(0) if the target is beyond the code segment limit.
      code.get(locals.state);
      code.memory('i32.load', STATE.segments + SEGMENT.CS * SEGMENT_STRIDE + SEGMENT_FIELDS.limit);
      code.op('i32.gt_u');
    } else {
      // SDM Vol. 1, "Canonical Addressing": bits 63 to 47 must be equal.
      code.i64(16n);
      code.op('i64.shl');
      code.i64(16n);
      code.op('i64.shr_s');
      this.value(target);
      code.op('i64.ne');
    }
  }

  #raiseUnreachable(): void {
    const cause = this.wide ? 'branch target is not canonical' : 'branch target beyond the code segment limit';
    this.#raise(VECTOR.GP, 0, cause);
  }

  protected checkTarget(statement: Extract<FormStatement, { kind: 'checkTarget' }>): void {
    const { code } = this;
    const { condition, pushed, target } = statement;
    if (condition) {
      this.value(condition);
      code.if();
    }
    this.scoped(() => {
      this.#unreachable(target);
      code.if();
      if (pushed) this.#checkStore(pushed);
      this.#raiseUnreachable();
      code.end();
    });
    if (condition) code.end();
  }

  /** Leaves with the fault that a store would meet. */
  #checkStore({
    segment,
    offset,
    width,
  }: NonNullable<Extract<FormStatement, { kind: 'checkTarget' }>['pushed']>): void {
    const number: Value =
      segment === 'operand'
        ? { op: 'input', width: 8, name: 'segment' }
        : { op: 'constant', width: 8, value: BigInt(segment) };
    const pointer = this.wide ? 64 : 32;
    const at: Value = offset.width === pointer ? offset : { op: 'zeroExtend', width: pointer, args: [offset] };
    const size: Value = { op: 'constant', width: 8, value: BigInt(width) };
    this.call({ kind: 'call', helper: 'checkWrite', args: [number, at, size], results: [] });
  }

  protected raise(statement: Extract<FormStatement, { kind: 'raise' }>): void {
    if (statement.condition) {
      this.value(statement.condition);
      this.code.if();
    }
    this.#raise(statement.vector, statement.errorCode, statement.cause);
    if (statement.condition) this.code.end();
  }

  #raise(vector: number, errorCode: number | undefined, cause: string): void {
    const { code, locals } = this;
    code.get(locals.state);
    code.i32(vector);
    code.i32(errorCode ?? -1);
    code.i32(this.#environment.causeNumber(cause));
    code.call(this.#environment.imports.raise);
    code.br(this.#fault);
  }

  protected call(statement: Extract<FormStatement, { kind: 'call' }>): void {
    const results = statement.results.map(({ id, width }) => new Local(typeOf(width), this.temporaryLocal(id, width)));
    if (isEmittedHelper(statement.helper, { wide: this.wide })) this.#callEmitted(statement, results);
    else this.#callHelper(statement, results);
  }

  /** The helper is called only where emitted code declines. */
  #callEmitted(statement: Extract<FormStatement, { kind: 'call' }>, results: readonly Local[]): void {
    const { code, locals, wide } = this;
    const pointer = wide ? 64 : 32;
    const context = {
      state: new Local(I32, locals.state),
      instructionPointer: new Expression(wide ? I64 : I32, () => this.pushIp('ip', pointer)).widen(),
      wide,
      results,
    };
    const args = statement.args.map((arg) => this.argument(arg));
    this.#environment.writeEmittedCall!(code, statement.helper, context, args);
    code.if();
    this.scoped(() => {
      this.#publishIps();
      this.#callHelper(statement, results);
    });
    code.end();
  }

  #callHelper(statement: Extract<FormStatement, { kind: 'call' }>, results: readonly Local[]): void {
    const { code, locals } = this;
    statement.args.forEach((arg, index) => {
      code.get(locals.state);
      this.clean(arg);
      code.memory(typeOf(arg.width) === I64 ? 'i64.store' : 'i32.store', STATE.helperArguments + index * 8);
    });
    code.get(locals.state);
    code.i32(
      this.#environment.helperNumber(
        statement.helper,
        statement.args.map(({ width }) => width),
        statement.results.map(({ width }) => width),
      ),
    );
    code.call(this.#environment.imports.helper);
    code.brIf(this.#fault);
    results.forEach(({ type, index: local }, index) => {
      code.get(locals.state);
      code.memory(type === I64 ? 'i64.load' : 'i32.load', STATE.helperResults + index * 8);
      code.set(local);
    });
  }
}

export const COLD_PARAMETERS = [I32, I32] as const;
