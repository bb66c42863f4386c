/** A machine saved in the midst of its run, and what becomes of it elsewhere. */
import type { MachineState } from '../../src/machine/machine-state.ts';
import type { Pc } from '../../src/machine/pc.ts';
import type { MemoryPage } from '../../src/memory/guest-memory.ts';

/** A state and all pages, apart from the machine that they are of. */
export interface SavedMachine {
  readonly state: MachineState;
  readonly pages: readonly MemoryPage[];
  readonly hash: string;
}

export function saveMachine(pc: Pc): SavedMachine {
  const pages = [...pc.memory.contents()].map((page) => ({ ...page, bytes: page.bytes.slice() }));
  // What crosses to another process or thread.
  return { state: structuredClone(pc.save()), pages, hash: pc.stateHash() };
}

/** Runs up to a count of instructions, over all that makes a run come back on the way. @returns why it ended, if before */
export function runUpTo(pc: Pc, instructions: number): string | undefined {
  while (pc.instructions < instructions) {
    const exit = pc.run({ instructions: instructions - pc.instructions });
    if (exit.reason === 'error') throw exit.error;
    if (exit.reason !== 'budget' && exit.reason !== 'output') return exit.reason;
  }
  return undefined;
}

/** Whole numbers from 0 to `below` − 1 without a pattern, the same each time: the upper bits of a linear congruential sequence. */
export function randomCounts(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n;
    return Number(((state >> 32n) * BigInt(below)) >> 32n);
  };
}

/**
 * Restores, and sees to it that no chip goes on writing into a part of the state that it had before: that throws, in a
 * run, what `runUpTo` throws.
 */
export function restoreMachine(pc: Pc, { state, pages }: SavedMachine): void {
  const before: object[] = [];
  for (const [, part] of pc.surroundings()) for (const inner of Object.values(part as object)) collect(inner, before);
  pc.restore(state, pages);
  for (const part of before) Object.freeze(part);
}

/** Objects and arrays in plain data; typed arrays cannot be frozen. */
function collect(value: unknown, into: object[]): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  into.push(value);
  for (const inner of Object.values(value)) collect(inner, into);
}
