/**
 * Several guests on one terminal: the one in front has the screen and the keys, all of it and at once. Of what the others
 * say the end is kept, and shown when their turn comes.
 */
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import type { Outlet } from './outlet.ts';

/** Bytes kept of a guest that is not in front: some screens full. */
const KEPT = 1 << 16;

export class Screen {
  readonly #outlet: Outlet;
  readonly #kept = new Map<Guest, Uint8Array[]>();
  #front: Guest;

  constructor(guests: readonly Guest[], outlet: Outlet) {
    this.#outlet = outlet;
    this.#front = guests[0];
    for (const guest of guests) guest.serial.on('data', (bytes) => this.#hear(guest, bytes));
  }

  /** Brings a guest to the front, with what it said meanwhile. */
  show(guest: Guest): void {
    this.#front = guest;
    for (const bytes of this.#kept.get(guest) ?? []) this.#outlet.write(guest, bytes);
    this.#kept.delete(guest);
  }

  #hear(guest: Guest, bytes: Uint8Array): void {
    if (guest === this.#front) return this.#outlet.write(guest, bytes);
    const kept = this.#kept.get(guest) ?? [];
    kept.push(bytes);
    let length = kept.reduce((sum, piece) => sum + piece.length, 0);
    while (length > KEPT && kept.length > 1) length -= kept.shift()!.length;
    this.#kept.set(guest, kept);
  }
}
