/** Memory as firmware reaches it. What it is asked for comes from guests: whatever the address, no access fails on the host. */

/** Values are unsigned, sizes in bytes, addresses wrap at 4 GiB. */
export interface MemoryAccess {
  read(address: number, size: 1 | 2 | 4): number;
  write(address: number, value: number, size: 1 | 2 | 4): void;
  copyOut(address: number, length: number): Uint8Array;
  copyIn(address: number, bytes: Uint8Array): void;
}

/** Linear address of segment:offset in real-address and virtual-8086 mode. */
export const realAddress = (segment: number, offset: number): number => segment * 16 + offset;
