/**
 * Work that may have to wait: written once, as a generator, it is done at once where everything answers at once, and
 * later where something answers later.
 */

/** A value, at once or later. */
export type Awaitable<Value> = Value | Promise<Value>;

/** Yields what it waits for, returns its result. */
export type Task<Result> = Generator<Promise<unknown>, Result, unknown>;

export const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof (value as { then?: unknown } | undefined)?.then === 'function';

/** Within a task: `const bytes = yield* wait(store.read(0, 512))`. */
export function* wait<Value>(value: Awaitable<Value>): Task<Value> {
  return isPromise(value) ? ((yield value) as Value) : value;
}

/** Carries a task out. @returns its result at once unless it had to wait */
export function runTask<Result>(task: Task<Result>): Awaitable<Result> {
  const step = task.next();
  return step.done ? step.value : continueTask(task, step.value);
}

async function continueTask<Result>(task: Task<Result>, first: Promise<unknown>): Promise<Result> {
  let pending = first;
  for (;;) {
    let step: IteratorResult<Promise<unknown>, Result>;
    try {
      const value = await pending;
      step = task.next(value);
    } catch (error) {
      // Thrown by the task itself, it comes out of this call again: the task has ended by it.
      step = task.throw(error);
    }
    if (step.done) return step.value;
    pending = step.value;
  }
}

/** Tasks, one at a time and in order: each begins when the one before has ended, however it ended. */
export class TaskQueue {
  #last: Promise<unknown> | undefined;

  run<Result>(start: () => Task<Result>): Awaitable<Result> {
    const result = this.#last ? this.#last.then(() => runTask(start())) : runTask(start());
    if (!isPromise(result)) return result;
    // Before whoever waits for the result goes on.
    const clear = (): void => {
      if (this.#last === ended) this.#last = undefined;
    };
    const ended: Promise<void> = result.then(clear, clear);
    this.#last = ended;
    return result;
  }
}
