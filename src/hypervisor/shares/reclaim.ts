/** How memory comes back from guests that hold too much: ways that are tried in turn, the mildest first. */
import type { Machine } from '../../machine/machine.ts';
import type { SwapSpace } from '../../memory/page-source.ts';

/** What is taken at a time, in bytes: a few milliseconds of work. */
export const RECLAIM_BYTES = 2 ** 17;

export interface Reclaimed {
  readonly machine: Machine;
}

/** Between two slices: takes at most so many bytes from a guest. @returns bytes given back, or that will be soon */
export type ReclaimStep = (guest: Reclaimed, bytes: number) => number;

/** @returns bytes given back: fewer than asked for where all ways are exhausted */
export function reclaim(guest: Reclaimed, bytes: number, steps: readonly ReclaimStep[]): number {
  let given = 0;
  for (const step of steps) if (given < bytes) given += step(guest, bytes - given);
  return given;
}

/** What it has not used lately is swapped out. */
export const swapStep =
  (swap: SwapSpace): ReclaimStep =>
  ({ machine }, bytes) =>
    machine.swapOut(bytes, swap);
