/**
 * A region as it was compiled: good wherever the same bytes are met again, in other pages or after they were forgotten.
 */
import type { RegionJump, RegionTrace } from '../finder/region.ts';
import type { RegionExit } from '../lowering/region-exits.ts';

export interface Translation {
  /** Its function: see `blocks/region-entry`. */
  readonly compiled: CallableFunction;
  readonly instructions: number;
  /** Whether there may be a larger one. */
  readonly size: 'first' | 'full';
  /** Offsets of its pages from the base. */
  readonly pages: readonly number[];
  /** Bytes of its code. The first begins where the region was found from. */
  readonly traces: readonly (RegionTrace & { readonly bytes: Uint8Array })[];
  /** Numbers of the traces at which it can be entered. */
  readonly entries: readonly number[];
  readonly jumps: readonly RegionJump[];
  readonly exits: readonly RegionExit[];
  /** Offsets of instructions that it has the interpreter do, because their accesses missed too often. */
  readonly calls: ReadonlySet<number>;
}
