/** Shifts and rotates. SDM Vol. 1, "Shift and Rotate Instructions". */
import type { Value, Width } from '../../ir/value.ts';
import { type Encoding, type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess } from '../operand.ts';
import type { FlagName, SemanticsBuilder } from '../semantics.ts';

/** The encodings of one operation of group 2. SDM Vol. 2D, "Opcode Extensions for One- and Two-byte Opcodes by Group". */
const groupTwoEncodings = (operation: number): readonly Encoding[] => [
  [`C0 /${operation} ib`, 'rm8', 'imm8'],
  [`C1 /${operation} ib`, 'rmv', 'imm8'],
  [`D0 /${operation}`, 'rm8', 'one'],
  [`D1 /${operation}`, 'rmv', 'one'],
  [`D2 /${operation}`, 'rm8', 'cl'],
  [`D3 /${operation}`, 'rmv', 'cl'],
];

/** Counts are taken modulo 32, or 64 for a 64-bit operand. */
const maskedCount = <W extends FlagName>(b: SemanticsBuilder<W>, count: OperandAccess, width: Width): Value =>
  b.and(count.read(), width === 64 ? 63 : 31);

/** A count of 0 leaves all flags alone. */
function unlessZero<W extends FlagName>(b: SemanticsBuilder<W>, count: Value, body: () => void): void {
  if (count.op === 'constant') body();
  else b.when(b.ne(count, 0), body);
}

/** OF is defined for a count of 1 only; real CPUs compute it alike for all. */
function overflowForOne<W extends FlagName>(b: SemanticsBuilder<W>, count: Value, overflow: Value): Value {
  return b.select(b.eq(count, 1), overflow, b.undefined(1, overflow));
}

/** Value of the lowest bit. */
const lowestBit = <W extends FlagName>(b: SemanticsBuilder<W>, value: Value): Value => b.truncate(value, 1);

const shl = instruction({
  mnemonic: 'shl',
  aliases: ['sal'],
  summary: 'Shift left',
  manual: 'SDM Vol. 2B, "SAL/SAR/SHL/SHR—Shift"',
  operands: { dst: 'rw', count: 'r' },
  // /6 is an undocumented alias.
  encodings: [...groupTwoEncodings(4), ...groupTwoEncodings(6)],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const result = b.shl(before, count);
    operands.dst.write(result);
    unlessZero(b, count, () => {
      // Shifted by one less, the last bit out is on top, and OF compares it with the bit that follows.
      const last = b.shl(before, b.sub(count, 1));
      const carry = b.msb(last);
      const beyond = b.ule(before.width, count);
      b.setFlags({
        CF: before.width < 32 ? b.select(beyond, b.undefined(1, carry), carry) : carry,
        OF: overflowForOne(b, count, b.overflow(last)),
        AF: b.undefined(1, b.bit3(last)),
        ...b.resultFlags(result),
      });
    });
  },
});

const shr = instruction({
  mnemonic: 'shr',
  summary: 'Shift right, unsigned',
  manual: 'SDM Vol. 2B, "SAL/SAR/SHL/SHR—Shift"',
  operands: { dst: 'rw', count: 'r' },
  encodings: groupTwoEncodings(5),
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const result = b.shr(before, count);
    operands.dst.write(result);
    unlessZero(b, count, () => {
      const carry = lowestBit(b, b.shr(before, b.sub(count, 1)));
      const beyond = b.ule(before.width, count);
      b.setFlags({
        CF: before.width < 32 ? b.select(beyond, b.undefined(1, carry), carry) : carry,
        // For a count of 1 the bit below the top is what the top was.
        OF: overflowForOne(b, count, b.overflow(result)),
        AF: b.undefined(1, 0),
        ...b.resultFlags(result),
      });
    });
  },
});

const sar = instruction({
  mnemonic: 'sar',
  summary: 'Shift right, signed',
  manual: 'SDM Vol. 2B, "SAL/SAR/SHL/SHR—Shift"',
  operands: { dst: 'rw', count: 'r' },
  encodings: groupTwoEncodings(7),
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const result = b.sar(before, count);
    operands.dst.write(result);
    unlessZero(b, count, () => {
      b.setFlags({
        CF: lowestBit(b, b.sar(before, b.sub(count, 1))),
        OF: overflowForOne(b, count, b.constant(0, 1)),
        AF: b.undefined(1, 0),
        ...b.resultFlags(result),
      });
    });
  },
});

