/** Runs the command `vetro` as a user would, from a bundle of the sources made once per test file. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout?: number;
}

export interface Vetro {
  /** What to run by other means: Node and the bundle. */
  readonly command: readonly string[];
  run(args: readonly string[], options?: RunOptions): Promise<Result>;
  /** Starts it, for those who have more to do with it than to wait. */
  start(args: readonly string[], options?: SpawnOptions): RunningVetro;
  dispose(): void;
}

export async function buildVetro(): Promise<Vetro> {
  // Inside the repository, so that packages and the package's own files are found.
  const folder = mkdtempSync(join(ROOT, 'node_modules', '.vetro-test-'));
  const bundle = join(folder, 'cli.mjs');
  await build({
    entryPoints: [join(ROOT, 'src/cli/main.ts')],
    outfile: bundle,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  });
  return {
    command: [process.execPath, bundle],
    run: (args, options = {}) => runNode([bundle, ...args], options),
    start: (args, options = {}) => new RunningVetro([bundle, ...args], options),
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A process that runs; what it prints is collected. */
export class RunningVetro {
  readonly child: ChildProcess;
  /** Its status, or the signal that ended it, once it and its output have ended. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly #output = { stdout: '', stderr: '' };
  #onOutput = (): void => {};

  constructor(args: readonly string[], options: SpawnOptions) {
    this.child = spawn(process.execPath, args, options);
    this.ended = new Promise((resolve) => this.child.on('close', (status, signal) => resolve(signal ?? status)));
    for (const name of ['stdout', 'stderr'] as const) {
      this.child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text;
        this.#onOutput();
      });
    }
  }

  get stdout(): string {
    return this.#output.stdout;
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  /** Waits until `pattern` appears on standard output or error. */
  async shows(pattern: RegExp): Promise<void> {
    const shown = new Promise<void>((resolve) => {
      this.#onOutput = () => {
        if (pattern.test(this.stdout) || pattern.test(this.stderr)) resolve();
      };
    });
    this.#onOutput();
    const early = this.ended.then((status) => {
      throw new Error(`ended (${status}) before ${pattern}: ${this.stdout}${this.stderr}`);
    });
    await Promise.race([shown, early]);
  }

  /** Sends a signal to the process alone. @returns what `ended` gives */
  signal(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    this.child.kill(signal);
    return this.ended;
  }
}

function runNode(args: readonly string[], { input = '', env = {}, timeout = 60_000 }: RunOptions): Promise<Result> {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, timeout });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    child.stdin.on('error', () => {}); // it may end before it has read everything
    child.stdin.end(input);
    child.on('close', (status) => done({ status, ...output }));
  });
}
