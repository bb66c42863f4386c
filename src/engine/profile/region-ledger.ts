/** Sums of what regions have done, by the place of their first instruction: a bounded number of places, then all others together. */
import type { ExitCause } from '../jit/lowering/region-exits.ts';
import type { RegionProfile, RegionTotals } from './engine-profile.ts';

/** Where a region begins. */
export interface RegionOrigin {
  readonly physical: number;
  readonly linear: number;
  readonly user: boolean;
}

export type RegionFigures = Omit<RegionTotals, 'linked'>;

type Sum = { -readonly [Field in keyof RegionTotals]: RegionTotals[Field] };

/** Places kept apart. */
export const MOST_PLACES = 4096;

export class RegionLedger {
  readonly #places = new Map<string, RegionOrigin & Sum>();
  readonly #others: Sum = nothing();

  /** @param linked times it was put to work */
  add(origin: RegionOrigin, figures: RegionFigures, linked = 1): void {
    const name = `${origin.physical} ${origin.user}`;
    const known = this.#places.get(name);
    if (!known && this.#places.size >= MOST_PLACES) return addTo(this.#others, figures, linked);
    const place = { ...nothing(), ...known, ...origin };
    addTo(place, figures, linked);
    this.#places.set(name, place);
  }

  /** With those that are still at work. */
  withLive(live: Iterable<{ readonly origin: RegionOrigin; readonly figures: RegionFigures }>): {
    readonly regions: readonly RegionProfile[];
    readonly others: RegionTotals;
  } {
    const places = new Map([...this.#places].map(([name, place]) => [name, { ...place }]));
    for (const { origin, figures } of live) {
      const name = `${origin.physical} ${origin.user}`;
      const place = { ...nothing(), ...places.get(name), ...origin };
      addTo(place, figures, 1);
      places.set(name, place);
    }
    const sorted = [...places.values()].sort((one, other) => other.retired - one.retired);
    const others = { ...this.#others };
    for (const { linked, ...figures } of sorted.slice(MOST_PLACES)) addTo(others, figures, linked);
    return { regions: sorted.slice(0, MOST_PLACES), others };
  }
}

export const noExits = (): Record<ExitCause, number> => ({
  memory: 0,
  unusual: 0,
  apart: 0,
  called: 0,
  budget: 0,
  branch: 0,
});

const nothing = (): Sum => ({ linked: 0, instructions: 0, entered: 0, retired: 0, refused: 0, exits: noExits() });

function addTo(sum: Sum, { instructions, entered, retired, refused, exits }: RegionFigures, linked: number): void {
  sum.linked += linked;
  sum.instructions = instructions;
  sum.entered += entered;
  sum.retired += retired;
  sum.refused += refused;
  const causes = Object.keys(exits) as ExitCause[];
  sum.exits = Object.fromEntries(causes.map((cause) => [cause, sum.exits[cause] + exits[cause]])) as Sum['exits'];
}
