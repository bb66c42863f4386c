/**
 * Memory of which a service changes the same few places thousands of times, as a string that scrolls a screen with each
 * line: what it touches is fetched once, and stored once. Nothing is stored before all that could fail has been tried, so
 * a page fault of the caller's leaves no half-done work.
 */
import type { MemoryAccess } from '../memory-access.ts';

/** Bytes that are fetched at once; a divisor of a page. */
const BLOCK = 512;

interface Block {
  readonly bytes: Uint8Array;
  /** What its first byte was. */
  readonly first: number;
  changed: boolean;
}

export class WriteBackMemory implements MemoryAccess {
  readonly #memory: MemoryAccess;
  readonly #blocks = new Map<number, Block>();

  constructor(memory: MemoryAccess) {
    this.#memory = memory;
  }

  read(address: number, size: 1 | 2 | 4): number {
    const bytes = this.copyOut(address, size);
    return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
  }

  write(address: number, value: number, size: 1 | 2 | 4): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.copyIn(address, bytes.subarray(0, size));
  }

  copyOut(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { block, at, count } = this.#part(address + done, length - done);
      bytes.set(block.bytes.subarray(at, at + count), done);
      done += count;
    }
    return bytes;
  }

  copyIn(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const { block, at, count } = this.#part(address + done, bytes.length - done);
      block.bytes.set(bytes.subarray(done, done + count), at);
      block.changed = true;
      done += count;
    }
  }

  /** Stores what was changed. */
  store(): void {
    const changed = [...this.#blocks].filter(([, block]) => block.changed);
    // Every byte of a block lies in one page: if one can be written, all can.
    for (const [address, { first }] of changed) this.#memory.write(address, first, 1);
    for (const [address, block] of changed) {
      this.#memory.copyIn(address, block.bytes);
      block.changed = false;
    }
  }

  #part(address: number, length: number): { block: Block; at: number; count: number } {
    const at = address % BLOCK;
    const start = (address - at) % 2 ** 32;
    let block = this.#blocks.get(start);
    if (block === undefined) {
      const bytes = this.#memory.copyOut(start, BLOCK);
      block = { bytes, first: bytes[0], changed: false };
      this.#blocks.set(start, block);
    }
    return { block, at, count: Math.min(BLOCK - at, length) };
  }
}
