/** The exits of a region: why and where control leaves it. Each is a place in linear memory, filled when it is linked. */
import { REGION_EXIT } from '../../blocks/region-entry.ts';

/** Why: for profiles. */
export const CAUSES = [
  /** A translation is not in the TLB, or the access is of a kind that is not plain memory. */
  'memory',
  /** What an instruction does only sometimes: a fault, or the work of a helper. */
  'unusual',
  /** An instruction that regions cannot do. */
  'apart',
  /** One that the interpreter's function did, faulted, transferred control, or asked for the dispatcher. */
  'called',
  /** Too little budget for what comes, or the region has run for long enough. */
  'budget',
  /** A direct transfer to code that the region has not. */
  'branch',
] as const;
export type ExitCause = (typeof CAUSES)[number];

/** More than there are instructions in a region. */
const MOST_RETIRED = 1024;

export interface RegionExit {
  readonly cause: ExitCause;
  /** Number of the trace that holds the instruction to go on with; undefined for a branch. */
  readonly trace: number | undefined;
  /** Of the instruction to go on with, from the base. */
  readonly offset: number;
  /** 'branch': it lies in a page of the region. */
  readonly within?: boolean;
  /** Instructions retired since the budget was last counted down. */
  readonly retired: number;
}

export class RegionExits {
  /** By offset, instructions retired, and cause. */
  readonly #known = new Map<number, number>();
  readonly list: RegionExit[] = [];
  /** Bytes of what stands before them: pages and jumps. */
  readonly #start: number;

  constructor(start: number) {
    this.#start = start;
  }

  /** Place of an exit, in bytes from what is known of the region; equal ones are one. */
  at(exit: RegionExit): number {
    const key = (exit.offset * MOST_RETIRED + exit.retired) * CAUSES.length + CAUSES.indexOf(exit.cause);
    let index = this.#known.get(key);
    if (index === undefined) {
      index = this.list.push(exit) - 1;
      this.#known.set(key, index);
    }
    return this.#start + index * REGION_EXIT.SIZE;
  }
}
