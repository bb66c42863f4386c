/** The functions of translated regions at work in one pool, by the slots that entries name. All its CPUs share it. */
import { REGION_TABLE_SIZE } from '../../blocks/region-entry.ts';

export class RegionTable {
  /** What the loop imports. */
  readonly table = new WebAssembly.Table({
    element: 'anyfunc',
    initial: REGION_TABLE_SIZE,
    maximum: REGION_TABLE_SIZE,
  });
  readonly #free: number[] = [];
  #next = 1;

  get isFull(): boolean {
    return this.#free.length === 0 && this.#next === REGION_TABLE_SIZE;
  }

  /** @returns the function's slot, 0: there is no room */
  add(compiled: CallableFunction): number {
    const slot = this.isFull ? 0 : (this.#free.pop() ?? this.#next++);
    if (slot !== 0) this.table.set(slot, compiled);
    return slot;
  }

  /** An empty slot keeps nothing alive. */
  remove(slot: number): void {
    this.table.set(slot, null);
    this.#free.push(slot);
  }
}
