/** `npm run check:long -- snapshots` makes twenty times as many. */
import { describe, expect, it } from 'vitest';
import { fuzzedSnapshots } from '../../support/fuzzed-snapshot.ts';
import { randomCounts } from '../../support/save-restore.ts';
import { fuzzSnapshots } from '../../support/snapshot-fuzz.ts';

describe('snapshots that somebody has changed', () => {
  it('five thousand of them: none throws, hangs, or leaves anything', async () => {
    const { refused, ran, faults, slowest } = await fuzzSnapshots(await fuzzedSnapshots(), {
      rounds: 5_000,
      random: randomCounts(78),
    });
    expect(faults).toEqual([]);
    expect(refused + ran).toBe(5_000);
    expect(ran).toBeGreaterThan(100);
    expect(slowest).toBeLessThan(20_000);
  });
});
