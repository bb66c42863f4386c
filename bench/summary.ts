/** What the rounds come to: medians, ratios of time, geometric means of the groups, and whether all say the same. */
import type { EmulatorName } from './emulators.ts';
import { GROUPS, type GroupName, isOfProcessor, type Program } from './programs.ts';
import type { Outcome } from './rounds.ts';
import { geometricMean, median } from './statistics.ts';

/** Milliseconds, corrected, over the rounds of one program in one emulator. */
export interface Timing {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
  /** Medians of the time by the wall clock, and of what was taken off for waiting. */
  readonly wall: number;
  readonly waited: number;
  readonly runs: number;
}

/** A timing, or in a few words why there is none. */
export type Entry = Timing | string;

/** Time of the first emulator divided by that of another: below 1, the first is faster. */
export type Ratios = ReadonlyMap<EmulatorName, number>;

export interface ProgramSummary {
  readonly name: string;
  readonly group: GroupName;
  readonly entries: ReadonlyMap<EmulatorName, Entry>;
  readonly ratios: Ratios;
  /** It counts in the means: what it prints is compared, and all printed the same. */
  readonly counts: boolean;
}

export interface MeanSummary {
  readonly title: string;
  readonly ratios: Ratios;
  /** How many programs each mean is of. */
  readonly counted: ReadonlyMap<EmulatorName, number>;
}

export interface Summary {
  readonly programs: readonly ProgramSummary[];
  /** Of each group that was run. */
  readonly groups: ReadonlyMap<GroupName, MeanSummary>;
  /** Of all programs that count, in the groups that tell of the processor. */
  readonly overall: MeanSummary;
  /** What is wrong: results that differ, programs that failed. */
  readonly faults: readonly string[];
  readonly remarks: readonly string[];
}

type Outcomes = ReadonlyMap<EmulatorName, ReadonlyMap<string, readonly Outcome[]>>;

/** @param outcomes of the first emulator, which the others are compared with, first */
export function summarize(programs: readonly Program[], outcomes: Outcomes): Summary {
  const faults: string[] = [];
  const remarks: string[] = [];
  const rows = programs.map((program): ProgramSummary => {
    const own = new Map([...outcomes].map(([emulator, all]) => [emulator, all.get(program.name) ?? []]));
    const disagreement = program.differs ? undefined : describeDisagreement(own);
    if (disagreement) faults.push(`${program.name}: results differ: ${disagreement}`);
    const entries = new Map([...own].map(([emulator, all]) => [emulator, digest(all)]));
    for (const [emulator, all] of own) {
      for (const outcome of all) {
        if (outcome.kind === 'failed') faults.push(`${program.name}, ${emulator}: ${outcome.reason}`);
        if (outcome.kind === 'skipped') remarks.push(`${program.name}, ${emulator}: skipped, ${outcome.reason}`);
        if (outcome.kind === 'limit')
          remarks.push(`${program.name}, ${emulator}: ended after ${outcome.limit / 1000} s, the limit of a program`);
      }
    }
    return {
      name: program.name,
      group: program.group,
      entries,
      ratios: ratiosOf(entries),
      counts: !program.differs && disagreement === undefined,
    };
  });
  const groups = new Map<GroupName, MeanSummary>();
  for (const group of GROUPS) {
    const members = rows.filter((row) => row.group === group);
    if (members.length > 0) groups.set(group, meanOf(group, members));
  }
  const six = rows.filter(({ group }) => isOfProcessor(group));
  return { programs: rows, groups, overall: meanOf('all groups', six), faults, remarks };
}

function digest(outcomes: readonly Outcome[]): Entry {
  const bad = outcomes.find(({ kind }) => kind !== 'time');
  if (bad?.kind === 'limit') return `> ${bad.limit / 1000} s`;
  if (bad) return bad.kind;
  const times = outcomes.flatMap((outcome) => (outcome.kind === 'time' ? [outcome.time] : []));
  if (times.length === 0) return 'not run';
  const corrected = times.map(({ corrected }) => corrected);
  return {
    median: median(corrected),
    least: Math.min(...corrected),
    greatest: Math.max(...corrected),
    wall: median(times.map(({ wall }) => wall)),
    waited: median(times.map(({ waited }) => waited)),
    runs: times.length,
  };
}

function ratiosOf(entries: ReadonlyMap<EmulatorName, Entry>): Ratios {
  const [[, own] = [], ...others] = entries;
  const ratios = new Map<EmulatorName, number>();
  for (const [emulator, entry] of others) {
    if (typeof own === 'object' && typeof entry === 'object') ratios.set(emulator, own.median / entry.median);
  }
  return ratios;
}

function meanOf(title: string, rows: readonly ProgramSummary[]): MeanSummary {
  const lists = new Map<EmulatorName, number[]>();
  for (const { ratios, counts } of rows) {
    if (counts) for (const [emulator, ratio] of ratios) lists.set(emulator, [...(lists.get(emulator) ?? []), ratio]);
  }
  return {
    title,
    ratios: new Map([...lists].map(([emulator, list]) => [emulator, geometricMean(list)])),
    counted: new Map([...lists].map(([emulator, list]) => [emulator, list.length])),
  };
}

/** Who printed what, if it was not the same everywhere and always. */
function describeDisagreement(outcomes: ReadonlyMap<EmulatorName, readonly Outcome[]>): string | undefined {
  const printed = new Map<string, Set<EmulatorName>>();
  for (const [emulator, all] of outcomes) {
    for (const outcome of all) {
      if (outcome.kind !== 'time') continue;
      const names = printed.get(outcome.output) ?? new Set();
      printed.set(outcome.output, names.add(emulator));
    }
  }
  if (printed.size < 2) return undefined;
  return [...printed].map(([output, names]) => `${[...names].join(', ')}: ${shortened(output)}`).join('; ');
}

const shortened = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
