/**
 * Interrupts and exceptions, delivered through the interrupt vector table or the IDT. SDM Vol. 2A, "INT n/INTO/INT3/
 * INT1—Call to Interrupt Procedure" (its operation section is followed step by step); Vol. 3A, "Interrupt and Exception
 * Handling".
 *
 * `enterHandler` makes one attempt and throws what goes wrong, with the state as it was. `deliverInterrupt` and
 * `raiseException` say what follows from that, by the rules for double faults.
 *
 * Not modelled: virtual-8086 mode extensions and protected-mode virtual interrupts (no CPU model advertises VME);
 * interrupts in IA-32e mode.
 */

import { GPR } from '../isa/semantics.ts';
import { checkInstructionPointer, checkPresent, descriptorFault, loadCodeSegment } from './code-segment.ts';
import type { Cpu } from './cpu.ts';
import {
  type Descriptor,
  isNullSelector,
  markAccessed,
  readDescriptor,
  readDescriptorAt,
  SYSTEM_TYPE,
  selectorError,
} from './descriptor.ts';
import { GuestFault, raise, VECTOR } from './fault.ts';
import { EFLAGS, readEflags } from './flags.ts';
import { findInnerStack, type InnerStack, loadInnerStack, PendingStack } from './pending-stack.ts';
import { ioPrivilegeLevel, isIa32e, isRealMode, isVirtual8086 } from './processor-mode.ts';
import { DR7 } from './register-bits.ts';
import { beyondTable } from './segment-load.ts';
import { CS, DS, ES, FS, GS, loadNullSegment, loadRealModeSegment, SS } from './segmentation.ts';
import { findTaskThroughGate, switchTask } from './task-switch.ts';

const MANUAL = 'SDM Vol. 2A, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure"';

export interface InterruptEvent {
  readonly vector: number;
  /** 'software': INT n, INT3, INTO (gate privilege is checked, EXT is 0). 'icebp': INT1. */
  readonly kind: 'external' | 'nmi' | 'exception' | 'software' | 'icebp';
  readonly errorCode?: number | undefined;
  /** Push RF = 1: a fault, or an interrupt in the middle of a repeated string instruction. */
  readonly resume?: boolean;
}

/**
 * What one attempt at a delivery comes to: the handler is entered; or another exception, met on the way and to be
 * delivered next, at the same instruction boundary; or a shutdown after a triple fault.
 *
 * One attempt at a time, because a guest can make a chain of them endless: an #AC on the push of an #AC, and again.
 * Hardware makes no progress there either; whoever calls must be able to stop in between.
 */
export type Delivery = 'delivered' | 'shutdown' | GuestFault;

/**
 * Delivers an interrupt between instructions: it returns to `state.ip`. Wakes from HLT. Once delivered, `state.ip` is
 * the handler's first instruction.
 */
export function deliverInterrupt(cpu: Cpu, event: InterruptEvent): Delivery {
  const { state } = cpu;
  state.halted = 0;
  if (event.kind === 'nmi') state.nmiBlocked = 1;
  const resume = event.resume === true || state.suspended !== 0;
  state.suspended = 0;
  const { vector, kind, errorCode } = event;
  // An interrupt is a benign event: what its delivery raises is handled in its own right.
  return attempt(cpu, { vector, kind, errorCode, resume }) ?? 'delivered';
}

/**
 * Delivers an exception. A fault returns to `state.ip`, a trap to `state.nextIp`. What the delivery raises in turn is to
 * be delivered as well, or becomes a double fault, or a shutdown. SDM Vol. 3A, "Conditions for Generating a Double Fault".
 */
