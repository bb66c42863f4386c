/**
 * Hardware task switches. SDM Vol. 3A, "Task Switching".
 *
 * Until the new state is loaded every check throws with nothing changed; from then on a fault belongs to the new task:
 * `state.ip` is already its instruction pointer.
 */
import { checkInstructionPointer } from './code-segment.ts';
import { writeCr3 } from './control-registers.ts';
import type { Cpu } from './cpu.ts';
import { recordDebug } from './debug-registers.ts';
import {
  type Descriptor,
  isNullSelector,
  markAccessed,
  markBusy,
  readDescriptor,
  readDescriptorAt,
  SYSTEM_TYPE,
  selectorError,
} from './descriptor.ts';
import { type Cause, GuestFault, raise, VECTOR } from './fault.ts';
import { EFLAGS, readEflags, writeEflags } from './flags.ts';
import { PendingStack } from './pending-stack.ts';
import { CR0, DR6 } from './register-bits.ts';
import { about, beyondTable } from './segment-load.ts';
import {
  CS,
  clearLdtr,
  DS,
  ES,
  FS,
  GS,
  loadSegmentCache,
  loadVirtual8086Segment,
  refreshSegmentBounds,
  SS,
  segmentName,
} from './segmentation.ts';
import { LDTR, NULL_SEGMENT, TR } from './state-layout.ts';

const MANUAL = 'SDM Vol. 3A, "Task Switching"';

/** Offsets in a TSS. SDM Vol. 3A, "Task-State Segment (TSS)" and "16-Bit Task-State Segment (TSS)". */
interface TssLayout {
  readonly size: 2 | 4;
  readonly eip: number;
  readonly eflags: number;
  /** EAX; the other registers follow in their order. */
  readonly registers: number;
  /** ES; CS, SS, DS (and FS, GS) follow. */
  readonly segments: number;
  readonly segmentCount: 4 | 6;
  readonly ldt: number;
  /** Smallest limit. */
  readonly limit: number;
}
const TSS32: TssLayout = {
  size: 4,
  eip: 32,
  eflags: 36,
  registers: 40,
  segments: 72,
  segmentCount: 6,
  ldt: 96,
  limit: 0x67,
};
const TSS16: TssLayout = {
  size: 2,
  eip: 14,
  eflags: 16,
  registers: 18,
  segments: 34,
  segmentCount: 4,
  ldt: 42,
  limit: 0x2b,
};
const TSS32_CR3 = 28;
const TSS32_TRAP = 100;
/** L0 to L3 and LE: local to a task. */
const DR7_LOCAL = 0b1_0101_0101;
/** Flags that exist. */
const EFLAGS_DEFINED = 0x003f_7fd5;

const layoutOf = (access: number): TssLayout => (access & (1 << 11) ? TSS32 : TSS16);

export interface TaskSwitch {
  readonly selector: number;
  readonly descriptor: Descriptor;
  readonly source: 'jump' | 'call' | 'interrupt' | 'return';
  readonly ext: 0 | 1;
  /** Saved in the old TSS. */
  readonly returnIp: number;
  /** EFLAGS to save, where they differ from the current ones. */
  readonly flags?: number;
  /** Pushed onto the new task's stack: an exception with an error code came through a task gate. */
  readonly errorCode?: number;
}

/** The available TSS that a task gate leads to. */
export function findTaskThroughGate(
  cpu: Cpu,
  selector: number,
  ext: 0 | 1,
): { selector: number; descriptor: Descriptor } {
  const error = selectorError(selector, ext);
  if (selector & 4)
    throw raise.GP(error, { check: 'TSS selector does not name the GDT', manual: MANUAL, on: { selector } });
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) throw raise.GP(error, beyondTable(cpu, selector));
  if (!descriptor.isAvailableTaskState) {
    throw raise.GP(error, {
      check: 'the task gate does not lead to an available TSS',
      manual: MANUAL,
      on: about(selector, descriptor),
    });
  }
  if (!descriptor.present) {
    throw raise.NP(error, { check: 'TSS not present', manual: MANUAL, on: about(selector, descriptor) });
  }
  return { selector, descriptor };
}

