/** What both runs of the differential test, the short and the full one, ask of their result. */
import { expect } from 'vitest';
import { describeVector } from '../../src/difftest/compare.ts';
import { FLAG_SHARE } from '../../src/difftest/coverage.ts';
import type { DifftestResult } from '../../src/difftest/run-difftest.ts';

const SHOWN = 5;

/** Vectors that leave a region, though it has their instruction: an operand across two pages, an unusual x87 number. */
const LEAVING_SHARE = 0.05;

/** Translated code did the instruction of nearly every vector that did not fault, and of nearly every form. */
export function expectTranslated({ translated }: DifftestResult): void {
  const counts = [...translated.values()];
  const retired = counts.reduce((sum, count) => sum + count.retired, 0);
  const left = counts.reduce((sum, count) => sum + count.retired - count.translated, 0);
  expect(left).toBeLessThan(retired * LEAVING_SHARE);
  const never = [...translated].filter(([, count]) => count.translated === 0).map(([{ name }]) => name);
  expect(never.length, never.join('\n')).toBeLessThan(translated.size * LEAVING_SHARE);
  expect(translated.size).toBeGreaterThan(1000);
}

export function expectAgreement({ mismatches, coverage }: DifftestResult): void {
  const shown = mismatches
    .slice(0, SHOWN)
    .map(({ form, vector, oracle, differences }) =>
      [`${form.name}, reference evaluator and ${oracle}`, describeVector(vector), differences.join('; ')].join('\n  '),
    );
  expect(mismatches.length, `${mismatches.length} mismatches:\n${shown.join('\n')}`).toBe(0);
  expect(coverage.shortfalls({ share: FLAG_SHARE })).toEqual([]);
}
