/**
 * Two machines in lockstep: equal states at equal counts of instructions; if not, the first instruction at whose end they
 * differ. Nothing is kept of a run: machines repeat exactly, so each closer look begins anew from power-on, with the same
 * cuts up to where both were still equal. An engine may treat code that is run in one piece otherwise than the same code
 * cut into instructions: a difference that finer cuts would hide is bisected by runs in one piece.
 */
import { InternalError } from '../../base/errors.ts';
import { type CodePlace, codePlaceOf } from './code-place.ts';
import type { MachineDifferences } from './compare-machines.ts';
import type { Ending, LockstepMachine } from './lockstep-machine.ts';
import { MachinePair } from './machine-pair.ts';

/** Someone at the first machine's serial line. Both get what is typed, at the same count. */
export interface Operator {
  /**
   * @param output what the machine has sent since the last call
   * @returns what to type; 'done': all that was wanted has been seen, the comparison may end here
   */
  read(output: Uint8Array): Uint8Array | 'done' | undefined;
}

export interface LockstepOptions {
  /** Makes the first or the second machine, just powered on; always the same. Called again for each closer look. */
  readonly create: (which: 0 | 1) => LockstepMachine;
  readonly instructions: number;
  /** Instructions between two comparisons of the registers. */
  readonly interval: number;
  /** Intervals between two comparisons of state hashes, memory included. */
  readonly intervalsPerHash: number;
  readonly operator?: Operator | undefined;
}

export interface LockstepProgress {
  readonly phase: 'comparing' | 'narrowing down';
  readonly instructions: number;
}

export type LockstepOutcome =
  | {
      readonly equal: true;
      /** What was run: fewer than asked for if the machines ended, or the operator was done. */
      readonly instructions: number;
      readonly stateHash: string;
      readonly ending: Ending | undefined;
    }
  | LockstepDifference;

export interface LockstepDifference extends MachineDifferences {
  readonly equal: false;
  /**
   * `instruction`: the machines differ behind the last instruction of the range, and not before it.
   * `piece`: only if the range is run in one piece; up to its last instruction but one, they do not differ then.
   * `unrepeatable`: seen once, between these counts; the same runs did not show it again.
   */
  readonly kind: 'instruction' | 'piece' | 'unrepeatable';
  /** Counts of instructions: equal at `start`, not at `end`. Both 0: different from power-on. */
  readonly start: number;
  readonly end: number;
  /** Where both stood at `start`. */
  readonly place: CodePlace | undefined;
  /** Where both stood before the last instruction of the range. */
  readonly lastPlace: CodePlace | undefined;
}

/** Cuts of a range at each closer look. */
const PARTS = 1000;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A stretch of a run, from where the one before it ends: up to `end`, cut every `step` instructions. */
interface Leg {
  readonly end: number;
  readonly step: number;
}

type Work<Result> = Generator<LockstepProgress, Result, void>;

export class Lockstep {
  readonly #options: LockstepOptions;
  /** What was typed, at which counts. */
  readonly #typed: { readonly at: number; readonly bytes: Uint8Array }[] = [];

  constructor(options: LockstepOptions) {
    this.#options = options;
  }

  /** Comes back after every interval, and after every step of a closer look. To be called once. */
  *run(): Work<LockstepOutcome> {
    const { instructions, interval, intervalsPerHash, operator } = this.#options;
    let equalAt = 0;
    let suspect: Range | undefined;
    let seen: MachineDifferences;
    const pair = this.#createPair();
    try {
      if (pair.differs) return this.#explainStart(pair);
      for (let count = 1; ; count++) {
        const at = Math.min(count * interval, instructions);
        pair.runTo(at);
        const typed = operator?.read(pair.takeOutput());
        const isLast = at === instructions || typed === 'done' || (pair.ending !== undefined && typed === undefined);
        const hash = isLast || count % intervalsPerHash === 0;
        const stateHash = pair.seemsToDiffer ? undefined : hash ? pair.stateHash : '';
        if (stateHash === undefined) {
          seen = differencesOf(pair);
          suspect = { start: equalAt, end: at };
          break;
        }
        if (isLast) {
          return { equal: true, instructions: pair.first.processor.retired, stateHash, ending: pair.ending };
        }
        if (hash) equalAt = at;
        if (typed instanceof Uint8Array) {
          this.#typed.push({ at, bytes: typed });
          pair.send(typed);
        }
        yield { phase: 'comparing', instructions: at };
      }
    } finally {
      pair.dispose();
    }
    const found = yield* this.#narrow(suspect);
    return found ?? { equal: false, kind: 'unrepeatable', ...suspect, place: undefined, lastPlace: undefined, ...seen };
  }

