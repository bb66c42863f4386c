/** A difference between two engines, as text. */
import { disassembleLines } from '../debug/disassemble-lines.ts';
import type { CodePlace } from '../difftest/lockstep/code-place.ts';
import type { LockstepDifference } from '../difftest/lockstep/lockstep.ts';

/** Instructions that are shown of a block. */
const LINES = 8;
/** Columns: names, and values of the first engine. */
const NAME = 20;
const VALUE = 34;
const PAGES = 16;

/** @param names of the engines, in the order of the machines */
export function describeDifference(difference: LockstepDifference, names: readonly [string, string]): string {
  const { fields, bytes, pages } = difference;
  const row = (name: string, [first, second]: readonly [string, string]): string =>
    `  ${name.padEnd(NAME)} ${first.padEnd(VALUE)} ${second}`;
  const lines = [headline(difference, names), ...placesOf(difference), row('', names)];
  for (const { name, values } of fields) lines.push(row(name, values));
  for (const { physical, values } of bytes) {
    const [first, second] = values.map((value) => hex(value, 2));
    lines.push(row(`byte ${hex(physical, 8)}`, [first, second]));
  }
  if (pages.length > 0) {
    const shown = pages.slice(0, PAGES).map((page) => `${hex(page, 5)}h`);
    lines.push(`${pages.length} of memory's pages differ: ${shown.join(' ')}${pages.length > PAGES ? ' …' : ''}`);
  }
  return lines.join('\n');
}

function headline({ kind, start, end }: LockstepDifference, names: readonly [string, string]): string {
  const [from, to] = [start, end].map((count) => count.toLocaleString('en'));
  const who = names.join(' and ');
  if (end === 0) return `${who} differ at power-on`;
  if (kind === 'instruction') return `${who} agree up to instruction ${from} and differ after the next, ${to}`;
  if (kind === 'piece')
    return `${who} agree up to instruction ${from}, and differ after ${to} if all between is run in one piece`;
  return `${who} agree up to instruction ${from} and differed at ${to}, but the same runs did not show it again`;
}

function placesOf({ kind, place, lastPlace }: LockstepDifference): string[] {
  if (!place || !lastPlace) return [];
  const first = [`there, at ${addressOf(place)}:`, ...codeAt(place)];
  return kind === 'piece'
    ? [...first, `before the last of them, at ${addressOf(lastPlace)}:`, ...codeAt(lastPlace)]
    : first;
}

const addressOf = ({ selector, ip }: CodePlace): string => `${hex(selector, 4)}:${hex(ip, 8)}`;

function codeAt({ bytes, linear, width }: CodePlace): string[] {
  if (bytes.length === 0) return ['  (nothing is mapped)'];
  return disassembleLines(bytes, linear, width, LINES).map(({ text }) => `  ${text}`);
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
