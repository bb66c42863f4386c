/** x87 control instructions: those that leave the last instruction and operand pointers alone. SDM Vol. 1, "x87 FPU Control Instructions". */
import { type InstructionRow, instruction } from '../instruction.ts';

const noOperands = (mnemonic: string, opcode: string, helper: string | undefined, summary: string, title: string) =>
  instruction({
    mnemonic,
    summary,
    manual: `SDM Vol. 2A, "${title}"`,
    operands: {},
    encodings: [[opcode]],
    flags: {},
    x87: 'noWait',
    execute(_operands, b) {
      if (helper) b.call(helper, []);
    },
  });

/** Not among the rows that engines check before: TS counts only together with MP, and EM not at all. */
const fwait = instruction({
  mnemonic: 'fwait',
  aliases: ['wait'],
  summary: 'Wait for pending x87 exceptions',
  manual: 'SDM Vol. 2B, "WAIT/FWAIT—Wait"',
  operands: {},
  encodings: [['9B']],
  flags: {},
  execute(_operands, b) {
    b.call('x87Wait', []);
  },
});

const fldcw = instruction({
  mnemonic: 'fldcw',
  summary: 'Load control word',
  manual: 'SDM Vol. 2A, "FLDCW—Load x87 FPU Control Word"',
  operands: { src: 'r' },
  encodings: [['D9 /5', 'm16']],
  flags: {},
  x87: 'wait',
  execute({ src }, b) {
    b.call('x87LoadControl', [src.read()]);
  },
});

const fnstcw = instruction({
  mnemonic: 'fnstcw',
  summary: 'Store control word',
  manual: 'SDM Vol. 2A, "FSTCW/FNSTCW—Store x87 FPU Control Word"',
  operands: { dst: 'w' },
  encodings: [['D9 /7', 'm16']],
  flags: {},
  x87: 'noWait',
  execute({ dst }, b) {
    dst.write(b.state('fcw', 16));
  },
});

const fnstsw = instruction({
  mnemonic: 'fnstsw',
  summary: 'Store status word',
  manual: 'SDM Vol. 2A, "FSTSW/FNSTSW—Store x87 FPU Status Word"',
  operands: { dst: 'w' },
  encodings: [
    ['DD /7', 'm16'],
    ['DF E0', 'ax'],
  ],
  flags: {},
  x87: 'noWait',
  execute({ dst }, b) {
    dst.write(b.state('fsw', 16));
  },
});

/** Instructions that move a whole image of the FPU. */
const image = (
  mnemonic: string,
  opcode: string,
  helper: string,
  row: { wait: boolean; stores: boolean; summary: string; title: string },
): InstructionRow =>
  instruction({
    mnemonic,
    summary: row.summary,
    manual: `SDM Vol. 2A, "${row.title}"`,
    operands: { memory: row.stores ? 'w' : 'r' },
    encodings: [[opcode, 'm']],
    flags: {},
    x87: row.wait ? 'wait' : 'noWait',
    execute({ memory }, b) {
      const offset = b.zeroExtend(memory.offset, b.pointerSize);
      b.call(helper, [b.input('segment', 8), offset, b.constant(b.operandSize, 8)]);
    },
  });

const fxImage = (mnemonic: 'fxsave' | 'fxrstor', digit: 0 | 1): InstructionRow =>
  instruction({
    mnemonic,
    mnemonics: { 16: mnemonic, 32: mnemonic, 64: `${mnemonic}64` },
    summary: mnemonic === 'fxsave' ? 'Save x87 FPU, MMX and SSE state' : 'Restore x87 FPU, MMX and SSE state',
    manual:
      mnemonic === 'fxsave'
        ? 'SDM Vol. 2A, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State"'
        : 'SDM Vol. 2A, "FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State"',
    operands: { memory: mnemonic === 'fxsave' ? 'w' : 'r' },
    encodings: [[`np 0F AE /${digit}`, 'm']],
    flags: {},
    x87: 'noWait',
    feature: 'fxsr',
    execute({ memory }, b) {
      const offset = b.zeroExtend(memory.offset, b.pointerSize);
      const helper = mnemonic === 'fxsave' ? 'fxSave' : 'fxRestore';
      const longMode = b.constant(b.longMode ? 1 : 0, 1);
      b.call(helper, [b.input('segment', 8), offset, b.constant(b.operandSize, 8), longMode]);
    },
  });

export const X87_CONTROL_INSTRUCTIONS: readonly InstructionRow[] = [
  fwait,
  fldcw,
  fnstcw,
  fnstsw,
  noOperands('fneni', 'DB E0', undefined, 'Enable interrupts (8087 only: no operation)', 'FNENI'),
  noOperands('fndisi', 'DB E1', undefined, 'Disable interrupts (8087 only: no operation)', 'FNDISI'),
  noOperands('fnclex', 'DB E2', 'x87ClearExceptions', 'Clear exceptions', 'FCLEX/FNCLEX—Clear Exceptions'),
  noOperands('fninit', 'DB E3', 'x87Initialize', 'Initialize', 'FINIT/FNINIT—Initialize Floating-Point Unit'),
  noOperands('fnsetpm', 'DB E4', undefined, 'Set protected mode (80287 only: no operation)', 'FNSETPM'),
  image('fldenv', 'D9 /4', 'x87LoadEnvironment', {
    wait: true,
    stores: false,
    summary: 'Load environment',
    title: 'FLDENV—Load x87 FPU Environment',
  }),
  image('fnstenv', 'D9 /6', 'x87StoreEnvironment', {
    wait: false,
    stores: true,
    summary: 'Store environment',
    title: 'FSTENV/FNSTENV—Store x87 FPU Environment',
  }),
  image('frstor', 'DD /4', 'x87RestoreState', {
    wait: true,
    stores: false,
    summary: 'Restore state',
    title: 'FRSTOR—Restore x87 FPU State',
  }),
  image('fnsave', 'DD /6', 'x87SaveState', {
    wait: false,
    stores: true,
    summary: 'Save state',
    title: 'FSAVE/FNSAVE—Store x87 FPU State',
  }),
  fxImage('fxsave', 0),
  fxImage('fxrstor', 1),
];
