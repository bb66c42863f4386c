/**
 * Which device answers at an address of the bus, where no RAM or ROM does: ranges that are there for good, and behind
 * them windows that come and go while the guest runs.
 */

/** Memory-mapped registers, as memory sees them: offsets from the device's first byte, widths in bytes. */
export interface MmioDevice {
  readonly name: string;
  readMemory(offset: number, size: 1 | 2 | 4 | 8): number;
  writeMemory(offset: number, value: number, size: 1 | 2 | 4 | 8): void;
}

/** The largest value of so many bytes. */
export const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

export interface MmioRange {
  readonly first: number;
  readonly length: number;
  readonly device: MmioDevice;
}

interface MmioWindow extends MmioRange {
  readonly order: number;
}

export class MmioMap {
  /** Sorted by address; they do not overlap. */
  readonly #ranges: MmioRange[] = [];
  /** In their order; they may overlap. */
  #windows: readonly MmioWindow[] = [];

  /** For good. The caller has seen to it that it overlaps none. */
  add(range: MmioRange): void {
    const index = this.#ranges.findIndex(({ first }) => first > range.first);
    this.#ranges.splice(index < 0 ? this.#ranges.length : index, 0, range);
  }

  /** Until the function returned is called. Of several windows, the one with the lowest `order` answers. */
  map(window: MmioWindow): () => void {
    this.#windows = [...this.#windows, window].sort((one, other) => one.order - other.order);
    return () => {
      this.#windows = this.#windows.filter((other) => other !== window);
    };
  }

  /** A range that is there for good and has bytes of [first, last]. */
  overlapping(first: number, last: number): MmioRange | undefined {
    return this.#ranges.find((range) => first < range.first + range.length && range.first <= last);
  }

  find(address: number): MmioRange | undefined {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (address < range.first) high = middle;
      else if (address >= range.first + range.length) low = middle + 1;
      else return range;
    }
    return this.#windows.find(({ first, length }) => address >= first && address < first + length);
  }

  /**
   * Unsigned value of an access within a page. One that leaves a device's range is split into bytes; where nothing answers,
   * all bits read as one.
   */
  read(address: number, size: 1 | 2 | 4): number {
    const range = this.find(address);
    if (range !== undefined && address + size <= range.first + range.length)
      return (range.device.readMemory(address - range.first, size) & ALL_ONES[size]) >>> 0;
    if (size === 1) return 0xff;
    let value = 0;
    for (let index = 0; index < size; index++) value |= this.read(address + index, 1) << (8 * index);
    return value >>> 0;
  }

  /** The same, of a write: where nothing answers, it is lost. */
  write(address: number, value: number, size: 1 | 2 | 4): void {
    const range = this.find(address);
    if (range !== undefined && address + size <= range.first + range.length)
      range.device.writeMemory(address - range.first, (value & ALL_ONES[size]) >>> 0, size);
    else if (size !== 1)
      for (let index = 0; index < size; index++) this.write(address + index, value >>> (8 * index), 1);
  }

  clear(): void {
    this.#ranges.length = 0;
    this.#windows = [];
  }
}
