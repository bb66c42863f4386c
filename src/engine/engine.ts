/**
 * An engine executes guest instructions on a CPU's state block. All engines keep one contract: the same architectural
 * results, the same instruction counts, the same stop points.
 */
import { InternalError } from '../base/errors.ts';
import type { Cpu, PlainEvent } from '../cpu/cpu.ts';
import type { GuestFault } from '../cpu/fault.ts';
import type { TlbMmu } from '../cpu/tlb-mmu.ts';
import type { JumpCache } from './blocks/jump-cache.ts';
import type { EngineProfile } from './profile/engine-profile.ts';

export type EngineExit =
  /** The budget is used up. */
  | 'budget'
  /** `state.attention` was set by the instruction before `state.ip`: the dispatcher must look. */
  | 'attention'
  /** Nothing is wrong, but the instruction at `state.ip` must run by itself: with a budget of 1. */
  | 'alone'
  /** `cpu.pendingFault` is set: the instruction at `state.ip` was abandoned (or, for a trap, has retired). */
  | 'fault';

export interface Engine {
  readonly name: 'interpreter' | 'reference';
  /** Why hot code is not translated any longer, in the host's words. Undefined: it is, or never was. */
  readonly refusal?: string | undefined;
  /**
   * Executes at most `budget` instructions from `state.ip`, exactly that many unless it exits earlier. Every iteration
   * of a repeated string instruction counts as one. On return `state.ip` is the instruction to execute next (for a
   * fault: the faulting one), and `state.budget` what is left.
   */
  run(budget: number): EngineExit;
  /** See `Cpu`. */
  enterPlainHandler?(event: PlainEvent): boolean;
  /**
   * Page offsets of instructions before which a run comes back, with 'attention', unless it starts there: somebody may
   * want to stop. Never changed during a run.
   */
  stopBefore(offsets: ReadonlySet<number>): void;
  /** Instructions retired by translated code so far. Not to be asked during a run. */
  readonly translated: number;
  /** Counts its work from now on, and times it by `now`, in ms. Not within a run. */
  startProfile(now: (() => number) | undefined): void;
  /** Undefined unless a profile was started, and for an engine that counts nothing. */
  readonly profile: EngineProfile | undefined;
  /** Gives its part of the pool back. */
  dispose(): void;
}

/** Takes the place of an engine that was disposed of, whose code and tables are many megabytes. */
export class DisposedEngine implements Engine {
  readonly name: Engine['name'];
  readonly translated = 0;

  constructor(name: Engine['name']) {
    this.name = name;
  }

  run(): EngineExit {
    throw new InternalError('the processor is disposed');
  }

  stopBefore(): void {}
  startProfile(): void {}
  readonly profile = undefined;
  dispose(): void {}
}

/** What things cost that a guest can make an engine do out of the ordinary, in units of `DispatchedCpu.spend`. */
export const COST = {
  MEMORY_CALL: 2,
  HELPER: 4,
  REFERENCE_INSTRUCTION: 40,
  BLOCK: 60,
  CODE_WRITTEN: 60,
  /** RAM was switched on or off. */
  ROUTED: 40,
  /** An instruction of a region that is translated; a trace, jump or exit of one that is linked. */
  TRANSLATED: 80,
  LINKED_PART: 4,
} as const;

/** The CPU as engines need it. */
export interface DispatchedCpu extends Cpu {
  readonly mmu: TlbMmu;
  readonly jumpCache: JumpCache;
  /** The guest did what is dear to the host: about `units` quarters of a microsecond, as an engine estimates it. */
  spend(units: number): void;
  /** The running instruction has retired; this trap is to be raised after it. */
  pendTrap(trap: GuestFault): void;
}
