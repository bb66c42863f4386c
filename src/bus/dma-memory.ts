/** Guest-physical memory as a bus master reaches it. Addresses and lengths are in bytes. */
export interface DmaMemory {
  /** Whether memory answers at all of these addresses; where none does, the cycle ends in a master abort. */
  answers(address: number, length: number): boolean;
  /** A copy. Where nothing answers, all bits are ones. */
  read(address: number, length: number): Uint8Array;
  /** The same into `bytes`, all of it. */
  readInto(address: number, bytes: Uint8Array): void;
  /** Whoever holds translated code, or keeps account of what is written, hears of it. Where nothing answers, it is lost. */
  write(address: number, bytes: Uint8Array): void;
}
