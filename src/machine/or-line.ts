/** Several sources on one wire: it is high as long as any of them is. */
import type { IrqLine } from '../bus/irq-line.ts';

export class OrLine {
  readonly #inputs: IrqLine[];
  #levels = 0;

  constructor(output: IrqLine, sources: number) {
    this.#inputs = Array.from({ length: sources }, (_, index) => ({
      set: (level) => {
        const mask = 1 << index;
        this.#levels = level ? this.#levels | mask : this.#levels & ~mask;
        output.set(this.#levels ? 1 : 0);
      },
    }));
  }

  /** The wire of source `index`, from 0. */
  input(index: number): IrqLine {
    return this.#inputs[index];
  }
}
