/**
 * The instruction table, family by family: what the manual says of each instruction, and nothing about engines.
 *
 * Every `execute` keeps one order of effects: all that can fault comes first (checks, loads, helper calls), then
 * stores, then registers and flags. So a fault leaves the instruction undone, as the manual demands.
 *
 * This file: data transfer. SDM Vol. 1, "Data Transfer Instructions".
 */
import type { Value } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import { GPR, type SemanticsBuilder } from '../semantics.ts';

const mov = instruction({
  mnemonic: 'mov',
  summary: 'Move',
  manual: 'SDM Vol. 2B, "MOV—Move"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['88 /r', 'rm8', 'r8'],
    ['89 /r', 'rmv', 'rv'],
    ['8A /r', 'r8', 'rm8'],
    ['8B /r', 'rv', 'rmv'],
    ['A0', 'al', 'moffs8'],
    ['A1', 'rAX', 'moffsv'],
    ['A2', 'moffs8', 'al'],
    ['A3', 'moffsv', 'rAX'],
    ['B0+r ib', 'o8', 'imm8'],
    ['B8+r iv', 'ov', 'immv'],
    ['C6 /0 ib', 'rm8', 'imm8'],
    ['C7 /0 iz', 'rmv', 'immz'],
  ],
  flags: {},
  execute({ dst, src }) {
    dst.write(src.read());
  },
});

const movzx = instruction({
  mnemonic: 'movzx',
  summary: 'Move with zero-extension',
  manual: 'SDM Vol. 2B, "MOVZX—Move With Zero-Extend"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F B6 /r', 'rv', 'rm8'],
    ['0F B7 /r', 'rv', 'rm16'],
  ],
  flags: {},
  execute({ dst, src }, b) {
    dst.write(b.zeroExtend(src.read(), dst.width));
  },
});

const movsx = instruction({
  mnemonic: 'movsx',
  summary: 'Move with sign-extension',
  manual: 'SDM Vol. 2B, "MOVSX/MOVSXD—Move With Sign-Extension"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F BE /r', 'rv', 'rm8'],
    ['0F BF /r', 'rv', 'rm16'],
  ],
  flags: {},
  execute({ dst, src }, b) {
    dst.write(b.signExtend(src.read(), dst.width));
  },
});

const movsxd = instruction({
  mnemonic: 'movsxd',
  summary: 'Move a doubleword with sign-extension',
  manual: 'SDM Vol. 2B, "MOVSX/MOVSXD—Move With Sign-Extension"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['63 /r n64 o16', 'rv', 'rm16'],
    ['63 /r n64 o32', 'rv', 'rm32'],
    ['63 /r n64 o64', 'rv', 'rm32'],
  ],
  flags: {},
  execute({ dst, src }, b) {
    dst.write(b.signExtend(src.read(), dst.width));
  },
});

const movnti = instruction({
  mnemonic: 'movnti',
  summary: 'Store a register with a non-temporal hint',
  manual: 'SDM Vol. 2B, "MOVNTI—Store Doubleword Using Non-Temporal Hint"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F C3 /r np o16', 'm32', 'r32'],
    ['0F C3 /r np o32', 'm32', 'r32'],
    ['0F C3 /r np o64', 'm64', 'r64'],
  ],
  flags: {},
  feature: 'sse2',
  execute({ dst, src }) {
    dst.write(src.read());
  },
});

const lea = instruction({
  mnemonic: 'lea',
  summary: 'Load effective address',
  manual: 'SDM Vol. 2A, "LEA—Load Effective Address"',
  operands: { dst: 'w', src: 'address' },
  encodings: [['8D /r', 'rv', 'm']],
  flags: {},
  execute({ dst, src }, b) {
    const address = src.offset;
    dst.write(address.width > dst.width ? b.truncate(address, dst.width) : b.zeroExtend(address, dst.width));
  },
});

