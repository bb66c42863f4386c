/** An operand of an instruction while its semantics are traced. */
import type { Value, Width } from '../ir/value.ts';

/** A segment register by number (ES CS SS DS FS GS = 0..5), or the one that decoding chose for the memory operand. */
export type SegmentRef = number | 'operand';

/** What a `read` or `write` statement names. */
export type Place =
  /** General register by number; `high`: AH, CH, DH, BH. */
  | { readonly space: 'gpr'; readonly register: number; readonly width: Width; readonly high?: boolean }
  /** General register chosen by a field of the instruction. */
  | { readonly space: 'field'; readonly field: 'reg' | 'rm'; readonly width: Width }
  /** Selector of the segment register whose number is in ModR/M.reg, or given. */
  | { readonly space: 'selector'; readonly segment: 'reg' | number }
  | { readonly space: 'flag'; readonly flag: string }
  /** A field of the CPU state by name (`cpu/state-layout.ts`). */
  | { readonly space: 'state'; readonly name: string; readonly width: Width };

export interface OperandAccess {
  /** Bits; 0 for operands without a size of their own (LEA's memory operand). */
  readonly width: Width;
  readonly isMemory: boolean;
  /** The operand's value now. For memory: a load (with intent 'modify' if the operand's access is 'rw'). */
  read(): Value;
  /** Writes a value of the operand's width. A 32-bit write to a register in 64-bit mode clears its upper half. */
  write(value: Value): void;
  /** Register operands: the register's number (8 bits), a constant of the instruction. */
  readonly index: Value;
  /** Memory operands: where they lie. `offset` has the address size. */
  readonly segment: SegmentRef;
  readonly offset: Value;
  /** Far pointer immediate: its selector (16 bits). */
  readonly selector: Value;
}
