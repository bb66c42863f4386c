/**
 * A region: blocks that are translated together, as a control-flow graph. Instruction pointers are offsets from the base
 * of the page of the block that it was found from, which is known when the region is entered: nothing in a region depends
 * on where that is mapped. Where it has code of several pages, it is checked at the entry that they lie where they lay.
 */
import type { BoundForm } from '../forms/bound-form.ts';

export interface RegionInstruction {
  /** Of its first byte, from the base. */
  readonly offset: number;
  readonly length: number;
  readonly form: BoundForm;
  /**
   * 'emitted': its statements are part of the region. 'called': the interpreter's function of it does it all, and control
   * goes on behind it, as a rule.
   */
  readonly way: 'emitted' | 'called';
  /** The mode may be another one behind it, or control elsewhere. */
  readonly endsBlock: boolean;
}

/** Where the instruction behind one begins. */
export const endOf = ({ offset, length }: Pick<RegionInstruction, 'offset' | 'length'>): number => offset + length;

/** Where control goes: to a block of the region, or to an instruction outside. */
export interface Target {
  /** From the base. */
  readonly offset: number;
  /** Number of the block that begins there, if the region has it. */
  readonly block: number | undefined;
}

/** How a block ends. */
export type BlockEnd =
  /** With its last instruction, which does not jump, or with none. */
  | { readonly kind: 'falls'; readonly to: Target }
  | { readonly kind: 'jumps'; readonly to: Target }
  | { readonly kind: 'branches'; readonly taken: Target; readonly next: Target }
  /** To an address that is known only then. */
  | ComputedEnd
  /** With nothing: where computed jumps go that have many candidates. To one of them, or out of the region. */
  | { readonly kind: 'dispatches'; readonly candidates: readonly Target[] }
  /** At an instruction that regions cannot do. */
  | { readonly kind: 'leaves'; readonly offset: number };

export interface ComputedEnd {
  readonly kind: 'computed';
  /** Number of the jump; a return has none. */
  readonly jump: number | undefined;
  /** Perhaps to one of these blocks. */
  readonly candidates: readonly Target[];
  /** If not, perhaps to one that this block of kind 'dispatches' finds. */
  readonly dispatch?: Target;
  readonly next?: Target;
}

/** A computed jump that is no return, which remembers where it left the region to. */
export interface RegionJump {
  /** Of its instruction, from the base. */
  readonly offset: number;
  /** Where it had been seen to go when the region was found: from the base. */
  readonly known: readonly number[];
}

export interface RegionBlock {
  /** Of one without instructions: that of any block behind it. */
  readonly offset: number;
  /** Number of the trace it is part of. */
  readonly trace: number;
  readonly instructions: readonly RegionInstruction[];
  readonly end: BlockEnd;
  /** What ran before it may have taken any number of instructions from the budget. */
  readonly followsRepeat: boolean;
}

/** Code of one of the interpreter's blocks: bytes of one page, from the block's first on. */
export interface RegionTrace {
  readonly offset: number;
  readonly length: number;
}

/** A page of which a region has code. */
export interface RegionPage {
  /** From the base, in bytes. */
  readonly offset: number;
  /** Number of the physical page. */
  readonly physical: number;
}

export interface Region {
  readonly pages: readonly RegionPage[];
  readonly blocks: readonly RegionBlock[];
  readonly jumps: readonly RegionJump[];
  /** What it is made of. The first is that from which it was found. */
  readonly traces: readonly RegionTrace[];
  /** Where it can be entered: traces, by their numbers, and the blocks with which they begin. */
  readonly entries: readonly { readonly trace: number; readonly block: number }[];
}

/** Blocks of the region that follow a block; the one that should stand behind it comes first. */
export function successorsOf({ end }: RegionBlock): readonly number[] {
  const successors: number[] = [];
  const add = (target: Target | undefined) => {
    if (target?.block !== undefined && !successors.includes(target.block)) successors.push(target.block);
  };
  switch (end.kind) {
    case 'falls':
    case 'jumps':
      add(end.to);
      break;
    case 'branches':
      add(end.next);
      add(end.taken);
      break;
    case 'computed':
      end.candidates.forEach(add);
      add(end.dispatch);
      add(end.next);
      break;
    case 'dispatches':
      end.candidates.forEach(add);
  }
  return successors;
}
