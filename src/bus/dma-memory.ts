/**
 * Guest memory as a bus master sees it: physical addresses, RAM and ROM. Where none is, reads give ones and writes are
 * lost; memory-mapped registers are not disturbed. Who writes need not think of translated code: memory reports it.
 */
export interface DmaMemory {
  /** Exactly `length` bytes: a copy. */
  read(address: number, length: number): Uint8Array;
  write(address: number, bytes: Uint8Array): void;
}
