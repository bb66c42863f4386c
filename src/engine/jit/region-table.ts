/** The functions of translated regions at work in one pool, by the slots that entries name. All its CPUs share it. */
import { REGION_TABLE_SIZE } from '../blocks/region-entry.ts';

export class RegionTable {
  /** What the loop imports. */
  readonly table = new WebAssembly.Table({
    element: 'anyfunc',
    initial: REGION_TABLE_SIZE,
    maximum: REGION_TABLE_SIZE,
  });
  readonly #free: number[] = [];
  #next = 1;

  /** @returns the function's slot, 0: there is no room */
  add(compiled: CallableFunction): number {
    const slot = this.#free.pop() ?? (this.#next < REGION_TABLE_SIZE ? this.#next++ : 0);
    if (slot !== 0) this.table.set(slot, compiled);
    return slot;
  }

  /** An empty slot keeps nothing alive. */
  remove(slot: number): void {
    this.table.set(slot, null);
    this.#free.push(slot);
  }
}
