/**
 * One row of the instruction table: what the manual says, in its notation, and nothing about engines.
 *
 * Encoding: `[opcode, ...operand kinds]`. The opcode string is a list of words:
 *
 * - hex bytes (`0F B6`), the last with `+r` (register in the low three bits), `+cc` (condition in the low four bits)
 *   or `+i` (x87 register in the low three bits);
 * - `/r` (ModR/M with a register operand), `/0`..`/7` (ModR/M with an opcode extension), `/x` (ModR/M whose reg field
 *   means nothing: SETcc);
 *   a full ModR/M byte of x87 and group opcodes is written as a hex byte, with `+i` where it carries a register (also
 *   where its low three bits are ignored: no operand takes it then, and the assembler writes 0);
 * - `ib iw iz iv cb cz cp`: the immediate that follows (checked against the operand kinds);
 * - `66 F2 F3` before other bytes: mandatory prefix (F2 and F3 win over 66); `np`: none of the three may stand;
 * - `o16 o32 o64`: only with this operand size; `a16 a32 a64`: only with this address size;
 * - `i64`: invalid in 64-bit mode; `n64`: only in 64-bit mode;
 * - `d64`: in 64-bit mode the operand size defaults to 64 (16 with 66h; 32 does not exist);
 *   `f64`: in 64-bit mode it is 64, whatever the prefixes say;
 * - `anymod`: ModR/M.mod is ignored and taken as a register (MOV CR, MOV DR).
 *
 * An encoding without `/r`, `/x` or `/digit` has no operand in ModR/M; one with it has exactly one there. Which forms exist
 * (register, memory, both) follows from that operand's kind. An exact opcode hides one of a `+r` range (90: NOP), but
 * not with REX.B. A segment register that is written may not be CS.
 */

import type { OperandAccess } from './operand.ts';
import type { OperandKindName } from './operand-kind.ts';
import type { FlagName, SemanticsBuilder } from './semantics.ts';

export type Encoding = readonly [opcode: string, ...operands: OperandKindName[]];

/**
 * What a repeated string instruction does with its elements: copies DS:rSI to ES:rDI, fills ES:rDI with rAX, loads rAX
 * from DS:rSI, compares DS:rSI with ES:rDI, looks through ES:rDI for rAX.
 */
export type BulkKind = 'copy' | 'fill' | 'load' | 'compare' | 'scan';

/** How an operand is used: read, written, both, or only its address taken. */
export type Access = 'r' | 'w' | 'rw' | 'address';

export interface InstructionRow<
  Operands extends Record<string, Access> = Record<string, Access>,
  Written extends FlagName = FlagName,
> {
  /** Lower case. `cc` at the end stands for the condition code (`jcc`, `setcc`, `cmovcc`). */
  readonly mnemonic: string;
  /** Other names of the same instruction, taken by the assembler (`sal` for `shl`). */
  readonly aliases?: readonly string[];
  /**
   * By operand size, where the name depends on it: `{ 16: 'cbw', 32: 'cwde', 64: 'cdqe' }`. If `mnemonic` is one of them,
   * it means that size alone; if not (`iret` beside `iretw`, `iretd`, `iretq`), it means the usual size of the mode.
   */
  readonly mnemonics?: Readonly<Partial<Record<16 | 32 | 64, string>>>;
  readonly summary: string;
  readonly manual: string;
  /** In Intel order; the names are those `execute` uses. */
  readonly operands: Operands;
  /** Operands that are encoded or fixed but not written in assembly text (AL of MUL, the strings of MOVS). */
  readonly implicit?: readonly (keyof Operands & string)[];
  /** Values that immediate operands have where assembly text leaves them out (the base of AAM: 10). */
  readonly omitted?: Readonly<Partial<Record<keyof Operands & string, bigint>>>;
  /** Assembly text may give the two operands in either order (XCHG, TEST). */
  readonly commutative?: boolean;
  readonly encodings: readonly Encoding[];
  readonly flags: {
    readonly reads?: readonly FlagName[];
    readonly writes?: readonly Written[];
    /** Undefined by the manual, and left alone by real CPUs and by us: not written, but nothing to compare either. */
    readonly undefined?: readonly FlagName[];
  };
  /** LOCK is allowed when the destination is memory; elsewhere it is #UD. */
  readonly lockable?: boolean;
  /** String instruction: F3/F2 repeat it. 'rep': while rCX ≠ 0; 'repe': also while ZF says so (REPE/REPNE). */
  readonly repeat?: 'rep' | 'repe';
  /** What a run of its iterations amounts to: engines may do many elements at once. */
  readonly bulk?: BulkKind;
  /** #GP(0) unless CPL = 0 (real mode counts as CPL 0, virtual-8086 mode as 3). */
  readonly privileged?: boolean;
  /** #UD in real-address and virtual-8086 mode. */
  readonly protectedOnly?: boolean;
  /** #NM if CR0.EM or CR0.TS is set; 'wait': also #MF if an unmasked x87 exception is pending. */
  readonly x87?: 'wait' | 'noWait';
  /** CPUID feature without which it is #UD (`cmov`, `fxsr`, `cx8`, …). */
  readonly feature?: string;
  /** POP r/m: ESP as a base counts after the pop. */
  readonly addressAfterPop?: boolean;
  /** Ends a block: it transfers control, or may change the mode, the interrupt flag or what the next bytes mean. */
  readonly endsBlock?: boolean;
  execute(operands: { readonly [Name in keyof Operands]: OperandAccess }, b: SemanticsBuilder<Written>): void;
}

/** Declares a row. Its encodings are validated when the table loads (`decode-table.ts`); a wrong row throws there. */
export function instruction<const Operands extends Record<string, Access>, const Written extends FlagName = never>(
  row: InstructionRow<Operands, Written>,
): InstructionRow {
  return row as unknown as InstructionRow;
}
