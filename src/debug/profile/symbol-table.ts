/** Functions by address. */

export interface FunctionSymbol {
  readonly name: string;
  readonly address: number;
  /** Behind its last byte. */
  readonly end: number;
}

export class SymbolTable {
  readonly #sorted: readonly FunctionSymbol[];

  /** Of several at one address the first counts. */
  constructor(functions: readonly FunctionSymbol[]) {
    const first = new Map<number, FunctionSymbol>();
    for (const one of functions) if (!first.has(one.address)) first.set(one.address, one);
    this.#sorted = [...first.values()].sort((one, other) => one.address - other.address);
  }

  /** The function that holds an address. */
  find(address: number): FunctionSymbol | undefined {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.#sorted[low - 1];
    return found && address < found.end ? found : undefined;
  }
}
