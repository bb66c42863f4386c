/** `npm run check:long -- snapshots` makes fifty times as many. */
import { describe, expect, it } from 'vitest';
import { fuzzedSnapshots } from '../../support/fuzzed-snapshot.ts';
import { randomCounts } from '../../support/save-restore.ts';
import { fuzzSnapshots } from '../../support/snapshot-fuzz.ts';

describe('snapshots that somebody has changed', () => {
  it('two thousand of them: none throws, hangs, or leaves anything', async () => {
    const { refused, ran, faults, slowest } = await fuzzSnapshots(await fuzzedSnapshots(), {
      rounds: 2_000,
      random: randomCounts(78),
    });
    expect(faults).toEqual([]);
    expect(refused + ran).toBe(2_000);
    expect(ran).toBeGreaterThan(40);
    expect(slowest).toBeLessThan(20_000);
  });
});