/** IRET with NT = 1: back to the task that the current TSS links to. */
export function returnToPreviousTask(cpu: Cpu): void {
  const { state } = cpu;
  const selector = cpu.mmu.read(state.segments[TR].base, 2, 'supervisor');
  const error = selectorError(selector);
  const manual = 'SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return", TASK-RETURN';
  if (selector & 4) throw raise.TS(error, { check: 'the link does not name the GDT', manual, on: { selector } });
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) throw raise.TS(error, beyondTable(cpu, selector));
  if (!descriptor.isBusyTaskState) {
    throw raise.TS(error, { check: 'the link does not lead to a busy TSS', manual, on: about(selector, descriptor) });
  }
  if (!descriptor.present) throw raise.NP(error, { check: 'TSS not present', manual, on: about(selector, descriptor) });
  switchTask(cpu, { selector, descriptor, source: 'return', ext: 0, returnIp: state.nextIp });
}

/** What a TSS holds. */
interface TaskState {
  readonly layout: TssLayout;
  readonly cr3: number | undefined;
  readonly eip: number;
  readonly eflags: number;
  readonly registers: readonly number[];
  /** ES CS SS DS FS GS. */
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly trap: boolean;
}

/**
 * Switches to the task whose TSS `descriptor` describes (checked: available, or busy for a return; present).
 * @throws GuestFault #TS and others; also the #DB trap of a TSS whose T bit is set
 */
export function switchTask(cpu: Cpu, to: TaskSwitch): void {
  const { state, mmu } = cpu;
  const { selector, descriptor, source, ext } = to;
  const layout = layoutOf(descriptor.high);
  if (descriptor.limit < layout.limit) {
    throw raise.TS(selectorError(selector, ext), {
      check: 'the limit of the new TSS is too small',
      manual: MANUAL,
      on: { ...about(selector, descriptor), limit: descriptor.limit },
    });
  }
  const old = state.segments[TR];
  const oldLayout = layoutOf(old.access);
  if (old.limit < oldLayout.limit) {
    throw raise.TS(selectorError(old.selector, ext), {
      check: 'the limit of the old TSS is too small',
      manual: MANUAL,
      on: { selector: old.selector, limit: old.limit },
    });
  }
  const nested = source === 'call' || source === 'interrupt';
  const oldDescriptorAt = (state.gdtrBase + (old.selector & 0xfff8)) >>> 0;
  // All pages that the switch touches must be there before it begins.
  mmu.probeWrite((old.base + oldLayout.eip) >>> 0, oldLayout.limit + 1 - oldLayout.eip, 'supervisor');
  if (nested) mmu.probeWrite(descriptor.base, 2, 'supervisor');
  mmu.probeWrite(descriptor.address, 8, 'supervisor');
  mmu.probeWrite(oldDescriptorAt, 8, 'supervisor');
  mmu.probeRead(descriptor.base, layout.limit + 1, 'supervisor');

  if (!nested) markBusy(cpu, readDescriptorAt(cpu, oldDescriptorAt), false);
  saveTask(cpu, oldLayout, to);
  if (nested) mmu.write(descriptor.base, old.selector, 2, 'supervisor');
  // Only now: a task that switches to itself (or to one whose TSS overlaps its own) finds what it has just saved.
  const task = readTask(cpu, descriptor, layout);
  const current = source === 'return' ? descriptor : markBusy(cpu, descriptor, true);
  loadSegmentCache(old, selector, current);
  loadTask(cpu, task, nested);
  try {
    if (task.cr3 !== undefined && (state.cr0 & CR0.PG) !== 0) writeCr3(cpu, task.cr3);
    loadTaskSegments(cpu, task, ext);
    if (to.errorCode !== undefined) pushErrorCode(cpu, to.errorCode, layout.size, ext);
    checkInstructionPointer(task.eip, state.segments[CS].limit, MANUAL, ext);
  } finally {
    cpu.modeChanged();
  }
  if (task.trap) {
    recordDebug(state, DR6.BT);
    throw new GuestFault({
      vector: VECTOR.DB,
      kind: 'trap',
      cause: {
        check: 'the T bit of the new TSS is set',
        manual: 'SDM Vol. 3B, "Task-Switch Exception Condition"',
        on: { selector },
      },
    });
  }
}

