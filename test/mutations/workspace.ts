/** A copy of the tree in which faults are planted, one at a time. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import type { Mutation } from './mutations.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const COPIED = ['package.json', 'tsconfig.json', '.ci', 'src', 'bench', 'test', 'roms'];
/** In ms. A fault may make a loop endless: a run that takes longer counts as one that fails. */
const TIME_LIMIT = { WITH_FAULT: 120_000, WITHOUT: 900_000 } as const;

export type Outcome =
  /** `by`: the first test that failed. */
  | { readonly result: 'killed'; readonly by: string }
  | { readonly result: 'survived' }
  /** The text to replace is not there exactly once, or no test ran: the list is out of date. */
  | { readonly result: 'invalid'; readonly reason: string };

export class Workspace {
  readonly #folder = mkdtempSync(join(tmpdir(), 'vetro-mutations-'));

  constructor() {
    for (const name of COPIED) cpSync(join(ROOT, name), join(this.#folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.#folder, 'node_modules'));
  }

  /** Plants the fault, runs its tests, and takes the fault out again. */
  async try(mutation: Mutation): Promise<Outcome> {
    const path = join(this.#folder, mutation.file);
    const source = readFileSync(path, 'utf8');
    const found = source.split(mutation.original).length - 1;
    if (found !== 1) return { result: 'invalid', reason: `the text to replace is there ${found} times` };
    writeFileSync(
      path,
      source.replace(mutation.original, () => mutation.planted),
    );
    try {
      const report = await this.#run(mutation.tests, { hasFault: true });
      if (report === 'timeout') return { result: 'killed', by: 'the time limit' };
      if (report.failed.length > 0) return { result: 'killed', by: report.failed[0].test };
      if (report.passed === 0) return { result: 'invalid', reason: 'no test ran' };
      return { result: 'survived' };
    } finally {
      writeFileSync(path, source);
    }
  }

  /** The test files that fail as they are. */
  async findFailing(files: readonly string[]): Promise<readonly string[]> {
    const report = await this.#run(files, { hasFault: false });
    return report === 'timeout' ? files : report.failed.map(({ file }) => file);
  }

  async #run(files: readonly string[], { hasFault }: { hasFault: boolean }): Promise<TestRun | 'timeout'> {
    const reportFile = join(this.#folder, 'report.json');
    rmSync(reportFile, { force: true });
    const child = spawn(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        ...['run', '--config', '.ci/test.config.ts', '--no-file-parallelism'],
        ...['--reporter', 'json', '--outputFile', reportFile],
        ...(hasFault ? ['--bail', '1'] : []),
        ...files,
      ],
      // A process group of its own: vitest runs tests in further processes.
      { cwd: this.#folder, stdio: 'ignore', detached: true },
    );
    const limit = hasFault ? TIME_LIMIT.WITH_FAULT : TIME_LIMIT.WITHOUT;
    const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), limit);
    const signal = await new Promise((done) => child.on('close', (_, signal) => done(signal)));
    clearTimeout(timer);
    if (signal === 'SIGKILL') return 'timeout';
    const report: Report = JSON.parse(readFileSync(reportFile, 'utf8'));
    const failed = report.testResults.flatMap(({ name, status, assertionResults }) => {
      const file = relative(this.#folder, name);
      const tests = assertionResults.filter((test) => test.status === 'failed');
      if (tests.length === 0 && status === 'failed') return [{ file, test: `loading ${file}` }];
      return tests.map(({ fullName }) => ({ file, test: fullName }));
    });
    return { passed: report.numPassedTests, failed };
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface TestRun {
  readonly passed: number;
  readonly failed: readonly { readonly file: string; readonly test: string }[];
}

/** What is used of vitest's JSON report. */
interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}
