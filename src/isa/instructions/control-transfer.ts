/** Control transfer. SDM Vol. 1, "Control Transfer Instructions". */
import type { Value } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess } from '../operand.ts';
import { type FlagName, GPR, type SemanticsBuilder } from '../semantics.ts';
import { CONDITION_FLAGS } from './condition.ts';

/**
 * Where a relative branch goes. With an operand size of 16 the instruction pointer is cut to 16 bits; otherwise the
 * target is literally `nextInstructionPointer + rel`, which engines recognise as a constant of the instruction.
 */
export function relativeTarget<Written extends FlagName>(b: SemanticsBuilder<Written>, displacement: Value): Value {
  if (displacement.width === b.pointerSize) return b.add(b.nextInstructionPointer, displacement);
  return b.add(b.truncate(b.nextInstructionPointer, displacement.width), displacement);
}

const jcc = instruction({
  mnemonic: 'jcc',
  summary: 'Jump if condition is met',
  manual: 'SDM Vol. 2A, "Jcc—Jump if Condition Is Met"',
  operands: { target: 'r' },
  encodings: [
    ['70+cc cb f64', 'rel8'],
    ['0F 80+cc cz f64', 'relz'],
  ],
  flags: { reads: CONDITION_FLAGS },
  endsBlock: true,
  execute({ target }, b) {
    b.jump(relativeTarget(b, target.read()), b.conditionHolds());
  },
});

const jmpRelative = instruction({
  mnemonic: 'jmp',
  summary: 'Jump',
  manual: 'SDM Vol. 2A, "JMP—Jump"',
  operands: { target: 'r' },
  encodings: [
    ['EB cb f64', 'rel8'],
    ['E9 cz f64', 'relz'],
  ],
  flags: {},
  endsBlock: true,
  execute({ target }, b) {
    b.jump(relativeTarget(b, target.read()));
  },
});

const jmpIndirect = instruction({
  mnemonic: 'jmp',
  summary: 'Jump to an address in a register or memory',
  manual: 'SDM Vol. 2A, "JMP—Jump"',
  operands: { target: 'r' },
  encodings: [['FF /4 f64', 'rmv']],
  flags: {},
  endsBlock: true,
  execute({ target }, b) {
    b.jump(target.read());
  },
});

/**
 * The manual checks the target first and then the stack; CPUs (AMD Zen, in 32-bit and 64-bit mode) report a stack that
 * can't be written before a target that can't be reached. Either way nothing has been pushed.
 */
function callNear<Written extends FlagName>(b: SemanticsBuilder<Written>, target: Value): void {
  const stack = b.stack();
  const to = b.checkTarget(target, { push: { stack, width: b.operandSize } });
  stack.push(b.truncate(b.nextInstructionPointer, b.operandSize));
  stack.commit();
  b.jump(to);
}

const callRelative = instruction({
  mnemonic: 'call',
  summary: 'Call procedure',
  manual: 'SDM Vol. 2A, "CALL—Call Procedure"',
  operands: { target: 'r' },
  encodings: [['E8 cz f64', 'relz']],
  flags: {},
  endsBlock: true,
  execute({ target }, b) {
    callNear(b, relativeTarget(b, target.read()));
  },
});

const callIndirect = instruction({
  mnemonic: 'call',
  summary: 'Call procedure at an address in a register or memory',
  manual: 'SDM Vol. 2A, "CALL—Call Procedure"',
  operands: { target: 'r' },
  encodings: [['FF /2 f64', 'rmv']],
  flags: {},
  endsBlock: true,
  execute({ target }, b) {
    callNear(b, target.read()); // read before the push: the target may be rSP, or lie relative to it
  },
});

const ret = instruction({
  mnemonic: 'ret',
  aliases: ['retn'],
  summary: 'Return from procedure',
  manual: 'SDM Vol. 2B, "RET—Return From Procedure"',
  operands: { released: 'r' },
  encodings: [['C3 f64'], ['C2 iw f64', 'imm16']],
  flags: {},
  endsBlock: true,
  execute({ released }, b) {
    const stack = b.stack();
    const offset = stack.pop(b.operandSize);
    if (released) stack.release(b.zeroExtend(released.read(), b.stackSize));
    const to = b.checkTarget(offset);
    stack.commit();
    b.jump(to);
  },
});

/** Selector and offset of a far pointer operand, as immediate or in memory. */
function farPointer<Written extends FlagName>(b: SemanticsBuilder<Written>, pointer: OperandAccess): [Value, Value] {
  const offset = b.zeroExtend(pointer.read(), b.pointerSize);
  if (!pointer.isMemory) return [pointer.selector, offset];
  return [b.load(pointer.segment, b.add(pointer.offset, pointer.width / 8), 16), offset];
}

const jmpFar = instruction({
  mnemonic: 'jmp',
  summary: 'Jump to another segment, or switch tasks',
  manual: 'SDM Vol. 2A, "JMP—Jump"',
  operands: { target: 'r' },
  encodings: [
    ['EA cp i64', 'far'],
    ['FF /5', 'mfar'],
  ],
  flags: {},
  endsBlock: true,
  execute({ target }, b) {
    b.call('farJump', [...farPointer(b, target), b.constant(b.operandSize, 8)]);
  },
});

const callFar = instruction({
  mnemonic: 'call',
  summary: 'Call procedure in another segment, through a gate, or in another task',
  manual: 'SDM Vol. 2A, "CALL—Call Procedure"',
  operands: { target: 'r' },
  encodings: [
    ['9A cp i64', 'far'],
    ['FF /3', 'mfar'],
  ],
  flags: {},
  endsBlock: true,
  execute({ target }, b) {
    b.call('farCall', [...farPointer(b, target), b.constant(b.operandSize, 8)]);
  },
});

