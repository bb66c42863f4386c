/**
 * Pushes of far calls and interrupts: queued and checked first (limit, then paging, without any effect), written
 * together. What faults in between leaves memory and registers as they were.
 */

import { GPR } from '../isa/semantics.ts';
import type { Cpu } from './cpu.ts';
import { ACCESS, type Descriptor, isNullSelector, markAccessed, readDescriptor, selectorError } from './descriptor.ts';
import { raise } from './fault.ts';
import type { AccessPrivilege } from './mmu.ts';
import { about, beyondTable } from './segment-load.ts';
import { isWithinLimit, loadSegmentCache, SS, stackMask, translateLogical } from './segmentation.ts';
import { type SegmentState, TR } from './state-layout.ts';

type StackSegment = Pick<SegmentState, 'selector' | 'base' | 'limit' | 'access'>;

export class PendingStack {
  readonly #cpu: Cpu;
  readonly #segment: StackSegment;
  readonly #mask: number;
  readonly #privilege: AccessPrivilege;
  /** Error code of #SS for a stack that is too small. */
  readonly #errorCode: number;
  /** Linear address and value of each push; all have one size. */
  readonly #pushes: number[] = [];
  #size: 2 | 4 = 4;
  #pointer: number;

  private constructor(
    cpu: Cpu,
    stack: { segment: StackSegment; pointer: number; privilege: AccessPrivilege; errorCode: number },
  ) {
    this.#cpu = cpu;
    this.#segment = stack.segment;
    this.#mask = stack.segment.access & ACCESS.BIG ? 0xffff_ffff : 0xffff;
    this.#privilege = stack.privilege;
    this.#errorCode = stack.errorCode;
    this.#pointer = stack.pointer;
  }

  /** The stack in use. `ext`: the EXT bit of #SS. */
  static current(cpu: Cpu, ext: 0 | 1 = 0): PendingStack {
    const segment = cpu.state.segments[SS];
    return new PendingStack(cpu, { segment, pointer: cpu.state.reg32(GPR.rSP), privilege: 'current', errorCode: ext });
  }

  /** A more privileged stack that is not loaded yet. */
  static inner(cpu: Cpu, stack: InnerStack, ext: 0 | 1): PendingStack {
    const { descriptor, selector, pointer } = stack;
    const segment = { selector, base: descriptor.base, limit: descriptor.limit, access: descriptor.access };
    return new PendingStack(cpu, {
      segment,
      pointer,
      privilege: 'supervisor',
      errorCode: selectorError(selector, ext),
    });
  }

