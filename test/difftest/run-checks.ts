/** What both runs of the differential test, the short and the full one, ask of their result. */
import { expect } from 'vitest';
import { describeVector } from '../../src/difftest/compare.ts';
import type { DifftestResult } from '../../src/difftest/run-difftest.ts';

const SHOWN = 5;

/** @param perFlag how often each flag that a row writes must have come out 0, and 1 */
export function expectAgreement({ mismatches, coverage }: DifftestResult, floor: { readonly perFlag: number }): void {
  const shown = mismatches
    .slice(0, SHOWN)
    .map(({ form, vector, oracle, differences }) =>
      [`${form.name}, reference evaluator and ${oracle}`, describeVector(vector), differences.join('; ')].join('\n  '),
    );
  expect(mismatches.length, `${mismatches.length} mismatches:\n${shown.join('\n')}`).toBe(0);
  expect(coverage.shortfalls(floor)).toEqual([]);
}