function saveTask(cpu: Cpu, layout: TssLayout, { returnIp, source, flags }: TaskSwitch): void {
  const { state, mmu } = cpu;
  const { base } = state.segments[TR];
  const put = (offset: number, value: number, size: 2 | 4 = layout.size) =>
    mmu.write((base + offset) >>> 0, size === 2 ? value & 0xffff : value >>> 0, size, 'supervisor');
  const eflags = flags ?? readEflags(state);
  put(layout.eip, returnIp);
  put(layout.eflags, source === 'return' ? eflags & ~EFLAGS.NT : eflags);
  for (let i = 0; i < 8; i++) put(layout.registers + i * layout.size, state.reg32(i));
  for (let i = 0; i < layout.segmentCount; i++) put(layout.segments + i * layout.size, state.segments[i].selector, 2);
}

function readTask(cpu: Cpu, descriptor: Descriptor, layout: TssLayout): TaskState {
  const { size } = layout;
  const get = (offset: number, bytes: 2 | 4 = size) =>
    cpu.mmu.read((descriptor.base + offset) >>> 0, bytes, 'supervisor');
  // A 16-bit TSS leaves the upper halves undefined; real CPUs fill them with ones.
  const upper = size === 2 ? 0xffff_0000 : 0;
  return {
    layout,
    cr3: size === 4 ? get(TSS32_CR3) : undefined,
    eip: get(layout.eip),
    eflags: get(layout.eflags),
    registers: Array.from({ length: 8 }, (_, i) => (get(layout.registers + i * size) | upper) >>> 0),
    selectors: Array.from({ length: 6 }, (_, i) => (i < layout.segmentCount ? get(layout.segments + i * size, 2) : 0)),
    ldt: get(layout.ldt, 2),
    trap: size === 4 && (get(TSS32_TRAP, 2) & 1) !== 0,
  };
}

/** Everything but the descriptors: nothing here can fault. */
function loadTask(cpu: Cpu, task: TaskState, nested: boolean): void {
  const { state } = cpu;
  state.cr0 = (state.cr0 | CR0.TS) >>> 0;
  state.dr7 = (state.dr7 & ~DR7_LOCAL) >>> 0;
  writeEflags(state, (task.eflags & EFLAGS_DEFINED) | (nested ? EFLAGS.NT : 0));
  state.ip = task.eip;
  state.nextIp = task.eip;
  task.registers.forEach((value, i) => {
    state.setReg32(i, value);
  });
  // A fault in the middle of the loads finds the remaining segments unusable, with their new selectors.
  task.selectors.forEach((selector, i) => {
    const cache = state.segments[i];
    cache.selector = selector;
    cache.access = NULL_SEGMENT;
    refreshSegmentBounds(cache);
  });
  clearLdtr(state, task.ldt);
  state.cpl = task.eflags & EFLAGS.VM ? 3 : task.selectors[CS] & 3;
  cpu.modeChanged();
}

/** In the order of the manual's table "Exception Conditions Checked During a Task Switch". */
function loadTaskSegments(cpu: Cpu, task: TaskState, ext: 0 | 1): void {
  const { state } = cpu;
  const loadLdt = findTaskLdt(cpu, task.ldt, ext);
  if (task.eflags & EFLAGS.VM) {
    loadLdt();
    task.selectors.forEach((selector, i) => {
      loadVirtual8086Segment(state, i, selector);
    });
    return;
  }
  const loadCode = findTaskCode(cpu, task.selectors[CS], ext);
  loadTaskStack(cpu, task.selectors[SS], ext);
  loadLdt();
  loadCode();
  for (const data of [DS, ES, FS, GS]) loadTaskData(cpu, data, task.selectors[data], ext);
}

