/** Memory for firmware: as a caller addresses it, and on the bus. In bulk where it is RAM. */
import { PAGE_SIZE } from '../base/address.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { CR0 } from '../cpu/register-bits.ts';
import type { MemoryAccess } from '../firmware/memory-access.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';

/** Calls `action` for the parts of a range that lie in one page each, with the part's place in the range. */
function eachPage(address: number, length: number, action: (at: number, from: number, count: number) => void): void {
  for (let done = 0; done < length; ) {
    const at = (address + done) % 2 ** 32;
    const count = Math.min(PAGE_SIZE - (at % PAGE_SIZE), length - done);
    action(at, done, count);
    done += count;
  }
}

/** Physical addresses, of any kind of memory. */
export class BusMemory implements MemoryAccess {
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  read(address: number, size: 1 | 2 | 4): number {
    return this.#memory.read(address, size);
  }

  write(address: number, value: number, size: 1 | 2 | 4): void {
    this.#memory.write(address, value, size);
  }

  copyOut(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    eachPage(address, length, (at, from, count) => {
      if (this.#memory.frameForRead((at / PAGE_SIZE) | 0) !== 0) bytes.set(this.#memory.copyOut(at, count), from);
      else for (let index = 0; index < count; index++) bytes[from + index] = this.#memory.read(at + index, 1);
    });
    return bytes;
  }

  copyIn(address: number, bytes: Uint8Array): void {
    eachPage(address, bytes.length, (at, from, count) => {
      const part = bytes.subarray(from, from + count);
      if (this.#memory.frameForRead((at / PAGE_SIZE) | 0) !== 0) this.#memory.copyIn(at, part);
      else for (let index = 0; index < count; index++) this.#memory.write(at + index, part[index], 1);
    });
  }
}

/**
 * Linear addresses, through the A20 gate and, in virtual-8086 mode, paging: an access may throw a page fault of the guest's,
 * after which the port access that led here is made again.
 */
export class CallerMemory implements MemoryAccess {
  readonly #cpu: Cpu;
  readonly #bus: BusMemory;

  constructor(cpu: Cpu, bus: BusMemory) {
    this.#cpu = cpu;
    this.#bus = bus;
  }

  read(address: number, size: 1 | 2 | 4): number {
    return this.#cpu.mmu.read(address % 2 ** 32, size, 'supervisor');
  }

  write(address: number, value: number, size: 1 | 2 | 4): void {
    this.#cpu.mmu.write(address % 2 ** 32, value, size, 'supervisor');
  }

  copyOut(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    eachPage(address, length, (at, from, count) => {
      if (!this.#pages) bytes.set(this.#bus.copyOut(this.#throughA20(at), count), from);
      else for (let index = 0; index < count; index++) bytes[from + index] = this.read(at + index, 1);
    });
    return bytes;
  }

  copyIn(address: number, bytes: Uint8Array): void {
    eachPage(address, bytes.length, (at, from, count) => {
      const part = bytes.subarray(from, from + count);
      if (!this.#pages) this.#bus.copyIn(this.#throughA20(at), part);
      else for (let index = 0; index < count; index++) this.write(at + index, part[index], 1);
    });
  }

  get #pages(): boolean {
    return (this.#cpu.state.cr0 & CR0.PG) !== 0;
  }

  #throughA20(address: number): number {
    return (address & this.#cpu.state.a20Mask) >>> 0;
  }
}
