/** Bound forms by the bytes of the instruction: most code is made of a few thousand different ones. */
import type { DecodedInstruction } from '../../../isa/decoded-instruction.ts';
import type { FormStatement } from '../../lowering/form-lowering.ts';
import { BoundForm } from './bound-form.ts';

/** Kept at most; then all are forgotten. */
const MOST_FORMS = 6000;

export class BoundForms {
  readonly #byBytes = new Map<number | string, BoundForm>();

  /** @param bytes of the instruction, in a mode that is always the same */
  of(bytes: Uint8Array, form: readonly FormStatement[], instruction: DecodedInstruction): BoundForm {
    const key = keyOf(bytes);
    const known = this.#byBytes.get(key);
    if (known) return known;
    if (this.#byBytes.size >= MOST_FORMS) this.#byBytes.clear();
    const bound = BoundForm.bind(form, instruction);
    this.#byBytes.set(key, bound);
    return bound;
  }
}

/** A number where it is exact, which most are: that is faster. */
function keyOf(bytes: Uint8Array): number | string {
  if (bytes.length > 6) return String.fromCharCode(...bytes);
  let key = bytes.length;
  for (let index = 0; index < bytes.length; index++) key = key * 256 + bytes[index];
  return key;
}
