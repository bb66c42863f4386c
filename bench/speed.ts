/**
 * Guest programs, the same bytes in every emulator: millions of instructions a second, and ratios of the times.
 *
 * Each emulator runs a program in a process of its own, several rounds of it after a time to warm up. Processes of the
 * emulators alternate (A B C A B C …), so that a slow minute of the machine strikes all of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmulatorName, runProgram, TITLES, whyAbsent } from './emulators.ts';
import type { Round, TimeBasis } from './measurement.ts';
import { assembleProgram, PROGRAMS, type ProgramName } from './programs.ts';
import { geometricMean, median } from './statistics.ts';
import { number, table, times } from './table.ts';

export interface SpeedOptions {
  /** Processes of each emulator per program. */
  readonly repeats: number;
  /** Rounds counted in each process. */
  readonly rounds: number;
  readonly basis: TimeBasis;
  /** Time before the first round that counts, in ms. */
  readonly warmUp: number;
  /** Time limit of a process in ms. */
  readonly limit: number;
  readonly onProgress: (text: string) => void;
}

const COMPETITORS: readonly EmulatorName[] = ['vetro', 'v86', 'v86-jit', 'qemu'];
const GOAL = 5;

interface Outcome {
  /** Median, least and greatest time of a round in ms. */
  readonly middle: number;
  readonly least: number;
  readonly greatest: number;
}

export async function compareSpeed(names: readonly ProgramName[], options: SpeedOptions): Promise<string> {
  const present = COMPETITORS.filter((emulator) => whyAbsent(emulator) === undefined);
  const folder = mkdtempSync(join(tmpdir(), 'vetro-bench-'));
  const remarks: string[] = COMPETITORS.flatMap((emulator) => {
    const reason = whyAbsent(emulator);
    return reason ? [`${TITLES[emulator]} skipped: ${reason}`] : [];
  });
  const speeds: string[][] = [];
  const spreads: string[][] = [];
  const ratios = new Map<EmulatorName, number[]>(present.map((emulator) => [emulator, []]));
  try {
    for (const name of names) {
      const image = join(folder, `${name}.elf`);
      writeFileSync(image, assembleProgram(name));
      const measured = await measure(name, image, present, options);
      const { instructions, outcomes } = digest(name, measured, options.basis, remarks);
      const own = outcomes.get('vetro')!.middle;
      const mips = (emulator: EmulatorName) => instructions / (outcomes.get(emulator)?.middle ?? Number.NaN) / 1000;
      const ratio = (emulator: EmulatorName) => (outcomes.get(emulator)?.middle ?? Number.NaN) / own;
      for (const emulator of present) if (outcomes.has(emulator)) ratios.get(emulator)!.push(ratio(emulator));
      speeds.push([
        name,
        number(instructions / 1e6),
        ...present.map((emulator) => number(mips(emulator))),
        ...present.slice(1).map((emulator) => times(ratio(emulator))),
        PROGRAMS[name],
      ]);
      spreads.push([name, ...present.map((emulator) => spread(outcomes.get(emulator)))]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const means = present.slice(1).map((emulator) => geometricMean(ratios.get(emulator)!));
  speeds.push(['geometric mean', '', ...present.map(() => ''), ...means.map(times), '']);
  const [mean] = means;
  return [
    `Interpreter speed: ${names.length} guest programs, medians of ${options.repeats} × ${options.rounds} rounds, ` +
      `after ${options.warmUp / 1000} s of warm-up`,
    '',
    table(
      [
        'program',
        'Minstr',
        ...present.map((emulator) => `${TITLES[emulator]} MIPS`),
        ...present.slice(1).map((emulator) => `vs ${TITLES[emulator]}`),
        'what it does',
      ],
      speeds,
    ),
    '',
    `Goal: at least ${GOAL}× v86 without JIT (geometric mean). Measured: ${times(mean)}, ${mean! >= GOAL ? 'reached' : 'NOT reached'}.`,
    '',
    table(['ms a round', ...present.map((emulator) => TITLES[emulator])], spreads),
    ...remarks.map((remark) => `! ${remark}`),
  ].join('\n');
}

async function measure(
  name: ProgramName,
  image: string,
  emulators: readonly EmulatorName[],
  options: SpeedOptions,
): Promise<Map<EmulatorName, Round[]>> {
  const measured = new Map<EmulatorName, Round[]>(emulators.map((emulator) => [emulator, []]));
  for (let repeat = 1; repeat <= options.repeats; repeat++) {
    for (const emulator of emulators) {
      options.onProgress(`${name}, ${TITLES[emulator]}, ${repeat} of ${options.repeats}`);
      measured.get(emulator)!.push(...(await runProgram({ kind: 'program', emulator, image }, options)));
    }
  }
  return measured;
}

function digest(
  name: string,
  measured: ReadonlyMap<EmulatorName, readonly Round[]>,
  basis: TimeBasis,
  remarks: string[],
) {
  const own = measured.get('vetro')!;
  const instructions = own[0]?.instructions;
  if (instructions === undefined) throw new Error(`${name}: Vetro did not finish a round`);
  const outcomes = new Map<EmulatorName, Outcome>();
  for (const [emulator, rounds] of measured) {
    if (rounds.length === 0) {
      remarks.push(`${name}: ${TITLES[emulator]} finished no round in time`);
      continue;
    }
    const wrong = rounds.find(({ checksum }) => checksum !== own[0].checksum);
    if (wrong) throw new Error(`${name}: ${TITLES[emulator]} computes ${wrong.checksum}, Vetro ${own[0].checksum}`);
    const spans = rounds.map(({ span }) => span[basis]);
    outcomes.set(emulator, { middle: median(spans), least: Math.min(...spans), greatest: Math.max(...spans) });
  }
  return { instructions, outcomes };
}

const spread = (outcome: Outcome | undefined): string =>
  outcome ? `${number(outcome.middle)} (${number(outcome.least)}–${number(outcome.greatest)})` : '–';
