/** What decoder and encoder both know of memory operands. */
import type { MemoryOperand } from './decoded-instruction.ts';
import { GPR, SEGMENT } from './semantics.ts';

/**
 * Registers of 16-bit addresses by ModR/M.rm. With mod = 0, 6 is a mere displacement.
 * SDM Vol. 2A, "16-Bit Addressing Forms with the ModR/M Byte".
 */
export const ADDRESS_FORMS_16: readonly { readonly base: number; readonly index: number | undefined }[] = [
  { base: GPR.rBX, index: GPR.rSI },
  { base: GPR.rBX, index: GPR.rDI },
  { base: GPR.rBP, index: GPR.rSI },
  { base: GPR.rBP, index: GPR.rDI },
  { base: GPR.rSI, index: undefined },
  { base: GPR.rDI, index: undefined },
  { base: GPR.rBP, index: undefined },
  { base: GPR.rBX, index: undefined },
];

/** Segment that a memory operand uses without an override. SDM Vol. 1, "Specifying a Segment Selector". */
export const defaultSegment = (base: MemoryOperand['base']): number =>
  base === GPR.rSP || base === GPR.rBP ? SEGMENT.SS : SEGMENT.DS;
