/**
 * Which registers of the x87's stack are meant in each block of a region. They are numbered from a base that is fixed
 * when the region is entered, so that in every block TOP is a known number: pushes and pops are nothing but renaming. An edge on
 * which the numbers of both ends differ leaves the region.
 */
import type { BlockEnd, Region, RegionBlock, Target } from '../../finder/region.ts';
import { successorsOf } from '../../finder/region.ts';

export interface X87Plan {
  /** By block: the number of ST(0) at its beginning. */
  readonly tops: readonly number[];
  /** Numbers of the registers whose contents the region reads or writes. */
  readonly touched: ReadonlySet<number>;
}

/** @returns the region without such edges; without a plan if it has nothing to do with the x87 */
export function planX87(region: Region): { readonly region: Region; readonly plan: X87Plan | undefined } {
  if (!region.blocks.some(({ instructions }) => instructions.some(usesX87))) return { region, plan: undefined };
  const tops: (number | undefined)[] = region.blocks.map(() => undefined);
  const touched = new Set<number>();
  const ends = region.blocks.map(() => 0);
  for (const { block: entry } of region.entries) {
    tops[entry] ??= 0;
    const waiting = new Set([entry]);
    for (const block of waiting) {
      ends[block] = topBehind(region.blocks[block], tops[block]!, touched);
      for (const next of successorsOf(region.blocks[block])) {
        if (tops[next] !== undefined) continue;
        tops[next] = ends[block];
        waiting.add(next);
      }
    }
  }
  const blocks = region.blocks.map((block, number) => ({
    ...block,
    end: withTargets(block.end, (target) => target.block === undefined || tops[target.block] === ends[number]),
  }));
  return { region: { ...region, blocks }, plan: { tops: tops.map((top) => top ?? 0), touched } };
}

const usesX87 = ({ way, form }: RegionBlock['instructions'][number]): boolean =>
  way === 'emitted' && form.x87 !== undefined;

/** What the interpreter does may turn the stack, too; then the base becomes another one. */
function topBehind({ instructions }: RegionBlock, before: number, touched: Set<number>): number {
  let top = before;
  for (const { way, form } of instructions) {
    if (way !== 'emitted' || !form.x87) continue;
    for (const number of form.x87.touched) touched.add((top + number) & 7);
    top = (top + form.x87.turn) & 7;
  }
  return top;
}

/** Targets that are not kept are outside. */
function withTargets(end: BlockEnd, isKept: (target: Target) => boolean): BlockEnd {
  const kept = (target: Target): Target => (isKept(target) ? target : { ...target, block: undefined });
  switch (end.kind) {
    case 'falls':
    case 'jumps':
      return { ...end, to: kept(end.to) };
    case 'branches':
      return { ...end, taken: kept(end.taken), next: kept(end.next) };
    case 'computed':
      return {
        ...end,
        candidates: end.candidates.filter(isKept),
        dispatch: end.dispatch && isKept(end.dispatch) ? end.dispatch : undefined,
        ...(end.next && { next: kept(end.next) }),
      };
    case 'dispatches':
      return { ...end, candidates: end.candidates.filter(isKept) };
    case 'leaves':
      return end;
  }
}
