/** What guests say, on its way to a stream that may be slow: nothing is lost, and nothing piles up here. */
import type { Writable } from 'node:stream';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';

export class Outlet {
  readonly #stream: Writable;
  /** Guests whose output is not taken until the stream has room again. */
  readonly #held = new Set<Guest>();

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('drain', this.#release);
  }

  write(guest: Guest, data: Uint8Array | string): void {
    if (this.#stream.write(data)) return;
    guest.serial.pause();
    this.#held.add(guest);
  }

  /** Resolves when the stream has room and no guest has anything left to say. */
  async emptied(): Promise<void> {
    while (this.#held.size > 0)
      await new Promise<void>((resolve) => this.#stream.once('drain', () => setImmediate(resolve)));
  }

  close(): void {
    this.#stream.off('drain', this.#release);
  }

  readonly #release = (): void => {
    const guests = [...this.#held];
    this.#held.clear();
    for (const guest of guests) guest.serial.resume();
  };
}
