/**
 * The differential test by hand:
 * `node .ci/ts.js src/difftest/main.ts [forms, as a regular expression] [vectors per form] [seed]`
 * prints, per row, the first mismatch, shrunk; exit status 1 if there is one, or too little coverage. `--coverage` prints
 * that, too; `--mode 64` runs 64-bit code only; `--record folder` writes each of those as a regression case,
 * `--engine interpreter` and `--engine reference` compare these engines too, `--engine jit` translated code, for which
 * `--states 32` makes so many vectors of each code.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { EngineName } from '../engine/processor.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import type { VectorMode } from './address-space.ts';
import { compareOutcomes, describeVector } from './compare.ts';
import { comparisonFor } from './comparison-rules.ts';
import { FLAG_SHARE } from './coverage.ts';
import { HostOracle, hostMake, hostOracleUnavailable } from './host/host-oracle.ts';
import { ReferenceOracle } from './reference-oracle.ts';
import { isRunnable, type Mismatch, runDifftest } from './run-difftest.ts';
import { shrink } from './shrink.ts';
import type { Vector } from './vector.ts';
import { regressionToJson } from './vector-json.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    record: { type: 'string' },
    coverage: { type: 'boolean' },
    show: { type: 'string', default: '1' },
    mode: { type: 'string', multiple: true },
    engine: { type: 'string', multiple: true, default: [] },
    states: { type: 'string', default: '1' },
  },
});
const [pattern = '', vectors = '100', seed = '1'] = positionals;
const unavailable = hostOracleUnavailable();
if (unavailable) throw new Error(unavailable);

const expression = new RegExp(pattern);
const started = performance.now();
const result = runDifftest(INSTRUCTIONS, {
  seed: Number(seed),
  vectorsPerForm: Number(vectors),
  modes: (values.mode?.map(Number) ?? [32, 64]) as VectorMode[],
  engines: values.engine as EngineName[],
  statesPerCode: Number(values.states),
  select: ({ name }) => expression.test(name),
});
if (values.coverage) console.log(result.coverage.report());
const shortfalls = result.coverage.shortfalls({ share: FLAG_SHARE });
for (const shortfall of shortfalls) console.log(`too little: ${shortfall}`);

const host = new HostOracle();
const reference = new ReferenceOracle(INSTRUCTIONS);
for (const mnemonic of new Set(result.mismatches.map(({ form }) => form.pattern.row.mnemonic))) {
  const found = result.mismatches.filter(({ form }) => form.pattern.row.mnemonic === mnemonic);
  console.log(`\n${mnemonic}: ${found.length} mismatches`);
  for (const mismatch of found.slice(0, Number(values.show))) show(mismatch);
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`\n${result.vectors} vectors, ${result.mismatches.length} mismatches, ${seconds} s`);
if (result.mismatches.length + shortfalls.length > 0) process.exitCode = 1;

function show({ form, vector, differences, oracle }: Mismatch): void {
  const options = comparisonFor(form.pattern.row, hostMake());
  const check = (candidates: readonly Vector[]) => {
    const outcomes = host.run({ mode: vector.mode as 32 | 64, vectors: candidates });
    return candidates.map((candidate, index) =>
      compareOutcomes(candidate, reference.run(candidate), outcomes[index], options),
    );
  };
  const simple =
    oracle !== 'host'
      ? vector
      : shrink(vector, (candidates) => {
          const runnable = candidates.map((candidate) => isRunnable(candidate, reference.run(candidate)));
          const checked = check(candidates.filter((_, index) => runnable[index]));
          return runnable.map((possible) => possible && checked.shift()!.length > 0);
        });
  console.log(`${form.name}, reference evaluator and ${oracle}`);
  console.log(`  ${describeVector(simple)}`);
  console.log(`  ${(oracle === 'host' ? check([simple])[0] : differences).join('; ')}`);
  if (values.record === undefined || oracle !== 'host') return;
  const [outcome] = host.run({ mode: simple.mode as 32 | 64, vectors: [simple] });
  const title = form.name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase();
  mkdirSync(values.record, { recursive: true });
  const json = regressionToJson(form.name, cpus()[0].model, simple, outcome!);
  writeFileSync(join(values.record, `${title}.json`), `${JSON.stringify(json, null, 2)}\n`);
}
