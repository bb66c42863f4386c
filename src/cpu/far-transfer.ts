/**
 * Far JMP and CALL. SDM Vol. 2A, "JMP—Jump" and "CALL—Call Procedure"; Vol. 3A, "Privilege Level Checking When
 * Transferring Program Control Between Code Segments".
 */

import { GPR } from '../isa/semantics.ts';
import { checkInstructionPointer, checkPresent, descriptorFault, loadCodeSegment } from './code-segment.ts';
import type { Cpu } from './cpu.ts';
import {
  type Descriptor,
  isNullSelector,
  markAccessed,
  readDescriptor,
  SYSTEM_TYPE,
  selectorError,
} from './descriptor.ts';
import { raise } from './fault.ts';
import { findInnerStack, loadInnerStack, PendingStack } from './pending-stack.ts';
import { isIa32e, isVirtual8086, usesDescriptors } from './processor-mode.ts';
import { beyondTable, descriptorForLoad } from './segment-load.ts';
import { CS, loadRealModeSegment, loadVirtual8086Segment, SS, stackMask } from './segmentation.ts';
import { findTaskThroughGate, switchTask } from './task-switch.ts';

type Transfer = 'jump' | 'call';
const MANUAL: Record<Transfer, string> = {
  jump: 'SDM Vol. 2A, "JMP—Jump", Far Jumps in Protected Mode',
  call: 'SDM Vol. 2A, "CALL—Call Procedure", Far Calls in Protected Mode',
};

/** Far JMP to selector:offset. */
export function farJump(cpu: Cpu, selector: number, offset: number | bigint, operandSize: number): void {
  transfer(cpu, 'jump', { selector, offset: cutOffset(offset, operandSize), operandSize });
}

/** Far CALL. The return address has the operand size, or the size of the call gate. */
export function farCall(cpu: Cpu, selector: number, offset: number | bigint, operandSize: number): void {
  transfer(cpu, 'call', { selector, offset: cutOffset(offset, operandSize), operandSize });
}

const cutOffset = (offset: number | bigint, operandSize: number): number =>
  operandSize === 16 ? Number(offset) & 0xffff : Number(offset);

interface Target {
  readonly selector: number;
  readonly offset: number;
  readonly operandSize: number;
}

function transfer(cpu: Cpu, kind: Transfer, target: Target): void {
  const { state } = cpu;
  if (usesDescriptors(state)) {
    transferByDescriptor(cpu, kind, target);
    cpu.modeChanged();
    return;
  }
  const stack = kind === 'call' ? pushReturnAddress(cpu, target.operandSize) : undefined;
  // The limit of CS does not change in these modes.
  checkInstructionPointer(target.offset, state.segments[CS].limit, MANUAL[kind]);
  stack?.commit();
  stack?.storePointer();
  if (isVirtual8086(state)) loadVirtual8086Segment(state, CS, target.selector);
  else loadRealModeSegment(state, CS, target.selector);
  state.nextIp = target.offset;
  cpu.modeChanged();
}

/** CS and the offset of the next instruction, on the current stack. */
function pushReturnAddress(cpu: Cpu, operandSize: number): PendingStack {
  const size = operandSize === 16 ? 2 : 4;
  const stack = PendingStack.current(cpu);
  stack.push(cpu.state.segments[CS].selector, size);
  stack.push(cpu.state.nextIp, size);
  return stack;
}

function transferByDescriptor(cpu: Cpu, kind: Transfer, target: Target): void {
  const { selector } = target;
  const manual = MANUAL[kind];
  if (isNullSelector(selector)) throw raise.GP(0, { check: 'null code segment selector', manual, on: { selector } });
  const descriptor = descriptorForLoad(cpu, selector);
  if (descriptor.isCode) return transferToCode(cpu, kind, target, descriptor);
  if (isIa32e(cpu.state)) {
    throw raise.UD({
      check: 'far transfers through gates are not modelled yet in IA-32e mode',
      manual,
      on: { selector },
    });
  }
  const system = descriptor.isSystem ? descriptor.type : undefined;
  const fail = (check: string) => descriptorFault(check, manual, { cpu, selector, descriptor });
  const isCallGate = system === SYSTEM_TYPE.CALL_GATE16 || system === SYSTEM_TYPE.CALL_GATE32;
  if (!isCallGate && system !== SYSTEM_TYPE.TASK_GATE && !descriptor.isTaskState) {
    throw fail('neither a code segment, a call gate, a task gate nor a TSS');
  }
  if (descriptor.dpl < cpu.state.cpl) throw fail('DPL of the gate or TSS less than CPL');
  if (descriptor.dpl < (selector & 3)) throw fail('DPL of the gate or TSS less than RPL');
  if (descriptor.isTaskState) {
    if (!descriptor.isAvailableTaskState) throw fail('the TSS is busy');
    checkPresent(selector, descriptor, manual);
    return switchTask(cpu, { selector, descriptor, source: kind, ext: 0, returnIp: cpu.state.nextIp });
  }
  checkPresent(selector, descriptor, manual);
  if (isCallGate) return transferThroughCallGate(cpu, kind, descriptor);
  const task = findTaskThroughGate(cpu, descriptor.gateSelector, 0);
  switchTask(cpu, { ...task, source: kind, ext: 0, returnIp: cpu.state.nextIp });
}

