import { describe, expect, it } from 'vitest';
import { isPromise, runTask, type Task, TaskQueue, wait } from '../../../src/storage/task.ts';

const later = async <Value>(value: Value, turns = 1): Promise<Value> => {
  for (; turns > 0; turns--) await undefined;
  return value;
};

describe('runTask', () => {
  it('answers at once if nothing has to be waited for', () => {
    function* sum(): Task<number> {
      return (yield* wait(1)) + (yield* wait(2));
    }
    expect(runTask(sum())).toBe(3);
  });

  it('answers later what came later', async () => {
    function* sum(): Task<number> {
      return (yield* wait(later(1))) + (yield* wait(2)) + (yield* wait(later(3)));
    }
    const result = runTask(sum());
    expect(isPromise(result)).toBe(true);
    expect(await result).toBe(6);
  });

  it('throws into the task what a promise rejects with', async () => {
    function* recover(): Task<string> {
      try {
        yield* wait(Promise.reject(new Error('no')));
        return 'not reached';
      } catch (error) {
        return (error as Error).message;
      }
    }
    expect(await runTask(recover())).toBe('no');
  });

  it('rejects with what the task throws after it has waited', async () => {
    let cleanups = 0;
    function* fail(): Task<void> {
      try {
        yield* wait(later(1));
        throw new Error('mine');
      } finally {
        cleanups++;
      }
    }
    await expect(runTask(fail())).rejects.toThrow('mine');
    expect(cleanups).toBe(1);
  });
});

describe('TaskQueue', () => {
  it('does one task at a time, in order, however long each takes and however it ends', async () => {
    const queue = new TaskQueue();
    const log: string[] = [];
    const start = (name: string, turns: number) =>
      queue.run(function* (): Task<string> {
        log.push(`${name} begins`);
        yield* wait(later(0, turns));
        log.push(`${name} ends`);
        if (name === 'b') throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([start('a', 5), start('b', 1), start('c', 0)]);
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('answers at once again when the last that waited is done', async () => {
    const queue = new TaskQueue();
    const task = (value: number | Promise<number>) => () => wait(value);
    expect(queue.run(task(1))).toBe(1);
    await queue.run(task(later(2)));
    expect(queue.run(task(3))).toBe(3);
  });
});
