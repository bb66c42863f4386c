/**
 * String instructions: each `execute` is one iteration; engines repeat it as `repeat` says, one count of rCX at a
 * time, and can be interrupted between two. SDM Vol. 1, "String Operations".
 */
import { type Access, type BulkKind, type Encoding, type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess } from '../operand.ts';
import type { OperandKindName } from '../operand-kind.ts';
import { type FlagName, GPR, type SemanticsBuilder } from '../semantics.ts';

type Builder<W extends FlagName> = SemanticsBuilder<W>;

/** Moves rSI or rDI by the size of one element, up or down as DF says. */
function advance<W extends FlagName>(b: Builder<W>, registers: readonly number[], width: number): void {
  const down = b.flag('DF');
  for (const register of registers) {
    const index = b.register(register, b.addressSize);
    b.setRegister(register, b.add(index, b.select(down, b.constant(-width / 8, b.addressSize), width / 8)));
  }
}

interface StringInstruction<Operands extends Record<string, Access>, W extends FlagName> {
  /** Without the size suffix. */
  readonly name: string;
  readonly summary: string;
  readonly manual: string;
  readonly operands: Operands;
  /** Opcode of the byte form; the next one is that of the others. */
  readonly opcode: number;
  readonly byte: readonly OperandKindName[];
  readonly wide: readonly OperandKindName[];
  /** INS and OUTS have no 64-bit form. */
  readonly maximum: 32 | 64;
  readonly repeat: 'rep' | 'repe';
  readonly bulk?: BulkKind;
  readonly writes: readonly W[];
  execute(operands: { readonly [Name in keyof Operands]: OperandAccess }, b: Builder<W>): void;
}

/** The two rows of a string instruction: bytes, and the operand size. */
function stringRows<const Operands extends Record<string, Access>, const W extends FlagName = never>(
  spec: StringInstruction<Operands, W>,
): InstructionRow[] {
  const { name, summary, manual, operands, repeat, bulk, execute } = spec;
  const common = {
    summary,
    manual,
    operands,
    implicit: Object.keys(operands),
    repeat,
    ...(bulk && { bulk }),
    flags: { reads: ['DF'] as const, writes: spec.writes },
    execute,
  };
  const encoding = (opcode: number, kinds: readonly OperandKindName[]): Encoding => [
    opcode.toString(16).toUpperCase(),
    ...kinds,
  ];
  return [
    instruction<Operands, W>({ ...common, mnemonic: `${name}b`, encodings: [encoding(spec.opcode, spec.byte)] }),
    instruction<Operands, W>({
      ...common,
      mnemonic: `${name}w`,
      mnemonics: { 16: `${name}w`, 32: `${name}d`, 64: `${name}${spec.maximum === 64 ? 'q' : 'd'}` },
      encodings: [encoding(spec.opcode + 1, spec.wide)],
    }),
  ];
}

const movs = stringRows({
  name: 'movs',
  summary: 'Move string element',
  manual: 'SDM Vol. 2B, "MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"',
  operands: { dst: 'w', src: 'r' },
  opcode: 0xa4,
  byte: ['dstString8', 'srcString8'],
  wide: ['dstStringv', 'srcStringv'],
  maximum: 64,
  repeat: 'rep',
  bulk: 'copy',
  writes: [],
  execute({ dst, src }, b) {
    dst.write(src.read());
    advance(b, [GPR.rSI, GPR.rDI], src.width);
  },
});

const cmps = stringRows({
  name: 'cmps',
  summary: 'Compare string elements',
  manual: 'SDM Vol. 2A, "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"',
  operands: { left: 'r', right: 'r' },
  opcode: 0xa6,
  byte: ['srcString8', 'dstString8'],
  wide: ['srcStringv', 'dstStringv'],
  maximum: 64,
  repeat: 'repe',
  bulk: 'compare',
  writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'],
  execute(operands, b) {
    const [left, right] = [operands.left.read(), operands.right.read()];
    advance(b, [GPR.rSI, GPR.rDI], left.width);
    b.setFlags(b.subFlags(left, right, b.sub(left, right)));
  },
});

