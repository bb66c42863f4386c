/**
 * Whether deflating is quicker than to send what it would save: on a fast way it is not. Both are measured as they happen;
 * now and then what was not chosen is tried again.
 */

/** Weight of the newest measurement. */
const NEWEST = 0.25;
const TRIED_AGAIN = 32;

export class PackingChoice {
  /** Measured so far: ms a byte to deflate and to send, and what deflating leaves of a byte. */
  #packing: number | undefined;
  #sending: number | undefined;
  #left = 1;
  #count = 0;

  /** Of the next message. */
  get packs(): boolean {
    this.#count++;
    if (this.#packing === undefined) return true;
    if (this.#sending === undefined) return false;
    const pays = this.#sending * (1 - this.#left) > this.#packing;
    return this.#count % TRIED_AGAIN === 0 ? !pays : pays;
  }

  /** So many bytes were deflated to `packed` in `took` ms. */
  packed({ bytes, packed, took }: { readonly bytes: number; readonly packed: number; readonly took: number }): void {
    this.#packing = average(this.#packing, took / bytes);
    this.#left = average(this.#left, Math.min(1, packed / bytes));
  }

  sent({ bytes, took }: { readonly bytes: number; readonly took: number }): void {
    this.#sending = average(this.#sending, took / bytes);
  }
}

const average = (old: number | undefined, value: number): number =>
  old === undefined ? value : old + NEWEST * (value - old);
