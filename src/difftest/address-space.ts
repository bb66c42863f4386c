/**
 * Where segments lie in a vector's process. 32- and 64-bit code sees flat segments, as Linux sets them up (FS apart);
 * 16-bit code, which no host runs for us, has its code segment on the slot's page and all others on the scratch pages.
 */

import { SEGMENT } from '../isa/semantics.ts';
import { FS_BASE, HARNESS_MAP } from './host/harness.ts';

/** Code width of a vector. 16: engines only. */
export type VectorMode = 16 | 32 | 64;

export const registerWidth = (mode: VectorMode): 32 | 64 => (mode === 64 ? 64 : 32);

export const codeBase = (mode: VectorMode): number => (mode === 16 ? HARNESS_MAP.slotPage : 0);
export function dataBase(mode: VectorMode, segment?: number): number {
  if (mode === 16) return HARNESS_MAP.scratch;
  return segment === SEGMENT.FS ? FS_BASE : 0;
}
/** Offset in CS of the instruction under test. */
export const slotOffset = (mode: VectorMode): number => HARNESS_MAP.slot - codeBase(mode);
/** Of the byte before it, which no vector's instruction leads to. */
export const leadInOffset = (mode: VectorMode): number => slotOffset(mode) - 1;
