/** Segment registers: MOV, LDS and its kin. (PUSH and POP of segment registers: `stack.ts`.) */
import { type InstructionRow, instruction } from '../instruction.ts';
import { SEGMENT } from '../semantics.ts';

/** LDS, LES, LFS, LGS, LSS: the offset goes to the register, the selector to the segment register. */
const loadFarPointer = (mnemonic: string, encoding: string, segment: number): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Load far pointer into ${mnemonic.slice(1).toUpperCase()} and a register`,
    manual: 'SDM Vol. 2A, "LDS/LES/LFS/LGS/LSS—Load Far Pointer"',
    operands: { dst: 'w', src: 'r' },
    encodings: [[encoding, 'rv', 'mfar']],
    flags: {},
    endsBlock: true,
    execute({ dst, src }, b) {
      const offset = src.read();
      const selector = b.load(src.segment, b.add(src.offset, src.width / 8), 16);
      b.call('loadSegment', [b.constant(segment, 8), selector]);
      dst.write(offset);
    },
  });

const movFromSegment = instruction({
  mnemonic: 'mov',
  summary: 'Move from a segment register',
  manual: 'SDM Vol. 2B, "MOV—Move"',
  operands: { dst: 'w', src: 'r' },
  // To memory always 16 bits; to a register zero-extended to the operand size.
  encodings: [
    ['8C /r', 'rrv', 'sreg'],
    ['8C /r', 'm16', 'sreg'],
  ],
  flags: {},
  execute({ dst, src }, b) {
    dst.write(b.zeroExtend(src.read(), dst.width));
  },
});

const movToSegment = instruction({
  mnemonic: 'mov',
  summary: 'Move to a segment register',
  manual: 'SDM Vol. 2B, "MOV—Move"',
  operands: { dst: 'w', src: 'r' },
  encodings: [['8E /r', 'sreg', 'rm16']],
  flags: {},
  endsBlock: true,
  execute({ dst, src }, b) {
    b.call('moveToSegment', [dst.index, src.read()]);
  },
});

export const SEGMENT_INSTRUCTIONS: readonly InstructionRow[] = [
  movFromSegment,
  movToSegment,
  loadFarPointer('les', 'C4 /r i64', SEGMENT.ES),
  loadFarPointer('lds', 'C5 /r i64', SEGMENT.DS),
  loadFarPointer('lss', '0F B2 /r', SEGMENT.SS),
  loadFarPointer('lfs', '0F B4 /r', SEGMENT.FS),
  loadFarPointer('lgs', '0F B5 /r', SEGMENT.GS),
];