export function raiseException(cpu: Cpu, fault: GuestFault): Delivery {
  const { state } = cpu;
  const interrupted = state.suspended !== 0;
  state.suspended = 0;
  state.halted = 0;
  if (fault.kind === 'trap') state.ip = state.nextIp;
  recordAddress(cpu, fault);
  cpu.lastFault = fault;
  const { vector, errorCode } = fault;
  const resume = fault.kind === 'fault' ? vector !== VECTOR.DB : interrupted;
  const nested = attempt(cpu, { vector, kind: 'exception', errorCode, resume });
  if (nested === undefined) {
    // The processor clears GD on entry to the debug handler. SDM Vol. 3B, "Debug Control Register (DR7)".
    if (vector === VECTOR.DB) state.dr7 = state.dr7 & ~DR7.GD;
    return 'delivered';
  }
  const next = combineFaults(fault, nested);
  if (next === 'shutdown') cpu.lastFault = nested;
  return next;
}

/** A page fault loads CR2 when it is met, whatever becomes of it. */
function recordAddress(cpu: Cpu, fault: GuestFault): void {
  if (fault.vector === VECTOR.PF) cpu.state.cr2 = fault.address ?? 0;
}

/** One attempt between instructions; the fault that it meets, if any. */
function attempt(cpu: Cpu, event: InterruptEvent): GuestFault | undefined {
  const { state } = cpu;
  try {
    if (!cpu.enterPlainHandler?.(event)) enterHandler(cpu, event, state.ip);
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
    recordAddress(cpu, error);
    return error;
  }
  state.ip = state.nextIp;
  return undefined;
}

const CONTRIBUTORY: readonly number[] = [VECTOR.DE, VECTOR.TS, VECTOR.NP, VECTOR.SS, VECTOR.GP];

/** What follows when `second` is raised while `first` is being delivered. */
export function combineFaults(first: GuestFault, second: GuestFault): GuestFault | 'shutdown' {
  const secondContributes = CONTRIBUTORY.includes(second.vector);
  const secondIsSerious = secondContributes || second.vector === VECTOR.PF;
  if (first.vector === VECTOR.DF) return secondIsSerious ? 'shutdown' : second;
  const doubles =
    (CONTRIBUTORY.includes(first.vector) && secondContributes) || (first.vector === VECTOR.PF && secondIsSerious);
  if (!doubles) return second;
  return new GuestFault({
    vector: VECTOR.DF,
    errorCode: 0,
    cause: {
      check: `${describe(second)} while vector ${first.vector} was being delivered`,
      manual: 'SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)"',
      on: { first: first.cause.check, second: second.cause.check },
    },
  });
}

const describe = (fault: GuestFault): string => `vector ${fault.vector}`;

/**
 * Transfers control to the handler of `event`; `returnIp` is the offset it returns to.
 * @throws GuestFault with the state unchanged (but for a task switch: then in the new task)
 */
export function enterHandler(cpu: Cpu, event: InterruptEvent, returnIp: number): void {
  const { state } = cpu;
  if (isRealMode(state)) enterRealModeHandler(cpu, event, returnIp);
  else enterThroughIdt(cpu, event, returnIp);
  cpu.handlerEntered?.();
  cpu.modeChanged();
}

/** SDM Vol. 3B, "Interrupt and Exception Handling" of real-address mode: four bytes a vector. */
function enterRealModeHandler(cpu: Cpu, { vector }: InterruptEvent, returnIp: number): void {
  const { state, mmu } = cpu;
  if (vector * 4 + 3 > state.idtrLimit) {
    throw raise.GP(0, {
      check: 'vector beyond the limit of the interrupt vector table',
      manual: MANUAL,
      on: { vector, limit: state.idtrLimit },
    });
  }
  const entry = mmu.read((state.idtrBase + vector * 4) >>> 0, 4, 'supervisor');
  const stack = PendingStack.current(cpu);
  stack.push(readEflags(state), 2);
  stack.push(state.segments[CS].selector, 2);
  stack.push(returnIp, 2);
  checkInstructionPointer(entry & 0xffff, state.segments[CS].limit, MANUAL);
  stack.commit();
  stack.storePointer();
  state.flagsOther &= ~(EFLAGS.IF | EFLAGS.TF | EFLAGS.AC | EFLAGS.RF);
  loadRealModeSegment(state, CS, entry >>> 16);
  state.nextIp = entry & 0xffff;
}

