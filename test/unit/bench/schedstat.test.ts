import { describe, expect, it } from 'vitest';
import { between, parseSchedstat, type Sample, type ThreadTimes } from '../../../bench/schedstat.ts';

const sample = (wall: number, threads: Record<string, [ran: number, waited: number]>): Sample => ({
  wall,
  threads: new Map(
    Object.entries(threads).map(([thread, [ran, waited]]): [string, ThreadTimes] => [thread, { ran, waited }]),
  ),
});

describe('/proc/PID/task/TID/schedstat', () => {
  it('has nanoseconds on the processor, nanoseconds waiting, and a count', () => {
    expect(parseSchedstat('214455427 279858 13\n')).toEqual({ ran: 214.455427, waited: 0.279858 });
  });

  it('is nothing where the kernel writes nothing of the kind', () => {
    expect(['', '1 2\n', 'a b c\n', '-1 2 3\n'].map(parseSchedstat)).toEqual(Array(4).fill(undefined));
  });
});

describe('an interval between two samples', () => {
  it('is the wall-clock time without what the busiest thread waited', () => {
    const interval = between(
      sample(1000, { main: [50, 10], worker: [400, 300] }),
      sample(3000, { main: [1750, 310], worker: [450, 900] }),
    );
    expect(interval).toEqual({ wall: 2000, waited: 300, cpu: 1750, corrected: 1700 });
  });

  it('is without what the busiest thread slept while others waited, too', () => {
    const start = sample(0, { main: [0, 0], worker: [0, 0] });
    expect(between(start, sample(1000, { main: [500, 200], worker: [10, 250] })).corrected).toBe(550);
    expect(between(start, sample(1000, { main: [500, 200], worker: [10, 900] })).corrected).toBe(500);
    expect(between(start, sample(1000, { main: [500, 200], worker: [10, 0] })).corrected).toBe(800);
  });

  it('counts threads from their beginning that were not there', () => {
    const interval = between(sample(0, { main: [5, 5] }), sample(100, { main: [6, 5], young: [88, 12] }));
    expect(interval).toEqual({ wall: 100, waited: 12, cpu: 89, corrected: 88 });
  });

  it('never takes off more than there is: the kernel books a long wait when it ends', () => {
    expect(between(sample(0, { main: [0, 0] }), sample(10, { main: [1, 50] })).corrected).toBe(0);
  });

  it('is the wall-clock time where the system does not tell', () => {
    expect(between(sample(5, {}), sample(25, {}))).toEqual({ wall: 20, waited: 0, cpu: 0, corrected: 20 });
  });
});
