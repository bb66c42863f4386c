/** The stack. SDM Vol. 1, "Procedure Calls, Interrupts, and Exceptions", and Vol. 2, PUSH, POP and their kin. */
import type { Value } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import { GPR, SEGMENT } from '../semantics.ts';

const push = instruction({
  mnemonic: 'push',
  summary: 'Push onto the stack',
  manual: 'SDM Vol. 2B, "PUSH—Push Word, Doubleword, or Quadword Onto the Stack"',
  operands: { src: 'r' },
  encodings: [
    ['50+r d64', 'ov'],
    ['68 iz d64', 'immz'],
    ['6A ib d64', 'imm8s'],
    ['FF /6 d64', 'rmv'],
  ],
  flags: {},
  execute({ src }, b) {
    const value = src.read(); // PUSH rSP pushes the value before the push
    const stack = b.stack();
    stack.push(value);
    stack.commit();
  },
});

const pushSegment = instruction({
  mnemonic: 'push',
  summary: 'Push a segment register onto the stack',
  manual: 'SDM Vol. 2B, "PUSH—Push Word, Doubleword, or Quadword Onto the Stack"',
  operands: { src: 'r' },
  encodings: [
    ['06 i64', 'es'],
    ['0E i64', 'cs'],
    ['16 i64', 'ss'],
    ['1E i64', 'ds'],
    ['0F A0 d64', 'fs'],
    ['0F A8 d64', 'gs'],
  ],
  flags: {},
  execute({ src }, b) {
    // A zero-extended write of the operand size, as the manual says first (it lets CPUs write the lower 16 bits alone).
    const value = b.zeroExtend(src.read(), b.operandSize);
    const stack = b.stack();
    stack.push(value);
    stack.commit();
  },
});

const pop = instruction({
  mnemonic: 'pop',
  summary: 'Pop from the stack',
  manual: 'SDM Vol. 2B, "POP—Pop a Value From the Stack"',
  operands: { dst: 'w' },
  encodings: [
    ['58+r d64', 'ov'],
    ['8F /0 d64', 'rmv'],
  ],
  flags: {},
  addressAfterPop: true,
  execute({ dst }, b) {
    const stack = b.stack();
    const value = stack.pop(b.operandSize);
    if (dst.isMemory) {
      dst.write(value);
      stack.commit();
    } else {
      stack.commit();
      dst.write(value); // POP rSP: the popped value stays
    }
  },
});

const popSegment = instruction({
  mnemonic: 'pop',
  summary: 'Pop a segment register from the stack',
  manual: 'SDM Vol. 2B, "POP—Pop a Value From the Stack"',
  operands: { dst: 'w' },
  encodings: [
    ['07 i64', 'es'],
    ['17 i64', 'ss'],
    ['1F i64', 'ds'],
    ['0F A1 d64', 'fs'],
    ['0F A9 d64', 'gs'],
  ],
  flags: {},
  endsBlock: true,
  execute({ dst }, b) {
    const stack = b.stack();
    const selector = b.truncate(stack.pop(b.operandSize), 16);
    b.call('moveToSegment', [dst.index, selector]);
    stack.commit();
  },
});

const pusha = instruction({
  mnemonic: 'pusha',
  mnemonics: { 16: 'pushaw', 32: 'pushad' },
  summary: 'Push all general-purpose registers',
  manual: 'SDM Vol. 2B, "PUSHA/PUSHAD—Push All General-Purpose Registers"',
  operands: {},
  encodings: [['60 i64']],
  flags: {},
  execute(_, b) {
    const values = [0, 1, 2, 3, 4, 5, 6, 7].map((register) => b.register(register, b.operandSize));
    const stack = b.stack();
    for (const value of values) stack.push(value);
    stack.commit();
  },
});

const popa = instruction({
  mnemonic: 'popa',
  mnemonics: { 16: 'popaw', 32: 'popad' },
  summary: 'Pop all general-purpose registers',
  manual: 'SDM Vol. 2B, "POPA/POPAD—Pop All General-Purpose Registers"',
  operands: {},
  encodings: [['61 i64']],
  flags: {},
  execute(_, b) {
    const stack = b.stack();
    const values: [number, Value][] = [];
    for (const register of [GPR.rDI, GPR.rSI, GPR.rBP, GPR.rSP, GPR.rBX, GPR.rDX, GPR.rCX, GPR.rAX]) {
      // The manual skips the image of rSP; CPUs (AMD Zen) read it, at 16 and 32 bits: it can fault by page and by limit.
      const value = stack.pop(b.operandSize);
      if (register !== GPR.rSP) values.push([register, value]);
    }
    stack.commit();
    for (const [register, value] of values) b.setRegister(register, value);
  },
});

const enter = instruction({
  mnemonic: 'enter',
  summary: 'Make a stack frame for procedure parameters',
  manual: 'SDM Vol. 2A, "ENTER—Make Stack Frame for Procedure Parameters"',
  operands: { locals: 'r', level: 'r' },
  encodings: [['C8 iw ib d64', 'imm16', 'imm8']],
  flags: {},
  execute({ locals, level }, b) {
    b.call('enterFrame', [locals.read(), level.read(), b.constant(b.operandSize, 8)]);
  },
});

const leave = instruction({
  mnemonic: 'leave',
  summary: 'High-level procedure exit',
  manual: 'SDM Vol. 2A, "LEAVE—High Level Procedure Exit"',
  operands: {},
  encodings: [['C9 d64']],
  flags: {},
  execute(_, b) {
    const frame = b.register(GPR.rBP, b.stackSize);
    const saved = b.load(SEGMENT.SS, frame, b.operandSize);
    b.setRegister(GPR.rSP, b.add(frame, b.operandSize / 8));
    b.setRegister(GPR.rBP, saved);
  },
});

export const STACK: readonly InstructionRow[] = [push, pushSegment, pop, popSegment, pusha, popa, enter, leave];