const xchg = instruction({
  mnemonic: 'xchg',
  summary: 'Exchange',
  manual: 'SDM Vol. 2D, "XCHG—Exchange Register/Memory With Register"',
  operands: { dst: 'rw', src: 'rw' },
  commutative: true,
  encodings: [
    ['86 /r', 'rm8', 'r8'],
    ['87 /r', 'rmv', 'rv'],
    // 90 itself is NOP: it does not clear the upper half of RAX.
    ['90+r', 'ov', 'rAX'],
  ],
  flags: {},
  lockable: true,
  execute({ dst, src }) {
    const [left, right] = [dst.read(), src.read()];
    dst.write(right);
    src.write(left);
  },
});

/** The bytes of a value of 32 or 64 bits in reverse order. */
function reverseBytes(b: SemanticsBuilder<never>, value: Value): Value {
  const swapNeighbours = (from: Value, distance: number, mask: bigint) =>
    b.or(
      b.and(b.shr(from, distance), BigInt.asUintN(from.width, mask)),
      b.shl(b.and(from, BigInt.asUintN(from.width, mask)), distance),
    );
  const pairs = swapNeighbours(value, 8, 0x00ff_00ff_00ff_00ffn);
  if (value.width === 32) return b.rotl(pairs, 16);
  return b.rotl(swapNeighbours(pairs, 16, 0x0000_ffff_0000_ffffn), 32);
}

const bswap = instruction({
  mnemonic: 'bswap',
  summary: 'Byte swap',
  manual: 'SDM Vol. 2A, "BSWAP—Byte Swap"',
  operands: { dst: 'rw' },
  encodings: [['0F C8+r', 'ov']],
  flags: {},
  execute({ dst }, b) {
    // With a 16-bit register the result is undefined; real CPUs yield 0.
    if (dst.width === 16) dst.write(b.undefined(16, 0));
    else dst.write(reverseBytes(b, dst.read()));
  },
});

const xlat = instruction({
  mnemonic: 'xlatb',
  aliases: ['xlat'],
  summary: 'Table look-up translation',
  manual: 'SDM Vol. 2D, "XLAT/XLATB—Table Look-up Translation"',
  // The operand stands for the segment alone (DS, or the override): the offset is rBX + AL, not rSI.
  operands: { table: 'address' },
  implicit: ['table'],
  encodings: [['D7', 'srcString8']],
  flags: {},
  execute({ table }, b) {
    const index = b.zeroExtend(b.register(GPR.rAX, 8), b.addressSize);
    const entry = b.load(table.segment, b.add(b.register(GPR.rBX, b.addressSize), index), 8);
    b.setRegister(GPR.rAX, entry);
  },
});

const cbw = instruction({
  mnemonic: 'cbw',
  mnemonics: { 16: 'cbw', 32: 'cwde', 64: 'cdqe' },
  summary: 'Sign-extend the accumulator to twice its width',
  manual: 'SDM Vol. 2A, "CBW/CWDE/CDQE—Convert Byte to Word/Convert Word to Doubleword/Convert Doubleword to Quadword"',
  operands: {},
  encodings: [['98']],
  flags: {},
  execute(_, b) {
    const half = ({ 16: 8, 32: 16, 64: 32 } as const)[b.operandSize];
    b.setRegister(GPR.rAX, b.signExtend(b.register(GPR.rAX, half), b.operandSize));
  },
});

const cwd = instruction({
  mnemonic: 'cwd',
  mnemonics: { 16: 'cwd', 32: 'cdq', 64: 'cqo' },
  summary: 'Fill rDX with the sign of rAX',
  manual: 'SDM Vol. 2A, "CWD/CDQ/CQO—Convert Word to Doubleword/Convert Doubleword to Quadword"',
  operands: {},
  encodings: [['99']],
  flags: {},
  execute(_, b) {
    b.setRegister(GPR.rDX, b.sar(b.register(GPR.rAX, b.operandSize), b.operandSize - 1));
  },
});

export const DATA_TRANSFER: readonly InstructionRow[] = [
  mov,
  movzx,
  movsx,
  movsxd,
  movnti,
  lea,
  xchg,
  bswap,
  xlat,
  cbw,
  cwd,
];
