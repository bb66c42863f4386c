/** The vocabulary in which the table's `execute` functions are written: the IR plus what is x86 about it. */
import { IrBuilder, type Operandish } from '../ir/builder.ts';
import type { Temporary, Value, Width } from '../ir/value.ts';
import type { ValueInterner } from '../ir/value-interner.ts';
import type { Place, SegmentRef } from './operand.ts';

export const STATUS_FLAGS = ['CF', 'PF', 'AF', 'ZF', 'SF', 'OF'] as const;
export type StatusFlag = (typeof STATUS_FLAGS)[number];
export type FlagName = StatusFlag | 'DF';
export type FlagValues = Readonly<Record<StatusFlag, Value>>;

export const SEGMENT = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 } as const;
export const GPR = { rAX: 0, rCX: 1, rDX: 2, rBX: 3, rSP: 4, rBP: 5, rSI: 6, rDI: 7 } as const;

/** What a form is specialised to. */
export interface FormContext {
  readonly operandSize: 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  /** Width of the stack pointer (SS.B; 64 in 64-bit mode). */
  readonly stackSize: 16 | 32 | 64;
  /** CS.L = 1 and EFER.LMA = 1. */
  readonly longMode: boolean;
  /** Condition code of `jcc`, `setcc`, `cmovcc`: 0..15. */
  readonly condition: number;
}

export interface StackAccess {
  push(value: Value): void;
  pop(width: Width): Value;
  release(bytes: Operandish): void;
  commit(): void;
  readonly pointer: Value;
}

/** Constants of a decoded instruction; see `SemanticsBuilder.input`. */
export type InputName = 'ip' | 'nextIp' | 'immediate' | 'immediate2' | 'ea' | 'reg' | 'rm' | 'segment';

/** Faults that semantics raise themselves. SDM Vol. 3A, "Exception and Interrupt Reference". */
const VECTOR = { '#DE': 0, '#BR': 5, '#UD': 6, '#GP': 13 } as const;

export class SemanticsBuilder<Written extends FlagName = FlagName> extends IrBuilder<Place, SegmentRef> {
  readonly #context: FormContext;
  /** Which properties of the context were looked at: a form needs no variants for the others. */
  readonly used = { addressSize: false, stackSize: false };

  constructor(context: FormContext, interner?: ValueInterner) {
    super(interner);
    this.#context = context;
  }

  get operandSize(): 16 | 32 | 64 {
    return this.#context.operandSize;
  }
  get addressSize(): 16 | 32 | 64 {
    this.used.addressSize = true;
    return this.#context.addressSize;
  }
  get stackSize(): 16 | 32 | 64 {
    this.used.stackSize = true;
    return this.#context.stackSize;
  }
  get longMode(): boolean {
    return this.#context.longMode;
  }
  get conditionCode(): number {
    return this.#context.condition;
  }
  /** Width of the instruction pointer and of near branch arithmetic: 32, or 64 in 64-bit mode. */
  get pointerSize(): 32 | 64 {
    return this.longMode ? 64 : 32;
  }

  /**
   * A constant of the decoded instruction: 'ip', 'nextIp' (pointer size); 'immediate', 'immediate2'; 'ea', the memory
   * operand's offset (address size); 'reg', 'rm', numbers of registers, and 'segment', that of the memory operand's (8).
   */
  override input(name: InputName, width: Width): Value {
    return super.input(name, width);
  }
  /** Number of a segment register (8 bits), for helpers that take one. */
  segmentNumber(segment: SegmentRef): Value {
    return segment === 'operand' ? this.input('segment', 8) : this.constant(segment, 8);
  }
  /** Offset of this instruction and of the next one in the code segment (32 bits; 64 in 64-bit mode). */
  get instructionPointer(): Value {
    return this.input('ip', this.pointerSize);
  }
  get nextInstructionPointer(): Value {
    return this.input('nextIp', this.pointerSize);
  }

  readPlace(place: Place, width: Width): Value {
    const result = this.temporary(width);
    this.emit({ kind: 'read', result, place });
    return result;
  }
  writePlace(place: Place, value: Value): void {
    this.emit({ kind: 'write', place, value });
  }

  /** A general register by number (low part; AH… only through operands). */
  register(number: number, width: Width): Value {
    return this.readPlace({ space: 'gpr', register: number, width }, width);
  }
  setRegister(number: number, value: Value): void {
    this.writePlace({ space: 'gpr', register: number, width: value.width }, value);
  }
  /** AH, CH, DH, BH by the number of AL, CL, DL, BL. */
  highByte(number: number): Value {
    return this.readPlace({ space: 'gpr', register: number, width: 8, high: true }, 8);
  }
  setHighByte(number: number, value: Value): void {
    this.writePlace({ space: 'gpr', register: number, width: 8, high: true }, value);
  }
  /** A field of the CPU state, by its name in `cpu/state-layout.ts`. */
  state(name: string, width: Width): Value {
    return this.readPlace({ space: 'state', name, width }, width);
  }
  setState(name: string, value: Value): void {
    this.writePlace({ space: 'state', name, width: value.width }, value);
  }

