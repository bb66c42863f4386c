import { describe, expect, it } from 'vitest';
import { checkCuts } from '../../../support/migration-cuts-check.ts';

describe('a migration whose stream is cut', () => {
  it('leaves the guest at one side, or held until its user has looked', { timeout: 60_000 }, async () => {
    const outcomes = await checkCuts({ forth: 18, back: 12 });
    expect(outcomes.get('here')).toBeGreaterThan(10);
  });
});
