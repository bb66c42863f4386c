/** An operator who types one line after the other, each when the guest shows its prompt. */
import type { Operator } from './lockstep.ts';

export class PromptTypist implements Operator {
  readonly #prompt: string;
  readonly #lines: string[];
  /** The end of what was read: a prompt may come in pieces. */
  #tail = '';

  /** @param prompt what to wait for, in Latin-1 @param lines typed with a carriage return behind each */
  constructor({ prompt, lines }: { readonly prompt: string; readonly lines: readonly string[] }) {
    this.#prompt = prompt;
    this.#lines = [...lines];
  }

  /** How many lines have not been typed. */
  get left(): number {
    return this.#lines.length;
  }

  /** Done when the prompt appears behind the last line. What follows a prompt in the same output is not waited for again. */
  read(output: Uint8Array): Uint8Array | 'done' | undefined {
    const text = this.#tail + Buffer.from(output).toString('latin1');
    if (!text.includes(this.#prompt)) {
      this.#tail = text.slice(-this.#prompt.length);
      return undefined;
    }
    this.#tail = '';
    const line = this.#lines.shift();
    return line === undefined ? 'done' : new TextEncoder().encode(`${line}\r`);
  }
}
