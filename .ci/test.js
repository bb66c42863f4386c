// The test runs: node .ci/test.js check | test | full. The last line printed is `N passed, N failed, N skipped`.
//   check  types, lint, and the suites one runs all day
//   test   the same and every other *.test.ts: needs Node and npm alone
//   full   *.full.test.ts: minutes-long runs, real boots, oracles that come from apt
// `npm run check -- <file or folder …>` narrows the suites.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SUITES = {
  check: { configs: ['test.config.ts'], folders: ['test/architecture', 'test/unit', 'test/conformance', 'test/golden'] },
  test: { configs: ['test.config.ts'], folders: [] },
  full: { configs: ['full.config.ts', 'alone.config.ts'], folders: [] },
};

const root = fileURLToPath(new URL('..', import.meta.url));
const [name, ...narrowed] = process.argv.slice(2);
const suite = SUITES[name];
if (!suite) throw new Error(`usage: node .ci/test.js ${Object.keys(SUITES).join(' | ')}`);

const total = { passed: 0, failed: 0, skipped: 0 };
let files = 0;
if (name !== 'full') {
  step('types', ['node_modules/typescript/bin/tsc', '-p', '.']);
  step('lint', ['node_modules/@biomejs/biome/bin/biome', 'check']);
}
for (const config of suite.configs) vitest(config, narrowed.length > 0 ? narrowed : suite.folders);
// One of several configurations may have none; where all have none, a name is wrong.
if (files === 0) {
  console.log(`FAILED  no test file matches ${narrowed.join(' ') || name}`);
  total.failed++;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** A program that passes or fails as a whole: counts as one test. */
function step(title, command) {
  const passed = node(command) === 0;
  console.log(`${passed ? 'ok' : 'FAILED'}  ${title}`);
  total[passed ? 'passed' : 'failed']++;
}

function vitest(config, folders) {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-test-'));
  const report = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const status = node(['node_modules/vitest/vitest.mjs', 'run', '--config', `.ci/${config}`, ...reporters, ...folders]);
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    files += result.testResults.length;
    total.passed += result.numPassedTests;
    total.failed += result.numFailedTests;
    total.skipped += result.numPendingTests + result.numTodoTests;
    // A file that cannot be loaded, or an error outside any test, is a failure too.
    if (status !== 0 && result.numFailedTests === 0) total.failed++;
  } catch {
    total.failed++;
  }
  rmSync(folder, { recursive: true, force: true });
}

function node(args) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status;
}
