/**
 * The rounds of a benchmark. In each, every emulator boots the guest in a process of its own; then each program runs in
 * all of them in turn (A B C, A B C, …), seconds apart, so that a slow minute of the machine strikes all alike. Those
 * whose turn it is not are stopped (SIGSTOP): an idle guest may take a processor, too. Programs that need a disk run in
 * processes of their own behind the others, so that these are what they are without a disk.
 */
import type { CleanUp } from './clean-up.ts';
import type { Emulator, EmulatorName, GuestSystem } from './emulators.ts';
import { type CommandResult, Ended, GuestSession, TimeLimit } from './guest-session.ts';
import { needsDisk, type Program, scaled } from './programs.ts';
import type { Interval } from './schedstat.ts';

/** What became of a program in one round. */
export type Outcome =
  | { readonly kind: 'time'; readonly time: Interval; readonly output: string }
  /** It was ended after this many ms. */
  | { readonly kind: 'limit'; readonly limit: number }
  | { readonly kind: 'skipped' | 'failed'; readonly reason: string };

export interface Boot {
  /** From the start of the process to the first words of /init. */
  readonly time: Interval;
  /** Resident memory of the process then, in bytes. */
  readonly resident: number;
}

export interface Rounds {
  /** By emulator, then by name of the program: an outcome for each round. */
  readonly outcomes: ReadonlyMap<EmulatorName, ReadonlyMap<string, readonly Outcome[]>>;
  /** Of guests without a disk. */
  readonly boots: ReadonlyMap<EmulatorName, readonly Boot[]>;
  readonly remarks: readonly string[];
}

export interface RoundsOptions {
  readonly emulators: readonly Emulator[];
  readonly programs: readonly Program[];
  readonly rounds: number;
  readonly system: GuestSystem;
  /** For the programs that need a disk; undefined if there are none. */
  readonly diskSystem: GuestSystem | undefined;
  /** How long guests without a disk take to boot is wanted, whatever programs there are. */
  readonly boots: boolean;
  /** Of the programs' sizes. */
  readonly scale: number;
  /** Time limit of one program, in ms. */
  readonly limit: number;
  /** Time limit of a boot, and of what is not measured, in ms. */
  readonly bootLimit: number;
  readonly cleanUp: CleanUp;
  readonly onProgress: (text: string) => void;
}

/** Programs that run in the same guests. */
interface Stage {
  readonly programs: readonly Program[];
  /** One of each emulator. */
  readonly runs: readonly EmulatorRun[];
}

export async function runRounds(options: RoundsOptions): Promise<Rounds> {
  const { emulators, rounds } = options;
  const stages = stagesOf(options);
  for (let round = 1; round <= rounds; round++) {
    const total = rounds === 1 ? '' : `, round ${round} of ${rounds}`;
    for (const stage of stages)
      await runStage(stage, (run, what) => options.onProgress(`${run.title}${total}: ${what}`));
  }
  const outcomesOf = (index: number) =>
    stages.flatMap(({ programs, runs }) => programs.map(({ name }) => [name, runs[index].outcomesOf(name)] as const));
  return {
    outcomes: new Map(emulators.map(({ name }, index) => [name, new Map(outcomesOf(index))])),
    boots: new Map(emulators.map(({ name }, index) => [name, stages.flatMap(({ runs }) => runs[index].boots)])),
    remarks: stages.flatMap(({ runs }) => runs.flatMap((run) => run.remarks)),
  };
}

function stagesOf(options: RoundsOptions): Stage[] {
  const { emulators, programs, system, diskSystem, boots } = options;
  const stage = (programs: readonly Program[], system: GuestSystem): Stage => ({
    programs,
    runs: emulators.map((emulator) => new EmulatorRun(emulator, system, options)),
  });
  const others = programs.filter((program) => !needsDisk(program));
  return [
    ...(others.length > 0 || boots ? [stage(others, system)] : []),
    ...(diskSystem ? [stage(programs.filter(needsDisk), diskSystem)] : []),
  ];
}

async function runStage({ programs, runs }: Stage, onProgress: (run: Emulator, what: string) => void): Promise<void> {
  for (const run of runs) {
    onProgress(run.emulator, 'boot');
    await run.open();
  }
  for (const program of programs) {
    for (const run of runs) {
      onProgress(run.emulator, program.name);
      await run.run(program);
    }
  }
  for (const run of runs) await run.close();
}

