/**
 * Where the x87's state is while functions on the register stack run: what they need of it, and how it is when that is
 * the state block. Registers are numbered so that TOP counts one up for a pop; 7 is followed by 0.
 */
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { TOP_SHIFT } from '../../../cpu/x87/control.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Expression, type Int32, type Int64, i32, type Local } from '../../../wasm/expression.ts';
import { load, load32 } from '../../../wasm/function-writer.ts';
import { DECLINED, type StatusWriter } from '../emitted-function.ts';
import { type NumberParts, SIGN, STATUS } from './number.ts';

export interface X87State {
  readonly control: Int32;
  /** What is in the place of TOP has no meaning for anybody but `top` and `turn`. */
  readonly status: Int32;
  /** Whether an exception may be pending: what is noted about an instruction is different then. */
  readonly mayBePending: boolean;
  /** Called once by what goes on, as a rule, to use registers; before anything else. It may decline. */
  begin(f: StatusWriter): void;
  top(status: Int32): Int32;
  /** Sets TOP. `status`: the status word that is going to be written. */
  turn(status: Local<typeof I32>, top: Int32): void;
  isEmpty(number: Int32): Int32;
  mark(number: Int32, as: 'full' | 'empty'): void;
  /** The function goes on only because that is so. */
  learn(number: Int32, what: 'full' | 'empty'): void;
  /** Names a register for `read` and `write`. */
  place(number: Int32): Int32;
  /** What a place holds, read where it is used. */
  read(place: Int32): NumberParts;
  /** Replaces contents; the tag stays. */
  write(place: Int32, significand: Int64, head: Int32): void;
  /** Records the memory operand. It may decline, so it comes before anything is changed. */
  notePointer(segment: Int32, offset: Expression): void;
  /** Records where the instruction is. */
  noteInstruction(): void;
  writeStatus(status: Int32): void;
  writeControl(control: Int32): void;
}

/** Both bits of an empty register's tag; other tags differ in no way that matters. */
export const EMPTY = 3;
const REGISTER_SHIFT = 4;
/** Helpers keep pointers as numbers, which are exact below 2^53. */
const EXACT_POINTER_BITS = 53;

export class StateBlockX87 implements X87State {
  readonly mayBePending = true;
  readonly status: Int32;
  readonly control: Int32;
  readonly #f: StatusWriter;
  readonly #state: Int32;
  readonly #wide: boolean;
  #instructionPointer: Int64;
  #tags!: Local<typeof I32>;

  constructor(f: StatusWriter, of: { state: Int32; wide: boolean; instructionPointer?: Int64 | undefined }) {
    this.#f = f;
    this.#state = of.state;
    this.#wide = of.wide;
    this.#instructionPointer = of.instructionPointer ?? load(I64, 'i64.load', of.state, STATE.fields.ip);
    this.status = load32(of.state, STATE.fields.fsw);
    this.control = load32(of.state, STATE.fields.fcw);
  }

  begin(f: StatusWriter): void {
    const pointer = f.local(this.#instructionPointer);
    this.#instructionPointer = pointer;
    if (this.#wide) this.#declineInexactPointer(pointer);
    this.#tags = f.local(load32(this.#state, STATE.fields.ftw));
  }
  #declineInexactPointer(pointer: Int64): void {
    this.#f.if(pointer.shr(EXACT_POINTER_BITS).isNotZero(), () => this.#f.return(DECLINED));
  }

  top(status: Int32): Int32 {
    return status.shr(TOP_SHIFT).and(7);
  }
  turn(status: Local<typeof I32>, top: Int32): void {
    this.#f.set(status, status.and(~STATUS.TOP).or(top.shl(TOP_SHIFT)));
  }

  isEmpty(number: Int32): Int32 {
    return this.#tags.shr(number.shl(1)).and(EMPTY).eq(EMPTY);
  }
  mark(number: Int32, as: 'full' | 'empty'): void {
    const bits = i32(EMPTY).shl(number.shl(1));
    this.#f.set(this.#tags, as === 'empty' ? this.#tags.or(bits) : this.#tags.and(bits.xor(-1)));
    this.#f.store('i32.store', this.#state, STATE.fields.ftw, this.#tags);
  }
  learn(): void {}

  /** Its address, to which `STATE.x87` is to be added. */
  place(number: Int32): Local<typeof I32> {
    return this.#f.local(this.#state.add(number.shl(REGISTER_SHIFT)));
  }
  read(place: Int32): NumberParts {
    return [load(I64, 'i64.load', place, STATE.x87), load(I32, 'i32.load16_u', place, STATE.x87 + 8)];
  }
  write(place: Int32, significand: Int64, head: Int32): void {
    this.#f.store('i64.store', place, STATE.x87, significand);
    this.#f.store('i32.store', place, STATE.x87 + 8, head.and(SIGN | 0x7fff));
  }

  notePointer(segment: Int32, offset: Expression): void {
    const pointer = offset.widen();
    if (this.#wide) this.#declineInexactPointer(pointer);
    const cache = this.#state.add(segment.shl(Math.log2(SEGMENT_STRIDE)));
    this.#f.store('i64.store', this.#state, STATE.fields.fdp, pointer);
    const selector = load32(cache, STATE.segments + SEGMENT_FIELDS.selector);
    this.#f.store('i32.store', this.#state, STATE.fields.fds, selector);
  }
  noteInstruction(): void {
    const cs = STATE.segments + SEGMENT.CS * SEGMENT_STRIDE + SEGMENT_FIELDS.selector;
    this.#f.store('i64.store', this.#state, STATE.fields.fip, this.#instructionPointer);
    this.#f.store('i32.store', this.#state, STATE.fields.fcs, load32(this.#state, cs));
  }

  writeStatus(status: Int32): void {
    this.#f.store('i32.store', this.#state, STATE.fields.fsw, status);
  }
  writeControl(control: Int32): void {
    this.#f.store('i32.store', this.#state, STATE.fields.fcw, control);
  }
}
