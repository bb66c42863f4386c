/**
 * Loading segment registers, LDTR and TR, and asking about selectors (LAR, LSL, VERR, VERW).
 * SDM Vol. 3A, "Loading Segment Registers" and "Privilege Level Checking When Accessing Data Segments".
 */
import type { Cpu } from './cpu.ts';
import {
  type Descriptor,
  isNullSelector,
  markAccessed,
  markBusy,
  readDescriptor,
  SYSTEM_TYPE,
  selectorError,
} from './descriptor.ts';
import type { Cause } from './fault.ts';
import { raise } from './fault.ts';
import { isLongMode, isRealMode, isVirtual8086 } from './processor-mode.ts';
import {
  CS,
  clearLdtr,
  FS,
  GS,
  loadNullSegment,
  loadRealModeSegment,
  loadSegmentCache,
  loadVirtual8086Segment,
  SS,
  segmentName,
} from './segmentation.ts';
import { LDTR, TR } from './state-layout.ts';

const MOV = 'SDM Vol. 2B, "MOV—Move"';

/** What a cause says about a selector and the descriptor it names. */
export const about = (selector: number, descriptor?: Descriptor): NonNullable<Cause['on']> =>
  descriptor === undefined
    ? { selector }
    : { selector, dpl: descriptor.dpl, type: descriptor.type, low: descriptor.low, high: descriptor.high };

/** MOV and POP. SDM Vol. 3A, "Masking Exceptions and Interrupts When Switching Stacks"; LSS needs no masking, and has none. */
export function moveToSegment(cpu: Cpu, segment: number, selector: number): void {
  loadSegment(cpu, segment, selector);
  if (segment === SS) cpu.shadow('all');
}

/** L*S, and what they have in common with MOV and POP: to ES, SS, DS, FS or GS. */
export function loadSegment(cpu: Cpu, segment: number, selector: number): void {
  const { state } = cpu;
  if (segment === CS || segment > GS) {
    throw raise.UD({ check: 'CS cannot be loaded, and there are six segment registers', manual: MOV, on: { segment } });
  }
  const cache = state.segments[segment];
  const { base, limit, access } = cache;
  if (isRealMode(state)) loadRealModeSegment(state, segment, selector);
  else if (isVirtual8086(state)) loadVirtual8086Segment(state, segment, selector);
  else if (segment === SS) loadStackSegment(cpu, selector);
  else loadDataSegment(cpu, segment, selector);
  // FS and GS are no part of the mode, and systems reload DS and ES with what they hold at every entry.
  const same = cache.base === base && cache.limit === limit && cache.access === access;
  if (segment === SS || (segment < FS && !same)) cpu.modeChanged();
}

function loadStackSegment(cpu: Cpu, selector: number): void {
  const { state } = cpu;
  const cache = state.segments[SS];
  if (isNullSelector(selector)) {
    if (isLongMode(state) && state.cpl !== 3 && (selector & 3) === state.cpl) return loadNullSegment(cache, selector);
    throw raise.GP(0, { check: 'null selector loaded into SS', manual: MOV, on: { selector } });
  }
  const descriptor = descriptorForLoad(cpu, selector);
  const fail = (check: string) =>
    raise.GP(selectorError(selector), { check, manual: MOV, on: { ...about(selector, descriptor), cpl: state.cpl } });
  if ((selector & 3) !== state.cpl) throw fail('RPL of the stack selector differs from CPL');
  if (!descriptor.isWritableData) throw fail('the stack segment is not writable data');
  if (descriptor.dpl !== state.cpl) throw fail('DPL of the stack segment differs from CPL');
  if (!descriptor.present) {
    throw raise.SS(selectorError(selector), {
      check: 'stack segment not present',
      manual: MOV,
      on: about(selector, descriptor),
    });
  }
  loadSegmentCache(cache, selector, markAccessed(cpu, descriptor));
}

function loadDataSegment(cpu: Cpu, segment: number, selector: number): void {
  const { state } = cpu;
  const cache = state.segments[segment];
  if (isNullSelector(selector)) return loadNullSegment(cache, selector);
  const descriptor = descriptorForLoad(cpu, selector);
  const on = () => ({ register: segmentName(segment), ...about(selector, descriptor), cpl: state.cpl });
  const fail = (check: string) => raise.GP(selectorError(selector), { check, manual: MOV, on: on() });
  if (!descriptor.isReadable) throw fail('neither a data segment nor a readable code segment');
  if (!descriptor.isConformingCode && Math.max(selector & 3, state.cpl) > descriptor.dpl) {
    throw fail('RPL or CPL greater than the DPL of the segment');
  }
  if (!descriptor.present) {
    throw raise.NP(selectorError(selector), { check: 'segment not present', manual: MOV, on: on() });
  }
  loadSegmentCache(cache, selector, markAccessed(cpu, descriptor));
}

