import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareOutcomes } from '../../src/difftest/compare.ts';
import { comparisonFor } from '../../src/difftest/comparison-rules.ts';
import { HostOracle, hostOracleUnavailable } from '../../src/difftest/host/host-oracle.ts';
import { CUT_EVERYWHERE, MachineOracle } from '../../src/difftest/machine-oracle.ts';
import { ReferenceOracle } from '../../src/difftest/reference-oracle.ts';
import { type RegressionJson, regressionFromJson } from '../../src/difftest/vector-json.ts';
import { createDecoder, isFailure } from '../../src/isa/decoder.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';

const folder = join(import.meta.dirname, 'regressions');
const cases = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as RegressionJson);

/** Each case is a bug that the differential test found, shrunk, with what a real CPU did. */
describe('past bugs', () => {
  const reference = new ReferenceOracle(INSTRUCTIONS);
  const machines = [
    new MachineOracle('interpreter'),
    new MachineOracle('reference'),
    new MachineOracle('jit'),
    new MachineOracle('jit', CUT_EVERYWHERE),
  ];
  const decoder = createDecoder(INSTRUCTIONS);

  it.each(cases.map((json) => [json.title, json] as const))('%s', (_, json) => {
    const { vector, outcome } = regressionFromJson(json);
    const decoded = decoder.decode(vector.code, 0, vector.mode);
    if (isFailure(decoded)) throw new Error(`the case does not decode: ${decoded.failure}`);
    const options = comparisonFor(decoded.row);
    const expected = reference.run(vector);
    expect(compareOutcomes(vector, expected, outcome, options)).toEqual([]);
    if (/^int[3o]$/.test(decoded.row.mnemonic)) return; // through an IDT, on a machine
    for (const machine of machines) expect(compareOutcomes(vector, expected, machine.run(vector), options)).toEqual([]);
  });

  const here = cases.filter(({ host }) => host === cpus()[0]?.model);
  const reason = hostOracleUnavailable() ?? (here.length === 0 ? 'the cases were recorded on other CPUs' : undefined);
  it.skipIf(reason)(`this host does what the recorded CPU did${reason ? `: skipped, ${reason}` : ''}`, () => {
    const host = new HostOracle();
    for (const json of here) {
      const { vector, outcome } = regressionFromJson(json);
      const [again] = host.run({ mode: vector.mode as 32 | 64, vectors: [vector] });
      expect(again, json.title).toEqual(outcome);
    }
  });
});
