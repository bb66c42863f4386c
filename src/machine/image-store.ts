/** What guests of a host boot, each kept once, however many of them start from it. */
export class ImageStore {
  #kept: WeakRef<Uint8Array>[] = [];

  /** A copy of the bytes, or the one made of equal bytes for another guest that still has it. Nobody writes to it. */
  keep(bytes: Uint8Array): Uint8Array {
    this.#kept = this.#kept.filter((one) => one.deref() !== undefined);
    for (const one of this.#kept) {
      const kept = one.deref();
      if (kept !== undefined && areEqual(kept, bytes)) return kept;
    }
    // Not `bytes.slice()`: that of a Buffer still is the caller's memory.
    const copy = new Uint8Array(bytes);
    this.#kept.push(new WeakRef(copy));
    return copy;
  }
}

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}
