/**
 * The x87's state while a region runs: locals. Registers have numbers of the region's own (`x87-plan`); number n is the
 * physical register base + n. What the last instruction and operand were is worked out where somebody could look.
 */
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../../cpu/state-layout.ts';
import { STATUS, TOP_SHIFT } from '../../../../cpu/x87/control.ts';
import { SEGMENT } from '../../../../isa/semantics.ts';
import { type CodeWriter, I32, I64, type Label } from '../../../../wasm/code-writer.ts';
import { type Expression, type Int32, type Int64, i32, Local, select } from '../../../../wasm/expression.ts';
import { FunctionWriter, load, load32 } from '../../../../wasm/function-writer.ts';
import { LocalPool } from '../../../lowering/value-lowering.ts';
import { type NumberParts, SIGN } from '../../../lowering/x87/number.ts';
import type { NumberFunctions } from '../../../lowering/x87/number-functions.ts';
import { isX87Check, writeX87With, type X87FunctionName } from '../../../lowering/x87/x87-module.ts';
import { EMPTY, type X87State } from '../../../lowering/x87/x87-state.ts';
import { PartWriter } from './part-writer.ts';
import { knownNumber } from './x87-effect.ts';
import type { X87Plan } from './x87-plan.ts';

/** No instruction and no operand have been noted. */
const NOTHING = -(2 ** 31);
const REGISTER_SHIFT = 4;

/** Locals that a region has anyway. */
export interface AroundX87 {
  /** Address of the state block. */
  readonly state: number;
  /** Which of the region's entries was taken. */
  readonly selector: number;
  /** What offsets of instructions count from. */
  readonly base: number;
}

/** What has been made sure of since control came from elsewhere. */
const CHECKED = { NOTHING: 0, AVAILABLE: 1, NOTHING_PENDING: 2 } as const;

export class RegionX87 implements X87State {
  readonly status: Local<typeof I32>;
  readonly control: Local<typeof I32>;
  /** Of number n at bits 2n. */
  readonly #tags: Local<typeof I32>;
  /** TOP is base + top. */
  readonly #base: Local<typeof I32>;
  readonly #top: Local<typeof I32>;
  /** Offset of the last instruction from the region's base; segment and offset of the last operand. */
  readonly #lastInstruction: Local<typeof I32>;
  readonly #lastSegment: Local<typeof I32>;
  readonly #lastOffset: Local<typeof I32>;
  /** By number; only those that are touched. */
  readonly #registers: readonly (readonly [Local<typeof I64>, Local<typeof I32>] | undefined)[];
  readonly #whole: FunctionWriter;
  readonly #pool: LocalPool;
  readonly #around: AroundX87;
  readonly #plan: X87Plan;
  readonly #entries: readonly number[];
  readonly #functions: () => NumberFunctions;

  // What is known at the place that is being written.
  #known = 0;
  #checked: number = CHECKED.NOTHING;
  #tagsKnown = new Map<number, 'full' | 'empty'>();
  #offset = 0;
  #part!: PartWriter;

