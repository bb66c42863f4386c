/** Decimal arithmetic, and SALC. None of it exists in 64-bit mode. SDM Vol. 1, "Decimal Arithmetic Instructions". */
import type { Value } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import { GPR, type SemanticsBuilder } from '../semantics.ts';

type AllFlags = 'OF' | 'SF' | 'ZF' | 'AF' | 'PF' | 'CF';
type Builder = SemanticsBuilder<AllFlags>;

/** The lower digit is no decimal digit, or AF says that it was carried out of (borrowed from). */
const adjustsLow = (b: Builder, al: Value): Value => b.or(b.ult(9, b.and(al, 15)), b.flag('AF'));

const daa = instruction({
  mnemonic: 'daa',
  summary: 'Decimal adjust AL after addition',
  manual: 'SDM Vol. 2A, "DAA—Decimal Adjust AL After Addition"',
  operands: {},
  encodings: [['27 i64']],
  flags: { reads: ['AF', 'CF'], writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(_, b) {
    const al = b.register(GPR.rAX, 8);
    const low = adjustsLow(b, al);
    const high = b.or(b.ult(0x99, al), b.flag('CF'));
    const lowAdjusted = b.add(al, b.select(low, b.constant(6, 8), 0));
    const result = b.add(lowAdjusted, b.select(high, b.constant(0x60, 8), 0));
    b.setRegister(GPR.rAX, result);
    b.setFlags({ CF: high, AF: low, OF: b.undefined(1, 0), ...b.resultFlags(result) });
  },
});

const das = instruction({
  mnemonic: 'das',
  summary: 'Decimal adjust AL after subtraction',
  manual: 'SDM Vol. 2A, "DAS—Decimal Adjust AL After Subtraction"',
  operands: {},
  encodings: [['2F i64']],
  flags: { reads: ['AF', 'CF'], writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(_, b) {
    const al = b.register(GPR.rAX, 8);
    const low = adjustsLow(b, al);
    const high = b.or(b.ult(0x99, al), b.flag('CF'));
    const lowAdjusted = b.sub(al, b.select(low, b.constant(6, 8), 0));
    const result = b.sub(lowAdjusted, b.select(high, b.constant(0x60, 8), 0));
    b.setRegister(GPR.rAX, result);
    // Taking 6 from less than 6 borrows, too.
    b.setFlags({
      CF: b.or(high, b.and(low, b.ult(al, 6))),
      AF: low,
      OF: b.undefined(1, 0),
      ...b.resultFlags(result),
    });
  },
});

/** AAA and AAS: CF and AF say whether the digit was adjusted; the other flags are undefined. */
function asciiAdjust(b: Builder, adjusted: (ax: Value) => Value): void {
  const ax = b.register(GPR.rAX, 16);
  const adjusts = adjustsLow(b, b.truncate(ax, 8));
  const result = b.and(b.select(adjusts, adjusted(ax), ax), 0xff0f);
  b.setRegister(GPR.rAX, result);
  const { SF, ZF, PF } = b.resultFlags(b.truncate(result, 8));
  b.setFlags({
    CF: adjusts,
    AF: adjusts,
    OF: b.undefined(1, 0),
    SF: b.undefined(1, SF),
    ZF: b.undefined(1, ZF),
    PF: b.undefined(1, PF),
  });
}

const aaa = instruction({
  mnemonic: 'aaa',
  summary: 'ASCII adjust after addition',
  manual: 'SDM Vol. 2A, "AAA—ASCII Adjust After Addition"',
  operands: {},
  encodings: [['37 i64']],
  flags: { reads: ['AF'], writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(_, b) {
    asciiAdjust(b, (ax) => b.add(ax, 0x106));
  },
});

const aas = instruction({
  mnemonic: 'aas',
  summary: 'ASCII adjust AL after subtraction',
  manual: 'SDM Vol. 2A, "AAS—ASCII Adjust AL After Subtraction"',
  operands: {},
  encodings: [['3F i64']],
  flags: { reads: ['AF'], writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(_, b) {
    asciiAdjust(b, (ax) => b.sub(ax, 0x106));
  },
});

/** AX from its halves. */
const joinBytes = (b: Builder, high: Value, low: Value): Value =>
  b.or(b.shl(b.zeroExtend(high, 16), 8), b.zeroExtend(low, 16));

/** SF, ZF and PF of AL; the rest is undefined. */
const digitFlags = (b: Builder, al: Value) => ({
  OF: b.undefined(1, 0),
  AF: b.undefined(1, 0),
  CF: b.undefined(1, 0),
  ...b.resultFlags(al),
});

const aam = instruction({
  mnemonic: 'aam',
  summary: 'ASCII adjust AX after multiply',
  manual: 'SDM Vol. 2A, "AAM—ASCII Adjust AX After Multiply"',
  operands: { base: 'r' },
  omitted: { base: 10n },
  encodings: [['D4 ib i64', 'imm8']],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(operands, b) {
    const base = operands.base.read();
    const al = b.register(GPR.rAX, 8);
    b.raise('#DE', 'the base is 0', b.isZero(base));
    const remainder = b.urem(al, base);
    b.setRegister(GPR.rAX, joinBytes(b, b.udiv(al, base), remainder));
    b.setFlags(digitFlags(b, remainder));
  },
});

const aad = instruction({
  mnemonic: 'aad',
  summary: 'ASCII adjust AX before division',
  manual: 'SDM Vol. 2A, "AAD—ASCII Adjust AX Before Division"',
  operands: { base: 'r' },
  omitted: { base: 10n },
  encodings: [['D5 ib i64', 'imm8']],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(operands, b) {
    const ax = b.register(GPR.rAX, 16);
    const high = b.truncate(b.shr(ax, 8), 8);
    const al = b.add(b.truncate(ax, 8), b.mul(high, operands.base.read()));
    b.setRegister(GPR.rAX, b.zeroExtend(al, 16));
    b.setFlags(digitFlags(b, al));
  },
});

const salc = instruction({
  mnemonic: 'salc',
  aliases: ['setalc'],
  summary: 'Set AL from CF (undocumented)',
  manual: '[AMD APM Vol. 3] "Primary Opcode Map": D6, reserved; known from the 8086 on',
  operands: {},
  encodings: [['D6 i64']],
  flags: { reads: ['CF'] },
  execute(_, b) {
    b.setRegister(GPR.rAX, b.signExtend(b.flag('CF'), 8));
  },
});

export const DECIMAL: readonly InstructionRow[] = [daa, das, aaa, aas, aam, aad, salc];
