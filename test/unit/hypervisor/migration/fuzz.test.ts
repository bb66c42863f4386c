import { describe, expect, it } from 'vitest';
import { fuzzMigrations, recordMigrations } from '../../../support/migration-fuzz.ts';
import { randomCounts } from '../../../support/save-restore.ts';

describe('streams of migrations that somebody has changed', () => {
  it('are refused with a reason, or give a guest that runs', async () => {
    const { refused, ran, reasons, faults } = await fuzzMigrations(await recordMigrations(), {
      rounds: 100,
      random: randomCounts(91),
    });
    expect(faults).toEqual([]);
    expect(refused).toBeGreaterThan(50);
    expect(ran).toBeGreaterThan(2);
    expect(reasons.size).toBeGreaterThan(12);
  });
});
