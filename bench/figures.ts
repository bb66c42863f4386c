/** What is measured besides programs: idle guests, and what guests cost in one process. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LibraryFigures } from './child-library.ts';
import type { CleanUp } from './clean-up.ts';
import type { Emulator, GuestSystem } from './emulators.ts';
import { Ended, GuestSession, TimeLimit } from './guest-session.ts';
import { startBehind } from './priority.ts';
import { between, takeSample } from './schedstat.ts';

/** Time, in ms, that a guest has to come to rest. */
const SETTLE = 3000;

export interface IdleOptions {
  readonly system: GuestSystem;
  readonly cleanUp: CleanUp;
  /** How long it is watched, in ms. */
  readonly length: number;
  /** Time limit of the boot, in ms. */
  readonly limit: number;
}

/** Processor time of a guest whose shell waits for input, its time following the wall clock: a share of one core. */
export async function measureIdle(emulator: Emulator, options: IdleOptions): Promise<number | string> {
  try {
    const session = await GuestSession.boot(emulator.boot(options.system, 'host'), options.cleanUp, options.limit);
    const share = await watch(session.pid, options.length);
    const failed = session.ended;
    await session.close();
    return failed ? 'it ended while it was idle' : share;
  } catch (error) {
    if (error instanceof TimeLimit || error instanceof Ended) return error.message;
    throw error;
  }
}

/** The same of the demo that a tree of Vetro has in it. */
export async function measureIdleDemo(root: string, { cleanUp, length }: IdleOptions): Promise<number | string> {
  const args = [join(root, 'dist', 'cli.js'), 'run', '--demo', '--clock', 'host', '--serial', 'stdio'];
  const child = startBehind(() => spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] }));
  const end = cleanUp.add(() => child.kill('SIGKILL'));
  child.stdout.resume();
  const share = await watch(child.pid!, length);
  const failed = child.exitCode !== null;
  end();
  return failed ? `the demo ended with status ${child.exitCode}` : share;
}

async function watch(pid: number, length: number): Promise<number> {
  await sleep(SETTLE);
  const start = takeSample(pid);
  await sleep(length);
  const { cpu, wall } = between(start, takeSample(pid));
  return cpu / wall;
}

export interface LibraryOptions {
  readonly system: GuestSystem;
  readonly cleanUp: CleanUp;
  /** In ms, for all of it. */
  readonly limit: number;
}

/** In a process of its own. @returns why not, if it failed */
export async function measureLibraryOf(root: string, options: LibraryOptions): Promise<LibraryFigures | string> {
  const task = JSON.stringify({ root, system: options.system });
  const child = startBehind(() =>
    spawn(process.execPath, [process.argv[1], '--library', task], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  const end = options.cleanUp.add(() => child.kill('SIGKILL'));
  const timer = setTimeout(end, options.limit);
  let [output, errors] = ['', ''];
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (errors += text));
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  end();
  if (child.exitCode === 0) return JSON.parse(output) as LibraryFigures;
  return (
    errors
      .trim()
      .split('\n')
      .find((line) => line.includes('Error')) ?? 'ended before it was done'
  );
}
