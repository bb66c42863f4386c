/**
 * Which blocks of a region computed jumps may go to: a return to where calls of the region come back, any to where it was
 * seen to go. A candidate that is none costs code only, as the target is compared with it.
 */
import { GPR } from '../../../isa/semantics.ts';
import { endOf, type RegionBlock, type RegionInstruction, successorsOf, type Target } from './region.ts';

/**
 * Candidates that are compared one after the other: of more, a hash finds the one to be compared. Returns have no more: where
 * routines go back to is no choice of theirs, and what a callee and all its callers do would be one loop.
 */
export const MOST_COMPARED = 4;

/** By offsets: where calls come back to, with where they go to; and computed jumps, with where they were seen to go. */
export interface Transfers {
  readonly returns: ReadonlyMap<number, readonly number[]>;
  readonly jumps: ReadonlyMap<number, readonly number[]>;
}

/** @returns the blocks, their computed jumps told where to go, and behind them those of kind 'dispatches' */
export function withCandidates(
  blocks: readonly RegionBlock[],
  { returns, jumps }: Transfers,
  target: (offset: number) => Target,
): readonly RegionBlock[] {
  const candidates = blocks.map((block): Map<number, Target> => {
    const targets = block.end.kind === 'computed' ? (jumps.get(block.instructions.at(-1)!.offset) ?? []) : [];
    return new Map(targets.map(target).flatMap((one) => (one.block === undefined ? [] : [[one.block, one]])));
  });
  const isDispatched = ({ end }: RegionBlock, number: number): boolean =>
    end.kind === 'computed' && end.jump !== undefined && candidates[number].size > MOST_COMPARED;
  const groups = groupsOf(candidates.filter((_, number) => isDispatched(blocks[number], number)));
  const dispatchOf = (number: number): number => {
    const [one] = candidates[number].keys();
    return blocks.length + groups.findIndex((targets) => targets.has(one));
  };
  const behind = blocks.map((block, number): readonly number[] => {
    const last = block.instructions.at(-1)!;
    const { transfer } = last.form;
    if (transfer.kind !== 'none' && transfer.returns) return numbers([target(endOf(last))]);
    const learnt = isDispatched(block, number) ? [dispatchOf(number)] : candidates[number].keys();
    return [...successorsOf(block), ...learnt];
  });
  for (const targets of groups) behind.push([...targets.keys()]);
  addReturns(candidates, { blocks, behind, returns, target });
  const told = blocks.map((block, number): RegionBlock => {
    const { end } = block;
    if (end.kind !== 'computed') return block;
    if (!isDispatched(block, number)) {
      return { ...block, end: { ...end, candidates: [...candidates[number].values()].slice(0, MOST_COMPARED) } };
    }
    const [one] = candidates[number].keys();
    return { ...block, end: { ...end, dispatch: { offset: blocks[one].offset, block: dispatchOf(number) } } };
  });
  const dispatches = groups.map((targets): RegionBlock => {
    const [{ offset, block }] = targets.values();
    const { trace } = blocks[block!];
    const end = { kind: 'dispatches', candidates: [...targets.values()] } as const;
    return { offset, trace, instructions: [], end, followsRepeat: false };
  });
  return [...told, ...dispatches];
}

/** Of those blocks that the region has. */
const numbers = (targets: readonly Target[]): number[] =>
  targets.map(({ block }) => block).filter((block) => block !== undefined);

/** Tells returns where calls of what they end come back to: of each, as many as are compared. */
function addReturns(
  candidates: readonly Map<number, Target>[],
  {
    blocks,
    behind,
    returns,
    target,
  }: {
    readonly blocks: readonly RegionBlock[];
    readonly behind: readonly (readonly number[])[];
    readonly returns: Transfers['returns'];
    readonly target: (offset: number) => Target;
  },
): void {
  // By callee. A guest can have hundreds of them, each called from hundreds of places.
  const ends = new Map<number, readonly number[]>();
  for (const [offset, callees] of returns) {
    const back = target(offset);
    if (back.block === undefined) continue;
    for (const callee of callees) {
      const called = target(callee).block;
      if (called === undefined) continue;
      const known = ends.get(called) ?? endsOf(called, blocks, behind);
      const open = known.filter((block) => candidates[block].size < MOST_COMPARED);
      ends.set(called, open);
      for (const block of open) candidates[block].set(back.block, back);
    }
  }
}

/** Jumps that have a candidate in common have all in common: a table for each would be as many as there are candidates. */
function groupsOf(candidates: readonly ReadonlyMap<number, Target>[]): ReadonlyMap<number, Target>[] {
  let groups: ReadonlyMap<number, Target>[] = [];
  for (const one of candidates) {
    const meets = (group: ReadonlyMap<number, Target>) => [...one.keys()].some((block) => group.has(block));
    const merged = new Map([...groups.filter(meets).flatMap((group) => [...group]), ...one]);
    groups = [...groups.filter((group) => !meets(group)), merged];
  }
  return groups;
}

/** Blocks that end in a return and are reached from one, calls being passed over. `behind`: what follows each block. */
function endsOf(
  from: number,
  blocks: readonly RegionBlock[],
  behind: readonly (readonly number[])[],
): readonly number[] {
  const reached = new Uint8Array(behind.length);
  const wanted = [from];
  reached[from] = 1;
  const ends: number[] = [];
  for (let block = wanted.pop(); block !== undefined; block = wanted.pop()) {
    if (block < blocks.length && blocks[block].end.kind === 'computed' && isReturn(blocks[block].instructions.at(-1)!))
      ends.push(block);
    for (const next of behind[block]) {
      if (reached[next] === 1) continue;
      reached[next] = 1;
      wanted.push(next);
    }
  }
  return ends;
}

/** Of a computed jump: it takes its target from the stack. */
export const isReturn = ({ form: { transfer, registersWritten } }: Pick<RegionInstruction, 'form'>): boolean =>
  transfer.kind === 'computed' && !transfer.returns && (registersWritten & (1 << GPR.rSP)) !== 0;
