/** Condition codes and what depends on them, jumps apart (`control-transfer.ts`). */
import { type InstructionRow, instruction } from '../instruction.ts';

/** The flags that some condition looks at. */
export const CONDITION_FLAGS = ['OF', 'SF', 'ZF', 'PF', 'CF'] as const;

const setcc = instruction({
  mnemonic: 'setcc',
  summary: 'Set byte on condition',
  manual: 'SDM Vol. 2B, "SETcc—Set Byte on Condition"',
  operands: { dst: 'w' },
  encodings: [['0F 90+cc /x', 'rm8']],
  flags: { reads: CONDITION_FLAGS },
  execute({ dst }, b) {
    dst.write(b.zeroExtend(b.conditionHolds(), 8));
  },
});

const cmovcc = instruction({
  mnemonic: 'cmovcc',
  summary: 'Conditional move',
  manual: 'SDM Vol. 2A, "CMOVcc—Conditional Move"',
  operands: { dst: 'rw', src: 'r' },
  encodings: [['0F 40+cc /r', 'rv', 'rmv']],
  flags: { reads: CONDITION_FLAGS },
  feature: 'cmov',
  execute({ dst, src }, b) {
    // The source is always read, and a 32-bit destination always clears the upper half of its register.
    const value = src.read();
    dst.write(b.select(b.conditionHolds(), value, dst.read()));
  },
});

export const CONDITIONAL: readonly InstructionRow[] = [setcc, cmovcc];
