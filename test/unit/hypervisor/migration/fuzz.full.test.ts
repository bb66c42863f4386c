/** `npm run check:long -- migration` makes five times as many. */
import { describe, expect, it } from 'vitest';
import { fuzzMigrations, recordMigrations } from '../../../support/migration-fuzz.ts';
import { randomCounts } from '../../../support/save-restore.ts';

describe('streams of migrations that somebody has changed', () => {
  it('two thousand of them: none throws, hangs, or leaves anything', async () => {
    const { refused, ran, faults, slowest, largest } = await fuzzMigrations(await recordMigrations(), {
      rounds: 2_000,
      random: randomCounts(92),
    });
    expect(faults).toEqual([]);
    expect(refused + ran).toBe(2_000);
    expect(ran).toBeGreaterThan(40);
    expect(slowest).toBeLessThan(20_000);
    // Of guests with a megabyte.
    expect(largest).toBeLessThan(300);
  });
});
