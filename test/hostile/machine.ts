/** A PC that runs one hostile program after the other, and holds each `run` to what it promises. */
import { createPlatform } from '../../src/host/platform.ts';
import type { BootImage } from '../../src/machine/boot.ts';
import { enterBootImage } from '../../src/machine/entry.ts';
import { createSharedCode, type EngineName, Pc, type SharedCode } from '../../src/machine/pc.ts';
import type { HostileProgram } from './program.ts';
import type { Stage } from './stage.ts';

/** Steps of work that a run of n instructions may take. */
export const workAllowed = (instructions: number): number => 2 * instructions + 1000;
const PAGE = new Uint8Array(4096);
/** Runs without an instruction, one after the other, after which a program counts as stuck. */
const MOST_EMPTY_RUNS = 4;
/** Resets after which a program has shown what it can: each takes a millisecond or two. */
const MOST_RESETS = 20;
/** Instructions between two NMIs: a prime, so that they come everywhere. */
const NMI_INTERVAL = 97;

/** A promise that was not kept. */
export class Broken extends Error {}

/** How long the longest run took, in ms of processor time, and of what. */
export interface Extremes {
  longest: number;
  longestProgram: string;
  runs: number;
  resets: number;
  /** Exceptions seen last at the end of runs, with how often. */
  readonly vectors: Map<number, number>;
}

/** Compiled once, for all machines that it is given to. */
export const createCode = (): SharedCode => {
  const { compile } = createPlatform();
  return createSharedCode({ compileLoop: (bytes) => compile(bytes) });
};

/** What such a machine resets to, before the program of the moment is put there. */
const NOTHING: BootImage = { pieces: [], entry: { mode: 'real', ip: 0 } };

/** What a program is tried as: the program, and what was built of it. */
export interface Staged {
  readonly program: HostileProgram;
  readonly stage: Stage;
}

export function createHostilePc(
  { program, stage }: Staged,
  options: { engine: EngineName; code: SharedCode; boot?: BootImage },
): Pc {
  const pc = new Pc({
    name: program.name,
    memoryBytes: 2 ** 21,
    cpu: program.cpu,
    engine: options.engine,
    boot: options.boot ?? stage.boot,
    powerOnTime: 0,
    code: options.code,
  });
  if (stage.rom) {
    pc.memory.addRom(stage.rom.address, stage.rom.bytes);
    pc.processor.mmu.flush('all');
    pc.processor.modeChanged();
  }
  return pc;
}

export class HostileMachine {
  readonly pc: Pc;
  readonly label: string;
  readonly #extremes: Extremes;
  #staged: Staged;
  #start = 0;
  #resets = 0;

  constructor(staged: Staged, options: { engine: EngineName; code: SharedCode; extremes: Extremes }) {
    this.label = options.engine;
    this.#staged = staged;
    this.#extremes = options.extremes;
    this.pc = createHostilePc(staged, { ...options, boot: NOTHING });
    this.load(staged);
  }

  /** Instructions since the program was loaded. */
  get count(): number {
    return this.pc.instructions - this.#start;
  }

  /** Empties memory and starts another program, which must need no ROM. */
  load(staged: Staged): void {
    const { memory } = this.pc;
    for (const page of memory.dirtyPages()) memory.copyIn(page * PAGE.length, PAGE);
    memory.clearDirty();
    this.#staged = staged;
    this.#start = this.pc.instructions;
    this.#resets = 0;
    this.restart();
  }

  /** As the guest's reset does it: memory stays, the program is loaded anew. */
  restart(): void {
    const { boot } = this.#staged.stage;
    this.pc.reset();
    for (const { address, bytes } of boot.pieces) this.pc.memory.copyIn(address, bytes);
    enterBootImage(this.pc.processor, boot.entry);
  }

  /**
   * Runs to a count of instructions since `load`, in slices, with a reset whenever the machine stops, up to so many.
   * Resets happen at the same counts however the run is sliced.
   * @throws Broken if a run fails, does more than it was given, or gets nowhere
   */
  runTo(count: number, slice: () => number): void {
    let empty = 0;
    while (this.count < count && this.#resets < MOST_RESETS) {
      const before = this.count;
      this.#runOnce(Math.min(slice(), count - this.count));
      empty = this.count === before ? empty + 1 : 0;
      if (empty === MOST_EMPTY_RUNS) throw new Broken(`${this.label}: ${empty} runs without an instruction`);
    }
  }

  #runOnce(wanted: number): void {
    const { pc } = this;
    const { program } = this.#staged;
    const toNmi = program.nmi ? NMI_INTERVAL - (this.count % NMI_INTERVAL) : wanted;
    const instructions = Math.min(wanted, toNmi);
    const { turns, lastFault } = pc.processor;
    const startedAt = process.cpuUsage();
    const exit = pc.run({ instructions });
    const { user, system } = process.cpuUsage(startedAt);
    const took = (user + system) / 1000;
    const extremes = this.#extremes;
    extremes.runs++;
    if (took > extremes.longest) {
      extremes.longest = took;
      extremes.longestProgram = `${program.name} (${this.label}, ${instructions} instructions)`;
    }
    const vector = pc.processor.lastFault?.vector;
    if (vector !== undefined && pc.processor.lastFault !== lastFault)
      extremes.vectors.set(vector, (extremes.vectors.get(vector) ?? 0) + 1);
    if (exit.reason === 'error') throw new Broken(`${this.label}: ${exit.error.message}`);
    if (exit.executed > instructions)
      throw new Broken(`${this.label}: ${exit.executed} instructions of ${instructions} given`);
    const worked = pc.processor.turns - turns;
    if (worked > workAllowed(instructions))
      throw new Broken(`${this.label}: ${worked} steps of work for ${instructions} instructions`);
    if (program.nmi && exit.executed === toNmi) {
      pc.processor.nmi.set(1);
      pc.processor.nmi.set(0);
    } else if (exit.reason !== 'budget' && exit.reason !== 'output') {
      extremes.resets++;
      this.#resets++;
      this.restart();
    }
  }

  dispose(): void {
    this.pc.dispose();
  }
}