  /** @throws GuestFault #SS when the stack has no room, #PF when it cannot be written */
  push(value: number, size: 2 | 4): void {
    const offset = ((this.#pointer - size) & this.#mask) >>> 0;
    if (!isWithinLimit(this.#segment, offset, size)) throw this.#noRoom(offset, size);
    const address = (this.#segment.base + offset) >>> 0;
    this.#cpu.mmu.probeWrite(address, size, this.#privilege);
    this.#pushes.push(address, value);
    this.#size = size;
    this.#pointer = offset;
  }

  #noRoom(offset: number, size: number) {
    const { selector, base, limit, access } = this.#segment;
    return raise.SS(this.#errorCode, {
      check: 'the stack has no room for what is to be pushed',
      manual: 'SDM Vol. 3A, "Stack Switching"',
      on: { selector, base, limit, access, offset, size },
    });
  }

  /** Writes all pushes. */
  commit(): void {
    const size = this.#size;
    for (let i = 0; i < this.#pushes.length; i += 2) {
      const value = this.#pushes[i + 1];
      this.#cpu.mmu.write(this.#pushes[i], size === 2 ? value & 0xffff : value, size, this.#privilege);
    }
  }

  /** Stores the stack pointer, in the width that the stack has. */
  storePointer(): void {
    setStackPointer(this.#cpu, this.#pointer, this.#mask);
  }
}

/** Writes ESP, or SP alone on a 16-bit stack. */
export function setStackPointer(cpu: Cpu, pointer: number, mask: number = stackMask(cpu.state)): void {
  if (mask === 0xffff) cpu.state.setReg16(GPR.rSP, pointer & 0xffff);
  else cpu.state.setReg32(GPR.rSP, pointer >>> 0);
}

/** Values popped from the stack in use, without moving ESP. */
export class StackReader {
  readonly #cpu: Cpu;
  readonly #mask: number;
  readonly #size: 2 | 4;
  pointer: number;

  constructor(cpu: Cpu, operandSize: number) {
    this.#cpu = cpu;
    this.#mask = stackMask(cpu.state);
    this.#size = operandSize === 16 ? 2 : 4;
    this.pointer = (cpu.state.reg32(GPR.rSP) & this.#mask) >>> 0;
  }

  /** @throws GuestFault #SS(0) beyond the stack's limit, #PF */
  pop(): number {
    const value = this.#cpu.mmu.readSegment(SS, this.pointer, this.#size);
    this.release(this.#size);
    return value;
  }

  release(bytes: number): void {
    this.pointer = ((this.pointer + bytes) & this.#mask) >>> 0;
  }

  /** Faults with #SS(0) unless `count` more values lie within the limit. */
  require(count: number): void {
    const bytes = count * this.#size;
    if (this.pointer + bytes - 1 <= this.#mask) {
      translateLogical(this.#cpu, SS, this.pointer, bytes, 'read');
      return;
    }
    for (let i = 0, at = this.pointer; i < count; i++) {
      translateLogical(this.#cpu, SS, at, this.#size, 'read');
      at = ((at + this.#size) & this.#mask) >>> 0;
    }
  }
}

export interface InnerStack {
  readonly selector: number;
  readonly pointer: number;
  readonly descriptor: Descriptor;
}

/**
 * The stack that the current TSS gives for a more privileged level. SDM Vol. 3A, "Stack Switching".
 * @throws GuestFault #TS or #SS
 */
export function findInnerStack(cpu: Cpu, level: number, ext: 0 | 1): InnerStack {
  const { state, mmu } = cpu;
  const manual = 'SDM Vol. 3A, "Stack Switching"';
  const task = state.segments[TR];
  const wide = (task.access & (1 << 11)) !== 0;
  const offset = wide ? level * 8 + 4 : level * 4 + 2;
  if (offset + (wide ? 5 : 3) > task.limit) {
    throw raise.TS(selectorError(task.selector, ext), {
      check: 'the current TSS has no stack for the new privilege level',
      manual,
      on: { selector: task.selector, limit: task.limit, level },
    });
  }
  const at = (task.base + offset) >>> 0;
  const pointer = mmu.read(at, wide ? 4 : 2, 'supervisor');
  const selector = mmu.read((at + (wide ? 4 : 2)) >>> 0, 2, 'supervisor');
  if (isNullSelector(selector)) {
    throw raise.TS(ext, { check: 'null stack selector in the current TSS', manual, on: { selector, level } });
  }
  const descriptor = readDescriptor(cpu, selector);
  if (descriptor === undefined) throw raise.TS(selectorError(selector, ext), beyondTable(cpu, selector));
  const fail = (check: string) =>
    raise.TS(selectorError(selector, ext), { check, manual, on: { ...about(selector, descriptor), level } });
  if ((selector & 3) !== level) throw fail('RPL of the stack selector in the TSS differs from the new privilege level');
  if (descriptor.dpl !== level) throw fail('DPL of the stack segment differs from the new privilege level');
  if (!descriptor.isWritableData) throw fail('the stack segment in the TSS is not writable data');
  if (!descriptor.present) {
    throw raise.SS(selectorError(selector, ext), {
      check: 'the stack segment in the TSS is not present',
      manual,
      on: about(selector, descriptor),
    });
  }
  return { selector, pointer, descriptor: markAccessed(cpu, descriptor) };
}

/** Loads SS with a stack found by `findInnerStack`. The caller stores the stack pointer. */
export function loadInnerStack(cpu: Cpu, stack: InnerStack): void {
  loadSegmentCache(cpu.state.segments[SS], stack.selector, stack.descriptor);
}
