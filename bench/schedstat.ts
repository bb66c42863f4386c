/**
 * What the threads of a process have done: /proc/PID/task/TID/schedstat of Linux (Documentation/scheduler/sched-stats.rst)
 * holds the time that the thread ran, the time that it waited on a run queue, both in ns, and how often it ran.
 *
 * A guest's time is the wall-clock time without the time that the busiest thread of its emulator was ready to run and
 * another had the processor: other load on the machine, as far as the scheduler sees it. That thread may also sleep until
 * another of its process has done something (collected garbage, compiled), which waits for a processor in its turn: of
 * the time it slept, as much is taken off as the others waited. On a machine without other load both are next to nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds since the thread began. */
export interface ThreadTimes {
  readonly ran: number;
  readonly waited: number;
}

/** A process at a moment. */
export interface Sample {
  /** `performance.now()`, in ms. */
  readonly wall: number;
  /** By thread id. Empty where the system does not tell: nothing is then corrected. */
  readonly threads: ReadonlyMap<string, ThreadTimes>;
}

/** What happened between two samples, in ms. */
export interface Interval {
  readonly wall: number;
  /** How long the busiest thread waited for a processor, or for threads that did. */
  readonly waited: number;
  /** Processor time of all threads together. */
  readonly cpu: number;
  /** `wall` without `waited`: what is compared. */
  readonly corrected: number;
}

const NS_PER_MS = 1e6;

export function parseSchedstat(text: string): ThreadTimes | undefined {
  const match = /^(\d+) (\d+) \d+\s*$/.exec(text);
  return match ? { ran: Number(match[1]) / NS_PER_MS, waited: Number(match[2]) / NS_PER_MS } : undefined;
}

export function takeSample(pid: number): Sample {
  const wall = performance.now();
  const threads = new Map<string, ThreadTimes>();
  for (const thread of listThreads(pid)) {
    const times = readTimes(pid, thread);
    if (times) threads.set(thread, times);
  }
  return { wall, threads };
}

/** A process that is only just being started. */
export const sampleBeforeStart = (): Sample => ({ wall: performance.now(), threads: new Map() });

/** Threads that were not there at `start` began in between. */
export function between(start: Sample, end: Sample): Interval {
  const wall = end.wall - start.wall;
  const all = [...end.threads].map(([thread, { ran, waited }]): ThreadTimes => {
    const before = start.threads.get(thread) ?? { ran: 0, waited: 0 };
    return { ran: ran - before.ran, waited: waited - before.waited };
  });
  const sum = (times: readonly number[]): number => times.reduce((total, time) => total + time, 0);
  const busiest = all.reduce((most, times) => (times.ran > most.ran ? times : most), { ran: 0, waited: 0 });
  const slept = Math.max(0, wall - busiest.ran - busiest.waited);
  const othersWaited = sum(all.map(({ waited }) => waited)) - busiest.waited;
  const waited = Math.min(busiest.waited + Math.min(slept, othersWaited), wall);
  return { wall, waited, cpu: sum(all.map(({ ran }) => ran)), corrected: wall - waited };
}

/** Resident memory of a process in bytes; NaN where the system does not tell. */
export function residentMemory(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  } catch {
    return Number.NaN;
  }
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it has ended, or this is not Linux
  }
}

function readTimes(pid: number, thread: string): ThreadTimes | undefined {
  try {
    return parseSchedstat(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
  } catch {
    return undefined; // the thread has just ended
  }
}