/** One emulator, over all rounds. */
class EmulatorRun {
  readonly emulator: Emulator;
  /** Of guests without a disk. */
  readonly boots: Boot[] = [];
  readonly remarks: string[] = [];
  readonly #outcomes = new Map<string, Outcome[]>();
  readonly #system: GuestSystem;
  readonly #options: RoundsOptions;
  #session: GuestSession | undefined;
  /** Of its CPU, as in /proc/cpuinfo. */
  #flags: string | undefined;
  /** A boot that comes to nothing would do so again. */
  #useless = false;

  constructor(emulator: Emulator, system: GuestSystem, options: RoundsOptions) {
    this.emulator = emulator;
    this.#system = system;
    this.#options = options;
  }

  outcomesOf(name: string): Outcome[] {
    const outcomes = this.#outcomes.get(name) ?? [];
    this.#outcomes.set(name, outcomes);
    return outcomes;
  }

  /** Begins a round. */
  async open(): Promise<void> {
    this.#session = await this.#boot();
    if (this.#session && this.#system.disk === undefined)
      this.boots.push({ time: this.#session.bootTime, resident: this.#session.residentAtPrompt });
  }

  async run(program: Program): Promise<void> {
    const outcomes = this.outcomesOf(program.name);
    // What has failed once is not tried again: it would cost the limit and a boot each time.
    if (outcomes.some(({ kind }) => kind !== 'time')) return;
    this.#session ??= await this.#boot();
    const session = this.#session;
    if (!session) return;
    session.resume();
    outcomes.push((await this.#lack(session, program)) ?? (await this.#measure(session, program)));
    if (session.ended) this.#session = undefined;
    else session.pause();
  }

  /** Ends a round. */
  async close(): Promise<void> {
    await this.#session?.close();
    this.#session = undefined;
  }

  /** Why a program cannot run there. */
  async #lack(session: GuestSession, { needs }: Program): Promise<Outcome | undefined> {
    if (needs === undefined) return undefined;
    this.#flags ??= await readFlags(session, this.#options.bootLimit);
    if (this.#flags.split(' ').includes(needs)) return undefined;
    return { kind: 'skipped', reason: `its CPU has no ${needs}` };
  }

  async #boot(): Promise<GuestSession | undefined> {
    if (this.#useless) return undefined;
    const { cleanUp, bootLimit } = this.#options;
    try {
      const session = await GuestSession.boot(this.emulator.boot(this.#system, 'virtual'), cleanUp, bootLimit);
      session.pause();
      return session;
    } catch (error) {
      if (!(error instanceof TimeLimit || error instanceof Ended)) throw error;
      const guest = this.#system.disk === undefined ? '' : ' with a disk';
      this.remarks.push(`${this.emulator.title} did not boot${guest}: ${error.message}`);
      this.#useless = true;
      return undefined;
    }
  }

  async #measure(session: GuestSession, program: Program): Promise<Outcome> {
    const { limit, bootLimit, scale } = this.#options;
    const size = scaled(program, scale);
    try {
      if (program.before) await session.run('before', program.before(size), bootLimit);
      const result = await measured(session, program, size, limit);
      if (result === undefined) return { kind: 'limit', limit };
      const after = program.after ? await session.run('after', program.after, bootLimit) : undefined;
      if (result.status !== 0)
        return { kind: 'failed', reason: `exit status ${result.status}: ${result.output.trim()}` };
      if (!result.time) return { kind: 'skipped', reason: 'too short to be timed; see --scale' };
      return { kind: 'time', time: result.time, output: result.output + (after?.output ?? '') };
    } catch (error) {
      if (error instanceof TimeLimit) return { kind: 'failed', reason: `its preparation took ${error.message}` };
      if (error instanceof Ended) return { kind: 'failed', reason: error.message };
      throw error;
    }
  }
}

/** Undefined if it takes too long. */
async function measured(
  session: GuestSession,
  program: Program,
  size: number,
  limit: number,
): Promise<CommandResult | undefined> {
  try {
    return await session.run(program.name, program.command(size), limit);
  } catch (error) {
    if (error instanceof TimeLimit) return undefined;
    throw error;
  }
}

async function readFlags(session: GuestSession, limit: number): Promise<string> {
  const { output } = await session.run('flags', "grep -m 1 '^flags' /proc/cpuinfo", limit);
  return output.trim();
}