const stos = stringRows({
  name: 'stos',
  summary: 'Store string element',
  manual: 'SDM Vol. 2B, "STOS/STOSB/STOSW/STOSD/STOSQ—Store String"',
  operands: { dst: 'w', src: 'r' },
  opcode: 0xaa,
  byte: ['dstString8', 'al'],
  wide: ['dstStringv', 'rAX'],
  maximum: 64,
  repeat: 'rep',
  bulk: 'fill',
  writes: [],
  execute({ dst, src }, b) {
    dst.write(src.read());
    advance(b, [GPR.rDI], dst.width);
  },
});

const lods = stringRows({
  name: 'lods',
  summary: 'Load string element',
  manual: 'SDM Vol. 2A, "LODS/LODSB/LODSW/LODSD/LODSQ—Load String"',
  operands: { dst: 'w', src: 'r' },
  opcode: 0xac,
  byte: ['al', 'srcString8'],
  wide: ['rAX', 'srcStringv'],
  maximum: 64,
  repeat: 'rep',
  bulk: 'load',
  writes: [],
  execute({ dst, src }, b) {
    const value = src.read();
    advance(b, [GPR.rSI], src.width);
    dst.write(value);
  },
});

const scas = stringRows({
  name: 'scas',
  summary: 'Scan string',
  manual: 'SDM Vol. 2B, "SCAS/SCASB/SCASW/SCASD—Scan String"',
  operands: { left: 'r', right: 'r' },
  opcode: 0xae,
  byte: ['al', 'dstString8'],
  wide: ['rAX', 'dstStringv'],
  maximum: 64,
  repeat: 'repe',
  bulk: 'scan',
  writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'],
  execute(operands, b) {
    const [left, right] = [operands.left.read(), operands.right.read()];
    advance(b, [GPR.rDI], left.width);
    b.setFlags(b.subFlags(left, right, b.sub(left, right)));
  },
});

const ins = stringRows({
  name: 'ins',
  summary: 'Input from port to string',
  manual: 'SDM Vol. 2A, "INS/INSB/INSW/INSD—Input from Port to String"',
  operands: { dst: 'w', port: 'r' },
  opcode: 0x6c,
  byte: ['dstString8', 'dx'],
  wide: ['dstStringz', 'dx'],
  maximum: 32,
  repeat: 'rep',
  writes: [],
  execute({ dst, port }, b) {
    const [from, size] = [port.read(), b.constant(dst.width, 8)];
    b.call('checkPort', [from, size]);
    // A port that is read may never give its value again: the destination is known to be writable before.
    b.call('checkWrite', [b.segmentNumber(dst.segment), b.zeroExtend(dst.offset, b.pointerSize), size]);
    const [value] = b.call('portIn', [from, size], [32]);
    dst.write(b.truncate(value!, dst.width));
    advance(b, [GPR.rDI], dst.width);
  },
});

const outs = stringRows({
  name: 'outs',
  summary: 'Output string to port',
  manual: 'SDM Vol. 2B, "OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"',
  operands: { port: 'r', src: 'r' },
  opcode: 0x6e,
  byte: ['dx', 'srcString8'],
  wide: ['dx', 'srcStringz'],
  maximum: 32,
  repeat: 'rep',
  writes: [],
  execute({ port, src }, b) {
    const [to, size] = [port.read(), b.constant(src.width, 8)];
    b.call('checkPort', [to, size]);
    b.call('portOut', [to, b.zeroExtend(src.read(), 32), size]);
    advance(b, [GPR.rSI], src.width);
  },
});

/** INS and OUTS end a block, as all port accesses do. */
const endingBlock = (rows: readonly InstructionRow[]): InstructionRow[] =>
  rows.map((row) => ({ ...row, endsBlock: true }));

export const STRING: readonly InstructionRow[] = [
  ...movs,
  ...cmps,
  ...stos,
  ...lods,
  ...scas,
  ...endingBlock(ins),
  ...endingBlock(outs),
];
