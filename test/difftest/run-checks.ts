/** What both runs of the differential test, the short and the full one, ask of their result. */
import { expect } from 'vitest';
import { describeVector } from '../../src/difftest/compare.ts';
import type { DifftestResult } from '../../src/difftest/run-difftest.ts';

const SHOWN = 5;

/** In this share of a row's vectors at least, each flag that it writes comes out 0, and 1. */
const FLAG_SHARE = 0.002;

export function expectAgreement({ mismatches, coverage }: DifftestResult): void {
  const shown = mismatches
    .slice(0, SHOWN)
    .map(({ form, vector, oracle, differences }) =>
      [`${form.name}, reference evaluator and ${oracle}`, describeVector(vector), differences.join('; ')].join('\n  '),
    );
  expect(mismatches.length, `${mismatches.length} mismatches:\n${shown.join('\n')}`).toBe(0);
  expect(coverage.shortfalls({ share: FLAG_SHARE })).toEqual([]);
}
