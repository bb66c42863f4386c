/** Runs `main.ts` in a child process and kills it when a program does not come back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Figures, Report, Shares } from './reports.ts';

export interface WatchedRun {
  /** One line each: what was wrong, hangs included. */
  readonly findings: readonly string[];
  readonly table: readonly string[];
  /** Of the last process: one, unless something hung. */
  readonly figures: Figures | undefined;
  readonly shares: Shares | undefined;
}

interface Collected {
  readonly findings: string[];
  readonly table: string[];
  figures: Figures | undefined;
  shares: Shares | undefined;
}

/** A program that says nothing for so long hangs: the longest takes about a second. In ms. */
const PATIENCE = 60_000;
/** Hangs after which there is no point in going on. */
const MOST_HANGS = 20;

/**
 * @param args as `main.ts` takes them
 * @param options.patience in ms, once the process has said something
 */
export async function watchedRun(args: readonly string[], options: { patience?: number } = {}): Promise<WatchedRun> {
  const patience = options.patience ?? PATIENCE;
  const all: Collected = { findings: [], table: [], figures: undefined, shares: undefined };
  let from = 0;
  for (let hangs = 0; hangs < MOST_HANGS; hangs++) {
    const hung = await runOnce([...args, '--from', `${from}`], patience, all);
    if (hung === undefined) return all;
    from = hung + 1;
  }
  all.findings.push(`stopped after ${MOST_HANGS} hangs`);
  return all;
}

/** @returns the number of the trial that hung or ended the process, undefined if all went well */
function runOnce(args: readonly string[], patience: number, all: Collected): Promise<number | undefined> {
  // A group of its own: `ts.js` starts the program as a child.
  const child = spawn(process.execPath, ['.ci/ts.js', 'test/hostile/main.ts', ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve) => {
    let current = { index: -1, name: 'the start' };
    let complaint = '';
    let complete = false;
    let hung = false;
    const onSilence = () => {
      hung = true;
      killGroup(child);
    };
    let timer = setTimeout(onSilence, PATIENCE);
    child.stderr!.on('data', (bytes: Buffer) => {
      complaint = `${complaint}${bytes.toString()}`.slice(0, 2000);
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      clearTimeout(timer);
      timer = setTimeout(onSilence, patience);
      const report = JSON.parse(line) as Report;
      switch (report.at) {
        case 'start':
          current = report;
          return;
        case 'end':
          all.findings.push(...report.findings);
          return;
        case 'table':
          all.table.push(report.line);
          return;
        case 'figures':
          all.figures = report.figures;
          return;
        case 'shares':
          all.shares = report;
          return;
        case 'complete':
          complete = true;
      }
    });
    child.on('close', () => {
      clearTimeout(timer);
      if (complete) return resolve(undefined);
      all.findings.push(hung ? `${current.name}: hangs` : `${current.name}: the process ended: ${complaint}`);
      resolve(current.index);
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
