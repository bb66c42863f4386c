/** The instruction table: every row, family by family. */
import type { InstructionRow } from './instruction.ts';
import { ARITHMETIC } from './instructions/arithmetic.ts';
import { BIT } from './instructions/bit.ts';
import { CONDITIONAL } from './instructions/condition.ts';
import { CONTROL_TRANSFER } from './instructions/control-transfer.ts';
import { DATA_TRANSFER } from './instructions/data-transfer.ts';
import { DECIMAL } from './instructions/decimal.ts';
import { EXCHANGE } from './instructions/exchange.ts';
import { FLAG_CONTROL } from './instructions/flag-control.ts';
import { IO } from './instructions/io.ts';
import { LOGIC } from './instructions/logic.ts';
import { MISCELLANEOUS } from './instructions/miscellaneous.ts';
import { MULTIPLY_DIVIDE } from './instructions/multiply-divide.ts';
import { SEGMENT_INSTRUCTIONS } from './instructions/segment.ts';
import { SHIFT_ROTATE } from './instructions/shift-rotate.ts';
import { STACK } from './instructions/stack.ts';
import { STRING } from './instructions/string.ts';
import { SYSTEM } from './instructions/system.ts';
import { SYSTEM_FLAGS } from './instructions/system-flags.ts';
import { X87_INSTRUCTIONS } from './instructions/x87.ts';

export const INSTRUCTIONS: readonly InstructionRow[] = [
  ...DATA_TRANSFER,
  ...SEGMENT_INSTRUCTIONS,
  ...STACK,
  ...ARITHMETIC,
  ...MULTIPLY_DIVIDE,
  ...DECIMAL,
  ...LOGIC,
  ...SHIFT_ROTATE,
  ...BIT,
  ...EXCHANGE,
  ...STRING,
  ...CONDITIONAL,
  ...CONTROL_TRANSFER,
  ...FLAG_CONTROL,
  ...SYSTEM_FLAGS,
  ...IO,
  ...SYSTEM,
  ...MISCELLANEOUS,
  ...X87_INSTRUCTIONS,
];
