/** Several sources on one wire: it is high as long as any of them is. */
import type { IrqLine } from '../bus/irq-line.ts';

export class OrLine {
  readonly #output: IrqLine;
  readonly #inputs: IrqLine[];
  #levels = 0;
  #held = false;

  constructor(output: IrqLine, sources: number) {
    this.#output = output;
    this.#inputs = Array.from({ length: sources }, (_, index) => ({
      set: (level) => {
        const mask = 1 << index;
        this.#levels = level ? this.#levels | mask : this.#levels & ~mask;
        this.#drive();
      },
    }));
  }

  /**
   * Calls `change`, in which all sources are driven anew: the wire keeps its level meanwhile, so that who looks at it
   * sees no edge that there is none of.
   */
  static hold(lines: readonly OrLine[], change: () => void): void {
    for (const line of lines) line.#held = true;
    try {
      change();
    } finally {
      for (const line of lines) {
        line.#held = false;
        line.#drive();
      }
    }
  }

  /** The wire of source `index`, from 0. */
  input(index: number): IrqLine {
    return this.#inputs[index];
  }

  #drive(): void {
    if (!this.#held) this.#output.set(this.#levels ? 1 : 0);
  }
}
