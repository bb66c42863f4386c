/** Typed events: who listens is called in the order of listening; a listener that throws stops nobody else. */
export type EventListener<Arguments extends unknown[]> = (...args: Arguments) => void;

/** `Events` maps a name to what its listeners are given: `{ data: [bytes: Uint8Array] }`. */
export class EventSource<Events extends Record<keyof Events, unknown[]>> {
  readonly #listeners: { [Name in keyof Events]?: Set<EventListener<Events[Name]>> } = {};

  /** @returns a function that ends the listening. */
  on<Name extends keyof Events>(name: Name, listener: EventListener<Events[Name]>): () => void {
    const listeners = this.#listeners[name] ?? new Set();
    this.#listeners[name] = listeners;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Resolves with the arguments of the next such event. */
  next<Name extends keyof Events>(name: Name): Promise<Events[Name]> {
    return new Promise((resolve) => {
      const off = this.on(name, (...args) => {
        off();
        resolve(args);
      });
    });
  }

  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        // The listener's bug is its owner's: reported as an unhandled rejection, never inside a guest's run.
        void Promise.reject(error);
      }
    }
  }
}
