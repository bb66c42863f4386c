/**
 * A CPU with user mode and nothing below it: flat segments, no paging, and of memory only the scratch pages of the
 * harness. All else faults as an unmapped page does. Vectors run on it exactly as they run in the host's process.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { VirtualClock } from '../base/virtual-clock.ts';
import type { Cpu, PortSpace } from '../cpu/cpu.ts';
import { type CpuModel, findCpuModel } from '../cpu/cpu-model.ts';
import { type GuestFault, raise } from '../cpu/fault.ts';
import type { Mmu } from '../cpu/mmu.ts';
import { translateLogical } from '../cpu/segmentation.ts';
import { type CpuState, createCpuState, STATE } from '../cpu/state-layout.ts';
import { MAX_INSTRUCTION_LENGTH } from '../isa/decoder.ts';
import { GuestMemory } from '../memory/guest-memory.ts';
import { Pool } from '../memory/pool.ts';
import type { VectorMode } from './address-space.ts';
import { HARNESS_MAP } from './host/harness.ts';
import { enterUserMode } from './vector-state.ts';

const BREAKPOINT = 0xcc;
const PF_WRITE = 2;
const PF_USER = 4;

export class FlatCpu implements Cpu {
  readonly name = 'difftest';
  readonly state: CpuState;
  readonly pool = Pool.create({ maximumBytes: 1 << 24 });
  readonly memory = new GuestMemory(this.pool, { size: 4096 });
  readonly mmu: Mmu;
  readonly ports: PortSpace = { read: () => 0xffff_ffff, write: () => {} };
  readonly clock = new VirtualClock();
  readonly model: CpuModel = findCpuModel('x86-64');
  readonly retired = 0;
  readonly timeStampCount = 0n;
  readonly interruptRequested = false;
  pendingFault: GuestFault | undefined;
  lastFault: GuestFault | undefined;
  /** The scratch pages, from `HARNESS_MAP.scratch` on. */
  readonly scratch = new Uint8Array(HARNESS_MAP.scratchSize);
  /** The page of the instruction under test, as the harness prepares it. */
  readonly code = new Uint8Array(PAGE_SIZE).fill(BREAKPOINT);
  /** The vector wrote there: that is not undone, so it shows less than happened. */
  codeWritten = false;
  /** Lowest and highest address accessed since `beginVector`. */
  lowest = Number.POSITIVE_INFINITY;
  highest = 0;

  constructor(mode: VectorMode) {
    this.state = createCpuState(this.pool, this.pool.allocate(STATE.size));
    this.mmu = new ScratchMmu(this);
    enterUserMode(this.state, mode);
  }

  beginVector(code: Uint8Array): void {
    const slot = HARNESS_MAP.slot - HARNESS_MAP.slotPage;
    this.code.fill(BREAKPOINT, slot, slot + MAX_INSTRUCTION_LENGTH);
    this.code.set(code, slot);
    this.codeWritten = false;
    this.lowest = Number.POSITIVE_INFINITY;
    this.highest = 0;
  }

  shadow(): void {}
  modeChanged(): void {}
  attend(): void {}
}

class ScratchMmu implements Mmu {
  readonly #cpu: FlatCpu;

  constructor(cpu: FlatCpu) {
    this.#cpu = cpu;
  }

  /** Where the bytes are. @throws GuestFault #PF naming the first byte that is not there */
  #at(address: number, size: number, access: 'read' | 'write'): { bytes: Uint8Array; at: number } {
    const cpu = this.#cpu;
    const { scratch, scratchSize, slotPage } = HARNESS_MAP;
    if (address >= slotPage && address + size <= slotPage + PAGE_SIZE) {
      cpu.codeWritten ||= access === 'write';
      return { bytes: cpu.code, at: address - slotPage };
    }
    if (address + size > scratch && address < scratch + scratchSize) {
      cpu.lowest = Math.min(cpu.lowest, address);
      cpu.highest = Math.max(cpu.highest, address + size - 1);
    }
    const end = scratch + scratchSize;
    if (address >= scratch && address + size <= end) return { bytes: cpu.scratch, at: address - scratch };
    // An access that begins on a page that is there misses the one behind it.
    const present = [slotPage, end - PAGE_SIZE].find((page) => address >= page && address < page + PAGE_SIZE);
    const first = present === undefined ? address : present + PAGE_SIZE;
    throw raise.PF(first, PF_USER | (access === 'write' ? PF_WRITE : 0), { check: 'page not present' });
  }

  read(address: number, size: 1 | 2 | 4): number {
    return Number(this.#get(address, size));
  }
  write(address: number, value: number, size: 1 | 2 | 4): void {
    this.#put(address, BigInt(value), size);
  }
  read64(address: number): bigint {
    return this.#get(address, 8);
  }
  write64(address: number, value: bigint): void {
    this.#put(address, value, 8);
  }
  probeWrite(address: number, size: number): void {
    this.#at(address, size, 'write');
  }
  probeRead(address: number, size: number): void {
    this.#at(address, size, 'read');
  }
  readSegment(segment: number, offset: number, size: 1 | 2 | 4): number {
    return Number(this.#get(this.#linear(segment, offset, size, 'read'), size));
  }
  writeSegment(segment: number, offset: number, value: number, size: 1 | 2 | 4): void {
    this.#put(this.#linear(segment, offset, size, 'write'), BigInt(value), size);
  }
  readSegment64(segment: number, offset: number): bigint {
    return this.#get(this.#linear(segment, offset, 8, 'read'), 8);
  }
  writeSegment64(segment: number, offset: number, value: bigint): void {
    this.#put(this.#linear(segment, offset, 8, 'write'), value, 8);
  }
  probeWriteSegment(segment: number, offset: number, size: number): void {
    this.#at(this.#linear(segment, offset, size, 'write'), size, 'write');
  }
  flush(): void {}
  flushPage(): void {}

  /** In 64-bit mode an address that is not canonical is #GP(0), or #SS(0) for the stack. SDM Vol. 1, "Canonical Addressing". */
  #linear(segment: number, offset: number, size: number, access: 'read' | 'write'): number {
    return translateLogical(this.#cpu, segment, offset, size, access);
  }

  #get(address: number, size: number): bigint {
    const { bytes, at } = this.#at(address, size, 'read');
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[at + index]);
    return value;
  }

  #put(address: number, value: bigint, size: number): void {
    const { bytes, at } = this.#at(address, size, 'write');
    for (let index = 0; index < size; index++) {
      bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
    }
  }
}
