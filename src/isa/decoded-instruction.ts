/** What decoding yields: the row, the encoding, and the values of the encoding's fields. */
import type { Encoding, InstructionRow } from './instruction.ts';

export interface MemoryOperand {
  /** Register number 0..15, 'ip' for RIP-relative, undefined for none. */
  readonly base: number | 'ip' | undefined;
  readonly index: number | undefined;
  /** log2 of the scale: 0..3; 0 without an index. */
  readonly scale: number;
  /** Sign-extended displacement (of a memory offset: sign-extended from the address size). */
  readonly displacement: number;
  /** Segment register used: the default for the base, or the override. */
  readonly segment: number;
}

export interface DecodedInstruction {
  readonly row: InstructionRow;
  readonly encoding: Encoding;
  /** Position of `encoding` in `row.encodings`. */
  readonly encodingIndex: number;
  /** Bytes, prefixes included: 1..15. */
  readonly length: number;
  readonly operandSize: 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  readonly lock: boolean;
  /** F3 or F2 on a string instruction, or as found (it may mean nothing). The last of the two counts. */
  readonly repeat: 'none' | 'repe' | 'repne';
  /** Segment override prefix in force: 0..5. */
  readonly segmentOverride: number | undefined;
  /** A REX prefix was in force: byte registers 4..7 are SPL, BPL, SIL, DIL instead of AH, CH, DH, BH. */
  readonly rex: boolean;
  /** Condition code of `+cc`, else 0. */
  readonly condition: number;
  /** ModR/M.reg with REX.R (0..15); segment/control/debug register number. */
  readonly reg: number;
  /** Register in ModR/M.rm with REX.B, in the opcode's low bits, or the x87 register of `+i`; meaningless if `memory` is set. */
  readonly rm: number;
  /** The memory operand, if there is one (also for memory offsets; for string operands only the segment of the source counts). */
  readonly memory: MemoryOperand | undefined;
  /**
   * Immediate operands in order. Those that their kind sign-extends (imm8s, immz, rel8, relz) are signed, the others
   * unsigned. For a far pointer: [offset, selector]; for a memory offset: the offset (exact, where `memory.displacement`
   * may have lost bits of a 64-bit one).
   */
  readonly immediates: readonly bigint[];
}

/** Why bytes are not an instruction. */
export type DecodeFailure =
  /** #UD: no such instruction, or LOCK where it may not be. */
  | { readonly failure: 'undefined'; readonly length: number }
  /** #GP(0): more than 15 bytes. */
  | { readonly failure: 'tooLong' }
  /** The bytes given end before the instruction does. */
  | { readonly failure: 'incomplete' };
