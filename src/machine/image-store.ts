/** What guests of a host boot, each kept once, however many of them start from it. */
export class ImageStore {
  #kept: WeakRef<Uint8Array>[] = [];
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  readonly #answers = new WeakMap<Uint8Array, boolean>();

  /**
   * A copy of the bytes, or the one made of equal bytes for another guest that still has it; part of one that is kept
   * is given back as it is. Nobody writes to it.
   */
  keep(bytes: Uint8Array): Uint8Array {
    if (this.#buffers.has(bytes.buffer)) return bytes;
    this.#kept = this.#kept.filter((one) => one.deref() !== undefined);
    for (const one of this.#kept) {
      const kept = one.deref();
      if (kept !== undefined && areEqual(kept, bytes)) return kept;
    }
    // Not `bytes.slice()`: that of a Buffer still is the caller's memory.
    const copy = new Uint8Array(bytes);
    this.#kept.push(new WeakRef(copy));
    this.#buffers.add(copy.buffer);
    return copy;
  }

  /** The answer to a question about bytes that `keep` gave: it is asked once. All ask the same. */
  isTrueOf(kept: Uint8Array, ask: () => boolean): boolean {
    const known = this.#answers.get(kept);
    if (known !== undefined) return known;
    const answer = ask();
    this.#answers.set(kept, answer);
    return answer;
  }
}

/** By words where both lie at a multiple of four: kernels are long. */
function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  const words = (left.byteOffset | right.byteOffset) % 4 === 0 ? left.length >>> 2 : 0;
  const [leftWords, rightWords] = [left, right].map(
    (bytes) => new Uint32Array(bytes.buffer, words > 0 ? bytes.byteOffset : 0, words),
  );
  for (let index = 0; index < words; index++) if (leftWords[index] !== rightWords[index]) return false;
  for (let index = 4 * words; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}
