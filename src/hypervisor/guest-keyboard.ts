/**
 * Keys for a guest. Strokes wait here until its keyboard has handed over the one before: none is lost, however much is
 * typed at once. They enter between slices, like all input.
 */
import { checkString, shown } from '../base/argument-check.ts';
import { UserError } from '../base/errors.ts';
import type { KeyInput } from '../machine/machine.ts';
import { keysOf } from './us-layout.ts';

interface Stroke {
  readonly code: string;
  readonly down: boolean;
}

/** What a keyboard needs of its guest. */
export interface KeyboardOwner {
  /** @throws StateError once the guest is disposed */
  assertUsable(): void;
  /** The guest is on its way to another host. */
  held(): boolean;
  /** A stroke has come. */
  onInput(): void;
}

export class GuestKeyboard {
  readonly #keys: KeyInput;
  readonly #owner: KeyboardOwner;
  #waiting: Stroke[] = [];

  constructor(keys: KeyInput, owner: KeyboardOwner) {
    this.#keys = keys;
    this.#owner = owner;
  }

  /** Strokes that the guest's keyboard has not got yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Strokes that wait, for a snapshot; and as they were in one. */
  get waiting(): readonly Stroke[] {
    return [...this.#waiting];
  }

  set waiting(strokes: readonly Stroke[]) {
    this.#waiting = strokes.filter(({ code }) => this.#keys.hasKey(code));
  }

  press(code: string): void {
    this.#checkCode('press', code);
    this.#add([{ code, down: true }]);
  }

  release(code: string): void {
    this.#checkCode('release', code);
    this.#add([{ code, down: false }]);
  }

  type(text: string): void {
    const strokes: Stroke[] = [];
    for (const character of checkString('type: text', text)) {
      const keys = keysOf(character);
      if (!keys) throw new UserError(`type: no key types ${shown(character)}`);
      const { code } = keys;
      const stroke = [
        { code, down: true },
        { code, down: false },
      ];
      const shift = 'ShiftLeft';
      if (keys.shift) strokes.push({ code: shift, down: true }, ...stroke, { code: shift, down: false });
      else strokes.push(...stroke);
    }
    this.#add(strokes);
  }

  /** Called by the guest, between slices. @returns whether a stroke went to the machine */
  feed(): boolean {
    if (this.#waiting.length === 0 || this.#owner.held() || this.#keys.hasData) return false;
    const { code, down } = this.#waiting.shift()!;
    if (down) this.#keys.press(code);
    else this.#keys.release(code);
    return true;
  }

  /** A reset: what was typed before is not for who comes after. */
  clear(): void {
    this.#waiting = [];
  }

  #checkCode(method: string, code: unknown): void {
    if (this.#keys.hasKey(checkString(`${method}: code`, code))) return;
    throw new UserError(`${method}: the keyboard has no key ${shown(code)} (names are those of KeyboardEvent.code)`);
  }

  #add(strokes: readonly Stroke[]): void {
    this.#owner.assertUsable();
    for (const stroke of strokes) this.#waiting.push(stroke);
    this.feed();
    this.#owner.onInput();
  }
}
