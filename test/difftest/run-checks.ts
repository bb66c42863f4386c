/** What both runs of the differential test, the short and the full one, ask of their result. */
import { expect } from 'vitest';
import { describeVector } from '../../src/difftest/compare.ts';
import { FLAG_SHARE } from '../../src/difftest/coverage.ts';
import type { DifftestResult } from '../../src/difftest/run-difftest.ts';

const SHOWN = 5;

export function expectAgreement({ mismatches, coverage }: DifftestResult): void {
  const shown = mismatches
    .slice(0, SHOWN)
    .map(({ form, vector, oracle, differences }) =>
      [`${form.name}, reference evaluator and ${oracle}`, describeVector(vector), differences.join('; ')].join('\n  '),
    );
  expect(mismatches.length, `${mismatches.length} mismatches:\n${shown.join('\n')}`).toBe(0);
  expect(coverage.shortfalls({ share: FLAG_SHARE })).toEqual([]);
}
