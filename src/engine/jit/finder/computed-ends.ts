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
  const seen = blocks.map((block): readonly Target[] => {
    const targets = block.end.kind === 'computed' ? (jumps.get(block.instructions.at(-1)!.offset) ?? []) : [];
    return targets.map(target).filter(({ block: number }) => number !== undefined);
  });
  const candidates = seen.map((targets) => new Map(targets.map((one) => [one.block!, one])));
  for (const [offset, callees] of returns) {
    const back = target(offset);
    if (back.block === undefined) continue;
    for (const callee of callees) {
      const called = target(callee).block;
      if (called === undefined) continue;
      for (const block of endsOf(called, blocks, { seen, target })) candidates[block].set(back.block, back);
    }
  }
  const isDispatched = ({ end }: RegionBlock, number: number): boolean =>
    end.kind === 'computed' && end.jump !== undefined && candidates[number].size > MOST_COMPARED;
  const groups = groupsOf(candidates.filter((_, number) => isDispatched(blocks[number], number)));
  const told = blocks.map((block, number): RegionBlock => {
    const { end } = block;
    if (end.kind !== 'computed') return block;
    if (!isDispatched(block, number)) {
      return { ...block, end: { ...end, candidates: [...candidates[number].values()].slice(0, MOST_COMPARED) } };
    }
    const [one] = candidates[number].keys();
    const group = groups.findIndex((targets) => targets.has(one));
    const { offset } = blocks[one];
    return { ...block, end: { ...end, dispatch: { offset, block: blocks.length + group } } };
  });
  const dispatches = groups.map((targets): RegionBlock => {
    const [{ offset, block }] = targets.values();
    const { trace } = blocks[block!];
    const end = { kind: 'dispatches', candidates: [...targets.values()] } as const;
    return { offset, trace, instructions: [], end, followsRepeat: false };
  });
  return [...told, ...dispatches];
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

/** Blocks that end in a return and are reached from one, calls being passed over. */
function endsOf(
  from: number,
  blocks: readonly RegionBlock[],
  { seen, target }: { readonly seen: readonly (readonly Target[])[]; readonly target: (offset: number) => Target },
): number[] {
  const ends: number[] = [];
  const reached = new Set([from]);
  for (const block of reached) {
    const { instructions, end } = blocks[block];
    const last = instructions.at(-1)!;
    const { transfer } = last.form;
    const isCall = transfer.kind !== 'none' && transfer.returns;
    if (end.kind === 'computed' && isReturn(last)) ends.push(block);
    const behind = isCall
      ? [target(endOf(last)).block]
      : [...successorsOf(blocks[block]), ...seen[block].map((one) => one.block)];
    for (const next of behind) if (next !== undefined) reached.add(next);
  }
  return ends;
}

/** Of a computed jump: it takes its target from the stack. */
export const isReturn = ({ form: { transfer, registersWritten } }: Pick<RegionInstruction, 'form'>): boolean =>
  transfer.kind === 'computed' && !transfer.returns && (registersWritten & (1 << GPR.rSP)) !== 0;
