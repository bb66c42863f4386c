import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BINARIES } from '../../../bench/guest-image.ts';
import { quoted } from '../../../bench/guest-session.ts';
import { HELP, parseOptions } from '../../../bench/options.ts';
import { GROUPS, PROGRAMS, scaled } from '../../../bench/programs.ts';
import { FIGURES, select, selectEmulators } from '../../../bench/selection.ts';
import { UserError } from '../../../src/base/errors.ts';

const names = (words: readonly string[]): string[] => select(words).programs.map(({ name }) => name);

describe('the programs', () => {
  it('are at least 24, in all groups, each with a name of its own', () => {
    expect(new Set(PROGRAMS.map(({ name }) => name)).size).toBe(PROGRAMS.length);
    expect(PROGRAMS.filter(({ differs }) => !differs).length).toBeGreaterThanOrEqual(24);
    expect(new Set(PROGRAMS.map(({ group }) => group))).toEqual(new Set(GROUPS));
    for (const { name } of PROGRAMS) expect(HELP).toContain(`    ${name} `);
  });

  it('of our own have sources, and all sources are used', () => {
    const folder = join(import.meta.dirname, '../../../bench/guest');
    const wanted = PROGRAMS.flatMap(({ command, before }) => [
      ...`${command(1)} ${before?.(1) ?? ''}`.matchAll(/\/bench\/(\S+)/g),
    ]).map(([, name]) => name);
    expect(new Set(wanted)).toEqual(new Set(BINARIES.map(({ name }) => name)));
    for (const { source } of BINARIES) expect(existsSync(join(folder, `${source}.c`))).toBe(true);
    const sources = readdirSync(folder).filter((file) => file.endsWith('.c'));
    expect(new Set(BINARIES.map(({ source }) => `${source}.c`))).toEqual(new Set(sources));
  });

  it('do at least something, however little work is wanted', () => {
    expect(PROGRAMS.map((program) => scaled(program, 0.0001)).every((size) => size >= 1)).toBe(true);
    expect(scaled({ ...PROGRAMS[0], size: 300 }, 0.25)).toBe(75);
  });
});

describe('the selection', () => {
  it('without names is everything', () => {
    expect(select([])).toEqual({ programs: PROGRAMS, figures: new Set(Object.keys(FIGURES)) });
  });

  it('takes groups, programs and figures, in the order of the table', () => {
    expect(names(['chase', 'x87', 'fib'])).toEqual(['fib', 'chase', 'nbody', 'mandel']);
    expect(select(['idle', 'fib']).figures).toEqual(new Set(['idle']));
    expect(names(['boot'])).toEqual([]);
  });

  it('refuses names that mean nothing', () => {
    expect(() => select(['fib', 'fob'])).toThrow(/^no benchmark 'fob'; groups: integer, /);
    expect(() => selectEmulators('vetro,bochs')).toThrow(UserError);
    expect(selectEmulators('qemu,vetro')).toEqual(['vetro', 'qemu']);
  });
});

describe('the options', () => {
  it('of a quick run are smaller', () => {
    expect(parseOptions([])).toMatchObject({ rounds: 3, scale: 1, emulators: ['vetro', 'v86', 'qemu'], memory: 512 });
    expect(parseOptions(['--quick'])).toMatchObject({ rounds: 1, scale: 0.25, limit: 20_000 });
    expect(parseOptions(['--quick', '--rounds', '5', '--limit', '0.5'])).toMatchObject({ rounds: 5, limit: 500 });
  });

  it.each([
    [['--rounds', '0'], '--rounds must be a whole number from 1 to 1000, not 0'],
    [['--rounds', '1.5'], '--rounds must be a whole number from 1 to 1000, not 1.5'],
    [['--scale', 'big'], '--scale must be a number from 0.0001 to 1000, not big'],
    [['--limit='], '--limit must be a number from 0.1 to 86400, not empty'],
    [['--system', 'toString'], '--system must be one of debian-686, debian-686-pae, not toString'],
    [['--emulators', 'base'], 'the base is given by --base REVISION, not among the emulators'],
    [['--bse', 'x'], "Unknown option '--bse'; see --help"],
    [['--emulators', 'bochs'], "no emulator 'bochs'; there are vetro, v86, v86-nojit, qemu"],
    [['--scale', '-1'], "Option '--scale' argument is ambiguous; see --help"],
    [['--base='], '--base is empty: give it a value or leave it out'],
    [['--json', ''], '--json is empty: give it a value or leave it out'],
    [['--json'], "Option '--json <value>' argument missing; see --help"],
  ])('%j is refused in one line', (args, line) => {
    expect(() => parseOptions(args)).toThrow(new UserError(line));
  });
});

describe('a command for the shell of the guest', () => {
  it('is one word', () => {
    expect(quoted("grep -E 'a b' <x")).toBe("'grep -E '\\''a b'\\'' <x'");
  });
});
