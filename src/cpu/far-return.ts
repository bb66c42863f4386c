/**
 * Far RET, and what it shares with IRET: the checks on the code segment returned to, the outer stack, and the data
 * segments that the outer level may not keep. SDM Vol. 2B, "RET—Return From Procedure".
 */
import { checkInstructionPointer, checkPresent, descriptorFault, loadCodeSegment } from './code-segment.ts';
import type { Cpu } from './cpu.ts';
import { ACCESS, type Descriptor, isNullSelector, markAccessed, selectorError } from './descriptor.ts';
import { raise } from './fault.ts';
import { StackReader, setStackPointer } from './pending-stack.ts';
import { isVirtual8086, usesDescriptors } from './processor-mode.ts';
import { about, descriptorForLoad } from './segment-load.ts';
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  loadNullSegment,
  loadRealModeSegment,
  loadSegmentCache,
  loadVirtual8086Segment,
  SS,
} from './segmentation.ts';
import { NULL_SEGMENT } from './state-layout.ts';

const MANUAL = 'SDM Vol. 2B, "RET—Return From Procedure"';

/** RETF, releasing `bytes` of parameters (of both stacks, when it returns to an outer level). */
export function farReturn(cpu: Cpu, bytes: number, operandSize: number): void {
  const { state } = cpu;
  const stack = new StackReader(cpu, operandSize);
  stack.require(2);
  const offset = stack.pop();
  const selector = stack.pop() & 0xffff;
  if (!usesDescriptors(state)) {
    checkInstructionPointer(offset, state.segments[CS].limit, MANUAL);
    stack.release(bytes);
    setStackPointer(cpu, stack.pointer);
    loadPlainCodeSegment(cpu, selector);
    state.nextIp = offset;
    cpu.modeChanged();
    return;
  }
  const target = checkReturn(cpu, selector, MANUAL);
  stack.release(bytes);
  if ((selector & 3) === state.cpl) {
    checkInstructionPointer(offset, target.limit, MANUAL);
    const code = markAccessed(cpu, target);
    setStackPointer(cpu, stack.pointer);
    loadCodeSegment(cpu, selector, code, state.cpl);
    state.nextIp = offset;
  } else {
    stack.require(2);
    const pointer = stack.pop();
    const outer = {
      selector,
      target,
      offset,
      stackSelector: stack.pop() & 0xffff,
      pointer: pointer + bytes,
      manual: MANUAL,
      absentStack: 'SS',
    } as const;
    returnToOuterLevel(cpu, outer);
  }
  cpu.modeChanged();
}

/** CS in real-address or virtual-8086 mode. */
export function loadPlainCodeSegment(cpu: Cpu, selector: number): void {
  if (isVirtual8086(cpu.state)) loadVirtual8086Segment(cpu.state, CS, selector);
  else loadRealModeSegment(cpu.state, CS, selector);
}

/** The code segment that a return leads to, checked. */
export function checkReturn(cpu: Cpu, selector: number, manual: string): Descriptor {
  const { cpl } = cpu.state;
  if (isNullSelector(selector))
    throw raise.GP(0, { check: 'return to a null code segment selector', manual, on: { selector } });
  const descriptor = descriptorForLoad(cpu, selector);
  const fail = (check: string) => descriptorFault(check, manual, { cpu, selector, descriptor });
  const rpl = selector & 3;
  if (!descriptor.isCode) throw fail('return to a segment that is not code');
  if (rpl < cpl) throw fail('return to a more privileged level (RPL less than CPL)');
  if (descriptor.isConformingCode) {
    if (descriptor.dpl > rpl) throw fail('DPL of the conforming code segment greater than RPL');
  } else if (descriptor.dpl !== rpl) throw fail('DPL of the code segment differs from RPL');
  checkPresent(selector, descriptor, manual);
  return descriptor;
}

export interface OuterReturn {
  readonly selector: number;
  readonly target: Descriptor;
  readonly offset: number;
  readonly stackSelector: number;
  /** ESP of the outer level. */
  readonly pointer: number;
  readonly manual: string;
  /** What is raised when the stack segment is not present: #SS by RET, #NP by IRET. */
  readonly absentStack: 'SS' | 'NP';
}

/** Return to a less privileged level. `beforeLoad` runs when nothing can fault any more, at the old CPL. */
export function returnToOuterLevel(cpu: Cpu, to: OuterReturn, beforeLoad?: () => void): void {
  const { state } = cpu;
  const { selector, manual } = to;
  const level = selector & 3;
  const stack = checkOuterStack(cpu, to, level);
  checkInstructionPointer(to.offset, to.target.limit, manual);
  const outerStack = markAccessed(cpu, stack);
  const code = markAccessed(cpu, to.target);
  beforeLoad?.();
  loadCodeSegment(cpu, selector, code, level);
  loadSegmentCache(state.segments[SS], to.stackSelector, outerStack);
  // On a 16-bit stack SP alone is written: the upper half of ESP stays what the inner level had, as on real CPUs.
  setStackPointer(cpu, to.pointer);
  dropInnerDataSegments(cpu);
  state.nextIp = to.offset;
}

function checkOuterStack(cpu: Cpu, to: OuterReturn, level: number): Descriptor {
  const { stackSelector: selector, manual } = to;
  if (isNullSelector(selector))
    throw raise.GP(0, { check: 'return to a null stack selector', manual, on: { selector } });
  const descriptor = descriptorForLoad(cpu, selector);
  const fail = (check: string) => descriptorFault(check, manual, { cpu, selector, descriptor });
  if ((selector & 3) !== level) throw fail('RPL of the stack selector differs from the RPL of the code segment');
  if (!descriptor.isWritableData) throw fail('the outer stack segment is not writable data');
  if (descriptor.dpl !== level) throw fail('DPL of the stack segment differs from the RPL of the code segment');
  if (!descriptor.present) {
    throw raise[to.absentStack](selectorError(selector), {
      check: 'outer stack segment not present',
      manual,
      on: about(selector, descriptor),
    });
  }
  return descriptor;
}

/** Data segments (and nonconforming code) that the new CPL may not use become null. */
function dropInnerDataSegments(cpu: Cpu): void {
  const { state } = cpu;
  for (const segment of [ES, FS, GS, DS]) {
    const cache = state.segments[segment];
    const { access } = cache;
    if (access & NULL_SEGMENT) continue;
    const conformingCode = ACCESS.CODE | ACCESS.CONFORMING;
    if ((access & conformingCode) === conformingCode) continue;
    if (((access >>> 13) & 3) < state.cpl) loadNullSegment(cache, 0);
  }
}