function enterThroughIdt(cpu: Cpu, event: InterruptEvent, returnIp: number): void {
  const { state } = cpu;
  const { vector, kind } = event;
  const ext = kind === 'software' ? 0 : 1;
  if (isIa32e(state)) {
    throw raise.UD({ check: 'interrupts are not modelled yet in IA-32e mode', manual: MANUAL, on: { vector } });
  }
  const idtError = (vector << 3) | 2;
  if (vector * 8 + 7 > state.idtrLimit) {
    throw raise.GP(idtError | ext, {
      check: 'vector beyond the limit of the IDT',
      manual: MANUAL,
      on: { vector, limit: state.idtrLimit },
    });
  }
  const gate = readDescriptorAt(cpu, state.idtrBase + vector * 8);
  const on = () => ({ vector, type: gate.type, dpl: gate.dpl, low: gate.low, high: gate.high, cpl: state.cpl });
  if (!gate.isSystem || !GATES.includes(gate.type)) {
    throw raise.GP(idtError | ext, { check: 'not an interrupt, trap or task gate', manual: MANUAL, on: on() });
  }
  if (kind === 'software' && gate.dpl < state.cpl) {
    throw raise.GP(idtError, { check: 'DPL of the gate less than CPL', manual: MANUAL, on: on() });
  }
  if (!gate.present) throw raise.NP(idtError | ext, { check: 'gate not present', manual: MANUAL, on: on() });
  const entry = { event, returnIp, ext } as const;
  if (gate.type === SYSTEM_TYPE.TASK_GATE) enterTask(cpu, gate, entry);
  else enterThroughGate(cpu, gate, entry);
}

const GATES: readonly number[] = [
  SYSTEM_TYPE.TASK_GATE,
  SYSTEM_TYPE.INTERRUPT_GATE16,
  SYSTEM_TYPE.TRAP_GATE16,
  SYSTEM_TYPE.INTERRUPT_GATE32,
  SYSTEM_TYPE.TRAP_GATE32,
];

interface Entry {
  readonly event: InterruptEvent;
  readonly returnIp: number;
  readonly ext: 0 | 1;
}

/** EFLAGS as pushed or saved. SDM Vol. 3B, "Instruction-Breakpoint Exception Condition": RF. */
const flagsImage = (cpu: Cpu, event: InterruptEvent): number => readEflags(cpu.state) | (event.resume ? EFLAGS.RF : 0);

function enterTask(cpu: Cpu, gate: Descriptor, { event, returnIp, ext }: Entry): void {
  const task = findTaskThroughGate(cpu, gate.gateSelector, ext);
  switchTask(cpu, {
    ...task,
    source: 'interrupt',
    ext,
    returnIp,
    flags: flagsImage(cpu, event),
    ...(event.errorCode !== undefined && { errorCode: event.errorCode }),
  });
}

function enterThroughGate(cpu: Cpu, gate: Descriptor, entry: Entry): void {
  const { state } = cpu;
  const { ext } = entry;
  const selector = gate.gateSelector;
  if (isNullSelector(selector)) {
    throw raise.GP(ext, { check: 'null code segment selector in the gate', manual: MANUAL, on: { selector } });
  }
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) throw raise.GP(selectorError(selector, ext), beyondTable(cpu, selector));
  const fail = (check: string) => descriptorFault(check, MANUAL, { cpu, selector, descriptor, ext });
  if (!descriptor.isCode) throw fail('the gate does not lead to a code segment');
  if (descriptor.dpl > state.cpl) throw fail('DPL of the code segment greater than CPL');
  checkPresent(selector, descriptor, MANUAL, ext);
  const inner = !descriptor.isConformingCode && descriptor.dpl < state.cpl;
  if (isVirtual8086(state) && (!inner || descriptor.dpl !== 0)) {
    throw fail('the handler of an interrupt from virtual-8086 mode does not run at privilege level 0');
  }
  const stack = inner ? findInnerStack(cpu, descriptor.dpl, ext) : undefined;
  // Spelled out: this runs for every interrupt, and spreading an object is slow.
  const { event, returnIp } = entry;
  pushAndEnter(cpu, { event, returnIp, ext, gate, selector, descriptor, stack });
}