const rol = instruction({
  mnemonic: 'rol',
  summary: 'Rotate left',
  manual: 'SDM Vol. 2B, "RCL/RCR/ROL/ROR—Rotate"',
  operands: { dst: 'rw', count: 'r' },
  encodings: groupTwoEncodings(0),
  flags: { writes: ['OF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const result = b.rotl(before, count);
    operands.dst.write(result);
    unlessZero(b, count, () => {
      const carry = lowestBit(b, result);
      b.setFlags({ CF: carry, OF: overflowForOne(b, count, b.xor(b.msb(result), carry)) });
    });
  },
});

const ror = instruction({
  mnemonic: 'ror',
  summary: 'Rotate right',
  manual: 'SDM Vol. 2B, "RCL/RCR/ROL/ROR—Rotate"',
  operands: { dst: 'rw', count: 'r' },
  encodings: groupTwoEncodings(1),
  flags: { writes: ['OF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const result = b.rotr(before, count);
    operands.dst.write(result);
    unlessZero(b, count, () => {
      b.setFlags({ CF: b.msb(result), OF: overflowForOne(b, count, b.overflow(result)) });
    });
  },
});

/**
 * The operand and CF as one number of width + 1 bits, rotated left (or right) by a count below 32 (64 bits: 64).
 * A full turn leaves CF as it is.
 */
function rotateThroughCarry<W extends FlagName>(
  b: SemanticsBuilder<W>,
  value: Value,
  carry: Value,
  count: Value,
  direction: 'left' | 'right',
): { result: Value; carry: Value } {
  const { width } = value;
  if (width === 64) return rotateThroughCarry64(b, value, carry, count, direction);
  const wideWidth = width === 32 ? 64 : 32;
  const wide = b.or(b.zeroExtend(value, wideWidth), b.shl(b.zeroExtend(carry, wideWidth), width));
  const turn = width === 32 ? count : b.urem(count, width + 1);
  const rest = b.sub(width + 1, turn);
  const rotated =
    direction === 'left' ? b.or(b.shl(wide, turn), b.shr(wide, rest)) : b.or(b.shr(wide, turn), b.shl(wide, rest));
  return { result: b.truncate(rotated, width), carry: lowestBit(b, b.shr(rotated, width)) };
}

/** 65 bits fit no value: the three parts apart. The masks keep counts in range where `select` drops the result. */
function rotateThroughCarry64<W extends FlagName>(
  b: SemanticsBuilder<W>,
  value: Value,
  carry: Value,
  count: Value,
  direction: 'left' | 'right',
): { result: Value; carry: Value } {
  const rest = b.and(b.sub(64, count), 63);
  const less = b.and(b.sub(count, 1), 63);
  const carryIn = b.zeroExtend(carry, 64);
  const [rotated, carryOut] =
    direction === 'left'
      ? [b.or(b.or(b.shl(value, count), b.shl(carryIn, less)), b.shr(b.shr(value, 1), rest)), b.msb(b.shl(value, less))]
      : [
          b.or(b.or(b.shr(value, count), b.shl(carryIn, rest)), b.shl(b.shl(value, 1), rest)),
          lowestBit(b, b.shr(value, less)),
        ];
  const none = b.eq(count, 0);
  return { result: b.select(none, value, rotated), carry: b.select(none, carry, carryOut) };
}

const rcl = instruction({
  mnemonic: 'rcl',
  summary: 'Rotate left through carry',
  manual: 'SDM Vol. 2B, "RCL/RCR/ROL/ROR—Rotate"',
  operands: { dst: 'rw', count: 'r' },
  encodings: groupTwoEncodings(2),
  flags: { reads: ['CF'], writes: ['OF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const { result, carry } = rotateThroughCarry(b, before, b.flag('CF'), count, 'left');
    operands.dst.write(result);
    unlessZero(b, count, () => {
      b.setFlags({ CF: carry, OF: overflowForOne(b, count, b.xor(b.msb(result), carry)) });
    });
  },
});

const rcr = instruction({
  mnemonic: 'rcr',
  summary: 'Rotate right through carry',
  manual: 'SDM Vol. 2B, "RCL/RCR/ROL/ROR—Rotate"',
  operands: { dst: 'rw', count: 'r' },
  encodings: groupTwoEncodings(3),
  flags: { reads: ['CF'], writes: ['OF', 'CF'] },
  execute(operands, b) {
    const before = operands.dst.read();
    const count = maskedCount(b, operands.count, before.width);
    const { result, carry } = rotateThroughCarry(b, before, b.flag('CF'), count, 'right');
    operands.dst.write(result);
    unlessZero(b, count, () => {
      b.setFlags({ CF: carry, OF: overflowForOne(b, count, b.overflow(result)) });
    });
  },
});

/** SHLD and SHRD: bits of `src` follow those of `dst`. */
function shiftDouble(
  b: SemanticsBuilder<'OF' | 'SF' | 'ZF' | 'AF' | 'PF' | 'CF'>,
  dst: OperandAccess,
  src: Value,
  countOperand: OperandAccess,
  direction: 'left' | 'right',
): void {
  const before = dst.read();
  const { width } = before;
  const count = maskedCount(b, countOperand, width);
  // A count of 0 would need a shift by the whole width for the other half: shift by 1 and then by the rest.
  const rest = b.sub(width - 1, count);
  const shifted =
    direction === 'left'
      ? b.or(b.shl(before, count), b.shr(b.shr(src, 1), b.and(rest, width === 64 ? 63 : 31)))
      : b.or(b.shr(before, count), b.shl(b.shl(src, 1), b.and(rest, width === 64 ? 63 : 31)));
  // Above 16 bits the result of a 16-bit shift is undefined; AMD CPUs rotate the source.
  const tooFar = b.ult(width, count);
  const rotated = direction === 'left' ? b.rotl(src, count) : b.rotr(src, count);
  // By exactly 16 the destination becomes the source, which the shift of two halves above does not yield.
  const upTo16 = width === 16 ? b.select(b.eq(count, 16), src, shifted) : shifted;
  const result = width === 16 ? b.select(tooFar, b.undefined(16, rotated), upTo16) : upTo16;
  dst.write(result);
  unlessZero(b, count, () => {
    const less = b.sub(count, 1);
    const carry = direction === 'left' ? b.msb(b.shl(before, less)) : lowestBit(b, b.shr(before, less));
    const { SF, ZF, PF } = b.resultFlags(result);
    const known = (flag: Value) => (width === 16 ? b.select(tooFar, b.undefined(1, flag), flag) : flag);
    b.setFlags({
      CF: known(carry),
      OF: overflowForOne(b, count, b.xor(b.msb(before), b.msb(result))),
      AF: b.undefined(1, 0),
      SF: known(SF),
      ZF: known(ZF),
      PF: known(PF),
    });
  });
}

const shld = instruction({
  mnemonic: 'shld',
  summary: 'Double precision shift left',
  manual: 'SDM Vol. 2B, "SHLD—Double Precision Shift Left"',
  operands: { dst: 'rw', src: 'r', count: 'r' },
  encodings: [
    ['0F A4 /r ib', 'rmv', 'rv', 'imm8'],
    ['0F A5 /r', 'rmv', 'rv', 'cl'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src, count }, b) {
    shiftDouble(b, dst, src.read(), count, 'left');
  },
});

const shrd = instruction({
  mnemonic: 'shrd',
  summary: 'Double precision shift right',
  manual: 'SDM Vol. 2B, "SHRD—Double Precision Shift Right"',
  operands: { dst: 'rw', src: 'r', count: 'r' },
  encodings: [
    ['0F AC /r ib', 'rmv', 'rv', 'imm8'],
    ['0F AD /r', 'rmv', 'rv', 'cl'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src, count }, b) {
    shiftDouble(b, dst, src.read(), count, 'right');
  },
});

export const SHIFT_ROTATE: readonly InstructionRow[] = [rol, ror, rcl, rcr, shl, shr, sar, shld, shrd];
