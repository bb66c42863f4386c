/** A processor without an engine and without paging: what helpers see of it can be set, what they do to it is recorded. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { findCpuModel } from '../../src/cpu/cpu-model.ts';
import { GuestFault } from '../../src/cpu/fault.ts';
import type { Mmu } from '../../src/cpu/mmu.ts';
import { createCpuState, STATE } from '../../src/cpu/state-layout.ts';
import { resetSystemRegisters } from '../../src/cpu/system-helpers.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { Pool } from '../../src/memory/pool.ts';

export interface FakeCpu extends Cpu {
  /** Calls of `modeChanged`, `attend`, `mmu.flush` and `mmu.flushPage`, in order. */
  readonly calls: string[];
  /** Values that IN reads, by port; 0 elsewhere. */
  readonly inputs: Map<number, number>;
  readonly outputs: { port: number; value: number; size: number }[];
  timeStampCount: bigint;
  interruptRequested: boolean;
}

/** Linear addresses are physical ones. `memory`: bytes of RAM. */
export function createFakeCpu(options: { model?: string; memory?: number } = {}): FakeCpu {
  const pool = Pool.create({ maximumBytes: 64 * 2 ** 20 });
  const memory = new GuestMemory(pool, { size: options.memory ?? 2 ** 20 });
  const state = createCpuState(pool, pool.allocate(STATE.size));
  resetSystemRegisters(state);
  state.a20Mask = 0xffff_ffff;
  const calls: string[] = [];
  const inputs = new Map<number, number>();
  const outputs: FakeCpu['outputs'] = [];
  return {
    name: 'fake',
    state,
    pool,
    memory,
    mmu: createFlatMmu(memory, state.segments, calls),
    ports: {
      read: (port) => inputs.get(port) ?? 0,
      write: (port, value, size) => void outputs.push({ port, value, size }),
    },
    clock: new VirtualClock(),
    model: findCpuModel(options.model ?? 'i686'),
    retired: 0,
    timeStampCount: 0n,
    pendingFault: undefined,
    lastFault: undefined,
    shadow: (kind) => void calls.push(`shadow ${kind}`),
    modeChanged: () => void calls.push('modeChanged'),
    attend: () => void calls.push('attend'),
    interruptRequested: false,
    calls,
    inputs,
    outputs,
  };
}

function createFlatMmu(memory: GuestMemory, segments: Cpu['state']['segments'], calls: string[]): Mmu {
  const linear = (segment: number, offset: number) => segments[segment].base + offset;
  return {
    read: (address, size) => memory.read(address, size),
    write: (address, value, size) => memory.write(address, value, size),
    read64: (address) => memory.read64(address),
    write64: (address, value) => memory.write64(address, value),
    probeRead: () => {},
    probeWrite: () => {},
    readSegment: (segment, offset, size) => memory.read(linear(segment, offset), size),
    writeSegment: (segment, offset, value, size) => memory.write(linear(segment, offset), value, size),
    readSegment64: (segment, offset) => memory.read64(linear(segment, offset)),
    writeSegment64: (segment, offset, value) => memory.write64(linear(segment, offset), value),
    probeWriteSegment: () => {},
    flush: (scope) => void calls.push(`flush ${scope}`),
    flushPage: (address) => void calls.push(`flushPage ${address.toString(16)}`),
  };
}

/** The fault that `action` raises; undefined if it raises none. Errors of other kinds pass through. */
export function faultOf(action: () => unknown): GuestFault | undefined {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof GuestFault) return thrown;
    throw thrown;
  }
  return undefined;
}
