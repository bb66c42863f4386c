/**
 * Whom a host asks for memory, and how much of it: those that have much for what they are entitled to, idle ones first.
 *
 * Each guest has shares, its weight, for the memory that it holds; what it holds and does not use counts several times
 * (the idle tax). Who has the fewest shares for what counts gives first, a piece at a time. Source: Waldspurger, "Memory
 * Resource Management in VMware ESX Server", OSDI 2002, section 5.
 */

/** A guest with a balloon and a driver for it. Memory is in MiB. */
export interface Donor {
  readonly weight: number;
  /** What it holds. */
  readonly inUse: number;
  /** How busy it was lately, from 0 to 1. */
  readonly activity: number;
  /** What it is asked for already, and has given. */
  readonly asked: number;
  readonly given: number;
  /** What it has left, by its own word; undefined: it has not said. */
  readonly available: number | undefined;
  /** It has said so since it was last asked for memory. */
  readonly answered: boolean;
  /** Its RAM, and what of it is not to be taken. */
  readonly memory: number;
  readonly reserved: number;
}

/** Of what is idle, so much is taken: 75 per cent. */
const IDLE_COST = 4;
/** Each guest keeps so much of its RAM, in parts and in MiB: it is not to be pressed to death. */
const KEPT = { part: 1 / 8, least: 16 } as const;
/** Of what a guest has left, so much may be taken at once; of one that has not said, so much of what it holds. */
const PART = { available: 3 / 4, unknown: 1 / 4 } as const;
/** MiB by which turns are taken. */
const PIECE = 4;

/** Shares for each MiB that counts: the lower, the sooner it is asked. */
export function rankOf({ weight, inUse, activity }: Pick<Donor, 'weight' | 'inUse' | 'activity'>): number {
  return weight / (Math.max(inUse, 1) * (activity + IDLE_COST * (1 - activity)));
}

/** What it can be asked for besides now, in whole MiB. One that has yet to give, or to answer, is not asked for more. */
function mayGive({ inUse, asked, given, available, answered, memory, reserved }: Donor): number {
  if (asked > given || !answered) return 0;
  const most = memory - Math.max(memory * KEPT.part, KEPT.least, reserved);
  const left = available === undefined ? PART.unknown * inUse : PART.available * available;
  return Math.max(0, Math.floor(Math.min(most - given, left)));
}

/**
 * What to ask of whom for `wanted` MiB in all: by donor, the new amount. What some have yet to give counts as given.
 */
export function askDonors<D extends Donor>(donors: readonly D[], wanted: number): Map<D, number> {
  const pieces = donors.map((donor) => ({ donor, left: mayGive(donor), inUse: donor.inUse, asks: 0 }));
  let rest = wanted - donors.reduce((sum, { asked, given }) => sum + Math.max(0, asked - given), 0);
  while (rest > 0) {
    const able = pieces.filter(({ left }) => left > 0);
    if (able.length === 0) break;
    const rank = ({ donor, inUse }: (typeof pieces)[number]) => rankOf({ ...donor, inUse });
    const next = able.reduce((first, each) => (rank(each) < rank(first) ? each : first));
    const piece = Math.min(PIECE, next.left, Math.ceil(rest));
    next.asks += piece;
    next.left -= piece;
    next.inUse -= piece;
    rest -= piece;
  }
  return new Map(
    pieces.filter(({ asks }) => asks > 0).map(({ donor, asks }) => [donor, Math.ceil(donor.given) + asks]),
  );
}

/** Who gets some of it back first, of those that are asked for any: the one with the most shares for what it has. */
export function nextToRelieve<D extends Donor>(donors: readonly D[]): D | undefined {
  const asked = donors.filter((donor) => donor.asked > 0);
  return asked.length === 0 ? undefined : asked.reduce((first, each) => (rankOf(each) > rankOf(first) ? each : first));
}
