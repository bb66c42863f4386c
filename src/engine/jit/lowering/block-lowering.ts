/**
 * One block of a region: the forms of its instructions one after the other, with registers and flags in locals. What
 * reads a flag that an earlier instruction of the block has set is given that instruction's value for it, so that a
 * compare and the branch on it are one comparison.
 *
 * As in the interpreter's loop, an instruction leaves the region before it has changed anything as soon as something is
 * out of the ordinary: the interpreter goes on with its record.
 */
import { PAGE_SIZE } from '../../../base/address.ts';
import { SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { TLB } from '../../../cpu/tlb-layout.ts';
import { isOperation, type Operation, type Value, type Width } from '../../../ir/value.ts';
import type { Place, SegmentRef } from '../../../isa/operand.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { type CodeWriter, I32, type Label } from '../../../wasm/code-writer.ts';
import { Local } from '../../../wasm/expression.ts';
import type { FlowBranches } from '../../../wasm/structured-flow.ts';
import { REGION_ENTRY, REGION_EXIT } from '../../blocks/region-entry.ts';
import { STATUS } from '../../interpreter/cold-lowering.ts';
import { FormLowering, type FormStatement, loadOpcode, storeOpcode } from '../../lowering/form-lowering.ts';
import { isExit } from '../../lowering/restartable.ts';
import { addSegmentBase } from '../../lowering/segment-bounds.ts';
import { pushHostAddress, pushProbe, type TlbProbe } from '../../lowering/tlb-probe.ts';
import { type LocalPool, typeOf } from '../../lowering/value-lowering.ts';
import { isX87Function } from '../../lowering/x87/x87-module.ts';
import type { RegionBlock, RegionInstruction, Target } from '../finder/region.ts';
import { ALL_FLAGS, type BoundForm, FOREIGN } from '../forms/bound-form.ts';
import { CALL_INTERPRETER } from './call-interpreter.ts';
import type { ExitCause, RegionExit, RegionExits } from './region-exits.ts';
import type { RegionLocals } from './region-locals.ts';

export interface BlockContext {
  readonly code: CodeWriter;
  readonly pool: LocalPool;
  readonly locals: RegionLocals;
  readonly exits: RegionExits;
  /** Place of a computed jump, by number, in bytes from what is known of the region. */
  readonly jumpAt: (jump: number) => number;
  /** Whether the region has code of several pages. */
  readonly hasFurtherPages: boolean;
  /** Whether an offset lies in a page of the region. */
  readonly isWithin: (offset: number) => boolean;
  /** Leaves by the exit whose place is in `locals.exit`. */
  readonly leave: Label;
  /** Leaves to `locals.target`, by the computed jump whose place is in `locals.exit`, or by a return. */
  readonly leaveComputed: Label;
  readonly leaveByReturn: Label;
  /** Leaves because of what the interpreter's function of an instruction came to. */
  readonly leaveCalled: Label;
}

/** An instruction of the block as it is to be emitted. */
interface BlockForm {
  readonly statements: readonly FormStatement[];
  readonly uses: ReadonlyMap<Value, number>;
  /** Number of the instruction whose temporaries it uses, too. */
  readonly giver: number | undefined;
}

const NONE: readonly never[] = [];
const NO_USES: ReadonlyMap<Value, number> = new Map();

/** Segments that are flat wherever regions run. */
const FLAT: ReadonlySet<SegmentRef> = new Set([SEGMENT.ES, SEGMENT.SS, SEGMENT.DS]);

export class BlockLowering extends FormLowering {
  readonly #context: BlockContext;
  readonly #block: RegionBlock;
  readonly #branches: FlowBranches;
  /** The instruction being lowered, and its number in the block. */
  #instruction!: RegionInstruction;
  #number = 0;
  /** Locals of the temporaries of the instruction that gives it its flags. */
  #foreign: ReadonlyMap<number, number> | undefined;
  /** Host address of a 'modify' load, for the store that follows. */
  readonly #hostAddress = new Map<number, number>();

  constructor(context: BlockContext, block: RegionBlock, branches: FlowBranches) {
    super(context.code, context.pool, { state: context.locals.state, wide: false });
    this.#context = context;
    this.#block = block;
    this.#branches = branches;
  }

  /** @param needs instructions that the budget must allow before anything is done; 0: that is known */
  write(needs: number): void {
    const { instructions } = this.#block;
    if (needs > 0) this.#checkBudget(needs);
    const forms = this.#forms();
    const temporaries: ReadonlyMap<number, number>[] = [];
    for (const [index, { statements, uses, giver }] of forms.entries()) {
      this.#instruction = instructions[index];
      this.#number = index;
      this.forgetValues();
      temporaries.push(this.temporaries);
      this.#foreign = giver === undefined ? undefined : temporaries[giver];
      if (instructions[index].way === 'called') this.#callInterpreter();
      else {
        this.useCounts(uses);
        this.statements(statements);
      }
    }
    const { end } = this.#block;
    const jumps = forms.at(-1)!.statements.at(-1)?.kind === 'jump';
    if (end.kind === 'falls') this.#goOn(end.to);
    // What the block itself knows of the flags has decided that it never does.
    else if (!jumps && 'next' in end) this.#goOn(end.next!);
    else if (end.kind === 'leaves') {
      const { offset } = end;
      this.#exit({ cause: 'apart', offset, trace: this.#block.trace, retired: instructions.length });
      this.code.br(this.#context.leave);
    }
    this.pool.releaseAll();
  }

  #checkBudget(needs: number): void {
    const { code } = this;
    const { locals, leave } = this.#context;
    const { offset, trace } = this.#block;
    this.#exit({ cause: 'budget', offset, trace, retired: 0 });
    code.get(locals.budget);
    code.i32(needs);
    code.op('i32.lt_u');
    code.brIf(leave);
  }

  /** What is to be done of each instruction, with flags known from the block itself put in, and without what nobody sees. */
  #forms(): readonly BlockForm[] {
    const forms: { form: BoundForm; giver: number | undefined }[] = [];
    const lenders = new Set<number>();
    /** The instruction whose values the flags have. */
    let last: number | undefined;
    for (const [index, { form, way }] of this.#block.instructions.entries()) {
      const known = way === 'emitted' && last !== undefined ? form.withFlagsOf(forms[last].form) : form;
      const giver = known === form ? undefined : last;
      if (giver !== undefined) lenders.add(giver);
      forms.push({ form: known, giver });
      if (way === 'called') last = undefined;
      else if (known.changesFlags) last = known.gives.size > 0 && giver === undefined ? index : undefined;
    }
    let live = ALL_FLAGS;
    const result: BlockForm[] = [];
    for (let index = forms.length - 1; index >= 0; index--) {
      const { form, giver } = forms[index];
      if (this.#block.instructions[index].way === 'called') {
        // The interpreter finds everything in the state block.
        live = ALL_FLAGS;
        result.push({ statements: NONE, uses: NO_USES, giver });
        continue;
      }
      const { statements, uses, liveBefore } = form.needed(live, { lends: lenders.has(index) });
      live = liveBefore;
      result.push({ statements, uses, giver });
    }
    return result.reverse();
  }

  // Leaving -----------------------------------------------------------------------------------------------------

  /** Of the region, the block's instructions having retired. */
  #exitTo({ offset }: Target): void {
    this.#exit({ cause: 'branch', offset, trace: undefined, retired: 0, within: this.#context.isWithin(offset) });
  }

  #exit(exit: RegionExit): void {
    this.code.i32(this.#context.exits.at(exit));
    this.code.set(this.#context.locals.exit);
  }

  /** Before the instruction. A condition that `push` pushes leads there. */
  #leaveIf(cause: ExitCause, push: () => void): void {
    const { offset } = this.#instruction;
    this.#exit({ cause, offset, trace: this.#block.trace, retired: this.#number });
    push();
    this.code.brIf(this.#context.leave);
  }

  /** The interpreter does the instruction, on the state block. */
  #callInterpreter(): void {
    const { code } = this;
    const { locals, exits } = this.#context;
    const { offset, length, endsBlock } = this.#instruction;
    const retired = this.#number + 1;
    const place = exits.at({ cause: 'called', offset, trace: this.#block.trace, retired: this.#number });
    const at = this.pool.take(I32);
    locals.store(retired);
    if (this.#context.hasFurtherPages) {
      // The interpreter knows the base of the instruction's page.
      code.get(locals.state);
      code.get(locals.base);
      code.i32(offset & -PAGE_SIZE);
      code.op('i32.add');
      code.memory('i32.store', STATE.fields.base);
    }
    code.get(locals.state);
    code.i32(0);
    code.memory('i32.store', STATE.fields.ahead);
    code.get(locals.entry);
    code.memory('i32.load', REGION_ENTRY.REGION);
    code.memory('i32.load', place + REGION_EXIT.RECORD);
    code.set(at);
    code.get(locals.state);
    code.get(at);
    code.memory('i32.store', STATE.fields.record);
    code.get(locals.state);
    code.get(at);
    code.call(CALL_INTERPRETER);
    code.set(locals.status);
    locals.reload(retired);
    code.i32(place);
    code.set(locals.exit);
    if (endsBlock) this.#pushElsewhere(offset + length);
    else {
      code.get(locals.status);
      if (this.#context.hasFurtherPages) {
        // Where code lies may be another place by now.
        this.#pushTagChange();
        code.op('i32.or');
      }
    }
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.attention);
    code.op('i32.or');
    code.brIf(this.#context.leaveCalled);
    if (endsBlock) locals.reloadTables();
  }

  /** Pushes not 0 if the mode, or what says where code lies, is not what it was at the entry. */
  #pushTagChange(): void {
    const { code } = this;
    const { locals } = this.#context;
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.jumpTag);
    code.get(locals.tag);
    code.op('i32.xor');
  }

  /** Pushes not 0 unless control has left the interpreter's block for the instruction at `offset`, in the same mode. */
  #pushElsewhere(offset: number): void {
    const { code } = this;
    const { locals } = this.#context;
    code.get(locals.status);
    code.i32(STATUS.LEAVE);
    code.op('i32.xor');
    this.#pushTagChange();
    code.op('i32.or');
    code.get(locals.state);
    code.memory('i32.load', STATE.fields.nextIp);
    code.get(locals.base);
    code.i32(offset);
    code.op('i32.add', 'i32.xor', 'i32.or');
  }

  /** The block's instructions have retired. */
  #countDown(): void {
    const { code } = this;
    const { budget } = this.#context.locals;
    code.get(budget);
    code.i32(this.#block.instructions.length);
    code.op('i32.sub');
    code.set(budget);
  }

  #goOn(target: Target): void {
    this.#countDown();
    this.#goTo(target);
  }

  #goTo(target: Target): void {
    if (target.block !== undefined) return this.#branches.to(target.block, 'last');
    this.#exitTo(target);
    this.code.br(this.#context.leave);
  }

  protected jump({ target, condition }: Extract<FormStatement, { kind: 'jump' }>): void {
    const { code } = this;
    const { end } = this.#block;
    switch (end.kind) {
      case 'jumps':
        return this.#goOn(end.to);
      case 'branches': {
        if (!condition) return this.#goOn(end.taken);
        this.value(condition);
        this.#countDown();
        if (end.taken.block !== undefined) this.#branches.toIf(end.taken.block);
        else {
          this.#exitTo(end.taken);
          code.brIf(this.#context.leave);
        }
        return this.#goTo(end.next);
      }
      case 'computed': {
        const { locals, leaveByReturn, leaveComputed, jumpAt } = this.#context;
        this.value(target);
        code.set(locals.target);
        if (condition) this.value(condition);
        this.#countDown();
        if (condition) code.if();
        for (const { offset, block } of end.candidates) {
          code.get(locals.target);
          code.get(locals.base);
          code.i32(offset);
          code.op('i32.add', 'i32.eq');
          this.#branches.toIf(block!);
        }
        if (end.jump !== undefined) {
          code.i32(jumpAt(end.jump));
          code.set(locals.exit);
        }
        if (end.dispatch?.block === undefined) code.br(end.jump === undefined ? leaveByReturn : leaveComputed);
        else this.#branches.to(end.dispatch.block, condition ? 'inside' : 'last');
        if (!condition) return;
        code.end();
        return this.#goTo(end.next!);
      }
      default:
        throw new TypeError(`a jump where a block ${end.kind}`);
    }
  }

  protected raise({ condition }: Extract<FormStatement, { kind: 'raise' }>): void {
    if (!condition) throw new TypeError('a form that only faults');
    this.#leaveIf('unusual', () => this.value(condition));
  }

  protected override when(statement: Extract<FormStatement, { kind: 'when' }>): void {
    if (!isExit(statement)) return super.when(statement);
    this.#leaveIf('unusual', () => this.value(statement.condition));
    this.statements(statement.otherwise);
  }

  protected checkTarget(): never {
    throw new TypeError('targets are not checked in a flat segment');
  }

  /** Where the helper's code declines, it has changed nothing. */
  protected call({ helper, args, results }: Extract<FormStatement, { kind: 'call' }>): void {
    const { locals, leave } = this.#context;
    const { x87 } = locals;
    if (!x87 || !isX87Function(helper)) throw new TypeError(`regions do not call ${helper}`);
    const { offset } = this.#instruction;
    const values = args.map((arg) => this.argument(arg));
    const to = results.map(({ id, width }) => new Local(typeOf(width), this.temporaryLocal(id, width)));
    this.#exit({ cause: 'unusual', offset, trace: this.#block.trace, retired: this.#number });
    x87.call(helper, { args: values, results: to, offset }, leave);
  }

  // Memory ------------------------------------------------------------------------------------------------------

  /** Leaves the host address of `width` bits at `offset` in a local. */
  #translate(segment: SegmentRef, offset: Value, width: number, table: 'tlbRead' | 'tlbWrite'): number {
    const { code, state } = this;
    const { locals, leave } = this.#context;
    const [linear, entry] = [this.pool.take(I32), this.pool.take(I32)];
    const tableLocal = locals[table];
    const probe: TlbProbe = { table, tableLocal, bytes: width / 8, wide: false, state, linear, entry };
    this.clean(offset);
    code.set(linear);
    const isStack = segment === SEGMENT.SS;
    if (isStack) {
      // In the page, and aligned: so it does not go on in the next one.
      code.get(linear);
      code.i32(-PAGE_SIZE | (width / 8 - 1));
      code.op('i32.and');
      code.get(locals.stackPage);
      code.op('i32.eq');
      code.if();
      code.get(linear);
      code.get(locals.stackAddend);
      code.op('i32.add');
      code.set(linear);
      code.else();
    }
    this.#leaveIf('memory', () => {
      if (!FLAT.has(segment)) {
        const at = STATE.segments + (segment as number) * SEGMENT_STRIDE;
        const access = { pushSegment: () => code.get(state), segment: at, offset: linear, bytes: width / 8, table };
        addSegmentBase(code, access, () => code.brIf(leave));
      }
      pushProbe(code, probe, 'misses');
    });
    if (isStack && table === 'tlbWrite') {
      // A page that may be written may be read.
      code.get(linear);
      code.i32(-PAGE_SIZE);
      code.op('i32.and');
      code.set(locals.stackPage);
      code.get(entry);
      code.memory('i32.load', TLB.addend(false));
      code.set(locals.stackAddend);
    }
    pushHostAddress(code, probe);
    code.set(linear);
    if (isStack) code.end();
    return linear;
  }

  protected load(statement: Extract<FormStatement, { kind: 'load' }>): void {
    const { code } = this;
    const { segment, offset, width, result } = statement;
    const modify = statement.intent === 'modify';
    const host = this.#translate(segment, offset, width, modify ? 'tlbWrite' : 'tlbRead');
    if (modify) this.#hostAddress.set(result.id, host);
    code.get(host);
    code.memory(loadOpcode(width), 0);
    code.set(this.temporaryLocal(result.id, width));
  }

  protected store({ segment, offset, value, after }: Extract<FormStatement, { kind: 'store' }>): void {
    const { code } = this;
    const known = after && this.#hostAddress.get(after.id);
    const host = known ?? this.#translate(segment, offset, value.width, 'tlbWrite');
    code.get(host);
    this.value(value);
    code.memory(storeOpcode(value.width), 0);
  }

  // Places ------------------------------------------------------------------------------------------------------

  protected input(name: string): void {
    const { code } = this;
    if (name !== 'ip') throw new TypeError(`input ${name} in a bound form`);
    code.get(this.#context.locals.base);
    code.i32(this.#instruction.offset);
    code.op('i32.add');
  }

  protected override temporaryLocal(id: number, width: Width): number {
    return id < FOREIGN ? super.temporaryLocal(id, width) : this.#foreign!.get(id - FOREIGN)!;
  }

  protected override readPlace(place: Place, width: Width): void {
    const { code } = this;
    const { locals } = this.#context;
    if (place.space === 'state' && place.name === 'budget') return locals.pushBudget(this.#number + 1);
    if (place.space === 'state' && locals.x87?.pushField(place.name)) return;
    if (place.space !== 'gpr') return super.readPlace(place, width);
    code.get(this.#register(place.register));
    if (place.high) {
      code.i32(8);
      code.op('i32.shr_u');
    }
    if (width === 32) return;
    code.i32(2 ** width - 1);
    code.op('i32.and');
  }

  protected override writePlace(place: Place, value: Value): void {
    if (place.space !== 'gpr') return super.writePlace(place, value);
    const { code } = this;
    const local = this.#register(place.register);
    if (value.width === 32) this.value(value);
    else {
      const shift = place.high ? 8 : 0;
      code.get(local);
      code.i32(~((2 ** value.width - 1) << shift));
      code.op('i32.and');
      this.clean(value);
      code.i32(shift);
      code.op('i32.shl', 'i32.or');
    }
    code.set(local);
  }

  #register(number: number): number {
    return this.#context.locals.registers[number]!;
  }

  // Flags -------------------------------------------------------------------------------------------------------

  protected override getFlagResult(): void {
    this.code.get(this.#context.locals.flags.result);
  }
  protected override getFlagCarries(): void {
    this.#context.locals.pushCarries();
  }
  protected override setFlagResult(push: () => void): void {
    push();
    this.code.set(this.#context.locals.flags.result);
  }
  protected override setFlagCarries(push: () => void): void {
    this.#context.locals.setCarries(push);
  }

  /** The carries are worked out where somebody wants to know. */
  protected override setAllFlags(result: Value, vector: Value): void {
    if (!isCarryVector(vector)) return super.setAllFlags(result, vector);
    const { carries, carry } = this.#context.locals.flags;
    this.#setVector(vector);
    if (carry !== carries) {
      for (const name of ['left', 'right', 'sum'] as const) {
        this.code.get(carries[name]);
        this.code.set(carry[name]);
      }
    }
    this.setFlagResult(() => this.signedResult(result));
  }

  protected override setAllButCarry(result: Value, vector: Value): boolean {
    const { carries, carry } = this.#context.locals.flags;
    if (carry === carries || !isCarryVector(vector)) return false;
    this.#setVector(vector);
    this.setFlagResult(() => this.signedResult(result));
    return true;
  }

  /** Carries of an addition or a subtraction, as `FlagLocals` has them. */
  #setVector({ op, args }: Operation): void {
    const { code } = this;
    const { carries, deltas } = this.#context.locals.flags;
    const [first, second, third] = args;
    const [left, sum] = op === 'addCarries' ? [first, third] : [third, first];
    for (const [value, local] of [
      [left, carries.left],
      [second, carries.right],
      [sum, carries.sum],
    ] as const) {
      this.#onTop(value);
      code.set(local);
    }
    code.i32(0);
    code.set(deltas);
  }

  /** Pushes a value of which the top bits are the word's, and bit 3 its own. */
  #onTop(value: Value): void {
    const { code } = this;
    if (value.width === 32) return this.value(value);
    this.value(value);
    code.i32(32 - value.width);
    code.op('i32.shl');
    this.clean(value);
    code.op('i32.or');
  }
}

/** Whether a value is the carries of an addition or a subtraction of up to 32 bits. */
const isCarryVector = (value: Value): value is Operation =>
  isOperation(value) && value.width <= 32 && (value.op === 'addCarries' || value.op === 'subBorrows');
