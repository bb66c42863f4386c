/**
 * What the host was asked for on behalf of a device: an answer that is there at once, or later. A device never waits for
 * it: it sets an alarm for the guest time at which the answer is due (`VirtualClock.setAlarm`, `after`), and guest time
 * stands still there until the answer has come. So no guest can tell how fast the host was.
 */
export class Pending<T> {
  #outcome: Outcome<T> | undefined;
  readonly #actions: (() => void)[] = [];

  /** Does `work`, at once. What it throws, or its promise is rejected with, is kept for who asks for the value. */
  constructor(work: () => T | Promise<T>) {
    try {
      const answer = work();
      if (answer instanceof Promise) {
        answer.then(
          (value) => this.#settle({ value }),
          (error: unknown) => this.#settle({ error }),
        );
      } else this.#outcome = { value: answer };
    } catch (error) {
      this.#outcome = { error };
    }
  }

  get settled(): boolean {
    return this.#outcome !== undefined;
  }

  /** @throws what the work has thrown; TypeError while it is not settled */
  get value(): T {
    const outcome = this.#outcome;
    if (outcome === undefined) throw new TypeError('an answer is asked for that has not come yet');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Calls `action` when it is settled, at once if it is; never twice. */
  whenSettled(action: () => void): void {
    if (this.settled) action();
    else this.#actions.push(action);
  }

  #settle(outcome: Outcome<T>): void {
    this.#outcome = outcome;
    for (const action of this.#actions.splice(0)) action();
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };
