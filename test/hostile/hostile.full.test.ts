/**
 * Issue 5: "a run always returns". Every program of the hostile corpus, and random combinations, on both engines:
 * `run({ instructions: n })` takes at most 2·n + 1000 steps of work, never throws, and all engines and slicings agree.
 */
import { describe, expect, it } from 'vitest';
import { FAULT_SOURCES } from './fault-storms.ts';
import type { Figures } from './reports.ts';
import { GATES, PLACES } from './stage.ts';
import { watchedRun } from './watched-run.ts';

const RESIDENT_LIMIT = 1024;

function print(title: string, figures: Figures): void {
  const { programs, instructions, runs, resets, longest, longestProgram, residentPeak, processorSeconds } = figures;
  console.log(
    [
      `${title}: ${programs} programs, ${(instructions / 1e6).toFixed(1)} M instructions in ${runs} runs, ${resets} resets`,
      `  longest run ${longest.toFixed(1)} ms: ${longestProgram}`,
      `  RSS peak ${residentPeak} MiB, ${processorSeconds} s of processor time`,
    ].join('\n'),
  );
}

describe('the hostile corpus', () => {
  it('returns from every run, with the same state on all engines', async () => {
    const { findings, figures } = await watchedRun(['corpus']);
    if (figures) print('hostile corpus', figures);
    expect(findings).toEqual([]);
    expect(figures!.programs).toBeGreaterThan(900);
    expect(figures!.residentPeak).toBeLessThan(RESIDENT_LIMIT);
  });

  it('at random: sources, levels, widths, gates, tables in wrong places', async () => {
    const { findings, figures } = await watchedRun(['random', '--count', '300', '--seed', '5']);
    if (figures) print('random storms', figures);
    expect(findings).toEqual([]);
    const wanted = [
      ...FAULT_SOURCES.map(({ name }) => `source: ${name}`),
      ...Object.keys(GATES).map((name) => `gate: ${name}`),
      ...Object.keys(PLACES)
        .filter((name) => name !== 'ram')
        .map((name) => `place: ${name}`),
      ...['gdt', 'idt', 'ldt', 'tss', 'stack', 'directory', 'pages'].map((name) => `structure: ${name}`),
      ...['return', 'again', 'restart', 'halt'].map((name) => `reaction: ${name}`),
      ...['inner', 'conforming', 'same'].map((name) => `target: ${name}`),
      ...[0, 1, 2, 3].map((level) => `level: ${level}`),
      ...[16, 32, 'v86', 64].map((width) => `width: ${width}`),
      ...[0, 1, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17].map((vector) => `vector: ${vector}`),
      ...['NMI: true', 'paging: true'],
    ];
    expect(wanted.filter((what) => (figures!.coverage[what] ?? 0) < 3)).toEqual([]);
  });
});
