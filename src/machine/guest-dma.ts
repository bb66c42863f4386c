/** A guest's memory for bus masters. What they write is reported as the processor's writes are. */
import { PAGE_SIZE } from '../base/address.ts';
import type { DmaMemory } from '../bus/dma-memory.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';

export const guestDma = (memory: GuestMemory): DmaMemory => ({
  answers(address, length) {
    for (let page = Math.floor(address / PAGE_SIZE); page * PAGE_SIZE < address + length; page++)
      if (memory.frameForRead(page) === 0) return false;
    return true;
  },
  read: (address, length) => memory.copyOut(address, length),
  readInto: (address, bytes) => memory.copyTo(address, bytes),
  write: (address, bytes) => memory.copyIn(address, bytes),
});
