import { describe, expect, it } from 'vitest';
import { type EmulatorName, qemu, v86, vetro } from '../../../bench/emulators.ts';
import { PROGRAMS } from '../../../bench/programs.ts';
import { figureTable, plain, programTable } from '../../../bench/report.ts';
import type { Outcome } from '../../../bench/rounds.ts';
import { type Summary, summarize } from '../../../bench/summary.ts';

const took = (corrected: number, output = 'same\n', waited = 0): Outcome => ({
  kind: 'time',
  time: { wall: corrected + waited, waited, cpu: corrected, corrected },
  output,
});

/** Outcomes of programs, by emulator and name. */
function summary(outcomes: Partial<Record<EmulatorName, Record<string, readonly Outcome[]>>>): Summary {
  const names = new Set(Object.values(outcomes).flatMap((all) => Object.keys(all)));
  const programs = PROGRAMS.filter(({ name }) => names.has(name));
  expect(programs.length).toBe(names.size);
  return summarize(
    programs,
    new Map(Object.entries(outcomes).map(([name, all]) => [name as EmulatorName, new Map(Object.entries(all))])),
  );
}

const row = ({ programs }: Summary, name: string) => programs.find((program) => program.name === name)!;

describe('the summary of the rounds', () => {
  it('has medians of the corrected times, and ratios of them', () => {
    const result = summary({
      vetro: { sieve: [took(300), took(100, 'same\n', 50), took(200)] },
      qemu: { sieve: [took(50), took(50), took(40)] },
    });
    expect(row(result, 'sieve').entries.get('vetro')).toEqual({
      ...{ median: 200, least: 100, greatest: 300, wall: 200, waited: 0, runs: 3 },
    });
    expect(row(result, 'sieve').ratios).toEqual(new Map([['qemu', 4]]));
  });

  it('has geometric means of each group and of all groups', () => {
    const result = summary({
      vetro: { sieve: [took(100)], fib: [took(400)], chase: [took(100)] },
      v86: { sieve: [took(100)], fib: [took(100)], chase: [took(50)] },
    });
    expect(result.groups.get('integer')?.ratios.get('v86')).toBeCloseTo(2, 12);
    expect(result.groups.get('memory')?.ratios.get('v86')).toBeCloseTo(2, 12);
    expect(result.overall.ratios.get('v86')).toBeCloseTo(2, 12);
    expect(result.overall.counted.get('v86')).toBe(3);
    expect([...result.groups.keys()]).toEqual(['integer', 'memory']);
  });

  it('has a mean of disks, which count in no mean over groups', () => {
    const result = summary({
      vetro: { sieve: [took(100)], 'disk-read': [took(800)], 'disk-write': [took(200)] },
      v86: { sieve: [took(100)], 'disk-read': [took(100)], 'disk-write': [took(100)] },
    });
    expect(result.groups.get('disk')?.ratios.get('v86')).toBeCloseTo(4, 12);
    expect(result.overall.ratios.get('v86')).toBe(1);
    expect(result.overall.counted.get('v86')).toBe(1);
  });

  it('finds results that differ, between emulators and between rounds, and leaves them out of the means', () => {
    const result = summary({
      vetro: { sieve: [took(1)], fib: [took(1), took(1, 'odd\n')], vm: [took(1)] },
      v86: { sieve: [took(1, 'other\n')], fib: [took(1)], vm: [took(1)] },
    });
    expect(result.faults).toHaveLength(2);
    expect(result.faults[0]).toBe('sieve: results differ: vetro: "same\\n"; v86: "other\\n"');
    expect(result.faults[1]).toContain('fib');
    expect(result.groups.get('integer')?.counted.get('v86')).toBe(1);
  });

  it('does not compare what depends on the machine, and counts it in no mean', () => {
    const result = summary({ vetro: { 'ls-lr': [took(4, '100\n')] }, v86: { 'ls-lr': [took(2, '200\n')] } });
    expect(result.faults).toEqual([]);
    expect(row(result, 'ls-lr').ratios.get('v86')).toBe(2);
    expect(result.overall.ratios.size).toBe(0);
  });

  it('says in place of a time why there is none, and goes on', () => {
    const result = summary({
      vetro: {
        nbody: [took(5), { kind: 'limit', limit: 60_000 }],
        vector: [{ kind: 'skipped', reason: 'its CPU has no sse2' }],
        fib: [{ kind: 'failed', reason: 'exit status 3: ' }],
        vm: [],
      },
      v86: { nbody: [took(1)], vector: [took(1)], fib: [took(1)], vm: [took(1)] },
    });
    const entries = ['nbody', 'vector', 'fib', 'vm'].map((name) => row(result, name).entries.get('vetro'));
    expect(entries).toEqual(['> 60 s', 'skipped', 'failed', 'not run']);
    expect(result.overall.ratios.size).toBe(0);
    expect(result.faults).toEqual(['fib, vetro: exit status 3: ']);
    expect(result.remarks).toEqual([
      'nbody, vetro: ended after 60 s, the limit of a program',
      'vector, vetro: skipped, its CPU has no sse2',
    ]);
  });
});

describe('the report', () => {
  const emulators = [vetro('vetro', 'Vetro', '/tree'), v86('v86'), qemu];

  it('has a line for each program and each mean, which says how many programs it is of if not of all', () => {
    const result = summary({
      vetro: { sieve: [took(2000), took(2200)], fib: [took(3000)], 'ls-lr': [took(1000)] },
      v86: { sieve: [took(1000), took(1000)], fib: [{ kind: 'limit', limit: 9000 }], 'ls-lr': [took(500)] },
      qemu: { sieve: [took(700), took(700)], fib: [took(1000)], 'ls-lr': [took(500)] },
    });
    const lines = programTable(result, emulators)
      .split('\n')
      .map((line) => line.split(/ {2,}/).filter((cell) => cell !== ''));
    expect(lines[0]).toEqual(['Vetro s', 'v86 s', 'QEMU TCG s', '/ v86', '/ QEMU TCG', 'spread']);
    expect(lines.slice(2)).toEqual([
      ['sieve', '2.10', '1.00', '0.700', '2.10×', '3.00×', '10 %'],
      ['fib', '3.00', '> 9 s', '1.00', '3.00×'],
      ['mean of integer', '2.10× of 1', '3.00×'],
      ['ls-lr', '1.00', '0.500', '0.500', '2.00×*', '2.00×*'],
      ['mean of all groups', '2.10× of 1', '3.00×'],
    ]);
  });

  it('shows memory in MiB, idle time as a share of a core, and what the second guest adds', () => {
    const text = figureTable(
      emulators.slice(0, 1),
      new Map([
        [
          'vetro' as const,
          {
            boots: [{ time: { wall: 6000, waited: 1000, cpu: 5000, corrected: 5000 }, resident: 200 * 2 ** 20 }],
            idle: 0.0171,
            idleDemo: 'the demo ended with status 1',
            library: {
              guests: [
                { creation: 300, resident: 190 * 2 ** 20 },
                { creation: 15, resident: 240 * 2 ** 20 },
              ],
            },
          },
        ],
      ]),
    );
    const cells = text.split('\n')[2].trim().split(/ {2,}/);
    expect(cells).toEqual(['Vetro', '5.00', '5.00–5.00', '200', '1.71 %', '300', '15.0', '190', '50.0']);
  });

  it('as JSON has objects for maps, at any depth', () => {
    expect(plain(new Map([['a', [{ b: new Map([['c', 1]]) }]]]))).toEqual({ a: [{ b: { c: 1 } }] });
  });
});
