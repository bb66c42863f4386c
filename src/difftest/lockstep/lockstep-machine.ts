/** A machine as the lockstep sees it. Who makes one decides what a PC is; equal inputs at equal counts give equal runs. */
import type { Cpu } from '../../cpu/cpu.ts';

/** Why a machine gets no further. */
export interface Ending {
  /** A few words: "halted", "triple fault (#GP(0) …)". */
  readonly text: string;
  /** A bug of ours ended it. */
  readonly isBug: boolean;
}

export interface LockstepMachine {
  readonly processor: Cpu;
  /**
   * Runs up to this count of instructions since power-on, exactly.
   * @returns why it stands before it, if it does; then input may wake it, if anything
   */
  runTo(instructions: number): Ending | undefined;
  /** What it has sent since it was asked last. */
  takeOutput(): Uint8Array;
  /** Sends it something, between runs. */
  send(bytes: Uint8Array): void;
  /** What its guest could see besides processor and memory: text by name, all of it in the state hash. */
  surroundings(): readonly (readonly [name: string, text: string])[];
  /** Bytes at a linear address, as far as they are mapped. Leaves no trace. */
  peek(linear: number, length: number): Uint8Array;
  stateHash(): string;
  dispose(): void;
}
