/** System instructions. SDM Vol. 3A, "Summary of System Instructions". Most of what they do is done by helpers of `cpu/`. */
import type { Value } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess } from '../operand.ts';
import { type FlagName, GPR, type SemanticsBuilder } from '../semantics.ts';

/** Numbers of LDTR and TR as places of space 'selector'. */
const LDTR = 6;
const TASK_REGISTER = 7;

const readControl = instruction({
  mnemonic: 'mov',
  summary: 'Move from a control register',
  manual: 'SDM Vol. 2B, "MOV—Move to/from Control Registers"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F 20 /r anymod i64', 'rr32', 'creg'],
    ['0F 20 /r anymod n64', 'rr64', 'creg'],
  ],
  flags: {},
  privileged: true,
  execute({ dst, src }, b) {
    const [value] = b.call('readControl', [src.index], [b.pointerSize]);
    dst.write(value!);
  },
});

const writeControl = instruction({
  mnemonic: 'mov',
  summary: 'Move to a control register',
  manual: 'SDM Vol. 2B, "MOV—Move to/from Control Registers"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F 22 /r anymod i64', 'creg', 'rr32'],
    ['0F 22 /r anymod n64', 'creg', 'rr64'],
  ],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute({ dst, src }, b) {
    b.call('writeControl', [dst.index, src.read()]);
  },
});

const readDebug = instruction({
  mnemonic: 'mov',
  summary: 'Move from a debug register',
  manual: 'SDM Vol. 2B, "MOV—Move to/from Debug Registers"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F 21 /r anymod i64', 'rr32', 'dreg'],
    ['0F 21 /r anymod n64', 'rr64', 'dreg'],
  ],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute({ dst, src }, b) {
    const [value] = b.call('readDebug', [src.index], [b.pointerSize]);
    dst.write(value!);
  },
});

const writeDebug = instruction({
  mnemonic: 'mov',
  summary: 'Move to a debug register',
  manual: 'SDM Vol. 2B, "MOV—Move to/from Debug Registers"',
  operands: { dst: 'w', src: 'r' },
  encodings: [
    ['0F 23 /r anymod i64', 'dreg', 'rr32'],
    ['0F 23 /r anymod n64', 'dreg', 'rr64'],
  ],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute({ dst, src }, b) {
    b.call('writeDebug', [dst.index, src.read()]);
  },
});

/** Limit and base in memory: 2 + 4 bytes, in 64-bit mode 2 + 8. */
function pseudoDescriptor<W extends FlagName>(b: SemanticsBuilder<W>, src: OperandAccess): [limit: Value, base: Value] {
  const limit = b.load(src.segment, src.offset, 16);
  const base = b.load(src.segment, b.add(src.offset, 2), b.pointerSize);
  // With an operand size of 16 the base has 24 bits, as on the 80286.
  return [limit, b.operandSize === 16 ? b.and(base, 0xff_ffff) : base];
}

/** LGDT, LIDT. */
const loadTable = (mnemonic: string, name: string, digit: number, helper: string): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Load ${name}`,
    manual: 'SDM Vol. 2A, "LGDT/LIDT—Load Global/Interrupt Descriptor Table Register"',
    operands: { src: 'address' },
    encodings: [[`0F 01 /${digit} f64`, 'm']],
    flags: {},
    privileged: true,
    endsBlock: true,
    execute({ src }, b) {
      b.call(helper, pseudoDescriptor(b, src));
    },
  });

/** SGDT, SIDT. CPUs since the 80386 store the whole base, also with an operand size of 16 (the manual says 24 bits). */
const storeTable = (mnemonic: string, name: string, digit: number, base: string, limit: string): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Store ${name}`,
    manual: `SDM Vol. 2B, "${mnemonic.toUpperCase()}—Store ${name}"`,
    operands: { dst: 'address' },
    encodings: [[`0F 01 /${digit} f64`, 'm']],
    flags: {},
    execute({ dst }, b) {
      b.store(dst.segment, dst.offset, b.truncate(b.state(limit, 32), 16));
      b.store(dst.segment, b.add(dst.offset, 2), b.truncate(b.state(base, 64), b.pointerSize));
    },
  });

const lldt = instruction({
  mnemonic: 'lldt',
  summary: 'Load local descriptor table register',
  manual: 'SDM Vol. 2A, "LLDT—Load Local Descriptor Table Register"',
  operands: { src: 'r' },
  encodings: [['0F 00 /2', 'rm16']],
  flags: {},
  privileged: true,
  protectedOnly: true,
  endsBlock: true,
  execute({ src }, b) {
    b.call('loadLdtr', [src.read()]);
  },
});