  load(segment: SegmentRef, offset: Value, width: Width, intent: 'read' | 'modify' = 'read'): Temporary {
    const result = this.temporary(width);
    this.emit({ kind: 'load', result, segment, offset, width, intent });
    return result;
  }
  /** `after`: the load with intent 'modify' whose place is written back. */
  store(segment: SegmentRef, offset: Value, value: Value, after?: Temporary): void {
    this.emit({ kind: 'store', segment, offset, value, ...(after && { after }) });
  }

  flag(name: FlagName): Value {
    return this.readPlace({ space: 'flag', flag: name }, 1);
  }
  /** Gives every flag the row declares as written a value; the others keep theirs. */
  setFlags(values: { readonly [Name in Written]: Value }): void {
    this.emit({ kind: 'flags', values });
  }
  /** SF, ZF, PF of a result. */
  resultFlags(result: Value): { readonly SF: Value; readonly ZF: Value; readonly PF: Value } {
    return { SF: this.msb(result), ZF: this.isZero(result), PF: this.parity(result) };
  }
  /** All six after left + right (+ carry in) = sum. */
  addFlags(left: Value, right: Value, sum: Value): FlagValues {
    const carries = this.addCarries(left, right, sum);
    return { CF: this.msb(carries), OF: this.overflow(carries), AF: this.bit3(carries), ...this.resultFlags(sum) };
  }
  /** All six after left − right (− borrow in) = difference. */
  subFlags(left: Value, right: Value, difference: Value): FlagValues {
    const borrows = this.subBorrows(left, right, difference);
    return {
      CF: this.msb(borrows),
      OF: this.overflow(borrows),
      AF: this.bit3(borrows),
      ...this.resultFlags(difference),
    };
  }
  /** All six after AND, OR, XOR, TEST: CF and OF cleared, AF undefined (real CPUs clear it). */
  logicFlags(result: Value): FlagValues {
    const zero = this.constant(0, 1);
    return { CF: zero, OF: zero, AF: this.undefined(1, zero), ...this.resultFlags(result) };
  }

  /** The condition of Jcc, SETcc, CMOVcc, by its four-bit code. SDM Vol. 1, "EFLAGS Condition Codes". */
  conditionHolds(code = this.conditionCode): Value {
    const flag = (name: StatusFlag) => this.flag(name);
    const base = [
      () => flag('OF'),
      () => flag('CF'),
      () => flag('ZF'),
      () => this.or(flag('CF'), flag('ZF')),
      () => flag('SF'),
      () => flag('PF'),
      () => this.xor(flag('SF'), flag('OF')),
      () => this.or(flag('ZF'), this.xor(flag('SF'), flag('OF'))),
    ][code >> 1]();
    return code & 1 ? this.xor(base, 1) : base;
  }

  /** Transfers control to an offset in CS, of operand size or wider (upper bits are cut to the operand size by the caller). */
  jump(target: Value, condition?: Value): void {
    this.emit({ kind: 'jump', target: this.zeroExtend(target, this.pointerSize), ...(condition && { condition }) });
  }

  /**
   * Faults as a jump to the target would: before what the instruction writes, or pushes, ahead of its jump.
   * @returns the target, for that jump
   */
  checkTarget(offset: Value, ahead: { condition?: Value; push?: { stack: StackAccess; width: Width } } = {}): Value {
    const { condition, push } = ahead;
    const target = this.zeroExtend(offset, this.pointerSize);
    const pushed = push && {
      segment: SEGMENT.SS,
      offset: this.sub(push.stack.pointer, push.width / 8),
      width: push.width,
    };
    this.emit({
      kind: 'checkTarget',
      target,
      ...(condition && { condition }),
      ...(pushed && { pushed }),
    });
    return target;
  }

  /** Raises a fault if the condition holds (always, without one). `cause` names the check that failed. */
  raise(fault: keyof typeof VECTOR, cause: string, condition?: Value): void {
    const errorCode = fault === '#GP' ? { errorCode: 0 } : {};
    this.emit({ kind: 'raise', vector: VECTOR[fault], ...errorCode, cause, ...(condition && { condition }) });
  }

  /**
   * Runs a helper of `cpu/` by name. Arguments up to 32 bits wide reach it as numbers, 64-bit ones as BigInts; so do
   * its results come back.
   */
  call(helper: string, args: readonly Value[], results: readonly Width[] = []): Temporary[] {
    const temporaries = results.map((width) => this.temporary(width));
    this.emit({ kind: 'call', helper, args, results: temporaries });
    return temporaries;
  }

  /**
   * The stack: pushes and pops move a pointer of their own; `commit` writes rSP. A fault before that leaves rSP as it was.
   * `release` drops bytes unread.
   * Offsets wrap at the stack size.
   */
  stack(): StackAccess {
    const size = this.stackSize;
    let pointer: Value = this.register(GPR.rSP, size);
    return {
      push: (value) => {
        pointer = this.sub(pointer, value.width / 8);
        this.store(SEGMENT.SS, pointer, value);
      },
      pop: (width) => {
        const value = this.load(SEGMENT.SS, pointer, width);
        pointer = this.add(pointer, width / 8);
        return value;
      },
      release: (bytes) => {
        pointer = this.add(pointer, bytes);
      },
      commit: () => this.setRegister(GPR.rSP, pointer),
      get pointer() {
        return pointer;
      },
    };
  }

  /** Operand for "the same width as": a number takes the width of `like`. */
  like(value: Operandish, like: Value): Value {
    return typeof value === 'object' ? value : this.constant(value, like.width);
  }
}
