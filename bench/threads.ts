/** What a host with threads gains, and what a key's echo takes there. Part of `npm run bench -- hypervisor`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Guest, type GuestOptions, Host } from '../src/index.ts';
import { assemble } from '../src/isa/assemble.ts';
import { bundleWorker } from '../test/support/bundle-worker.ts';
import { ROOT } from './base-revision.ts';
import { echoTimes } from './echo-times.ts';
import { median } from './statistics.ts';
import { number } from './table.ts';

const THREADS = 2;
/** Guests that are busy, rounds, and how long each is looked at, in ms. */
const BUSY = { THROUGHPUT: 4, LATENCY: 10 } as const;
const ROUNDS = 3;
const STRETCH = { WARM: 1000, MEASURED: 3000 } as const;
/** Code that is translated, and writes memory. */
const WORK: GuestOptions = {
  boot: { image: assemble('bits 16\norg 0x7c00\nagain: inc eax\nadd ebx, eax\nmov [0x8000], ebx\njmp again').bytes },
  memory: 1,
};

export interface ThreadRow {
  readonly what: string;
  readonly figure: string;
  readonly goal?: string;
}

export async function measureThreads(): Promise<ThreadRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-bench-worker-'));
  const worker = join(folder, 'worker.mjs');
  try {
    await bundleWorker(ROOT, worker);
    return [...(await throughput(worker)), ...(await latency(worker))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Rounds take turns: what else the machine does meets both. */
async function throughput(worker: string): Promise<ThreadRow[]> {
  const gains: number[] = [];
  const creations: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await speedOf(worker, 0);
    const together = await speedOf(worker, THREADS);
    gains.push(together.speed / alone.speed);
    creations.push(together.creation);
  }
  const load = number(loadavg()[0]!);
  return [
    { what: `create a guest in a thread (not the first): median`, figure: `${number(median(creations))} ms` },
    {
      what: `${BUSY.THROUGHPUT} busy guests on ${THREADS} threads, of ${availableParallelism()} cores, load ${load}: throughput, of one thread's`,
      figure: `${number(median(gains))} ×`,
      goal: '1.8 ×',
    },
  ];
}

/** Instructions of all guests, a ms; and what it took to create one, in ms. */
async function speedOf(worker: string, threads: number): Promise<{ speed: number; creation: number }> {
  const host = await Host.create({ threads, worker });
  const guests: Guest[] = [await host.createGuest(WORK)];
  const before = performance.now();
  while (guests.length < BUSY.THROUGHPUT) guests.push(await host.createGuest(WORK));
  const creation = (performance.now() - before) / (BUSY.THROUGHPUT - 1);
  for (const guest of guests) void guest.run();
  await rest(STRETCH.WARM);
  const executed = () => guests.reduce((sum, { instructions }) => sum + instructions, 0);
  const [start, from] = [performance.now(), executed()];
  await rest(STRETCH.MEASURED);
  const speed = (executed() - from) / (performance.now() - start);
  host.dispose();
  return { speed, creation };
}

async function latency(worker: string): Promise<ThreadRow[]> {
  const host = await Host.create({ threads: THREADS, worker });
  const waits = await echoTimes(host, BUSY.LATENCY);
  host.dispose();
  const what = `a key's echo beside ${BUSY.LATENCY} busy guests on ${THREADS} threads`;
  return [
    { what: `${what}: median`, figure: `${number(median(waits))} ms` },
    { what: `${what}: 99 %`, figure: `${number(waits[Math.floor(0.99 * waits.length)]!)} ms`, goal: '5 ms' },
  ];
}

const rest = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
