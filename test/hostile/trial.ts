/** One hostile program on all engines: every run keeps its promises, and all machines stay in the same state. */
import { Random } from '../../src/difftest/random.ts';
import type { EngineName } from '../../src/engine/processor.ts';
import { Broken, createCode, type Extremes, HostileMachine, type Staged } from './machine.ts';
import { type HostileProgram, staged } from './program.ts';

export interface TrialLengths {
  /** Instructions on every engine, with states compared. */
  readonly lockstep: number;
  /** Instructions on the interpreter in one run, after that: 7 times as many for a program that waits for a timer. */
  readonly long: number;
}

export interface TrialFigures extends Extremes {
  programs: number;
  instructions: number;
}

/** Ways to cut a run into slices. */
const SLICINGS = ['whole', 'random', 'tiny'] as const;
type Slicing = (typeof SLICINGS)[number];
type How = readonly [EngineName, Slicing];
const PAIR: readonly How[] = [
  ['reference', 'random'],
  ['interpreter', 'whole'],
];
const TEAMS: readonly (readonly How[])[] = [
  [...PAIR, ['interpreter', 'tiny']],
  [...PAIR, ['jit', 'whole']],
  [...PAIR, ['reference', 'tiny']],
];
/** Interrupts of the fastest timer come every 420 instructions. */
const LEAST_ENTERED = 30;
const CHECKPOINTS = 3;
const WAITING = 7;
const WARM_UP = 300_000;

function slicer(slicing: Slicing, seed: number): () => number {
  const random = new Random(seed);
  switch (slicing) {
    case 'whole':
      return () => Number.MAX_SAFE_INTEGER;
    case 'random':
      return () => 1 + random.below(random.oneIn(4) ? 4 : 700);
    case 'tiny':
      return () => 1 + random.below(7);
  }
}

/** Tries program after program on machines that it keeps. */
export class Trials {
  readonly figures: TrialFigures = {
    programs: 0,
    instructions: 0,
    runs: 0,
    resets: 0,
    vectors: new Map(),
    longest: 0,
    longestProgram: '',
  };
  readonly #code = createCode();
  readonly #machines = new Map<string, HostileMachine>();

  /** Machine code for the interpreter is made when it first runs: that is no program's doing. */
  constructor() {
    const extremes = { ...this.figures };
    for (const width of [16, 32, 64] as const) {
      const program = staged('', `warming up, ${width} bits`, { body: 'inc eax', width });
      const options = { engine: 'interpreter', code: this.#code, extremes } as const;
      const machine = new HostileMachine({ program, stage: program.build() }, options);
      machine.runTo(WARM_UP, () => Number.MAX_SAFE_INTEGER);
      machine.dispose();
    }
  }

  /** @returns what was wrong, one line each */
  try(program: HostileProgram, lengths: TrialLengths): string[] {
    const staged: Staged = { program, stage: program.build() };
    const seed = this.figures.programs++;
    // A third of the programs also in slices of a few instructions, with both engines in turn.
    const group = seed % 3 === 0 ? TEAMS[seed % TEAMS.length] : PAIR;
    const used = group.map(([engine, slicing]) => ({
      machine: this.#machineFor(staged, engine, `${slicing} of ${group.length}, ${group[2]?.[0]}`),
      slice: slicer(slicing, seed),
      label: `${engine}, ${slicing} slices`,
    }));
    try {
      for (let checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
        const count = Math.ceil((lengths.lockstep * checkpoint) / CHECKPOINTS);
        for (const { machine, slice } of used) machine.runTo(count, slice);
        const hashOf = ({ pc }: HostileMachine) =>
          checkpoint === CHECKPOINTS ? pc.stateHash() : pc.processor.stateHash();
        const [first, ...others] = used.map(({ machine }) => hashOf(machine));
        const other = others.findIndex((hash) => hash !== first);
        if (other >= 0)
          throw new Broken(`${used[0].label} and ${used[other + 1].label} differ at instruction ${count}`);
      }
      const machine = this.#machineFor(staged, 'interpreter', 'alone');
      const long = lengths.long * (program.waits ? WAITING : 1);
      machine.runTo(long, () => Number.MAX_SAFE_INTEGER);
      this.figures.instructions += long + lengths.lockstep * (used.length - 1);
      this.#checkCounter(program, machine);
    } catch (error) {
      this.#forget();
      return [`${program.name}: ${error instanceof Broken ? error.message : `thrown: ${(error as Error).stack}`}`];
    }
    if (staged.stage.rom) this.#forget();
    return [];
  }

  #checkCounter({ counts }: HostileProgram, { pc }: HostileMachine): void {
    if (counts === undefined) return;
    const entered = pc.memory.read(counts, 4);
    if (entered < LEAST_ENTERED) {
      const { state, lastFault } = pc.processor;
      const where = `ip ${state.ip.toString(16)}h, last fault ${lastFault?.vector}: ${lastFault?.cause.check}`;
      throw new Broken(`counted ${entered}: it does not do what its name says (${where})`);
    }
  }

  /** Machines of one group run the same programs, so that their clocks agree. */
  #machineFor(staged: Staged, engine: EngineName, group: string): HostileMachine {
    const key = `${engine} ${staged.program.cpu} ${group}`;
    const kept = this.#machines.get(key);
    if (kept && !staged.stage.rom) {
      kept.load(staged);
      return kept;
    }
    kept?.dispose();
    const options = { engine, code: this.#code, extremes: this.figures };
    const machine = new HostileMachine(staged, options);
    this.#machines.set(key, machine);
    return machine;
  }

  /** The next program gets new machines: these may be broken, or have a ROM. */
  #forget(): void {
    for (const machine of this.#machines.values()) machine.dispose();
    this.#machines.clear();
  }
}
