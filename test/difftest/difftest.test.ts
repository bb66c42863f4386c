import { describe, expect, it } from 'vitest';
import { hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { runDifftest } from '../../src/difftest/run-difftest.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { expectAgreement, expectTranslated } from './run-checks.ts';

const unavailable = hostOracleUnavailable();
/** Pinned: the same vectors in every run. */
const SEED = 2026;
const VECTORS_PER_FORM = 6;
/** Half of them have the same code: to translate it takes longest. */
const TRANSLATED_PER_FORM = 8;

describe(`differential test, short${unavailable ? ` (no host oracle: ${unavailable})` : ''}`, () => {
  it('reference evaluator, interpreter, reference engine and the host CPU (but for 16-bit code) agree on every form', () => {
    const result = runDifftest(INSTRUCTIONS, {
      seed: SEED,
      vectorsPerForm: VECTORS_PER_FORM,
      modes: [16, 32, 64],
      engines: ['interpreter', 'reference'],
      host: !unavailable,
    });
    expect(result.coverage.rows.size).toBeGreaterThan(200);
    expectAgreement(result);
  });

  it('reference evaluator, translated code and the host CPU agree on every form of 32-bit code', () => {
    const result = runDifftest(INSTRUCTIONS, {
      seed: SEED,
      vectorsPerForm: TRANSLATED_PER_FORM,
      statesPerCode: TRANSLATED_PER_FORM / 2,
      modes: [32],
      engines: ['jit'],
      host: !unavailable,
    });
    expectAgreement(result);
    expectTranslated(result);
  });
});