const invalid = (what: string, selector: number, ext: 0 | 1, descriptor?: Descriptor) =>
  raise.TS(selectorError(selector, ext), {
    check: `new task: ${what}`,
    manual: MANUAL,
    on: about(selector, descriptor),
  });

/** Checks the LDT but for its presence; the result checks that and loads it. */
function findTaskLdt(cpu: Cpu, selector: number, ext: 0 | 1): () => void {
  if (isNullSelector(selector)) return () => {};
  const descriptor = selector & 4 ? undefined : readDescriptor(cpu, selector);
  if (!descriptor?.isSystemType(SYSTEM_TYPE.LDT)) throw invalid('no valid LDT', selector, ext, descriptor);
  // Segments of the LDT are looked up through it from now on.
  if (descriptor.present) loadSegmentCache(cpu.state.segments[LDTR], selector, descriptor);
  return () => {
    if (!descriptor.present) throw invalid('LDT not present', selector, ext, descriptor);
  };
}

/** Checks the DPL of the code segment; the result checks the rest and loads CS. */
function findTaskCode(cpu: Cpu, selector: number, ext: 0 | 1): () => void {
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  const rpl = selector & 3;
  if (descriptor?.isCode && (descriptor.isConformingCode ? descriptor.dpl > rpl : descriptor.dpl !== rpl)) {
    throw invalid('DPL of the code segment does not fit its RPL', selector, ext, descriptor);
  }
  return () => {
    if (!descriptor?.isCode) throw invalid('CS is no valid code segment', selector, ext, descriptor);
    requirePresent(selector, descriptor, ext);
    loadSegmentCache(cpu.state.segments[CS], selector, markAccessed(cpu, descriptor));
  };
}

function loadTaskStack(cpu: Cpu, selector: number, ext: 0 | 1): void {
  const { state } = cpu;
  const descriptor = isNullSelector(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor?.isWritableData) throw invalid('SS is no writable data segment', selector, ext, descriptor);
  if (!descriptor.present) {
    throw raise.SS(selectorError(selector, ext), missing('stack segment not present', selector, descriptor));
  }
  if (descriptor.dpl !== state.cpl)
    throw invalid('DPL of the stack segment differs from CPL', selector, ext, descriptor);
  if ((selector & 3) !== state.cpl)
    throw invalid('RPL of the stack selector differs from CPL', selector, ext, descriptor);
  loadSegmentCache(state.segments[SS], selector, markAccessed(cpu, descriptor));
}

function loadTaskData(cpu: Cpu, segment: number, selector: number, ext: 0 | 1): void {
  if (isNullSelector(selector)) return;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor?.isReadable) {
    throw invalid(`${segmentName(segment)} is no readable segment`, selector, ext, descriptor);
  }
  if (!descriptor.isConformingCode && Math.max(selector & 3, cpu.state.cpl) > descriptor.dpl) {
    throw invalid(`${segmentName(segment)}: RPL or CPL greater than DPL`, selector, ext, descriptor);
  }
  requirePresent(selector, descriptor, ext);
  loadSegmentCache(cpu.state.segments[segment], selector, markAccessed(cpu, descriptor));
}

function requirePresent(selector: number, descriptor: Descriptor, ext: 0 | 1): void {
  if (descriptor.present) return;
  throw raise.NP(selectorError(selector, ext), missing('segment not present', selector, descriptor));
}

const missing = (check: string, selector: number, descriptor: Descriptor): Cause => ({
  check: `new task: ${check}`,
  manual: MANUAL,
  on: about(selector, descriptor),
});

/** In the new task, with the size of its TSS. */
function pushErrorCode(cpu: Cpu, errorCode: number, size: 2 | 4, ext: 0 | 1): void {
  cpu.modeChanged();
  const stack = PendingStack.current(cpu, ext);
  stack.push(errorCode, size);
  stack.commit();
  stack.storePointer();
}
