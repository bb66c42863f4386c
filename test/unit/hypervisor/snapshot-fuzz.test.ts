import { describe, expect, it } from 'vitest';
import { fuzzedSnapshots } from '../../support/fuzzed-snapshot.ts';
import { randomCounts } from '../../support/save-restore.ts';
import { fuzzSnapshots } from '../../support/snapshot-fuzz.ts';

describe('snapshots that somebody has changed', () => {
  it('are refused with a reason, or give a guest that runs', async () => {
    const { refused, ran, reasons, faults } = await fuzzSnapshots(await fuzzedSnapshots(), {
      rounds: 300,
      random: randomCounts(77),
    });
    expect(faults).toEqual([]);
    expect(refused).toBeGreaterThan(100);
    expect(ran).toBeGreaterThan(5);
    expect(reasons.size).toBeGreaterThan(15);
  });
});
