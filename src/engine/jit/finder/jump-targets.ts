/** Where computed jumps have been seen to go, as regions were left by them: hints, of which any may be wrong by now. */

/** Jumps that are known; then all are forgotten. */
const MOST_JUMPS = 4096;
/** Targets of a jump: then the oldest is forgotten. */
const MOST_TARGETS = 64;

export class JumpTargets {
  /** Distances of targets from the jump's first byte, by the guest-physical address of that. */
  readonly #distances = new Map<number, Set<number>>();

  add(jump: number, distance: number): void {
    let known = this.#distances.get(jump);
    if (!known) {
      if (this.#distances.size >= MOST_JUMPS) this.#distances.clear();
      this.#distances.set(jump, (known = new Set()));
    }
    if (known.has(distance)) return;
    if (known.size >= MOST_TARGETS) known.delete(known.values().next().value!);
    known.add(distance);
  }

  of(jump: number): Iterable<number> {
    return this.#distances.get(jump) ?? [];
  }

  clear(): void {
    this.#distances.clear();
  }
}