function transferToCode(cpu: Cpu, kind: Transfer, target: Target, descriptor: Descriptor): void {
  const { state } = cpu;
  const { selector, offset, operandSize } = target;
  const manual = MANUAL[kind];
  const fail = (check: string) => descriptorFault(check, manual, { cpu, selector, descriptor });
  if (descriptor.isConformingCode) {
    if (descriptor.dpl > state.cpl) throw fail('DPL of the conforming code segment greater than CPL');
  } else {
    if ((selector & 3) > state.cpl) throw fail('RPL greater than CPL');
    if (descriptor.dpl !== state.cpl) throw fail('DPL of the code segment differs from CPL');
  }
  checkPresent(selector, descriptor, manual);
  const stack = kind === 'call' ? pushReturnAddress(cpu, operandSize) : undefined;
  checkInstructionPointer(offset, descriptor.limit, manual);
  enterCode(cpu, { selector, descriptor, offset, stack });
}

/** The end of a transfer at the same privilege level: nothing can fault after the accessed bit is set. */
function enterCode(
  cpu: Cpu,
  target: { selector: number; descriptor: Descriptor; offset: number; stack: PendingStack | undefined },
): void {
  const descriptor = markAccessed(cpu, target.descriptor);
  target.stack?.commit();
  target.stack?.storePointer();
  loadCodeSegment(cpu, target.selector, descriptor, cpu.state.cpl);
  cpu.state.nextIp = target.offset;
}

function transferThroughCallGate(cpu: Cpu, kind: Transfer, gate: Descriptor): void {
  const { state } = cpu;
  const manual = 'SDM Vol. 3A, "Accessing a Code Segment Through a Call Gate"';
  const selector = gate.gateSelector;
  if (isNullSelector(selector)) {
    throw raise.GP(0, { check: 'null code segment selector in the call gate', manual, on: { selector } });
  }
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) throw raise.GP(selectorError(selector), beyondTable(cpu, selector));
  const fail = (check: string) => descriptorFault(check, manual, { cpu, selector, descriptor });
  if (!descriptor.isCode) throw fail('the call gate does not lead to a code segment');
  if (descriptor.dpl > state.cpl) throw fail('DPL of the code segment greater than CPL');
  if (kind === 'jump' && !descriptor.isConformingCode && descriptor.dpl !== state.cpl) {
    throw fail('JMP through a call gate to a code segment whose DPL differs from CPL');
  }
  checkPresent(selector, descriptor, manual);
  if (kind === 'call' && !descriptor.isConformingCode && descriptor.dpl < state.cpl) {
    return callInner(cpu, { gate, selector, descriptor, manual });
  }
  const stack = kind === 'call' ? pushReturnAddress(cpu, gate.gateSize) : undefined;
  checkInstructionPointer(gate.gateOffset, descriptor.limit, manual);
  enterCode(cpu, { selector, descriptor, offset: gate.gateOffset, stack });
}

/** CALL through a gate to a more privileged level: a new stack, onto which the parameters are copied. */
function callInner(
  cpu: Cpu,
  call: { gate: Descriptor; selector: number; descriptor: Descriptor; manual: string },
): void {
  const { state, mmu } = cpu;
  const { gate, selector, descriptor } = call;
  const size = gate.gateSize === 16 ? 2 : 4;
  const inner = findInnerStack(cpu, descriptor.dpl, 0);
  const stack = PendingStack.inner(cpu, inner, 0);
  const [oldSs, oldEsp, mask] = [state.segments[SS].selector, state.reg32(GPR.rSP), stackMask(state)];
  stack.push(oldSs, size);
  stack.push(oldEsp, size);
  for (let i = gate.parameterCount - 1; i >= 0; i--) {
    stack.push(mmu.readSegment(SS, ((oldEsp + i * size) & mask) >>> 0, size), size);
  }
  stack.push(state.segments[CS].selector, size);
  stack.push(state.nextIp, size);
  checkInstructionPointer(gate.gateOffset, descriptor.limit, call.manual);
  const code = markAccessed(cpu, descriptor);
  stack.commit();
  loadInnerStack(cpu, inner);
  loadCodeSegment(cpu, selector, code, descriptor.dpl);
  stack.storePointer();
  state.nextIp = gate.gateOffset;
}
