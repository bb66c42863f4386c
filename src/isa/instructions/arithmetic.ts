/** Binary addition and subtraction. SDM Vol. 1, "Binary Arithmetic Instructions". */
import { type Encoding, type InstructionRow, instruction } from '../instruction.ts';
import type { FlagValues } from '../semantics.ts';

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');

/**
 * The ten encodings of the eight operations ADD, OR, ADC, SBB, AND, SUB, XOR, CMP (0..7).
 * SDM Vol. 2D, "One-byte Opcode Map", rows 0–3, and "Opcode Extensions", group 1.
 */
export function groupOneEncodings(operation: number): readonly Encoding[] {
  const opcode = (offset: number) => hex(operation * 8 + offset);
  return [
    [`${opcode(0)} /r`, 'rm8', 'r8'],
    [`${opcode(1)} /r`, 'rmv', 'rv'],
    [`${opcode(2)} /r`, 'r8', 'rm8'],
    [`${opcode(3)} /r`, 'rv', 'rmv'],
    [`${opcode(4)} ib`, 'al', 'imm8'],
    [`${opcode(5)} iz`, 'rAX', 'immz'],
    [`80 /${operation} ib`, 'rm8', 'imm8'],
    [`81 /${operation} iz`, 'rmv', 'immz'],
    [`82 /${operation} ib i64`, 'rm8', 'imm8'],
    [`83 /${operation} ib`, 'rmv', 'imm8s'],
  ];
}

/** All status flags but CF, which INC and DEC leave alone. */
const withoutCarry = ({ OF, SF, ZF, AF, PF }: FlagValues) => ({ OF, SF, ZF, AF, PF });

const add = instruction({
  mnemonic: 'add',
  summary: 'Add',
  manual: 'SDM Vol. 2A, "ADD—Add"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(0),
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const [left, right] = [dst.read(), src.read()];
    const sum = b.add(left, right);
    dst.write(sum);
    b.setFlags(b.addFlags(left, right, sum));
  },
});

const adc = instruction({
  mnemonic: 'adc',
  summary: 'Add with carry',
  manual: 'SDM Vol. 2A, "ADC—Add With Carry"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(2),
  lockable: true,
  flags: { reads: ['CF'], writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const [left, right] = [dst.read(), src.read()];
    const sum = b.add(b.add(left, right), b.zeroExtend(b.flag('CF'), left.width));
    dst.write(sum);
    b.setFlags(b.addFlags(left, right, sum));
  },
});

const sub = instruction({
  mnemonic: 'sub',
  summary: 'Subtract',
  manual: 'SDM Vol. 2B, "SUB—Subtract"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(5),
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const [left, right] = [dst.read(), src.read()];
    const difference = b.sub(left, right);
    dst.write(difference);
    b.setFlags(b.subFlags(left, right, difference));
  },
});

const sbb = instruction({
  mnemonic: 'sbb',
  summary: 'Subtract with borrow',
  manual: 'SDM Vol. 2B, "SBB—Integer Subtraction With Borrow"',
  operands: { dst: 'rw', src: 'r' },
  encodings: groupOneEncodings(3),
  lockable: true,
  flags: { reads: ['CF'], writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const [left, right] = [dst.read(), src.read()];
    const difference = b.sub(b.sub(left, right), b.zeroExtend(b.flag('CF'), left.width));
    dst.write(difference);
    b.setFlags(b.subFlags(left, right, difference));
  },
});

const cmp = instruction({
  mnemonic: 'cmp',
  summary: 'Compare two operands',
  manual: 'SDM Vol. 2A, "CMP—Compare Two Operands"',
  operands: { left: 'r', right: 'r' },
  encodings: groupOneEncodings(7),
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(operands, b) {
    const [left, right] = [operands.left.read(), operands.right.read()];
    b.setFlags(b.subFlags(left, right, b.sub(left, right)));
  },
});

const inc = instruction({
  mnemonic: 'inc',
  summary: 'Increment by 1',
  manual: 'SDM Vol. 2A, "INC—Increment by 1"',
  operands: { dst: 'rw' },
  encodings: [
    ['FE /0', 'rm8'],
    ['FF /0', 'rmv'],
    ['40+r i64', 'ov'],
  ],
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF'] },
  execute({ dst }, b) {
    const before = dst.read();
    const sum = b.add(before, 1);
    dst.write(sum);
    b.setFlags(withoutCarry(b.addFlags(before, b.constant(1, before.width), sum)));
  },
});

const dec = instruction({
  mnemonic: 'dec',
  summary: 'Decrement by 1',
  manual: 'SDM Vol. 2A, "DEC—Decrement by 1"',
  operands: { dst: 'rw' },
  encodings: [
    ['FE /1', 'rm8'],
    ['FF /1', 'rmv'],
    ['48+r i64', 'ov'],
  ],
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF'] },
  execute({ dst }, b) {
    const before = dst.read();
    const difference = b.sub(before, 1);
    dst.write(difference);
    b.setFlags(withoutCarry(b.subFlags(before, b.constant(1, before.width), difference)));
  },
});

const neg = instruction({
  mnemonic: 'neg',
  summary: "Two's complement negation",
  manual: 'SDM Vol. 2B, "NEG—Two\'s Complement Negation"',
  operands: { dst: 'rw' },
  encodings: [
    ['F6 /3', 'rm8'],
    ['F7 /3', 'rmv'],
  ],
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst }, b) {
    const before = dst.read();
    const difference = b.neg(before);
    dst.write(difference);
    b.setFlags(b.subFlags(b.constant(0, before.width), before, difference));
  },
});

const xadd = instruction({
  mnemonic: 'xadd',
  summary: 'Exchange and add',
  manual: 'SDM Vol. 2D, "XADD—Exchange and Add"',
  operands: { dst: 'rw', src: 'rw' },
  encodings: [
    ['0F C0 /r', 'rm8', 'r8'],
    ['0F C1 /r', 'rmv', 'rv'],
  ],
  lockable: true,
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const [left, right] = [dst.read(), src.read()];
    const sum = b.add(left, right);
    // XADD of a register with itself leaves the sum in it: a register destination is written last.
    if (dst.isMemory) {
      dst.write(sum);
      src.write(left);
    } else {
      src.write(left);
      dst.write(sum);
    }
    b.setFlags(b.addFlags(left, right, sum));
  },
});

export const ARITHMETIC: readonly InstructionRow[] = [add, adc, sub, sbb, cmp, inc, dec, neg, xadd];