const ltr = instruction({
  mnemonic: 'ltr',
  summary: 'Load task register',
  manual: 'SDM Vol. 2A, "LTR—Load Task Register"',
  operands: { src: 'r' },
  encodings: [['0F 00 /3', 'rm16']],
  flags: {},
  privileged: true,
  protectedOnly: true,
  endsBlock: true,
  execute({ src }, b) {
    b.call('loadTaskRegister', [src.read()]);
  },
});

/** SLDT, STR: 16 bits to memory, zero-extended to a register. */
const storeSelector = (mnemonic: string, name: string, digit: number, segment: number): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Store ${name}`,
    manual: `SDM Vol. 2B, "${mnemonic.toUpperCase()}—Store ${name}"`,
    operands: { dst: 'w' },
    encodings: [
      [`0F 00 /${digit}`, 'rrv'],
      [`0F 00 /${digit}`, 'm16'],
    ],
    flags: {},
    protectedOnly: true,
    execute({ dst }, b) {
      dst.write(b.zeroExtend(b.readPlace({ space: 'selector', segment }, 16), dst.width));
    },
  });

const smsw = instruction({
  mnemonic: 'smsw',
  summary: 'Store machine status word',
  manual: 'SDM Vol. 2B, "SMSW—Store Machine Status Word"',
  operands: { dst: 'w' },
  // To memory always 16 bits; to a 32- or 64-bit register as much of CR0 (above 16 bits the manual leaves it undefined).
  encodings: [
    ['0F 01 /4', 'rrv'],
    ['0F 01 /4', 'm16'],
  ],
  flags: {},
  execute({ dst }, b) {
    dst.write(b.truncate(b.state('cr0', 64), dst.width));
  },
});

const lmsw = instruction({
  mnemonic: 'lmsw',
  summary: 'Load machine status word',
  manual: 'SDM Vol. 2A, "LMSW—Load Machine Status Word"',
  operands: { src: 'r' },
  encodings: [['0F 01 /6', 'rm16']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute({ src }, b) {
    b.call('loadMachineStatusWord', [src.read()]);
  },
});

const clts = instruction({
  mnemonic: 'clts',
  summary: 'Clear task-switched flag in CR0',
  manual: 'SDM Vol. 2A, "CLTS—Clear Task-Switched Flag in CR0"',
  operands: {},
  encodings: [['0F 06']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    b.call('clearTaskSwitched', []);
  },
});

/** LAR, LSL: the helper's value if ZF says that the selector is visible, else no change. */
const segmentProperty = (
  mnemonic: string,
  summary: string,
  manual: string,
  opcode: string,
  helper: string,
): InstructionRow =>
  instruction({
    mnemonic,
    summary,
    manual,
    operands: { dst: 'rw', src: 'r' },
    encodings: [[`${opcode} /r`, 'rv', 'rm16']],
    flags: { writes: ['ZF'] },
    protectedOnly: true,
    execute({ dst, src }, b) {
      const [valid, property] = b.call(helper, [src.read()], [1, 32]) as [Value, Value];
      b.when(valid, () => dst.write(dst.width === 16 ? b.truncate(property, 16) : b.zeroExtend(property, dst.width)));
      b.setFlags({ ZF: valid });
    },
  });

/** VERR, VERW. */
const verify = (mnemonic: string, what: string, digit: number, helper: string): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Verify a segment for ${what}`,
    manual: 'SDM Vol. 2B, "VERR/VERW—Verify a Segment for Reading or Writing"',
    operands: { src: 'r' },
    encodings: [[`0F 00 /${digit}`, 'rm16']],
    flags: { writes: ['ZF'] },
    protectedOnly: true,
    execute({ src }, b) {
      const [allowed] = b.call(helper, [src.read()], [1]);
      b.setFlags({ ZF: allowed! });
    },
  });

const arpl = instruction({
  mnemonic: 'arpl',
  summary: 'Adjust RPL field of segment selector',
  manual: 'SDM Vol. 2A, "ARPL—Adjust RPL Field of Segment Selector"',
  operands: { dst: 'rw', src: 'r' },
  encodings: [['63 /r i64', 'rm16', 'r16']],
  flags: { writes: ['ZF'] },
  protectedOnly: true,
  execute({ dst, src }, b) {
    // Memory is written only if the selector changes: real CPUs do not ask for write permission otherwise.
    const selector = dst.isMemory ? b.load(dst.segment, dst.offset, 16) : dst.read();
    const privilege = b.and(src.read(), 3);
    const raised = b.ult(b.and(selector, 3), privilege);
    b.when(raised, () => dst.write(b.or(b.and(selector, 0xfffc), privilege)));
    b.setFlags({ ZF: raised });
  },
});

