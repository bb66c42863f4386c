import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { CUT_EVERYWHERE } from '../../src/difftest/machine-oracle.ts';
import { runDifftest } from '../../src/difftest/run-difftest.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { expectAgreement, expectTranslated } from './run-checks.ts';

const unavailable = hostOracleUnavailable();
const SEED = 686;
const VECTORS_PER_FORM = 1000;
const TRANSLATED_PER_FORM = 384;
const root = join(import.meta.dirname, '../..');

/** The tool by hand (`src/difftest/main.ts`), in a process of its own: one per code width, at the same time. */
function runTool(mode: 32 | 64): Promise<{ status: number | null; output: string }> {
  const args = ['.ci/ts.js', 'src/difftest/main.ts', '', `${VECTORS_PER_FORM}`, `${SEED}`];
  const options = ['--mode', `${mode}`, '--engine', 'interpreter', '--coverage'];
  const child = spawn(process.execPath, [...args, ...options], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, output })));
}

describe('differential test, 1,000 vectors per form', () => {
  it.skipIf(unavailable)(
    `the host CPU, the reference evaluator and the interpreter agree on every user-mode integer and x87 row${unavailable ? `: skipped, ${unavailable}` : ''}`,
    async () => {
      for (const { status, output } of await Promise.all([runTool(32), runTool(64)])) {
        console.log(output);
        expect(status, output.slice(-4000)).toBe(0);
        const [, vectors] = /(\d+) vectors, 0 mismatches/.exec(output)!;
        expect(Number(vectors)).toBeGreaterThan(1_000_000);
      }
    },
  );

  it(`reference evaluator, translated code${unavailable ? '' : ', the host CPU'} agree in 32-bit code`, () => {
    const result = runDifftest(INSTRUCTIONS, {
      seed: SEED,
      vectorsPerForm: TRANSLATED_PER_FORM,
      statesPerCode: 32,
      modes: [32],
      engines: ['jit'],
      host: !unavailable,
    });
    expectAgreement(result);
    expectTranslated(result);
  });

  it('reference evaluator and translated code agree where each instruction is a region', () => {
    const result = runDifftest(INSTRUCTIONS, {
      seed: SEED + 1,
      vectorsPerForm: TRANSLATED_PER_FORM / 8,
      statesPerCode: 16,
      modes: [32],
      engines: ['jit'],
      translation: CUT_EVERYWHERE,
      host: false,
    });
    expectAgreement(result);
  });

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
