/** IRET in all its variants. SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return". */

import { GPR } from '../isa/semantics.ts';
import { checkInstructionPointer, loadCodeSegment } from './code-segment.ts';
import type { Cpu } from './cpu.ts';
import { markAccessed } from './descriptor.ts';
import { checkReturn, loadPlainCodeSegment, returnToOuterLevel } from './far-return.ts';
import { raise } from './fault.ts';
import { mergeEflags } from './flag-helpers.ts';
import { EFLAGS, STATUS_MASK } from './flags.ts';
import { StackReader, setStackPointer } from './pending-stack.ts';
import { ioPrivilegeLevel, isIa32e, isRealMode, isVirtual8086 } from './processor-mode.ts';
import { CS, DS, ES, FS, GS, loadVirtual8086Segment, SS } from './segmentation.ts';
import { returnToPreviousTask } from './task-switch.ts';

const MANUAL = 'SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return"';

/** Flags that every IRET restores, in the lower half; and those of a 32-bit one. */
const LOWER_FLAGS = STATUS_MASK | EFLAGS.TF | EFLAGS.DF | EFLAGS.NT;
const UPPER_FLAGS = EFLAGS.RF | EFLAGS.AC | EFLAGS.ID;

export function interruptReturn(cpu: Cpu, operandSize: number): void {
  const { state } = cpu;
  // Also when IRET faults.
  state.nmiBlocked = 0;
  if (isIa32e(state)) throw raise.UD({ check: 'IRET is not modelled yet in IA-32e mode', manual: MANUAL });
  if (isRealMode(state)) returnInPlace(cpu, operandSize, EFLAGS.IF | EFLAGS.IOPL);
  else if (isVirtual8086(state)) returnInVirtual8086(cpu, operandSize);
  else if (state.flagsOther & EFLAGS.NT) returnToPreviousTask(cpu);
  else returnProtected(cpu, operandSize);
  cpu.modeChanged();
}

function returnInVirtual8086(cpu: Cpu, operandSize: number): void {
  const iopl = ioPrivilegeLevel(cpu.state);
  if (iopl < 3) {
    throw raise.GP(0, { check: 'IRET in virtual-8086 mode with IOPL < 3', manual: MANUAL, on: { iopl } });
  }
  returnInPlace(cpu, operandSize, EFLAGS.IF);
}

/** Real-address and virtual-8086 mode: `more` are the flags restored besides those that always are. */
function returnInPlace(cpu: Cpu, operandSize: number, more: number): void {
  const { state } = cpu;
  const stack = new StackReader(cpu, operandSize);
  stack.require(3);
  const offset = stack.pop();
  const selector = stack.pop() & 0xffff;
  const flags = stack.pop();
  checkInstructionPointer(offset, state.segments[CS].limit, MANUAL);
  setStackPointer(cpu, stack.pointer);
  restoreFlags(cpu, flags, operandSize, LOWER_FLAGS | more);
  loadPlainCodeSegment(cpu, selector);
  state.nextIp = offset;
}

function restoreFlags(cpu: Cpu, flags: number, operandSize: number, lower: number, upper: number = UPPER_FLAGS): void {
  mergeEflags(cpu, flags, operandSize === 16 ? lower : lower | upper);
}

function returnProtected(cpu: Cpu, operandSize: number): void {
  const { state } = cpu;
  const stack = new StackReader(cpu, operandSize);
  stack.require(3);
  const offset = stack.pop();
  const selector = stack.pop() & 0xffff;
  const flags = stack.pop();
  if (operandSize !== 16 && flags & EFLAGS.VM && state.cpl === 0) {
    return returnToVirtual8086(cpu, stack, { offset, selector, flags });
  }
  const target = checkReturn(cpu, selector, MANUAL);
  const restore = () => {
    let lower = LOWER_FLAGS;
    if (state.cpl <= ioPrivilegeLevel(state)) lower |= EFLAGS.IF;
    let upper = UPPER_FLAGS;
    if (state.cpl === 0) {
      lower |= EFLAGS.IOPL;
      upper |= EFLAGS.VIF | EFLAGS.VIP;
    }
    restoreFlags(cpu, flags, operandSize, lower, upper);
  };
  if ((selector & 3) > state.cpl) {
    stack.require(2);
    const pointer = stack.pop();
    const stackSelector = stack.pop() & 0xffff;
    const outer = { selector, target, offset, stackSelector, pointer, manual: MANUAL, absentStack: 'NP' } as const;
    return returnToOuterLevel(cpu, outer, restore);
  }
  checkInstructionPointer(offset, target.limit, MANUAL);
  const code = markAccessed(cpu, target);
  setStackPointer(cpu, stack.pointer);
  restore();
  loadCodeSegment(cpu, selector, code, state.cpl);
  state.nextIp = offset;
}

/** RETURN-TO-VIRTUAL-8086-MODE: six more doublewords on the stack, and all of EFLAGS. */
function returnToVirtual8086(
  cpu: Cpu,
  stack: StackReader,
  to: { offset: number; selector: number; flags: number },
): void {
  const { state } = cpu;
  stack.require(6);
  const pointer = stack.pop();
  const selectors = [SS, ES, DS, FS, GS].map((segment) => [segment, stack.pop() & 0xffff] as const);
  checkInstructionPointer(to.offset, 0xffff, MANUAL);
  mergeEflags(cpu, to.flags, LOWER_FLAGS | UPPER_FLAGS | VIRTUAL_8086_FLAGS);
  loadVirtual8086Segment(state, CS, to.selector);
  for (const [segment, selector] of selectors) loadVirtual8086Segment(state, segment, selector);
  state.setReg32(GPR.rSP, pointer);
  state.cpl = 3;
  state.nextIp = to.offset;
}

const VIRTUAL_8086_FLAGS = EFLAGS.VM | EFLAGS.IF | EFLAGS.IOPL | EFLAGS.VIF | EFLAGS.VIP;
