import { describe, expect, it } from 'vitest';
import { hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { runDifftest } from '../../src/difftest/run-difftest.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { expectAgreement } from './run-checks.ts';

const unavailable = hostOracleUnavailable();
const SEED = 686;
const VECTORS_PER_FORM = 1000;

describe('differential test, 1,000 vectors per form', () => {
  it.skipIf(unavailable)(
    `user-mode integer and x87 rows agree with the host CPU${unavailable ? `: skipped, ${unavailable}` : ''}`,
    () => {
      const result = runDifftest(INSTRUCTIONS, {
        seed: SEED,
        vectorsPerForm: VECTORS_PER_FORM,
        engines: ['interpreter'],
      });
      console.log(result.coverage.report());
      console.log(`${result.vectors} vectors`);
      expect(result.vectors).toBeGreaterThan(1_000_000);
      expectAgreement(result);
    },
  );

  it('reference evaluator and interpreter agree in 16-bit code', () => {
    const result = runDifftest(INSTRUCTIONS, {
      seed: SEED,
      vectorsPerForm: VECTORS_PER_FORM / 4,
      modes: [16],
      engines: ['interpreter'],
      host: false,
    });
    expectAgreement(result);
  });
});
