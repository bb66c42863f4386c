/** Keys that have been struck and not yet been read: a ring in the BIOS data area. */
import { BDA, type BiosData } from '../bios-data.ts';

export class KeyboardBuffer {
  readonly #bda: BiosData;

  constructor(bda: BiosData) {
    this.#bda = bda;
  }

  /** @returns whether there was room */
  put(keyCode: number): boolean {
    const tail = this.#bda.word(BDA.KEYBOARD_TAIL);
    const next = this.#after(tail);
    if (next === this.#bda.word(BDA.KEYBOARD_HEAD)) return false;
    this.#bda.setWord(tail, keyCode);
    this.#bda.setWord(BDA.KEYBOARD_TAIL, next);
    return true;
  }

  /** The oldest; undefined if there is none. */
  peek(): number | undefined {
    const head = this.#bda.word(BDA.KEYBOARD_HEAD);
    return head === this.#bda.word(BDA.KEYBOARD_TAIL) ? undefined : this.#bda.word(head);
  }

  drop(): void {
    this.#bda.setWord(BDA.KEYBOARD_HEAD, this.#after(this.#bda.word(BDA.KEYBOARD_HEAD)));
  }

  clear(): void {
    this.#bda.setWord(BDA.KEYBOARD_HEAD, this.#bda.word(BDA.BUFFER_START));
    this.#bda.setWord(BDA.KEYBOARD_TAIL, this.#bda.word(BDA.BUFFER_START));
  }

  #after(place: number): number {
    const next = place + 2;
    return next >= this.#bda.word(BDA.BUFFER_END) ? this.#bda.word(BDA.BUFFER_START) : next;
  }
}