  /** @param options.entries blocks, by the selector */
  constructor(
    code: CodeWriter,
    options: {
      readonly around: AroundX87;
      readonly plan: X87Plan;
      readonly entries: readonly number[];
      readonly functions: () => NumberFunctions;
    },
  ) {
    const f = new FunctionWriter(code, []);
    this.#whole = f;
    this.#pool = new LocalPool(code);
    this.#around = options.around;
    this.#plan = options.plan;
    this.#entries = options.entries;
    this.#functions = options.functions;
    const word = () => f.variable(I32);
    [this.status, this.control, this.#tags, this.#base, this.#top] = [word(), word(), word(), word(), word()];
    [this.#lastInstruction, this.#lastSegment, this.#lastOffset] = [word(), word(), word()];
    this.#registers = Array.from({ length: 8 }, (_, number) =>
      options.plan.touched.has(number) ? ([f.variable(I64), f.variable(I32)] as const) : undefined,
    );
  }

  // To and from the state block -----------------------------------------------------------------------------------

  /** Where the region is entered. */
  enter(): void {
    const selector = new Local(I32, this.#around.selector);
    const tops = this.#entries.map((block) => this.#plan.tops[block]);
    const top = tops.reduce<Int32>(
      (rest, one, index) => (one === tops[0] ? rest : select(selector.eq(index), i32(one), rest)),
      i32(tops[0]),
    );
    this.#load(top);
  }

  /** After something else has used the state block. */
  reload(): void {
    this.#checked = CHECKED.NOTHING;
    this.#tagsKnown.clear();
    this.#load(i32(this.#known));
  }

  #load(top: Int32): void {
    const f = this.#whole;
    const state = this.#state;
    const status = load32(state, STATE.fields.fsw);
    f.set(this.status, status);
    f.set(this.#top, top);
    f.set(this.#base, this.status.shr(TOP_SHIFT).sub(this.#top).and(7));
    f.set(this.status, this.status.and(~STATUS.TOP));
    f.set(this.control, load32(state, STATE.fields.fcw));
    f.set(this.#tags, load32(state, STATE.fields.ftw));
    f.set(this.#tags, this.#tags.or(this.#tags.shl(16)).shr(this.#base.shl(1)).and(0xffff));
    f.set(this.#lastInstruction, NOTHING);
    f.set(this.#lastSegment, NOTHING);
    for (const [number, register] of this.#registers.entries()) {
      if (!register) continue;
      const at = this.#address(number);
      f.set(register[0], load(I64, 'i64.load', at, STATE.x87));
      f.set(register[1], load(I32, 'i32.load16_u', at, STATE.x87 + 8));
    }
  }

  /** All that may have changed. */
  store(): void {
    const f = this.#whole;
    const state = this.#state;
    const selectorOf = (cache: Int32) => load32(cache, STATE.segments + SEGMENT_FIELDS.selector);
    const word = (field: 'fsw' | 'fcw' | 'ftw' | 'fcs' | 'fds', value: Int32) =>
      f.store('i32.store', state, STATE.fields[field], value);
    word('fsw', this.#wholeStatus(this.#top));
    word('fcw', this.control);
    const turned = this.#tags.or(this.#tags.shl(16)).shr(i32(16).sub(this.#base.shl(1)));
    word('ftw', turned.and(0xffff));
    f.if(this.#lastInstruction.ne(NOTHING), () => {
      const pointer = new Local(I32, this.#around.base).add(this.#lastInstruction);
      f.store('i64.store', state, STATE.fields.fip, pointer.widen());
      word('fcs', selectorOf(state.add(SEGMENT.CS * SEGMENT_STRIDE)));
    });
    f.if(this.#lastSegment.ne(NOTHING), () => {
      f.store('i64.store', state, STATE.fields.fdp, this.#lastOffset.widen());
      word('fds', selectorOf(state.add(this.#lastSegment.shl(Math.log2(SEGMENT_STRIDE)))));
    });
    for (const [number, register] of this.#registers.entries()) {
      if (!register) continue;
      const at = this.#address(number);
      f.store('i64.store', at, STATE.x87, register[0]);
      f.store('i32.store', at, STATE.x87 + 8, register[1]);
    }
  }

  get #state(): Int32 {
    return new Local(I32, this.#around.state);
  }
  #address(number: number): Int32 {
    return this.#state.add(this.#base.add(number).and(7).shl(REGISTER_SHIFT));
  }
  #wholeStatus(top: Int32): Int32 {
    return this.status.or(this.#base.add(top).and(7).shl(TOP_SHIFT));
  }

  // While blocks are written --------------------------------------------------------------------------------------

  beginBlock(number: number): void {
    this.#known = this.#plan.tops[number];
    this.#checked = CHECKED.NOTHING;
    this.#tagsKnown.clear();
    this.#whole.set(this.#top, this.#known);
  }

  /** Pushes a field of the state block if it is among what is here. @returns whether it is */
  pushField(name: string): boolean {
    const { code } = this.#whole;
    if (name === 'fsw') this.#wholeStatus(i32(this.#known)).push(code);
    else if (name === 'fcw') this.control.push(code);
    else return false;
    return true;
  }

  /**
   * Writes the code of a helper. If it declines, it goes to `declined` and nothing has changed.
   * @param call.offset of the instruction from the region's base
   */
  call(
    helper: X87FunctionName,
    call: { readonly args: readonly Expression[]; readonly results: readonly Local[]; readonly offset: number },
    declined: Label,
  ): void {
    const checks = isX87Check(helper);
    const checked = helper === 'x87Check' && !call.args[0].constant ? CHECKED.AVAILABLE : CHECKED.NOTHING_PENDING;
    if (checks && checked <= this.#checked) return;
    const { code } = this.#whole;
    const end = code.block();
    const early = code.block();
    this.#part = new PartWriter(code, this.#pool, { done: end, declined: early });
    this.#offset = call.offset;
    const context = {
      f: this.#part,
      state: this.#state,
      functions: this.#functions(),
      wide: false,
      x87: this,
      inPlace: true,
    };
    writeX87With(helper, { ...context, results: call.results }, call.args);
    code.end(); // early
    code.br(declined);
    code.end(); // end
    this.#pool.releaseAll();
    // The other check says less of whether there is an FPU.
    if (helper === 'x87Check') this.#checked = checked;
  }

  get mayBePending(): boolean {
    return this.#checked < CHECKED.NOTHING_PENDING;
  }
  begin(): void {}

  top(): Int32 {
    return i32(this.#known);
  }
  turn(_status: Local<typeof I32>, top: Int32): void {
    this.#known = knownNumber(top);
    this.#part.set(this.#top, this.#known);
  }

  isEmpty(number: Int32): Int32 {
    const known = this.#tagsKnown.get(knownNumber(number));
    if (known) return i32(known === 'empty' ? 1 : 0);
    const bits = EMPTY << (2 * knownNumber(number));
    return this.#tags.and(bits).eq(bits);
  }
  mark(number: Int32, as: 'full' | 'empty'): void {
    const bits = EMPTY << (2 * knownNumber(number));
    if (this.#tagsKnown.get(knownNumber(number)) !== as) {
      this.#part.set(this.#tags, as === 'empty' ? this.#tags.or(bits) : this.#tags.and(~bits));
    }
    this.#tagsKnown.set(knownNumber(number), as);
  }
  learn(number: Int32, what: 'full' | 'empty'): void {
    this.#tagsKnown.set(knownNumber(number), what);
  }

  place(number: Int32): Int32 {
    return number;
  }
  read(place: Int32): NumberParts {
    return this.#registers[knownNumber(place)]!;
  }
  write(place: Int32, significand: Int64, head: Int32): void {
    const [low, high] = this.#registers[knownNumber(place)]!;
    this.#part.set(low, significand);
    this.#part.set(high, head.and(SIGN | 0x7fff));
  }

  notePointer(segment: Int32, offset: Expression): void {
    this.#part.set(this.#lastSegment, segment);
    this.#part.set(this.#lastOffset, offset.narrow());
  }
  noteInstruction(): void {
    this.#part.set(this.#lastInstruction, this.#offset);
  }
  writeStatus(status: Int32): void {
    this.#part.set(this.status, status);
  }
  writeControl(control: Int32): void {
    this.#part.set(this.control, control);
    // An exception that was masked may be pending now.
    this.#checked = Math.min(this.#checked, CHECKED.AVAILABLE);
  }
}
