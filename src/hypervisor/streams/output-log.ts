/** The bytes of a stream that somebody may still want, numbered from the stream's beginning. */

const FIRST_CAPACITY = 1024;
/** A larger buffer is given back once it is empty. */
const KEPT_CAPACITY = 128 * 1024;

export class OutputLog {
  /** Number of the first byte kept, and of the first that has not come yet. */
  start = 0;
  end = 0;
  #buffer = new Uint8Array(FIRST_CAPACITY);
  /** Where in the buffer byte `start` lies. */
  #offset = 0;

  append(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#offset + this.end - this.start);
    this.end += bytes.length;
  }

  /** A copy of the bytes from number `from` up to `to`. */
  read(from: number, to: number): Uint8Array {
    const at = this.#offset - this.start;
    return this.#buffer.slice(at + from, at + to);
  }

  /** Forgets what comes before byte `start`. */
  trim(start: number): void {
    if (start <= this.start) return;
    this.#offset += start - this.start;
    this.start = start;
    if (start < this.end) return;
    this.#offset = 0;
    if (this.#buffer.length > KEPT_CAPACITY) this.#buffer = new Uint8Array(FIRST_CAPACITY);
  }

  /** Takes back what comes from byte `end` on, which none of those that read has taken. */
  cut(end: number): void {
    this.end = Math.max(end, this.start);
  }

  #makeRoom(count: number): void {
    const length = this.end - this.start;
    if (this.#offset + length + count <= this.#buffer.length) return;
    const kept = this.#buffer.subarray(this.#offset, this.#offset + length);
    // Moving down is worth it only if it frees half: else every few bytes would move all.
    if (length + count <= this.#buffer.length / 2) this.#buffer.copyWithin(0, this.#offset, this.#offset + length);
    else {
      const larger = new Uint8Array((length + count) * 2);
      larger.set(kept);
      this.#buffer = larger;
    }
    this.#offset = 0;
  }
}
