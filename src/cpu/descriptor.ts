/** Segment descriptors and gates: eight bytes in the GDT, an LDT or the IDT. SDM Vol. 3A, "Segment Descriptors". */
import type { Cpu } from './cpu.ts';
import { LDTR, NULL_SEGMENT } from './state-layout.ts';

/** Types of system descriptors (S = 0). SDM Vol. 3A, "System Descriptor Types". */
export const SYSTEM_TYPE = {
  TSS16_AVAILABLE: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL_GATE16: 4,
  TASK_GATE: 5,
  INTERRUPT_GATE16: 6,
  TRAP_GATE16: 7,
  TSS32_AVAILABLE: 9,
  TSS32_BUSY: 11,
  CALL_GATE32: 12,
  INTERRUPT_GATE32: 14,
  TRAP_GATE32: 15,
} as const;

/** Fields of an access word: the descriptor's second doubleword without limit and base. */
export const ACCESS = {
  ACCESSED: 1 << 8,
  /** Data: writable; code: readable. */
  WRITABLE: 1 << 9,
  READABLE: 1 << 9,
  EXPAND_DOWN: 1 << 10,
  CONFORMING: 1 << 10,
  CODE: 1 << 11,
  /** S: code or data, not a system descriptor. */
  SEGMENT: 1 << 12,
  PRESENT: 1 << 15,
  LONG: 1 << 21,
  BIG: 1 << 22,
  GRANULAR: 1 << 23,
} as const;
export const ACCESS_MASK = 0x00f0_ff00;
/** Bit that tells a busy TSS from an available one. */
const TSS_BUSY = 1 << 9;

/** Error code that names a selector: index and table, with the EXT bit given. */
export const selectorError = (selector: number, ext: 0 | 1 = 0): number => (selector & 0xfffc) | ext;

export const isNullSelector = (selector: number): boolean => (selector & 0xfffc) === 0;

export class Descriptor {
  readonly low: number;
  readonly high: number;
  /** Linear address of its first byte. */
  readonly address: number;

  constructor(low: number, high: number, address = 0) {
    this.low = low >>> 0;
    this.high = high >>> 0;
    this.address = address;
  }

  get type(): number {
    return (this.high >>> 8) & 15;
  }
  get isSystem(): boolean {
    return (this.high & ACCESS.SEGMENT) === 0;
  }
  get isCode(): boolean {
    return !this.isSystem && (this.high & ACCESS.CODE) !== 0;
  }
  get isData(): boolean {
    return !this.isSystem && (this.high & ACCESS.CODE) === 0;
  }
  get isConformingCode(): boolean {
    return this.isCode && (this.high & ACCESS.CONFORMING) !== 0;
  }
  get isWritableData(): boolean {
    return this.isData && (this.high & ACCESS.WRITABLE) !== 0;
  }
  /** Data, or code that may be read. */
  get isReadable(): boolean {
    return this.isData || (this.isCode && (this.high & ACCESS.READABLE) !== 0);
  }
  get dpl(): number {
    return (this.high >>> 13) & 3;
  }
  get present(): boolean {
    return (this.high & ACCESS.PRESENT) !== 0;
  }
  get base(): number {
    return ((this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff00_0000)) >>> 0;
  }
  /** Offset of the last byte, G applied. */
  get limit(): number {
    const limit = (this.low & 0xffff) | (this.high & 0xf_0000);
    return this.high & ACCESS.GRANULAR ? ((limit << 12) | 0xfff) >>> 0 : limit;
  }
  get access(): number {
    return this.high & ACCESS_MASK;
  }

  get isTaskState(): boolean {
    return this.isSystem && (this.type & 0b0101) === 0b0001;
  }
  get isAvailableTaskState(): boolean {
    return this.isTaskState && (this.high & TSS_BUSY) === 0;
  }
  get isBusyTaskState(): boolean {
    return this.isTaskState && (this.high & TSS_BUSY) !== 0;
  }
  isSystemType(type: number): boolean {
    return this.isSystem && this.type === type;
  }

  /** Gates: where they lead. */
  get gateSelector(): number {
    return this.low >>> 16;
  }
  /** 16-bit gates have no upper half. */
  get gateOffset(): number {
    const low = this.low & 0xffff;
    return this.gateSize === 32 ? (low | (this.high & 0xffff_0000)) >>> 0 : low;
  }
  get gateSize(): 16 | 32 {
    return this.type & 8 ? 32 : 16;
  }
  get parameterCount(): number {
    return this.high & 31;
  }
}

/** The descriptor that a selector names, or undefined where the table has none: index beyond the limit, or no LDT. */
export function readDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  const { state } = cpu;
  const ldt = state.segments[LDTR];
  const local = (selector & 4) !== 0;
  if (local && (ldt.access & NULL_SEGMENT) !== 0) return undefined;
  const [base, limit] = local ? [ldt.base, ldt.limit] : [state.gdtrBase, state.gdtrLimit];
  const offset = selector & 0xfff8;
  return offset + 7 > limit ? undefined : readDescriptorAt(cpu, base + offset);
}

/** An entry of a descriptor table, by linear address. */
export function readDescriptorAt(cpu: Cpu, address: number): Descriptor {
  const at = address >>> 0;
  const low = cpu.mmu.read(at, 4, 'supervisor');
  return new Descriptor(low, cpu.mmu.read((at + 4) >>> 0, 4, 'supervisor'), at);
}

/** Sets the accessed bit in the table, if it is not set, and returns the descriptor as it then is. */
export function markAccessed(cpu: Cpu, descriptor: Descriptor): Descriptor {
  if (descriptor.high & ACCESS.ACCESSED) return descriptor;
  return rewriteType(cpu, descriptor, descriptor.high | ACCESS.ACCESSED);
}

/** Sets or clears the busy bit of a TSS descriptor in the table. */
export function markBusy(cpu: Cpu, descriptor: Descriptor, busy: boolean): Descriptor {
  return rewriteType(cpu, descriptor, busy ? descriptor.high | TSS_BUSY : descriptor.high & ~TSS_BUSY);
}

function rewriteType(cpu: Cpu, descriptor: Descriptor, high: number): Descriptor {
  cpu.mmu.write((descriptor.address + 5) >>> 0, (high >>> 8) & 0xff, 1, 'supervisor');
  return new Descriptor(descriptor.low, high, descriptor.address);
}
