/**
 * No guest can hang, starve or crash its host: a sample of the hostile corpus, in a process of its own. All of it, with
 * neighbours: `npm run check:full -- hostile`.
 */
import { describe, expect, it } from 'vitest';
import { watchedRun } from './watched-run.ts';

const SAMPLE = ['--every', '31', '--lockstep', '400'];

describe('a sample of the hostile corpus', () => {
  it('returns from every run, with the same state on all engines', async () => {
    const { findings, figures } = await watchedRun(['corpus', ...SAMPLE]);
    expect(findings).toEqual([]);
    expect(figures!.programs).toBeGreaterThan(30);
  });

  it('finds what it is there to find: a program that does not do what its name says', async () => {
    // So few instructions are no storm.
    const { findings } = await watchedRun(['corpus', '--only', 'tasks: CALL and IRET', '--long', '50']);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(/^tasks: CALL and IRET: counted \d+: it does not do/);
  });

  it('finds a hang and a crash, and goes on', async () => {
    const { findings } = await watchedRun(['watchdog'], { patience: 3000 });
    expect(findings).toEqual([
      'one that hangs: hangs',
      expect.stringMatching(/^one that ends it all: the process ended/),
    ]);
  });
});
