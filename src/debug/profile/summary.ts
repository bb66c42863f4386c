/** A profile in a page of text, for people. */
import { VECTOR } from '../../cpu/fault.ts';
import type { EventCount, ProcessorProfile, TranslationProfile } from '../../engine/profile/engine-profile.ts';
import { type AddressNamer, privilege } from './address-namer.ts';
import type { GuestProfile } from './guest-profiler.ts';

/** How a terminal shows what stands out, and what explains. */
export interface SummaryStyle {
  strong(text: string): string;
  faint(text: string): string;
}

const PLAIN: SummaryStyle = { strong: (text) => text, faint: (text) => text };
/** Regions shown, and of what is counted by name. */
const MOST_REGIONS = 10;
const MOST_NAMES = 6;
const LABEL = 12;

export function summarize(
  { name, interval, samples, processor }: GuestProfile,
  namer: AddressNamer,
  style = PLAIN,
): string[] {
  const { instructions, engine, events, pageWalks } = processor;
  const { translation } = engine ?? {};
  const row = (label: string, text: string): string => `  ${style.faint(label.padEnd(LABEL))}${text}`;
  const lines = [style.strong(`profile of ${name}: ${grouped(instructions)} instructions`)];
  if (translation) {
    const inRegions = retiredIn(translation);
    const [regions, others] = [percent(inRegions, instructions), percent(instructions - inRegions, instructions)];
    lines.push(row('engine', `${regions} in regions, ${others} interpreted`));
    lines.push(row('regions', describeTranslation(translation)));
    lines.push(row('left by', ranked(exitsOf(translation)) || 'nothing'));
  }
  if (engine) {
    const { memory, lookUp } = engine.calls;
    const counts = { 'memory accesses': memory, 'page walks': pageWalks, 'look-ups': lookUp };
    lines.push(row('calls', counted({ ...counts, 'blocks decoded': engine.decodedBlocks })));
    lines.push(row('helpers', ranked(engine.helpers) || 'none'));
  }
  lines.push(row('events', ranked(byName(events)) || 'none'));
  const every = `every ${grouped(interval)} instructions`;
  lines.push(row('samples', samples.length > 0 ? `${grouped(samples.length)}, ${every}` : `none: one ${every}`));
  if (translation && translation.regions.length > 0) lines.push('', ...regionTable(processor, namer, style));
  return lines;
}

function describeTranslation({
  compiled,
  modules,
  codeBytes,
  reused,
  live,
  loweringTime,
  compileTime,
  cooledPages,
}: TranslationProfile): string {
  const parts = [
    `${grouped(compiled)} compiled in ${grouped(modules)} modules`,
    `${grouped(Math.ceil(codeBytes / 1024))} KiB`,
    ...(loweringTime === undefined ? [] : [`${Math.round(loweringTime)} ms to lower`]),
    ...(compileTime === undefined ? [] : [`${Math.round(compileTime)} ms to compile`]),
    `${grouped(reused)} reused`,
    `${grouped(live)} at work`,
    ...(cooledPages > 0 ? [`${grouped(cooledPages)} pages cooled`] : []),
  ];
  return parts.join(', ');
}

/** The regions that retired most. */
function regionTable({ instructions, engine }: ProcessorProfile, namer: AddressNamer, style: SummaryStyle): string[] {
  const { regions } = engine!.translation!;
  const head = ['instructions', 'share', 'entries', 'per entry', 'mostly left by', 'region'];
  const rows = regions.slice(0, MOST_REGIONS).map((region) => {
    const { retired, entered, exits, linear } = region;
    const [cause, times] = Object.entries(exits).sort(([, one], [, other]) => other - one)[0];
    return [
      grouped(retired),
      percent(retired, instructions),
      grouped(entered),
      entered === 0 ? '-' : grouped(Math.round(retired / entered)),
      times === 0 ? '-' : cause,
      `${linear.toString(16).padStart(8, '0')} ${namer.function(linear, region) ?? privilege(region)}`,
    ];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => cells[column].length)));
  // Numbers stand to the right; the last two columns are words.
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => (column < 4 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join('  ')}`.trimEnd();
  return [style.faint(line(head)), ...rows.map(line)];
}

const retiredIn = ({ regions, others }: TranslationProfile): number =>
  regions.reduce((sum, { retired }) => sum + retired, others.retired);

function exitsOf({ regions, others }: TranslationProfile): Record<string, number> {
  const sums: Record<string, number> = { ...others.exits };
  for (const { exits } of regions) for (const [cause, times] of Object.entries(exits)) sums[cause] += times;
  return sums;
}

function byName(events: readonly EventCount[]): Record<string, number> {
  return Object.fromEntries(events.map(({ kind, vector, count }) => [nameOf(kind, vector), count]));
}

function nameOf(kind: EventCount['kind'], vector: number): string {
  if (kind === 'nmi') return 'NMI';
  if (kind === 'external') return `interrupt ${vector.toString(16).padStart(2, '0')}h`;
  const name = Object.entries(VECTOR).find(([, number]) => number === vector)?.[0];
  return name === undefined ? `exception ${vector}` : `#${name}`;
}

/** The most frequent, and how many there are besides. */
function ranked(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one);
  const rest = sorted.slice(MOST_NAMES);
  const shown = counted(Object.fromEntries(sorted.slice(0, MOST_NAMES)));
  if (rest.length === 0) return shown;
  return `${shown}, ${rest.length} others ${grouped(rest.reduce((sum, [, count]) => sum + count, 0))}`;
}

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${grouped(count)}`)
    .join(', ');
const grouped = (value: number): string => value.toLocaleString('en');
const percent = (part: number, whole: number): string => `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`;
