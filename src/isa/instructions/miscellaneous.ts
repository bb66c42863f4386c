/** No-operations, hints, fences, cache control, and the instructions that are defined to be undefined. */
import { type Encoding, type InstructionRow, instruction } from '../instruction.ts';

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7];

const nop = instruction({
  mnemonic: 'nop',
  summary: 'No operation',
  manual: 'SDM Vol. 2B, "NOP—No Operation"',
  operands: { ignored: 'address' },
  encodings: [['90'], ['0F 1F /0', 'rmv']],
  flags: {},
  execute() {},
});

/** Opcodes that are set aside for hints: CPUs that do not know a hint do nothing, and so do we (ENDBR, CLDEMOTE, …). */
const reservedNop = instruction({
  mnemonic: 'reservednop',
  summary: 'No operation (reserved for hints)',
  manual: 'SDM Vol. 2D, "Two-byte Opcode Map": 0F 0D, 0F 18–0F 1F; NOP r/m',
  operands: { ignored: 'address', ignoredRegister: 'address' },
  encodings: [
    ['0F 0D /r', 'rrv', 'rv'],
    ['0F 18 /r', 'rrv', 'rv'],
    ...DIGITS.slice(4).map((digit): Encoding => [`0F 18 /${digit}`, 'mv']),
    ...['19', '1A', '1B', '1C', '1D', '1E'].map((opcode): Encoding => [`0F ${opcode} /r`, 'rmv', 'rv']),
    ...DIGITS.slice(1).map((digit): Encoding => [`0F 1F /${digit}`, 'rmv']),
  ],
  flags: {},
  execute() {},
});

const pause = instruction({
  mnemonic: 'pause',
  summary: 'Spin loop hint',
  manual: 'SDM Vol. 2B, "PAUSE—Spin Loop Hint"',
  operands: {},
  encodings: [['F3 90']],
  flags: {},
  execute() {},
});

/** Prefetches do nothing that a program can see, and never fault. */
const prefetch = (mnemonic: string, manual: string, ...opcodes: string[]): InstructionRow =>
  instruction({
    mnemonic,
    summary: 'Prefetch data into caches',
    manual,
    operands: { line: 'address' },
    encodings: opcodes.map((opcode): Encoding => [opcode, 'm8']),
    flags: {},
    execute() {},
  });
const PREFETCHH = 'SDM Vol. 2B, "PREFETCHh—Prefetch Data Into Caches"';
const PREFETCHW = 'SDM Vol. 2B, "PREFETCHW—Prefetch Data Into Caches in Anticipation of a Write"';

/** Memory is strongly ordered here, so fences have nothing to do. ModR/M.rm is ignored. */
const fence = (mnemonic: string, summary: string, feature: string, modrm: number): InstructionRow =>
  instruction({
    mnemonic,
    summary,
    manual: `SDM Vol. 2, "${mnemonic.toUpperCase()}—${summary}"`,
    operands: {},
    // The low three bits mean nothing.
    encodings: [[`0F AE ${modrm.toString(16).toUpperCase()}+i np`]],
    flags: {},
    feature,
    execute() {},
  });

const clflush = instruction({
  mnemonic: 'clflush',
  summary: 'Flush cache line',
  manual: 'SDM Vol. 2A, "CLFLUSH—Flush Cache Line"',
  operands: { line: 'r' },
  encodings: [['0F AE /7 np', 'm8']],
  flags: {},
  feature: 'clfsh',
  execute({ line }) {
    line.read(); // it faults as a load of a byte does
  },
});

/** UD0, UD1, UD2. */
const undefinedInstruction = (mnemonic: string, ...encodings: Encoding[]): InstructionRow =>
  instruction({
    mnemonic,
    summary: 'Undefined instruction',
    manual: 'SDM Vol. 2D, "UD—Undefined Instruction"',
    operands: { ignoredRegister: 'address', ignored: 'address' },
    encodings,
    flags: {},
    endsBlock: true,
    execute(_, b) {
      b.raise('#UD', `${mnemonic.toUpperCase()} is defined to be undefined`);
    },
  });

export const MISCELLANEOUS: readonly InstructionRow[] = [
  nop,
  reservedNop,
  pause,
  prefetch('prefetchnta', PREFETCHH, '0F 18 /0'),
  prefetch('prefetcht0', PREFETCHH, '0F 18 /1'),
  prefetch('prefetcht1', PREFETCHH, '0F 18 /2'),
  prefetch('prefetcht2', PREFETCHH, '0F 18 /3'),
  // /3 to /7 are reserved and act as /0.
  prefetch(
    'prefetch',
    '[AMD APM Vol. 3] "PREFETCH, PREFETCHW: Prefetch L1 Data-Cache Line"',
    ...[0, 3, 4, 5, 6, 7].map((digit) => `0F 0D /${digit}`),
  ),
  prefetch('prefetchw', PREFETCHW, '0F 0D /1'),
  prefetch('prefetchwt1', PREFETCHW, '0F 0D /2'),
  fence('lfence', 'Load Fence', 'sse2', 0xe8),
  fence('mfence', 'Memory Fence', 'sse2', 0xf0),
  fence('sfence', 'Store Fence', 'sse', 0xf8),
  clflush,
  undefinedInstruction('ud2', ['0F 0B']),
  undefinedInstruction('ud1', ['0F B9 /r', 'rv', 'rmv']),
  undefinedInstruction('ud0', ['0F FF /r', 'rv', 'rmv']),
];
