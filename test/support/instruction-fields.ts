/** Fields of instructions, generated from the table: every pattern, mode, size and operand kind, with values at the edges. */
import type { Random } from '../../src/difftest/random.ts';
import { defaultSegment } from '../../src/isa/address-form.ts';
import { immediateFields } from '../../src/isa/decode-table.ts';
import type { MemoryOperand } from '../../src/isa/decoded-instruction.ts';
import type { PatternFields } from '../../src/isa/encode-instruction.ts';
import { addressSizesIn, type EncodingPattern, type Mode, operandSizesIn, type Size } from '../../src/isa/encoding.ts';

const FORMS16: readonly (readonly [number | undefined, number | undefined])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, undefined],
  [7, undefined],
  [5, undefined],
  [3, undefined],
  [undefined, undefined],
];

/** Every choice of sizes and of register or memory form, each `count` times with random values. */
export function* fieldsOf(
  pattern: EncodingPattern,
  mode: Mode,
  count: number,
  random: Random,
): Generator<PatternFields> {
  for (const operandSize of operandSizesIn(pattern, mode)) {
    for (const addressSize of addressSizesIn(pattern, mode)) {
      for (const form of formsOf(pattern)) {
        for (let index = 0; index < count; index++) {
          const fields = randomFields(pattern, { mode, operandSize, addressSize, form }, random);
          if (fields !== undefined) yield fields;
        }
      }
    }
  }
}

const formsOf = ({ form, modrm }: EncodingPattern): readonly ('register' | 'memory')[] =>
  modrm === 'none' || form !== 'either' ? [form === 'memory' ? 'memory' : 'register'] : ['register', 'memory'];

interface Choice {
  readonly mode: Mode;
  readonly operandSize: Size;
  readonly addressSize: Size;
  readonly form: 'register' | 'memory';
}

function randomFields(pattern: EncodingPattern, choice: Choice, random: Random): PatternFields | undefined {
  const { mode, operandSize, addressSize, form } = choice;
  const registers = mode === 64 ? 16 : 8;
  const sources = pattern.operands.map(({ kind }) => kind.source);
  const takes = (source: (typeof sources)[number]) => sources.includes(source);
  const reg = takes('segment')
    ? random.pick(pattern.writesSegment ? [0, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5])
    : takes('control')
      ? random.pick(mode === 64 ? [0, 2, 3, 4, 8] : [0, 2, 3, 4])
      : takes('debug')
        ? random.below(8)
        : takes('reg')
          ? random.below(registers)
          : 0;
  const rmTaken = takes('rm') || takes('rmReg') || takes('opcode');
  const memory =
    form === 'memory'
      ? randomMemory(mode, addressSize, random)
      : takes('stringSource')
        ? implicitMemory(mode, 6, random)
        : undefined;
  const rm =
    memory && !takes('stringSource') ? 0 : takes('stack87') ? random.below(8) : rmTaken ? random.below(registers) : 0;
  // 90+r is NOP for the first register.
  if (pattern.low === 'register' && pattern.map === 0 && pattern.opcode === 0x90 && rm === 0) return undefined;
  const immediates = immediateFields(pattern).map(({ width, signed }) => {
    const bits =
      typeof width === 'number'
        ? width
        : width === 'a'
          ? addressSize
          : width === 'z'
            ? Math.min(operandSize, 32)
            : operandSize;
    const value = random.pick([
      0n,
      1n,
      5n,
      0x7fn,
      0x80n,
      0xffn,
      -1n,
      -0x80n,
      -2n,
      1n << BigInt(bits - 1),
      random.bits(bits),
    ]);
    return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  });
  const offset = takes('memoryOffset')
    ? { ...implicitMemory(mode, undefined, random), displacement: Number(BigInt.asIntN(addressSize, immediates[0])) }
    : undefined;
  const bytes = pattern.operands.some(
    ({ kind }) => kind.width === 8 && ['reg', 'rm', 'rmReg', 'opcode'].includes(kind.source),
  );
  return {
    mode,
    operandSize,
    addressSize,
    reg,
    rm,
    memory: memory ?? offset,
    immediates,
    condition: pattern.low === 'condition' ? random.below(16) : 0,
    lock: pattern.lockable && memory !== undefined && random.oneIn(2),
    repeat: pattern.row.repeat !== undefined ? random.pick(['none', 'repe', 'repne']) : 'none',
    segmentOverride: overrideOf(memory ?? offset, mode),
    rex: mode === 64 && bytes && random.oneIn(2),
  };
}

/** The prefix that an operand's segment needs. */
function overrideOf(memory: MemoryOperand | undefined, mode: Mode): number | undefined {
  if (memory === undefined || memory.segment === defaultSegment(memory.base)) return undefined;
  return mode === 64 && memory.segment < 4 ? undefined : memory.segment;
}

const segments = (mode: Mode, usual: number): number[] =>
  mode === 64 ? [usual, usual, 4, 5] : [usual, usual, 0, 1, 2, 3, 4, 5];

const implicitMemory = (mode: Mode, base: number | undefined, random: Random): MemoryOperand => ({
  base,
  index: undefined,
  scale: 0,
  displacement: 0,
  segment: random.pick(segments(mode, 3)),
});

function randomMemory(mode: Mode, addressSize: Size, random: Random): MemoryOperand {
  const displacement = random.pick([
    0,
    0,
    1,
    -1,
    0x7f,
    -0x80,
    0x80,
    0x1234,
    addressSize === 16 ? -0x8000 : -0x8000_0000,
  ]);
  if (addressSize === 16) {
    const [base, index] = random.pick(FORMS16);
    return { base, index, scale: 0, displacement, segment: random.pick(segments(mode, defaultSegment(base))) };
  }
  const registers = mode === 64 ? 16 : 8;
  const kind = random.below(6);
  const base = kind === 0 ? undefined : kind === 1 && mode === 64 ? 'ip' : random.below(registers);
  const mayIndex = base !== 'ip' && random.oneIn(2);
  const index = mayIndex ? random.pick([...Array(registers).keys()].filter((number) => number !== 4)) : undefined;
  return {
    base,
    index,
    scale: index === undefined ? 0 : random.below(4),
    displacement,
    segment: random.pick(segments(mode, defaultSegment(base))),
  };
}
