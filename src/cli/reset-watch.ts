/**
 * Notices a guest that resets again and again and never gets any further: each time after less than a second of its own
 * time, having said what it said before, and without anyone's input.
 */
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';

/** Resets in a row that lead nowhere. */
const ENOUGH = 5;
/** Guest time, in ns, within which a reset is one that leads nowhere. */
const SOON = 1_000_000_000;
/** Bytes of output that are compared. */
const COMPARED = 4096;

export class ResetWatch {
  readonly #guest: Guest;
  #fruitless = 0;
  #resetAt = 0;
  #said = '';
  #saidBefore = '';

  constructor(guest: Guest) {
    this.#guest = guest;
    const decoder = new TextDecoder('latin1');
    guest.serial.on('data', (bytes) => {
      if (this.#said.length < COMPARED) this.#said += decoder.decode(bytes);
    });
  }

  /** Somebody talks to it: it may be that he wants the resets. */
  heardInput(): void {
    this.#fruitless = 0;
    this.#resetAt = Number.NEGATIVE_INFINITY;
  }

  /** Called at each reset that the guest itself has caused. */
  reset(): 'progress' | 'fruitless' | 'hopeless' {
    const { time } = this.#guest.machine;
    const fruitless = time - this.#resetAt < SOON && this.#said === this.#saidBefore;
    this.#resetAt = time;
    this.#saidBefore = this.#said;
    this.#said = '';
    this.#fruitless = fruitless ? this.#fruitless + 1 : 0;
    if (!fruitless) return 'progress';
    return this.#fruitless < ENOUGH ? 'fruitless' : 'hopeless';
  }
}