const invlpg = instruction({
  mnemonic: 'invlpg',
  summary: 'Invalidate TLB entries',
  manual: 'SDM Vol. 2A, "INVLPG—Invalidate TLB Entries"',
  operands: { page: 'address' },
  encodings: [['0F 01 /7', 'm']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute({ page }, b) {
    b.call('invalidatePage', [b.segmentNumber(page.segment), b.zeroExtend(page.offset, b.pointerSize)]);
  },
});

const invd = instruction({
  mnemonic: 'invd',
  summary: 'Invalidate internal caches',
  manual: 'SDM Vol. 2A, "INVD—Invalidate Internal Caches"',
  operands: {},
  encodings: [['0F 08']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    b.call('invalidateCaches', []);
  },
});

const wbinvd = instruction({
  mnemonic: 'wbinvd',
  summary: 'Write back and invalidate cache',
  manual: 'SDM Vol. 2D, "WBINVD—Write Back and Invalidate Cache"',
  operands: {},
  encodings: [['0F 09']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    b.call('invalidateCaches', []);
  },
});

const hlt = instruction({
  mnemonic: 'hlt',
  summary: 'Halt',
  manual: 'SDM Vol. 2A, "HLT—Halt"',
  operands: {},
  encodings: [['F4']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    b.call('halt', []);
  },
});

/** A 64-bit value to EDX:EAX. */
function writeEdxEax<W extends FlagName>(b: SemanticsBuilder<W>, value: Value): void {
  b.setRegister(GPR.rAX, b.truncate(value, 32));
  b.setRegister(GPR.rDX, b.truncate(b.shr(value, 32), 32));
}

const rdtsc = instruction({
  mnemonic: 'rdtsc',
  summary: 'Read time-stamp counter',
  manual: 'SDM Vol. 2B, "RDTSC—Read Time-Stamp Counter"',
  operands: {},
  encodings: [['0F 31']],
  flags: {},
  feature: 'tsc',
  endsBlock: true,
  execute(_, b) {
    const [count] = b.call('readTimeStampCounter', [], [64]);
    writeEdxEax(b, count!);
  },
});

const rdpmc = instruction({
  mnemonic: 'rdpmc',
  summary: 'Read performance-monitoring counter',
  manual: 'SDM Vol. 2B, "RDPMC—Read Performance-Monitoring Counters"',
  operands: {},
  encodings: [['0F 33']],
  flags: {},
  endsBlock: true,
  execute(_, b) {
    const [count] = b.call('readPerformanceCounter', [b.register(GPR.rCX, 32)], [64]);
    writeEdxEax(b, count!);
  },
});

const rdmsr = instruction({
  mnemonic: 'rdmsr',
  summary: 'Read from model-specific register',
  manual: 'SDM Vol. 2B, "RDMSR—Read From Model Specific Register"',
  operands: {},
  encodings: [['0F 32']],
  flags: {},
  feature: 'msr',
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    const [value] = b.call('readMsr', [b.register(GPR.rCX, 32)], [64]);
    writeEdxEax(b, value!);
  },
});

const wrmsr = instruction({
  mnemonic: 'wrmsr',
  summary: 'Write to model-specific register',
  manual: 'SDM Vol. 2D, "WRMSR—Write to Model Specific Register"',
  operands: {},
  encodings: [['0F 30']],
  flags: {},
  feature: 'msr',
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    const high = b.zeroExtend(b.register(GPR.rDX, 32), 64);
    const low = b.zeroExtend(b.register(GPR.rAX, 32), 64);
    b.call('writeMsr', [b.register(GPR.rCX, 32), b.or(b.shl(high, 32), low)]);
  },
});

const cpuid = instruction({
  mnemonic: 'cpuid',
  summary: 'CPU identification',
  manual: 'SDM Vol. 2A, "CPUID—CPU Identification"',
  operands: {},
  encodings: [['0F A2']],
  flags: {},
  endsBlock: true,
  execute(_, b) {
    const [eax, ebx, ecx, edx] = b.call('cpuid', [b.register(GPR.rAX, 32), b.register(GPR.rCX, 32)], [32, 32, 32, 32]);
    b.setRegister(GPR.rAX, eax!);
    b.setRegister(GPR.rBX, ebx!);
    b.setRegister(GPR.rCX, ecx!);
    b.setRegister(GPR.rDX, edx!);
  },
});

