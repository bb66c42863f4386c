/**
 * A vector: one instruction and the user-visible state it starts from; and what became of it. Registers are in the
 * order of their numbers (rAX rCX rDX rBX rSP rBP rSI rDI r8 …); 32-bit mode uses the first eight.
 */

import type { VectorMode } from './address-space.ts';

/** x87 state as FXSAVE shows it. SDM Vol. 1, "FXSAVE Area". */
export interface X87State {
  readonly controlWord: number;
  /** TOP in bits 11..13. */
  readonly statusWord: number;
  /** Abridged tag word: bit n set if physical register n is not empty. */
  readonly tags: number;
  /** ST(0)..ST(7), 80 bits each. */
  readonly stack: readonly bigint[];
}

export interface VectorState {
  readonly registers: readonly bigint[];
  readonly flags: number;
  readonly x87?: X87State;
  /** Contents of the window. */
  readonly memory: Uint8Array;
}

export interface Vector {
  readonly mode: VectorMode;
  /** 1..15 bytes; they stand at `HARNESS_MAP.slot`. */
  readonly code: Uint8Array;
  readonly initial: VectorState;
  /** Where the window of scratch memory starts that is filled before and read after. */
  readonly window: number;
}

/** How an instruction ended. */
export type Ending =
  /** Went on at `ip`. */
  | { readonly kind: 'next'; readonly ip: bigint }
  /** An exception that names this instruction. `address`: of a page fault. */
  | {
      readonly kind: 'fault';
      readonly vector: number;
      readonly errorCode: number;
      readonly address?: bigint;
      readonly ip: bigint;
    };

export interface Outcome {
  /** How an engine broke its contract about counting instructions. */
  readonly broken?: string;
  /** Instructions left of an engine's budget. */
  readonly left?: number;
  /** Translated code has retired the instruction. */
  readonly translated?: boolean;
  readonly ending: Ending;
  readonly final: VectorState;
}
