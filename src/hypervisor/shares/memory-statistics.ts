/** What a host says of its memory. Bytes, unless it says otherwise; counts are since the host was created. */
import type { ScannerFigures } from '../../memory/scanner-figures.ts';

export interface GuestMemoryStatistics {
  readonly name: string;
  /** What it holds, and what of that others hold as well. */
  readonly inUse: number;
  readonly shared: number;
  /** What it has touched and is swapped out. */
  readonly swapped: number;
  /** In its balloon, by its own word; and what it is asked to give. */
  readonly ballooned: number;
  readonly asked: number;
}

export interface PoolStatistics {
  /** Undefined: it belongs to one guest and its clones. */
  readonly name: string | undefined;
  readonly guests: readonly string[];
  /** Infinity: there is none. */
  readonly limit: number;
  /** Frames in use, each counted once; and what would be in use besides if nobody shared any. */
  readonly inUse: number;
  readonly saved: number;
  /** What was done to find equal pages. */
  readonly sharing: ScannerFigures;
}

/** A step that is taken when memory is short. */
export interface ReclaimStatistics {
  /** How often it was taken. */
  readonly tried: number;
  /** What it gave. */
  readonly given: number;
}

export interface MemoryStatistics {
  readonly limit: number;
  readonly inUse: number;
  readonly saved: number;
  readonly guests: readonly GuestMemoryStatistics[];
  readonly pools: readonly PoolStatistics[];
  readonly balloon: ReclaimStatistics;
  readonly sharing: ReclaimStatistics;
  readonly swap: ReclaimStatistics;
  /** Guests that were paused for want of memory, counted each time. */
  readonly paused: number;
}
