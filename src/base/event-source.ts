/** Typed events: who listens is called in the order of listening; a listener that throws stops nobody else. */
import { UserError } from './errors.ts';

export type EventListener<Arguments extends unknown[]> = (...args: Arguments) => void;

export interface EventSourceOptions<Name> {
  /** The events there are; `on` refuses others. Default: any. */
  readonly names?: readonly Name[];
  /** Gets what a listener threw, or what the promise it returned was rejected with. Must not throw. */
  readonly onListenerError: (error: unknown, event: Name) => void;
}

interface Subscription<Arguments extends unknown[]> {
  readonly listener: EventListener<Arguments>;
}

/** `Events` maps a name to what its listeners are given: `{ data: [bytes: Uint8Array] }`. */
export class EventSource<Events extends Record<keyof Events, unknown[]>> {
  readonly #subscriptions: { [Name in keyof Events]?: Set<Subscription<Events[Name]>> } = {};
  readonly #names: readonly (keyof Events)[] | undefined;
  readonly #report: (error: unknown, event: keyof Events) => void;

  constructor(options: EventSourceOptions<keyof Events>) {
    this.#names = options.names;
    this.#report = options.onListenerError;
  }

  /**
   * Each call is a subscription of its own, also with a listener that is there already.
   * @returns a function that ends it.
   * @throws UserError for an unknown event, or a listener that is no function
   */
  on<Name extends keyof Events>(name: Name, listener: EventListener<Events[Name]>): () => void {
    if (this.#names?.includes(name) === false) {
      throw new UserError(`on: there is no event ${quoted(name)}; there is ${this.#names.join(', ')}`);
    }
    if (typeof listener !== 'function')
      throw new UserError(`on: the listener must be a function, not ${typeof listener}`);
    const subscription = { listener };
    const subscriptions = this.#subscriptions[name] ?? new Set();
    this.#subscriptions[name] = subscriptions;
    subscriptions.add(subscription);
    return () => subscriptions.delete(subscription);
  }

  /** How many listen. */
  count(name: keyof Events): number {
    return this.#subscriptions[name]?.size ?? 0;
  }

  /** Calls who listens now; one that an earlier listener took away is not called any more. */
  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    const subscriptions = this.#subscriptions[name];
    for (const subscription of [...(subscriptions ?? [])]) {
      if (!subscriptions!.has(subscription)) continue;
      try {
        const result: unknown = subscription.listener(...args);
        // An async listener's rejection would be nobody's, and end the process.
        if (result instanceof Promise) result.catch((error) => this.#report(error, name));
      } catch (error) {
        this.#report(error, name);
      }
    }
  }
}

const quoted = (name: unknown): string => (typeof name === 'string' ? `"${name}"` : `of type ${typeof name}`);
