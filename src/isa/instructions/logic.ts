/** Bitwise logic. SDM Vol. 1, "Logical Instructions". */
import { type InstructionRow, instruction } from '../instruction.ts';
import { groupOneEncodings } from './arithmetic.ts';

const and = instruction({
  mnemonic: 'and',
  summary: 'Logical AND',
  manual: 'SDM Vol. 2A, "AND—Logical AND"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(4),
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const result = b.and(dst.read(), src.read());
    dst.write(result);
    b.setFlags(b.logicFlags(result));
  },
});

const or = instruction({
  mnemonic: 'or',
  summary: 'Logical inclusive OR',
  manual: 'SDM Vol. 2B, "OR—Logical Inclusive OR"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(1),
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const result = b.or(dst.read(), src.read());
    dst.write(result);
    b.setFlags(b.logicFlags(result));
  },
});

const xor = instruction({
  mnemonic: 'xor',
  summary: 'Logical exclusive OR',
  manual: 'SDM Vol. 2D, "XOR—Logical Exclusive OR"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(6),
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const result = b.xor(dst.read(), src.read());
    dst.write(result);
    b.setFlags(b.logicFlags(result));
  },
});

const not = instruction({
  mnemonic: 'not',
  summary: "One's complement negation",
  manual: 'SDM Vol. 2B, "NOT—One\'s Complement Negation"',
  operands: { dst: 'rw' },
  encodings: [
    ['F6 /2', 'rm8'],
    ['F7 /2', 'rmv'],
  ],
  lockable: true,
  flags: {},
  execute({ dst }, b) {
    dst.write(b.not(dst.read()));
  },
});

const test = instruction({
  mnemonic: 'test',
  summary: 'Logical compare',
  manual: 'SDM Vol. 2B, "TEST—Logical Compare"',
  operands: { left: 'r', right: 'r' },
  commutative: true,
  encodings: [
    ['84 /r', 'rm8', 'r8'],
    ['85 /r', 'rmv', 'rv'],
    ['A8 ib', 'al', 'imm8'],
    ['A9 iz', 'rAX', 'immz'],
    ['F6 /0 ib', 'rm8', 'imm8'],
    ['F7 /0 iz', 'rmv', 'immz'],
    // Undocumented aliases.
    ['F6 /1 ib', 'rm8', 'imm8'],
    ['F7 /1 iz', 'rmv', 'immz'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ left, right }, b) {
    b.setFlags(b.logicFlags(b.and(left.read(), right.read())));
  },
});

export const LOGIC: readonly InstructionRow[] = [and, or, xor, not, test];
