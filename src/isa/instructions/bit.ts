/** Bit tests and bit scans. SDM Vol. 1, "Bit and Byte Instructions". */
import type { Value } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess, SegmentRef } from '../operand.ts';
import type { FlagName, SemanticsBuilder } from '../semantics.ts';

/** Flags that the manual calls undefined after BT and its kin, and that real CPUs leave alone. */
const UNDEFINED_FLAGS = ['OF', 'SF', 'AF', 'PF'] as const;

/**
 * Where the addressed bit lies. A bit number in a register reaches beyond a memory operand: the operand is then the
 * word that holds the bit, up to 2^(width − 1) bits away on either side. SDM Vol. 2A, "Bit(BitBase, BitOffset)".
 */
function bitAddress<W extends FlagName>(
  b: SemanticsBuilder<W>,
  base: OperandAccess,
  position: Value,
): { segment: SegmentRef; offset: Value } {
  const { segment, offset } = base;
  if (position.width === 8) return { segment, offset }; // an immediate is taken modulo the width
  const { width } = base;
  const words = b.sar(position, Math.log2(width));
  const bytes = b.shl(words, Math.log2(width / 8));
  const size = offset.width;
  const distance = size < bytes.width ? b.truncate(bytes, size) : b.signExtend(bytes, size);
  return { segment, offset: b.add(offset, distance) };
}

/** Bit number within the word, and the bit itself. */
function bitOf<W extends FlagName>(b: SemanticsBuilder<W>, word: Value, position: Value): { index: Value; bit: Value } {
  const index = b.and(position, word.width - 1);
  return { index, bit: b.truncate(b.shr(word, index), 1) };
}

const bt = instruction({
  mnemonic: 'bt',
  summary: 'Bit test',
  manual: 'SDM Vol. 2A, "BT—Bit Test"',
  operands: { base: 'r', position: 'r' },
  encodings: [
    ['0F A3 /r', 'rmv', 'rv'],
    ['0F BA /4 ib', 'rmv', 'imm8'],
  ],
  flags: { writes: ['CF'], undefined: UNDEFINED_FLAGS },
  execute(operands, b) {
    const position = operands.position.read();
    const { base } = operands;
    let word: Value;
    if (base.isMemory) {
      const { segment, offset } = bitAddress(b, base, position);
      word = b.load(segment, offset, base.width);
    } else word = base.read();
    b.setFlags({ CF: bitOf(b, word, position).bit });
  },
});

/** BTS, BTR, BTC: the bit goes to CF and is then set, cleared or inverted. */
const bitTestAnd = (
  mnemonic: string,
  what: string,
  opcode: string,
  digit: number,
  change: (b: SemanticsBuilder<'CF'>, word: Value, mask: Value) => Value,
): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Bit test and ${what}`,
    manual: `SDM Vol. 2A, "${mnemonic.toUpperCase()}—Bit Test and ${what[0].toUpperCase()}${what.slice(1)}"`,
    operands: { base: 'rw', position: 'r' },
    encodings: [
      [`0F ${opcode} /r`, 'rmv', 'rv'],
      [`0F BA /${digit} ib`, 'rmv', 'imm8'],
    ],
    lockable: true,
    flags: { writes: ['CF'], undefined: UNDEFINED_FLAGS },
    execute(operands, b) {
      const position = operands.position.read();
      const { base } = operands;
      const changed = (word: Value, index: Value) => change(b, word, b.shl(b.constant(1, word.width), index));
      let bit: Value;
      if (base.isMemory) {
        const { segment, offset } = bitAddress(b, base, position);
        const word = b.load(segment, offset, base.width, 'modify');
        const found = bitOf(b, word, position);
        bit = found.bit;
        b.store(segment, offset, changed(word, found.index), word);
      } else {
        const word = base.read();
        const found = bitOf(b, word, position);
        bit = found.bit;
        base.write(changed(word, found.index));
      }
      b.setFlags({ CF: bit });
    },
  });

type ScanFlags = 'OF' | 'SF' | 'ZF' | 'AF' | 'PF' | 'CF';

/**
 * BSF and BSR. A source of 0 leaves the destination as it is, upper half included: so do all CPUs since the first
 * 64-bit ones, and AMD's manual says so. Of the flags only ZF is defined and CPUs differ in the others; here they
 * follow the source, as ZF does.
 */
function bitScan(
  b: SemanticsBuilder<ScanFlags>,
  dst: OperandAccess,
  src: OperandAccess,
  find: (value: Value) => Value,
): void {
  const value = src.read();
  b.when(b.ne(value, 0), () => dst.write(find(value)));
  const { ZF, SF, PF } = b.resultFlags(value);
  b.setFlags({
    ZF,
    SF: b.undefined(1, SF),
    PF: b.undefined(1, PF),
    CF: b.undefined(1, 0),
    OF: b.undefined(1, 0),
    AF: b.undefined(1, 0),
  });
}

const bsf = instruction({
  mnemonic: 'bsf',
  summary: 'Bit scan forward',
  manual: 'SDM Vol. 2A, "BSF—Bit Scan Forward"',
  operands: { dst: 'rw', src: 'r' },
  encodings: [['0F BC /r', 'rv', 'rmv']],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    bitScan(b, dst, src, (value) => b.countTrailingZeros(value));
  },
});

const bsr = instruction({
  mnemonic: 'bsr',
  summary: 'Bit scan reverse',
  manual: 'SDM Vol. 2A, "BSR—Bit Scan Reverse"',
  operands: { dst: 'rw', src: 'r' },
  encodings: [['0F BD /r', 'rv', 'rmv']],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    bitScan(b, dst, src, (value) => b.sub(value.width - 1, b.countLeadingZeros(value)));
  },
});

export const BIT: readonly InstructionRow[] = [
  bt,
  bitTestAnd('bts', 'set', 'AB', 5, (b, word, mask) => b.or(word, mask)),
  bitTestAnd('btr', 'reset', 'B3', 6, (b, word, mask) => b.and(word, b.not(mask))),
  bitTestAnd('btc', 'complement', 'BB', 7, (b, word, mask) => b.xor(word, mask)),
  bsf,
  bsr,
];