  /** @returns undefined if the same runs, cut in the same way, do not show it again */
  *#narrow(suspect: Range): Work<LockstepDifference | undefined> {
    const { interval } = this.#options;
    let range = yield* this.#walk([{ end: suspect.start, step: interval }], suspect, interval);
    if (!range) return undefined;
    const legs: Leg[] = [{ end: range.start, step: interval }];
    while (range.end - range.start > 1) {
      const step = Math.ceil((range.end - range.start) / PARTS);
      const closer: Range | undefined = yield* this.#walk(legs, range, step);
      if (!closer) return yield* this.#explain(legs, yield* this.#bisect(legs, range));
      range = closer;
      legs.push({ end: range.start, step });
    }
    return yield* this.#explain(legs, range);
  }

  /** Goes through a range step by step. @returns the first step at whose end the machines differ */
  *#walk(legs: readonly Leg[], { start, end }: Range, step: number): Work<Range | undefined> {
    const pair = this.#createPair();
    try {
      yield* this.#follow(pair, legs);
      for (let at = start; at < end; ) {
        const next = Math.min(at + step, end);
        pair.runTo(next);
        if (pair.differs) return { start: at, end: next };
        this.#type(pair, next);
        at = next;
        yield { phase: 'narrowing down', instructions: at };
      }
      return undefined;
    } finally {
      pair.dispose();
    }
  }

  /** @returns the shortest piece, from the start of a range that differs as a whole, that differs if it is run in one */
  *#bisect(legs: readonly Leg[], { start, end }: Range): Work<Range> {
    let [equal, different] = [start, end];
    while (different - equal > 1) {
      const middle = equal + Math.floor((different - equal) / 2);
      const differs = yield* this.#look(legs, (pair) => {
        pair.runTo(middle);
        return pair.differs;
      });
      if (differs) different = middle;
      else equal = middle;
    }
    return { start, end: different };
  }

  *#explain(legs: readonly Leg[], { start, end }: Range): Work<LockstepDifference> {
    const isOne = end - start === 1;
    const seen = yield* this.#look(legs, (pair) => {
      const place = codePlaceOf(pair.first);
      pair.runTo(end);
      return { place, lastPlace: place, ...differencesOf(pair) };
    });
    if (isOne) return { equal: false, kind: 'instruction', start, end, ...seen };
    const lastPlace = yield* this.#look(legs, (pair) => {
      pair.runTo(end - 1);
      return codePlaceOf(pair.first);
    });
    return { equal: false, kind: 'piece', start, end, ...seen, lastPlace };
  }

  /** @returns what is seen of new machines that have followed the legs */
  *#look<Seen>(legs: readonly Leg[], see: (pair: MachinePair) => Seen): Work<Seen> {
    const pair = this.#createPair();
    try {
      yield* this.#follow(pair, legs);
      return see(pair);
    } finally {
      pair.dispose();
    }
  }

  *#follow(pair: MachinePair, legs: readonly Leg[]): Work<void> {
    let at = 0;
    for (const { end, step } of legs) {
      while (at < end) {
        at = Math.min(at + step, end);
        pair.runTo(at);
        this.#type(pair, at);
        yield { phase: 'narrowing down', instructions: at };
      }
    }
  }

  #createPair(): MachinePair {
    return new MachinePair(this.#options.create);
  }

  /** What was typed at this count is typed again. */
  #type(pair: MachinePair, at: number): void {
    pair.takeOutput();
    for (const typed of this.#typed) if (typed.at === at) pair.send(typed.bytes);
  }

  #explainStart(pair: MachinePair): LockstepDifference {
    const place = codePlaceOf(pair.first);
    const differences = differencesOf(pair);
    return { equal: false, kind: 'instruction', start: 0, end: 0, place, lastPlace: place, ...differences };
  }
}

/** @throws InternalError if there are none, though the state hashes say so: they cover what is not compared */
function differencesOf(pair: MachinePair): MachineDifferences {
  const differences = pair.compare();
  if (differences.fields.length + differences.pages.length === 0)
    throw new InternalError('lockstep: the state hashes differ in something that no comparison finds');
  return differences;
}
