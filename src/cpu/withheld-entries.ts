/**
 * Entries of the TLB that have been taken out of it because their frames went elsewhere, but not because the processor
 * has dropped them: where the guest walks its page tables, and so when it sees accessed bits, must stay as it was. Each
 * waits under the number of its slot until it is used, dropped, or another one takes its slot.
 */
export interface WithheldEntry {
  /** Linear page. */
  readonly linear: number;
  /** Physical page. */
  readonly physical: number;
  readonly global: boolean;
}

export class WithheldEntries {
  readonly #entries = new Map<number, WithheldEntry>();

  get size(): number {
    return this.#entries.size;
  }

  add(slot: number, entry: WithheldEntry): void {
    this.#entries.set(slot, entry);
  }

  /** What was in a slot, if it is for this linear page. */
  find(slot: number, linear: number): WithheldEntry | undefined {
    const entry = this.#entries.get(slot);
    return entry?.linear === linear ? entry : undefined;
  }

  drop(slot: number): void {
    this.#entries.delete(slot);
  }

  dropWhere(isMeant: (entry: WithheldEntry, slot: number) => boolean): void {
    for (const [slot, entry] of this.#entries) if (isMeant(entry, slot)) this.#entries.delete(slot);
  }
}
