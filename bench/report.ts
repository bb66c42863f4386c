/** The results as tables, and as data for JSON. */
import type { LibraryFigures } from './child-library.ts';
import type { Emulator, EmulatorName } from './emulators.ts';
import { GROUPS, isOfProcessor } from './programs.ts';
import type { Boot } from './rounds.ts';
import { median } from './statistics.ts';
import type { Entry, MeanSummary, ProgramSummary, Ratios, Summary } from './summary.ts';
import { number, table, times } from './table.ts';

/** What is known of each emulator besides programs; a text says why a figure is not. */
export interface EmulatorFigures {
  readonly boots?: readonly Boot[];
  /** Shares of one core. */
  readonly idle?: number | string;
  readonly idleDemo?: number | string;
  readonly library?: LibraryFigures | string;
}

export type Figures = ReadonlyMap<EmulatorName, EmulatorFigures>;

const MIB = 2 ** 20;

/** Seconds of each program and group means; ratios are the first emulator's time by that of another. */
export function programTable(summary: Summary, emulators: readonly Emulator[]): string {
  const [, ...others] = emulators;
  const head = [
    '',
    ...emulators.map(({ title }) => `${title} s`),
    ...others.map(({ title }) => `/ ${title}`),
    'spread',
  ];
  const blank = emulators.map(() => '');
  const ratios = (all: Ratios, mark: string): string[] =>
    others.map(({ name }) => (all.has(name) ? `${times(all.get(name))}${mark}` : ''));
  const mean = ({ title, ratios: all, counted }: MeanSummary, members: readonly ProgramSummary[]): string[] => {
    const partial = (name: EmulatorName) => (counted.get(name) === members.length ? '' : ` of ${counted.get(name)}`);
    const cells = others.map(({ name }) => (all.has(name) ? `${times(all.get(name))}${partial(name)}` : ''));
    return [`  mean of ${title}`, ...blank, ...cells];
  };
  const rows: string[][] = [];
  for (const group of GROUPS) {
    const members = summary.programs.filter((program) => program.group === group);
    const groupMean = summary.groups.get(group);
    if (!groupMean) continue;
    for (const program of members) {
      const seconds = emulators.map(({ name }) => showEntry(program.entries.get(name)));
      const mark = program.counts ? '' : '*';
      rows.push([program.name, ...seconds, ...ratios(program.ratios, mark), spreadOf(program)]);
    }
    if (groupMean.ratios.size > 0 && group !== 'other') rows.push(mean(groupMean, members));
  }
  const six = summary.programs.filter(({ group }) => isOfProcessor(group));
  if (summary.groups.size > 1 && summary.overall.ratios.size > 0) rows.push(mean(summary.overall, six));
  return table(head, rows);
}

const showEntry = (entry: Entry | undefined): string =>
  typeof entry === 'object' ? number(entry.median / 1000) : (entry ?? '');

/** The widest of the emulators' spreads, from least to greatest, in percent of the median. */
function spreadOf({ entries }: ProgramSummary): string {
  const spreads = [...entries.values()].flatMap((entry) =>
    typeof entry === 'object' && entry.runs > 1 ? [(entry.greatest - entry.least) / entry.median] : [],
  );
  return spreads.length > 0 ? `${Math.round(Math.max(...spreads) * 100)} %` : '';
}

export function figureTable(emulators: readonly Emulator[], figures: Figures): string {
  const head = [
    ...['', 'boot s', 'least–greatest', 'resident MiB', 'idle', 'idle demo', '1st guest ms', '2nd guest ms'],
    ...['with one MiB', '2nd adds MiB'],
  ];
  const rows = emulators.map(({ name, title }) => {
    const { boots = [], idle, idleDemo, library } = figures.get(name) ?? {};
    const seconds = boots.map(({ time }) => time.corrected / 1000);
    const [first, second] = typeof library === 'object' ? library.guests : [];
    return [
      title,
      boots.length > 0 ? number(median(seconds)) : '',
      boots.length > 0 ? `${number(Math.min(...seconds))}–${number(Math.max(...seconds))}` : '',
      boots.length > 0 ? number(median(boots.map(({ resident }) => resident / MIB))) : '',
      share(idle),
      share(idleDemo),
      first ? number(first.creation) : '',
      second ? number(second.creation) : '',
      first ? number(first.resident / MIB) : '',
      first && second ? number((second.resident - first.resident) / MIB) : '',
    ];
  });
  return table(head, rows);
}

/** Why figures are missing. */
export function figureRemarks(emulators: readonly Emulator[], figures: Figures): string[] {
  return emulators.flatMap(({ name, title }) => {
    const { idle, idleDemo, library } = figures.get(name) ?? {};
    return Object.entries({ idle, 'idle demo': idleDemo, 'creation of guests': library }).flatMap(([what, value]) =>
      typeof value === 'string' ? [`${title}, ${what}: ${value}`] : [],
    );
  });
}

const share = (value: number | string | undefined): string =>
  typeof value === 'number' ? `${number(value * 100)} %` : '';

/** For JSON: maps as objects. */
export function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
