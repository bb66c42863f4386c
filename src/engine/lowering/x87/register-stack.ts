/**
 * The register stack as emitted functions see it: status and tag word in locals, registers in the state block. A
 * function either declines (returns 1, nothing changed) or changes what it has to and ends with `finish`.
 */
import { SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { CONDITION_CODES, EXCEPTIONS, TOP_SHIFT } from '../../../cpu/x87/control.ts';
import { SEGMENT } from '../../../isa/semantics.ts';
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Expression, type Int32, type Int64, i32, type Local } from '../../../wasm/expression.ts';
import { load, load32 } from '../../../wasm/function-writer.ts';
import { DECLINED, DONE, type StatusWriter } from '../emitted-function.ts';
import { C1, type NumberParts, SIGN, STATUS } from './number.ts';
import type { WriteContext } from './write-context.ts';

/** Both bits of an empty register's tag; other tags differ in no way that matters. */
const EMPTY = 3;
const REGISTER_SHIFT = 4;
/** Helpers keep pointers as numbers, which are exact below 2^53. */
const EXACT_POINTER_BITS = 53;

export class RegisterStack {
  readonly f: StatusWriter;
  readonly state: Int32;
  readonly control: Local<typeof I32>;
  /** As it will be when the function ends. */
  readonly #status: Local<typeof I32>;
  readonly #tags: Local<typeof I32>;
  readonly #wide: boolean;

  readonly #instructionPointer: Int64;
  readonly #results: readonly Local[] | undefined;

  /** Declines at once while an exception is pending: what is noted about an instruction is different then. */
  constructor({ f, state, wide, instructionPointer, results }: Omit<WriteContext, 'functions'>) {
    this.f = f;
    this.#results = results;
    this.state = state;
    this.#wide = wide;
    this.#status = f.local(load32(state, STATE.fields.fsw));
    this.declineIf(this.#status.and(STATUS.ES));
    this.#instructionPointer = instructionPointer
      ? f.local(instructionPointer)
      : load(I64, 'i64.load', state, STATE.fields.ip);
    if (wide) this.#declineInexactPointer(this.#instructionPointer);
    this.control = f.local(load32(state, STATE.fields.fcw));
    this.#tags = f.local(load32(state, STATE.fields.ftw));
  }

  declineIf(condition: Int32): void {
    this.f.if(condition, () => this.f.return(DECLINED));
  }
  #declineInexactPointer(pointer: Int64): void {
    this.declineIf(pointer.shr(EXACT_POINTER_BITS).isNotZero());
  }

  #top(): Int32 {
    return this.#status.shr(TOP_SHIFT).and(7);
  }
  /** Bits to shift the tag word by, for ST(register). */
  #tagShift(register: Int32 | number): Int32 {
    return this.#top().add(register).and(7).shl(1);
  }
  isEmpty(register: Int32 | number): Int32 {
    return this.#tags.shr(this.#tagShift(register)).and(EMPTY).eq(EMPTY);
  }
  /** Declines if one of these registers is empty: a stack underflow. */
  require(...registers: readonly (Int32 | number)[]): void {
    for (const register of registers) this.declineIf(this.isEmpty(register));
  }
  /** Declines if there is no room for a push: a stack overflow. */
  requireRoom(): void {
    this.declineIf(this.isEmpty(7).isZero());
  }

  /** Address of ST(register) now, to which `STATE.x87` is to be added. It stays the same register after a push or pop. */
  place(register: Int32 | number): Local<typeof I32> {
    return this.f.local(this.state.add(this.#top().add(register).and(7).shl(REGISTER_SHIFT)));
  }
  /** What a place holds, read where it is used. */
  read(place: Int32): NumberParts {
    return [load(I64, 'i64.load', place, STATE.x87), load(I32, 'i32.load16_u', place, STATE.x87 + 8)];
  }
  /** Replaces contents; the tag stays. */
  write(place: Int32, significand: Int64, head: Int32): void {
    this.f.store('i64.store', place, STATE.x87, significand);
    this.f.store('i32.store', place, STATE.x87 + 8, head.and(SIGN | 0x7fff));
  }

  #setTags(tags: Int32): void {
    this.f.set(this.#tags, tags);
    this.f.store('i32.store', this.state, STATE.fields.ftw, this.#tags);
  }
  markFull(register: Int32 | number): void {
    this.#setTags(this.#tags.and(i32(EMPTY).shl(this.#tagShift(register)).xor(-1)));
  }
  markEmpty(register: Int32 | number): void {
    this.#setTags(this.#tags.or(i32(EMPTY).shl(this.#tagShift(register))));
  }

  rotate(distance: Int32 | number): void {
    const top = this.#top().add(distance).and(7).shl(TOP_SHIFT);
    this.f.set(this.#status, this.#status.and(~STATUS.TOP).or(top));
  }
  push(significand: Int64, head: Int32): void {
    this.rotate(-1);
    this.write(this.place(0), significand, head);
    this.markFull(0);
  }
  /** @param count 0, 1 or 2 */
  pop(count: Int32): void {
    this.f.if(count, () => {
      this.#popOne();
      this.f.if(count.sub(1), () => this.#popOne());
    });
  }
  #popOne(): void {
    this.markEmpty(0);
    this.rotate(1);
  }

  /** Declines if one of these exceptions is unmasked. @param flags others than exceptions may be among them */
  requireMasked(flags: Int32): void {
    this.declineIf(flags.and(this.control.xor(-1)).and(EXCEPTIONS));
  }
  /** Takes over exceptions, and those codes (as a rule C1) as they are among them. */
  report(flags: Int32 | number, codes: number = C1): void {
    this.f.set(this.#status, this.#status.and(~codes).or(flags));
  }
  /** Takes over exceptions and all condition codes. */
  reportCodes(flags: Int32): void {
    this.f.set(this.#status, this.#status.and(~CONDITION_CODES).or(flags));
  }
  /** Takes over exceptions and nothing else. */
  reportExceptions(flags: Int32): void {
    this.f.set(this.#status, this.#status.or(flags));
  }

  /** Records the memory operand. It may decline, so it comes before anything is changed. */
  notePointer(segment: Int32, offset: Expression): void {
    const pointer = offset.widen();
    if (this.#wide) this.#declineInexactPointer(pointer);
    const cache = this.state.add(segment.shl(Math.log2(SEGMENT_STRIDE)));
    this.f.store('i64.store', this.state, STATE.fields.fdp, pointer);
    const selector = load32(cache, STATE.segments + SEGMENT_FIELDS.selector);
    this.f.store('i32.store', this.state, STATE.fields.fds, selector);
  }

  /** Results for the caller of the helper: i32, or i64 where 64 bits wide. */
  answer(...results: readonly Expression[]): void {
    for (const [index, result] of results.entries()) {
      const opcode = result.type === I64 ? 'i64.store' : 'i32.store';
      if (this.#results) this.f.set(this.#results[index], result);
      else this.f.store(opcode, this.state, STATE.helperResults + 8 * index, result);
    }
  }

  /** Notes where the instruction was, writes the status word, and returns. */
  finish(): void {
    const { f, state } = this;
    const cs = STATE.segments + SEGMENT.CS * SEGMENT_STRIDE + SEGMENT_FIELDS.selector;
    f.store('i64.store', state, STATE.fields.fip, this.#instructionPointer);
    f.store('i32.store', state, STATE.fields.fcs, load32(state, cs));
    f.store('i32.store', state, STATE.fields.fsw, this.#status);
    f.return(DONE);
  }
}
