/** Memory-mapped registers: what a device offers where an access to physical memory does not end in RAM or ROM. */

export type MmioSize = 1 | 2 | 4 | 8;

/** A device as the memory bus sees it: it knows offsets from its first byte, never addresses. */
export interface MmioDevice {
  readonly name: string;
  /** `size` is the access width in bytes. An 8-byte access must fit a safe integer or be split by the caller. */
  readMemory(offset: number, size: MmioSize): number;
  writeMemory(offset: number, value: number, size: MmioSize): void;
}

/** A space in which devices claim ranges while the machine runs. */
export interface MmioSpace {
  /**
   * Until the function returned is called, `device` answers where nothing is for good: RAM, ROM, a device that does not
   * move. Of several, the one with the lowest `order` does.
   */
  mapMmio(range: readonly [first: number, length: number], device: MmioDevice, order: number): () => void;
}