interface GateEntry extends Entry {
  readonly gate: Descriptor;
  readonly selector: number;
  readonly descriptor: Descriptor;
  /** The stack of a more privileged level. */
  readonly stack: InnerStack | undefined;
}

function pushAndEnter(cpu: Cpu, entry: GateEntry): void {
  const { state } = cpu;
  const { gate, ext, event } = entry;
  const size = gate.gateSize === 32 ? 4 : 2;
  const fromVirtual8086 = isVirtual8086(state);
  const stack = entry.stack ? PendingStack.inner(cpu, entry.stack, ext) : PendingStack.current(cpu, ext);
  if (fromVirtual8086) for (const data of [GS, FS, DS, ES]) stack.push(state.segments[data].selector, size);
  if (entry.stack) {
    stack.push(state.segments[SS].selector, size);
    stack.push(state.reg32(GPR.rSP), size);
  }
  stack.push(flagsImage(cpu, event), size);
  stack.push(state.segments[CS].selector, size);
  stack.push(entry.returnIp, size);
  if (event.errorCode !== undefined) stack.push(event.errorCode, size);
  checkInstructionPointer(gate.gateOffset, entry.descriptor.limit, MANUAL, ext);
  const code = markAccessed(cpu, entry.descriptor);
  stack.commit();

  if (entry.stack) loadInnerStack(cpu, entry.stack);
  stack.storePointer();
  if (fromVirtual8086) for (const data of [GS, FS, DS, ES]) loadNullSegment(state.segments[data], 0);
  loadCodeSegment(cpu, entry.selector, code, entry.stack ? entry.descriptor.dpl : state.cpl);
  state.flagsOther &= ~(EFLAGS.TF | EFLAGS.VM | EFLAGS.RF | EFLAGS.NT);
  if (gate.type === SYSTEM_TYPE.INTERRUPT_GATE16 || gate.type === SYSTEM_TYPE.INTERRUPT_GATE32) {
    state.flagsOther &= ~EFLAGS.IF;
  }
  state.nextIp = gate.gateOffset;
}

/** INT n. In virtual-8086 mode it needs IOPL 3. */
export function softwareInterrupt(cpu: Cpu, vector: number): void {
  const { state } = cpu;
  if (isVirtual8086(state) && ioPrivilegeLevel(state) < 3) {
    throw raise.GP(0, {
      check: 'INT n in virtual-8086 mode with IOPL < 3',
      manual: MANUAL,
      on: { vector, iopl: ioPrivilegeLevel(state) },
    });
  }
  enterHandler(cpu, { vector, kind: 'software' }, state.nextIp);
}

/** INT3: not IOPL-sensitive. */
export const breakpoint = (cpu: Cpu): void =>
  enterHandler(cpu, { vector: VECTOR.BP, kind: 'software' }, cpu.state.nextIp);

/** INTO with OF = 1. */
export const overflowTrap = (cpu: Cpu): void =>
  enterHandler(cpu, { vector: VECTOR.OF, kind: 'software' }, cpu.state.nextIp);

/** INT1: a debug trap that no gate privilege stops, and that counts as external. */
export function debugTrap(cpu: Cpu): void {
  enterHandler(cpu, { vector: VECTOR.DB, kind: 'icebp' }, cpu.state.nextIp);
  cpu.state.dr7 = cpu.state.dr7 & ~DR7.GD;
}
