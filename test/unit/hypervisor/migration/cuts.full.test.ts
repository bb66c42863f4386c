import { describe, expect, it } from 'vitest';
import { checkCuts } from '../../../support/migration-cuts-check.ts';

describe('a migration whose stream is cut at 200 places', () => {
  it('leaves the guest at one side, or held until its user has looked', { timeout: 600_000 }, async () => {
    const outcomes = await checkCuts({ forth: 140, back: 60 });
    expect(outcomes.get('here')).toBeGreaterThan(100);
    expect(outcomes.get('held, there')).toBeGreaterThan(5);
    expect(outcomes.get('held, nowhere else')).toBeGreaterThan(0);
    expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(200);
  });
});
