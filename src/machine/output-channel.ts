/** Collects what a chip sends, byte by byte, and hands it over in one piece when the machine's run is over. */
import type { ByteChannel } from './machine.ts';

const FIRST_CAPACITY = 256;
/** Bytes that end a run. What the running block still sends comes on top. */
export const OUTPUT_LIMIT = 65_536;

export class OutputChannel implements ByteChannel {
  onOutput: ((bytes: Uint8Array) => void) | undefined;
  readonly #full: () => void;
  readonly #receive: (bytes: Uint8Array) => void;
  readonly #pending: () => number;
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #length = 0;

  /**
   * `input` is the way to the guest; without it what is sent is dropped. `full` is called when `OUTPUT_LIMIT` bytes have
   * come together, and for each one more: `flush` soon.
   */
  constructor({ full, input }: { full(): void; input?: { receive(bytes: Uint8Array): void; pending(): number } }) {
    this.#full = full;
    this.#receive = input?.receive ?? (() => {});
    this.#pending = input?.pending ?? (() => 0);
  }

  /** The chip's side. */
  put(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
    if (this.#length >= OUTPUT_LIMIT) this.#full();
  }

  /** Hands over what has come together. The listener may do anything, also call this again. */
  flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    this.onOutput?.(bytes);
  }

  send(bytes: Uint8Array): void {
    this.#receive(bytes);
  }

  get pending(): number {
    return this.#pending();
  }
}