const sysenter = instruction({
  mnemonic: 'sysenter',
  summary: 'Fast system call',
  manual: 'SDM Vol. 2B, "SYSENTER—Fast System Call"',
  operands: {},
  encodings: [['0F 34']],
  flags: {},
  feature: 'sep',
  endsBlock: true,
  execute(_, b) {
    b.call('sysenter', []);
  },
});

const sysexit = instruction({
  mnemonic: 'sysexit',
  mnemonics: { 64: 'sysexitq' },
  summary: 'Fast return from fast system call',
  manual: 'SDM Vol. 2B, "SYSEXIT—Fast Return from Fast System Call"',
  operands: {},
  encodings: [['0F 35']],
  flags: {},
  feature: 'sep',
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    b.call('sysexit', [b.constant(b.operandSize, 8)]);
  },
});

const syscall = instruction({
  mnemonic: 'syscall',
  summary: 'Fast system call',
  manual: 'SDM Vol. 2B, "SYSCALL—Fast System Call"',
  operands: {},
  encodings: [['0F 05']],
  flags: {},
  feature: 'syscall',
  endsBlock: true,
  execute(_, b) {
    b.call('syscall', []);
  },
});

const sysret = instruction({
  mnemonic: 'sysret',
  mnemonics: { 64: 'sysretq' },
  summary: 'Return from fast system call',
  manual: 'SDM Vol. 2B, "SYSRET—Return From Fast System Call"',
  operands: {},
  encodings: [['0F 07']],
  flags: {},
  feature: 'syscall',
  // The privilege check comes after that of EFER.SCE: both are the helper's.
  endsBlock: true,
  execute(_, b) {
    b.call('sysret', [b.constant(b.operandSize, 8)]);
  },
});

const swapgs = instruction({
  mnemonic: 'swapgs',
  summary: 'Swap GS base register',
  manual: 'SDM Vol. 2B, "SWAPGS—Swap GS Base Register"',
  operands: {},
  encodings: [['0F 01 F8 n64']],
  flags: {},
  privileged: true,
  endsBlock: true,
  execute(_, b) {
    b.call('swapGs', []);
  },
});

const rsm = instruction({
  mnemonic: 'rsm',
  summary: 'Resume from system management mode',
  manual: 'SDM Vol. 2B, "RSM—Resume From System Management Mode"',
  operands: {},
  encodings: [['0F AA']],
  flags: {},
  endsBlock: true,
  execute(_, b) {
    b.raise('#UD', 'RSM outside system management mode, which is not modelled');
  },
});

export const SYSTEM: readonly InstructionRow[] = [
  readControl,
  writeControl,
  readDebug,
  writeDebug,
  storeTable('sgdt', 'Global Descriptor Table Register', 0, 'gdtrBase', 'gdtrLimit'),
  storeTable('sidt', 'Interrupt Descriptor Table Register', 1, 'idtrBase', 'idtrLimit'),
  loadTable('lgdt', 'Global Descriptor Table Register', 2, 'loadGdtr'),
  loadTable('lidt', 'Interrupt Descriptor Table Register', 3, 'loadIdtr'),
  storeSelector('sldt', 'Local Descriptor Table Register', 0, LDTR),
  storeSelector('str', 'Task Register', 1, TASK_REGISTER),
  lldt,
  ltr,
  smsw,
  lmsw,
  clts,
  segmentProperty(
    'lar',
    'Load access rights byte',
    'SDM Vol. 2A, "LAR—Load Access Rights Byte"',
    '0F 02',
    'loadAccessRights',
  ),
  segmentProperty('lsl', 'Load segment limit', 'SDM Vol. 2A, "LSL—Load Segment Limit"', '0F 03', 'loadSegmentLimit'),
  verify('verr', 'reading', 4, 'verifyRead'),
  verify('verw', 'writing', 5, 'verifyWrite'),
  arpl,
  invlpg,
  invd,
  wbinvd,
  hlt,
  rdtsc,
  rdpmc,
  rdmsr,
  wrmsr,
  cpuid,
  sysenter,
  sysexit,
  syscall,
  sysret,
  swapgs,
  rsm,
];
