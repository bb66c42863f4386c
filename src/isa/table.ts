/** The instruction table: every row, family by family. */
import type { InstructionRow } from './instruction.ts';
import { ARITHMETIC } from './instructions/arithmetic.ts';
import { CONDITIONAL } from './instructions/condition.ts';
import { CONTROL_TRANSFER } from './instructions/control-transfer.ts';
import { DATA_TRANSFER } from './instructions/data-transfer.ts';
import { LOGIC } from './instructions/logic.ts';
import { SEGMENT_INSTRUCTIONS } from './instructions/segment.ts';
import { STACK } from './instructions/stack.ts';

export const INSTRUCTIONS: readonly InstructionRow[] = [
  ...DATA_TRANSFER,
  ...SEGMENT_INSTRUCTIONS,
  ...STACK,
  ...ARITHMETIC,
  ...LOGIC,
  ...CONDITIONAL,
  ...CONTROL_TRANSFER,
];
