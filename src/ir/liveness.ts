/**
 * What of the machine's state statements read and overwrite, and which effects nobody sees. Places are known to the
 * layer above: it says which locations each stands for. A flag is a location, too. Sets of locations are bits.
 */
import type { Statement } from './statement.ts';
import type { Value } from './value.ts';
import { partsOf, resultsOf, valuesOf } from './visit.ts';

/** A set of locations, as bits of a 32-bit integer. */
export type LocationSet = number;

export interface Locations<P> {
  /** All there are: what a helper, or whoever goes on after a fault or a jump, may look at. */
  readonly all: LocationSet;
  /** By name. */
  readonly flags: Readonly<Record<string, LocationSet>>;
  /** What a place has something of. A read reads them; a write is wanted if one of them is. */
  of(place: P): LocationSet;
  /** What a write to the place leaves nothing of. */
  overwrittenBy(place: P): LocationSet;
}

/** Locations and, by their numbers, temporaries whose values somebody may look at. */
export interface Live {
  readonly locations: LocationSet;
  readonly temporaries: ReadonlySet<number>;
}

export interface Needed<P, S> {
  /** The statements without those whose effects nobody sees. */
  readonly statements: Statement<P, S>[];
  /** What is live before them. */
  readonly before: Live;
}

/** Goes through statements backwards. @param after what is live behind the last one */
export function findNeeded<P, S>(
  statements: readonly Statement<P, S>[],
  after: Live,
  locations: Locations<P>,
): Needed<P, S> {
  const live = new LiveSet(after);
  const needed: Statement<P, S>[] = [];
  for (let index = statements.length - 1; index >= 0; index--) {
    const statement = statements[index];
    const kept = statement.kind === 'when' ? findInBranches(statement, live, locations) : statement;
    if (kept.kind === 'when' ? kept.then.length + kept.otherwise.length === 0 : !isNeeded(kept, live, locations)) {
      continue;
    }
    needed.push(kept);
    live.step(kept, locations);
  }
  return { statements: needed.reverse(), before: live };
}

/**
 * The same for lists that are carried out one after the other, each with temporaries of its own.
 * @param after locations live behind the last list
 */
export function findNeededInSequence<P, S>(
  sequence: readonly (readonly Statement<P, S>[])[],
  after: LocationSet,
  locations: Locations<P>,
): Statement<P, S>[][] {
  let live = after;
  const needed: Statement<P, S>[][] = [];
  for (const statements of sequence.toReversed()) {
    const found = findNeeded(statements, { locations: live, temporaries: new Set() }, locations);
    needed.unshift(found.statements);
    live = found.before.locations;
  }
  return needed;
}

class LiveSet implements Live {
  locations: LocationSet;
  readonly temporaries: Set<number>;

  constructor({ locations, temporaries }: Live) {
    this.locations = locations;
    this.temporaries = new Set(temporaries);
  }

  /** From behind a statement to before it. */
  step<P, S>(statement: Statement<P, S>, known: Locations<P>): void {
    if (statement.kind === 'write') this.locations &= ~known.overwrittenBy(statement.place);
    if (statement.kind === 'flags') this.locations &= ~flagsOf(statement.values, known);
    for (const { id } of resultsOf(statement)) this.temporaries.delete(id);
    if (mayLeave(statement)) this.locations = known.all;
    if (statement.kind === 'read') this.locations |= known.of(statement.place);
    for (const value of valuesOf(statement)) this.#use(value);
  }

  #use(value: Value): void {
    if (value.op === 'temporary') this.temporaries.add(value.id);
    for (const part of partsOf(value)) this.#use(part);
  }
}

/** The branches' needed statements; in `live`, what is live before either. */
function findInBranches<P, S>(
  statement: Extract<Statement<P, S>, { kind: 'when' }>,
  live: LiveSet,
  locations: Locations<P>,
): Extract<Statement<P, S>, { kind: 'when' }> {
  const [yes, no] = [statement.then, statement.otherwise].map((branch) => findNeeded(branch, live, locations));
  live.locations = yes.before.locations | no.before.locations;
  live.temporaries.clear();
  for (const branch of [yes, no]) for (const id of branch.before.temporaries) live.temporaries.add(id);
  const [then, otherwise] = [yes.statements, no.statements];
  return { ...statement, then, otherwise };
}

/** Whether a statement does something that is seen, in this instruction or after it. */
function isNeeded<P, S>(statement: Statement<P, S>, live: Live, locations: Locations<P>): boolean {
  switch (statement.kind) {
    case 'read':
      return live.temporaries.has(statement.result.id);
    case 'write':
      return (locations.of(statement.place) & live.locations) !== 0;
    case 'flags':
      return (flagsOf(statement.values, locations) & live.locations) !== 0;
    default:
      // A load may fault.
      return true;
  }
}

function flagsOf<P>(values: Readonly<Record<string, Value>>, known: Locations<P>): LocationSet {
  let flags = 0;
  for (const name in values) flags |= known.flags[name];
  return flags;
}

/** Whether control may go elsewhere, where all of the state is seen; or code that knows all of it runs. */
function mayLeave({ kind }: Statement): boolean {
  switch (kind) {
    case 'read':
    case 'write':
    case 'flags':
    case 'when':
      return false;
    case 'load':
    case 'store':
    case 'raise':
    case 'jump':
    case 'checkTarget':
    case 'call':
      return true;
  }
}