/** @throws GuestFault #GP(selector) when the selector lies beyond its table */
export function descriptorForLoad(cpu: Cpu, selector: number, ext: 0 | 1 = 0): Descriptor {
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) throw raise.GP(selectorError(selector, ext), beyondTable(cpu, selector));
  return descriptor;
}

export const beyondTable = (cpu: Cpu, selector: number): Cause => ({
  check: `selector index beyond the limit of the ${selector & 4 ? 'LDT' : 'GDT'}`,
  manual: 'SDM Vol. 3A, "Segment Selectors"',
  on: { selector, limit: selector & 4 ? cpu.state.segments[LDTR].limit : cpu.state.gdtrLimit },
});

/** LLDT. */
export function loadLdtr(cpu: Cpu, selector: number): void {
  const manual = 'SDM Vol. 2A, "LLDT—Load Local Descriptor Table Register"';
  if (isNullSelector(selector)) return clearLdtr(cpu.state, selector);
  const descriptor = globalDescriptor(cpu, selector, manual);
  if (!descriptor.isSystemType(SYSTEM_TYPE.LDT)) {
    throw raise.GP(selectorError(selector), {
      check: 'not an LDT descriptor',
      manual,
      on: about(selector, descriptor),
    });
  }
  if (!descriptor.present) {
    throw raise.NP(selectorError(selector), { check: 'LDT not present', manual, on: about(selector, descriptor) });
  }
  loadSegmentCache(cpu.state.segments[LDTR], selector, descriptor);
}

/** LTR. The TSS becomes busy; no task switch takes place. */
export function loadTaskRegister(cpu: Cpu, selector: number): void {
  const manual = 'SDM Vol. 2A, "LTR—Load Task Register"';
  if (isNullSelector(selector)) throw raise.GP(0, { check: 'null selector loaded into TR', manual, on: { selector } });
  const descriptor = globalDescriptor(cpu, selector, manual);
  if (!descriptor.isAvailableTaskState) {
    throw raise.GP(selectorError(selector), { check: 'not an available TSS', manual, on: about(selector, descriptor) });
  }
  if (!descriptor.present) {
    throw raise.NP(selectorError(selector), { check: 'TSS not present', manual, on: about(selector, descriptor) });
  }
  loadSegmentCache(cpu.state.segments[TR], selector, markBusy(cpu, descriptor, true));
}

function globalDescriptor(cpu: Cpu, selector: number, manual: string): Descriptor {
  if (selector & 4) {
    throw raise.GP(selectorError(selector), { check: 'selector does not name the GDT', manual, on: { selector } });
  }
  return descriptorForLoad(cpu, selector);
}

const LAR_TYPES: readonly number[] = [
  SYSTEM_TYPE.TSS16_AVAILABLE,
  SYSTEM_TYPE.LDT,
  SYSTEM_TYPE.TSS16_BUSY,
  SYSTEM_TYPE.CALL_GATE16,
  SYSTEM_TYPE.TASK_GATE,
  SYSTEM_TYPE.TSS32_AVAILABLE,
  SYSTEM_TYPE.TSS32_BUSY,
  SYSTEM_TYPE.CALL_GATE32,
];
const LSL_TYPES: readonly number[] = LAR_TYPES.filter(
  (type) => type !== SYSTEM_TYPE.CALL_GATE16 && type !== SYSTEM_TYPE.CALL_GATE32 && type !== SYSTEM_TYPE.TASK_GATE,
);

/** The descriptor, if it exists and is visible at CPL and RPL: what LAR, LSL, VERR and VERW ask first. */
function visibleDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNullSelector(selector)) return undefined;
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined || descriptor.isConformingCode) return descriptor;
  return Math.max(cpu.state.cpl, selector & 3) > descriptor.dpl ? undefined : descriptor;
}

/** LAR → ZF, access rights. Bits 16 to 19 are undefined in the manual; real CPUs give the limit's upper bits. */
export function loadAccessRights(cpu: Cpu, selector: number): readonly [number, number] {
  const descriptor = visibleDescriptor(cpu, selector);
  if (descriptor === undefined || (descriptor.isSystem && !LAR_TYPES.includes(descriptor.type))) return [0, 0];
  return [1, descriptor.high & 0x00ff_ff00];
}

/** LSL → ZF, limit in bytes. */
export function loadSegmentLimit(cpu: Cpu, selector: number): readonly [number, number] {
  const descriptor = visibleDescriptor(cpu, selector);
  if (descriptor === undefined || (descriptor.isSystem && !LSL_TYPES.includes(descriptor.type))) return [0, 0];
  return [1, descriptor.limit];
}

/** VERR → ZF. */
export const verifyRead = (cpu: Cpu, selector: number): number =>
  Number(visibleDescriptor(cpu, selector)?.isReadable ?? false);

/** VERW → ZF. */
export const verifyWrite = (cpu: Cpu, selector: number): number =>
  Number(visibleDescriptor(cpu, selector)?.isWritableData ?? false);
