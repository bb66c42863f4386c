/**
 * The hostile corpus, in a process of its own, so that a hang is a finding and no hang of ours:
 *   node .ci/ts.js test/hostile/main.ts corpus | random | neighbours | watchdog [options]
 * --from N: the first trial; --every N: only each Nth; --only TEXT: only names with that text; --count N and --seed N:
 * how many random programs, and which; --lockstep N, --long N: instructions; --milliseconds N: beside each storm.
 * Prints one JSON line before and after each trial, and the figures last. `watched-run.ts` reads them.
 */
import { corpus } from './corpus.ts';
import { Neighbours, percent, representatives } from './neighbours.ts';
import type { HostileProgram } from './program.ts';
import { randomStorm } from './random-storm.ts';
import type { Figures, Report } from './reports.ts';
import { Trials } from './trial.ts';

const [mode, ...words] = process.argv.slice(2);
const options = new Map(words.flatMap((word, index) => (word.startsWith('--') ? [[word, words[index + 1]]] : [])));
const numberOf = (name: string, byDefault: number) => Number(options.get(`--${name}`) ?? byDefault);
const say = (report: Report) => process.stdout.write(`${JSON.stringify(report)}\n`);
const processorTime = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const from = numberOf('from', 0);
const every = numberOf('every', 1);
const only = options.get('--only');
let residentPeak = 0;

/** One after the other, as the options choose. */
async function tryAll(
  programs: readonly HostileProgram[],
  tryOne: (program: HostileProgram, index: number) => string[] | Promise<string[]>,
): Promise<void> {
  for (const [index, program] of programs.entries()) {
    if (index < from || index % every !== 0 || (only !== undefined && !program.name.includes(only))) continue;
    say({ at: 'start', index, name: program.name });
    const start = processorTime();
    const findings = await tryOne(program, index);
    residentPeak = Math.max(residentPeak, process.memoryUsage.rss());
    say({ at: 'end', index, findings, milliseconds: Math.round(processorTime() - start) });
  }
}

function sayFigures(trials: Trials, coverage: ReadonlyMap<string, number>): void {
  const { vectors, ...figures } = trials.figures;
  const seen = [...vectors].map(([vector, count]) => [`vector: ${vector}`, count] as const);
  const all: Figures = {
    ...figures,
    residentPeak: Math.round(residentPeak / 2 ** 20),
    processorSeconds: Math.round(processorTime() / 100) / 10,
    coverage: Object.fromEntries([...coverage, ...seen]),
  };
  say({ at: 'figures', figures: all });
}

async function runPrograms(programs: readonly HostileProgram[], coverage: ReadonlyMap<string, number>): Promise<void> {
  const trials = new Trials();
  const lengths = { lockstep: numberOf('lockstep', 700), long: numberOf('long', 8000) };
  await tryAll(programs, (program) => trials.try(program, lengths));
  sayFigures(trials, coverage);
}

async function runRandom(): Promise<void> {
  const seed = numberOf('seed', 1);
  const coverage = new Map<string, number>();
  const programs = Array.from({ length: numberOf('count', 100) }, (_, index) => {
    const { program, drawn } = randomStorm(1000 * seed + index);
    for (const value of drawn) coverage.set(value, (coverage.get(value) ?? 0) + 1);
    return program;
  });
  await runPrograms(programs, coverage);
}

async function runNeighbours(): Promise<void> {
  const neighbours = new Neighbours(numberOf('milliseconds', 500));
  const weights = { victim: numberOf('victim', 1), storm: numberOf('storm', 1) };
  let lowest = { time: 1, instructions: 1 };
  await tryAll(representatives(corpus()), async (program) => {
    const { time, instructions, findings } = await neighbours.measure(program, weights);
    lowest = { time: Math.min(lowest.time, time), instructions: Math.min(lowest.instructions, instructions) };
    say({
      at: 'table',
      line: `${percent(time).padStart(7)} of the time, ${percent(instructions).padStart(7)} of the instructions: ${program.name}`,
    });
    return findings;
  });
  say({ at: 'shares', weights, ...lowest, residentPeak: Math.round(residentPeak / 2 ** 20) });
}

/** For the test of the one that watches. */
async function misbehave(): Promise<void> {
  const names = ['a good one', 'one that hangs', 'another good one', 'one that ends it all', 'the last'];
  for (const [index, name] of names.entries()) {
    if (index < from) continue;
    say({ at: 'start', index, name });
    if (name === 'one that hangs') for (;;);
    if (name === 'one that ends it all') process.abort();
    say({ at: 'end', index, findings: [], milliseconds: 0 });
  }
}

if (mode === 'corpus') await runPrograms(corpus(), new Map());
else if (mode === 'random') await runRandom();
else if (mode === 'neighbours') await runNeighbours();
else if (mode === 'watchdog') await misbehave();
else throw new Error(`no mode "${mode}": corpus, random, neighbours or watchdog`);
say({ at: 'complete' });
