/**
 * The register stack as emitted functions see it: status and control word in locals. A function either declines (returns
 * 1, nothing changed) or changes what it has to and ends with `finish`.
 */
import { STATE } from '../../../cpu/state-layout.ts';
import { CONDITION_CODES, EXCEPTIONS } from '../../../cpu/x87/control.ts';
import { type I32, I64 } from '../../../wasm/code-writer.ts';
import type { Expression, Int32, Int64, Local } from '../../../wasm/expression.ts';
import { DECLINED, DONE, type StatusWriter } from '../emitted-function.ts';
import { C1, type NumberParts, STATUS } from './number.ts';
import { type WriteContext, x87StateOf } from './write-context.ts';
import type { X87State } from './x87-state.ts';

export class RegisterStack {
  readonly f: StatusWriter;
  readonly control: Local<typeof I32>;
  /** Ordinary numbers are to be computed without calls: the code is larger and faster. */
  readonly inPlace: boolean;
  readonly #x87: X87State;
  /** As it will be when the function ends. */
  readonly #status: Local<typeof I32>;
  readonly #state: Int32;
  readonly #results: readonly Local[] | undefined;

  /** Declines at once while an exception is pending: what is noted about an instruction is different then. */
  constructor(context: WriteContext) {
    const { f } = context;
    const x87 = x87StateOf(context);
    this.f = f;
    this.inPlace = context.inPlace ?? false;
    this.#x87 = x87;
    this.#state = context.state;
    this.#results = context.results;
    this.#status = f.local(x87.status);
    if (x87.mayBePending) this.declineIf(this.#status.and(STATUS.ES));
    x87.begin(f);
    this.control = f.local(x87.control);
  }

  declineIf(condition: Int32): void {
    this.f.if(condition, () => this.f.return(DECLINED));
  }

  /** Number of ST(register). */
  #number(register: Int32 | number): Int32 {
    return this.#x87.top(this.#status).add(register).and(7);
  }
  isEmpty(register: Int32 | number): Int32 {
    return this.#x87.isEmpty(this.#number(register));
  }
  /** Declines if one of these registers is empty: a stack underflow. */
  require(...registers: readonly (Int32 | number)[]): void {
    for (const register of registers) {
      this.declineIf(this.isEmpty(register));
      this.#x87.learn(this.#number(register), 'full');
    }
  }
  /** Declines if there is no room for a push: a stack overflow. */
  requireRoom(): void {
    this.declineIf(this.isEmpty(7).isZero());
    this.#x87.learn(this.#number(7), 'empty');
  }

  /** Of ST(register) now; it stays the same register after a push or pop. */
  place(register: Int32 | number): Int32 {
    return this.#x87.place(this.#number(register));
  }
  /** What a place holds, read where it is used. */
  read(place: Int32): NumberParts {
    return this.#x87.read(place);
  }
  /** Replaces contents; the tag stays. */
  write(place: Int32, significand: Int64, head: Int32): void {
    this.#x87.write(place, significand, head);
  }

  markFull(register: Int32 | number): void {
    this.#x87.mark(this.#number(register), 'full');
  }
  markEmpty(register: Int32 | number): void {
    this.#x87.mark(this.#number(register), 'empty');
  }

  rotate(distance: Int32 | number): void {
    this.#x87.turn(this.#status, this.#number(distance));
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
    this.#x87.notePointer(segment, offset);
  }

  /** Results for the caller of the helper: i32, or i64 where 64 bits wide. */
  answer(...results: readonly Expression[]): void {
    for (const [index, result] of results.entries()) {
      const opcode = result.type === I64 ? 'i64.store' : 'i32.store';
      if (this.#results) this.f.set(this.#results[index], result);
      else this.f.store(opcode, this.#state, STATE.helperResults + 8 * index, result);
    }
  }

  /** Notes where the instruction was, writes the status word, and returns. */
  finish(): void {
    this.#x87.noteInstruction();
    this.#x87.writeStatus(this.#status);
    this.f.return(DONE);
  }
}
