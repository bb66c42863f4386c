/** Flag control (CLI, STI, PUSHF and POPF: `system-flags.ts`). SDM Vol. 1, "Flag Control (EFLAG) Instructions". */
import { type InstructionRow, instruction } from '../instruction.ts';
import { GPR, type StatusFlag } from '../semantics.ts';

const clc = instruction({
  mnemonic: 'clc',
  summary: 'Clear carry flag',
  manual: 'SDM Vol. 2A, "CLC—Clear Carry Flag"',
  operands: {},
  encodings: [['F8']],
  flags: { writes: ['CF'] },
  execute(_, b) {
    b.setFlags({ CF: b.constant(0, 1) });
  },
});

const stc = instruction({
  mnemonic: 'stc',
  summary: 'Set carry flag',
  manual: 'SDM Vol. 2B, "STC—Set Carry Flag"',
  operands: {},
  encodings: [['F9']],
  flags: { writes: ['CF'] },
  execute(_, b) {
    b.setFlags({ CF: b.constant(1, 1) });
  },
});

const cmc = instruction({
  mnemonic: 'cmc',
  summary: 'Complement carry flag',
  manual: 'SDM Vol. 2A, "CMC—Complement Carry Flag"',
  operands: {},
  encodings: [['F5']],
  flags: { reads: ['CF'], writes: ['CF'] },
  execute(_, b) {
    b.setFlags({ CF: b.xor(b.flag('CF'), 1) });
  },
});

const cld = instruction({
  mnemonic: 'cld',
  summary: 'Clear direction flag',
  manual: 'SDM Vol. 2A, "CLD—Clear Direction Flag"',
  operands: {},
  encodings: [['FC']],
  flags: { writes: ['DF'] },
  execute(_, b) {
    b.setFlags({ DF: b.constant(0, 1) });
  },
});

const std = instruction({
  mnemonic: 'std',
  summary: 'Set direction flag',
  manual: 'SDM Vol. 2B, "STD—Set Direction Flag"',
  operands: {},
  encodings: [['FD']],
  flags: { writes: ['DF'] },
  execute(_, b) {
    b.setFlags({ DF: b.constant(1, 1) });
  },
});

/** Status flags in the low byte of EFLAGS, by bit number. */
const LOW_FLAGS = [
  ['CF', 0],
  ['PF', 2],
  ['AF', 4],
  ['ZF', 6],
  ['SF', 7],
] as const satisfies readonly (readonly [StatusFlag, number])[];

const lahf = instruction({
  mnemonic: 'lahf',
  summary: 'Load status flags into AH',
  manual: 'SDM Vol. 2A, "LAHF—Load Status Flags Into AH Register"',
  operands: {},
  encodings: [['9F']],
  flags: { reads: ['SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(_, b) {
    const bits = LOW_FLAGS.map(([flag, position]) => b.shl(b.zeroExtend(b.flag(flag), 8), position));
    b.setHighByte(
      GPR.rAX,
      bits.reduce((image, bit) => b.or(image, bit), b.constant(2, 8)),
    );
  },
});

const sahf = instruction({
  mnemonic: 'sahf',
  summary: 'Store AH into flags',
  manual: 'SDM Vol. 2B, "SAHF—Store AH Into Flags"',
  operands: {},
  encodings: [['9E']],
  flags: { writes: ['SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(_, b) {
    const image = b.highByte(GPR.rAX);
    const bit = (position: number) => b.truncate(b.shr(image, position), 1);
    b.setFlags({ CF: bit(0), PF: bit(2), AF: bit(4), ZF: bit(6), SF: bit(7) });
  },
});

export const FLAG_CONTROL: readonly InstructionRow[] = [clc, stc, cmc, cld, std, lahf, sahf];
