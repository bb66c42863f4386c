/**
 * The processor without an engine: its state, its view of memory and ports, and what helpers need.
 *
 * Helpers are functions `(cpu, ...args)`; they read and write `cpu.state`, reach memory through `cpu.mmu`, transfer
 * control by setting `cpu.state.nextIp`, and fault by throwing a `GuestFault`.
 */
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { Pool } from '../memory/pool.ts';
import type { CpuModel } from './cpu-model.ts';
import type { GuestFault } from './fault.ts';
import type { Mmu } from './mmu.ts';
import type { ParavirtualInterface } from './paravirtual.ts';
import type { CpuState } from './state-layout.ts';

/** The port space, as the CPU sees it (`bus` is not below `cpu`). */
export interface PortSpace {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, value: number, size: 1 | 2 | 4): void;
}

/** An event between two instructions, as far as its delivery depends on it. */
export interface PlainEvent {
  readonly vector: number;
  readonly errorCode?: number | undefined;
  /** RF is set in what is pushed. */
  readonly resume?: boolean;
}

export interface Cpu {
  readonly name: string;
  readonly state: CpuState;
  readonly pool: Pool;
  readonly memory: GuestMemory;
  readonly mmu: Mmu;
  readonly ports: PortSpace;
  readonly clock: VirtualClock;
  readonly model: CpuModel;
  /** Instructions retired since reset, exact at any moment (the running instruction counts as retired). */
  readonly retired: number;
  /** Guest time-stamp counter before `tscOffset`, from the clock. */
  readonly timeStampCount: bigint;
  /** The fault that abandoned the running instruction, until it is delivered. */
  pendingFault: GuestFault | undefined;
  /** The fault delivered last, for `explain`. */
  lastFault: GuestFault | undefined;
  /** No interrupt is taken before the instruction that follows the running one has retired (STI, MOV SS). 'all': nor a debug exception or NMI. */
  shadow(kind: 'interrupts' | 'all'): void;
  /** Must follow any change of CPL, CR0, CR3, CR4, EFER, EFLAGS.VM/IF/TF, CS/SS/DS/ES caches or the A20 gate: recomputes mode key, privilege and TLB choice, and asks the dispatcher to look. */
  modeChanged(): void;
  /** An interrupt or exception handler was entered (which clears TF: no single-step trap follows). */
  handlerEntered?(): void;
  /**
   * Enters the handler of an event that returns to `state.ip`, and leaves `state.nextIp` at it, where that is as in most
   * systems most of the time; false: nothing has changed.
   */
  enterPlainHandler?(event: PlainEvent): boolean;
  /** Asks the dispatcher to look before the next block. */
  attend(): void;
  /**
   * FERR#, as every waiting x87 instruction finds it with CR0.NE = 0: 1 while an exception is pending. Returns whether
   * IGNNE# is asserted; where nothing is wired to FERR#, it is taken to be.
   */
  x87Error?: (level: 0 | 1) => boolean;
  /** What a hypervisor offers; undefined: the guest sees a processor alone. */
  readonly paravirtual?: ParavirtualInterface | undefined;
  /** External INTR is asserted. */
  readonly interruptRequested: boolean;
}