const retf = instruction({
  mnemonic: 'retf',
  mnemonics: { 16: 'retfw', 32: 'retfd', 64: 'retfq' },
  summary: 'Return from a far procedure',
  manual: 'SDM Vol. 2B, "RET—Return From Procedure"',
  operands: { released: 'r' },
  encodings: [['CB'], ['CA iw', 'imm16']],
  flags: {},
  endsBlock: true,
  execute({ released }, b) {
    b.call('farReturn', [released ? released.read() : b.constant(0, 16), b.constant(b.operandSize, 8)]);
  },
});

/** LOOP, LOOPE, LOOPNE: count in rCX of the address size; `wanted`: the ZF that goes on. */
const loop = (mnemonic: string, aliases: readonly string[], opcode: string, wanted?: 0 | 1): InstructionRow =>
  instruction({
    mnemonic,
    aliases,
    summary: 'Loop according to the count register',
    manual: 'SDM Vol. 2A, "LOOP/LOOPcc—Loop According to ECX Counter"',
    operands: { target: 'r' },
    encodings: [[`${opcode} cb f64`, 'rel8']],
    flags: { reads: wanted === undefined ? [] : ['ZF'] },
    endsBlock: true,
    execute({ target }, b) {
      const count = b.sub(b.register(GPR.rCX, b.addressSize), 1);
      const more = b.ne(count, 0);
      const goesOn = wanted === undefined ? more : b.and(more, b.eq(b.flag('ZF'), wanted));
      const to = b.checkTarget(relativeTarget(b, target.read()), { condition: goesOn });
      b.setRegister(GPR.rCX, count);
      b.jump(to, goesOn);
    },
  });

/** JCXZ, JECXZ, JRCXZ: the register is chosen by the address size. */
const jcxz = (mnemonic: string, addressSize: 16 | 32 | 64): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Jump if ${{ 16: 'CX', 32: 'ECX', 64: 'RCX' }[addressSize]} is 0`,
    manual: 'SDM Vol. 2A, "Jcc—Jump if Condition Is Met"',
    operands: { target: 'r' },
    encodings: [[`E3 cb a${addressSize} f64`, 'rel8']],
    flags: {},
    endsBlock: true,
    execute({ target }, b) {
      b.jump(relativeTarget(b, target.read()), b.isZero(b.register(GPR.rCX, b.addressSize)));
    },
  });

const int = instruction({
  mnemonic: 'int',
  summary: 'Call to interrupt procedure',
  manual: 'SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"',
  operands: { vector: 'r' },
  encodings: [['CD ib', 'imm8']],
  flags: {},
  endsBlock: true,
  execute({ vector }, b) {
    b.call('softwareInterrupt', [vector.read()]);
  },
});

const int3 = instruction({
  mnemonic: 'int3',
  summary: 'Breakpoint',
  manual: 'SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"',
  operands: {},
  encodings: [['CC']],
  flags: {},
  endsBlock: true,
  execute(_, b) {
    b.call('breakpoint', []);
  },
});

const int1 = instruction({
  mnemonic: 'int1',
  aliases: ['icebp'],
  summary: 'Debug trap',
  manual: 'SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"',
  operands: {},
  encodings: [['F1']],
  flags: {},
  endsBlock: true,
  execute(_, b) {
    b.call('debugTrap', []);
  },
});

const into = instruction({
  mnemonic: 'into',
  summary: 'Overflow trap if OF = 1',
  manual: 'SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"',
  operands: {},
  encodings: [['CE i64']],
  flags: { reads: ['OF'] },
  endsBlock: true,
  execute(_, b) {
    b.when(b.flag('OF'), () => void b.call('overflowTrap', []));
  },
});

const iret = instruction({
  mnemonic: 'iret',
  mnemonics: { 16: 'iretw', 32: 'iretd', 64: 'iretq' },
  summary: 'Interrupt return',
  manual: 'SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return"',
  operands: {},
  encodings: [['CF']],
  // The flags are written by the helper.
  flags: {},
  endsBlock: true,
  execute(_, b) {
    b.call('interruptReturn', [b.constant(b.operandSize, 8)]);
  },
});

const bound = instruction({
  mnemonic: 'bound',
  summary: 'Check array index against bounds',
  manual: 'SDM Vol. 2A, "BOUND—Check Array Index Against Bounds"',
  operands: { index: 'r', bounds: 'r' },
  encodings: [['62 /r i64', 'rv', 'mv']],
  flags: {},
  execute(operands, b) {
    const index = operands.index.read();
    const lower = operands.bounds.read();
    const upper = b.load(operands.bounds.segment, b.add(operands.bounds.offset, index.width / 8), index.width);
    b.raise('#BR', 'the index is outside the bounds', b.or(b.slt(index, lower), b.slt(upper, index)));
  },
});

export const CONTROL_TRANSFER: readonly InstructionRow[] = [
  jcc,
  jmpRelative,
  jmpIndirect,
  jmpFar,
  callRelative,
  callIndirect,
  callFar,
  ret,
  retf,
  loop('loopne', ['loopnz'], 'E0', 0),
  loop('loope', ['loopz'], 'E1', 1),
  loop('loop', [], 'E2'),
  jcxz('jcxz', 16),
  jcxz('jecxz', 32),
  jcxz('jrcxz', 64),
  int,
  int3,
  int1,
  into,
  iret,
  bound,
];
