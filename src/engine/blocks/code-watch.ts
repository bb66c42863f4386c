/**
 * Pages of guest memory that hold code which an engine has decoded: writes to them are seen before they take place,
 * whoever writes.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import type { DispatchedCpu } from '../engine.ts';

export class CodeWatch {
  readonly #cpu: DispatchedCpu;

  /** `onChange` hears of each write, before it takes place: page, offset in it, bytes. */
  constructor(cpu: DispatchedCpu, onChange: (page: number, offset: number, length: number) => void) {
    this.#cpu = cpu;
    cpu.memory.onWatchedWrite = onChange;
  }

  /** The frame that holds the page's code, 4096 bytes; undefined if none does. */
  bytes(page: number): Uint8Array | undefined {
    const { memory, pool } = this.#cpu;
    const frame = memory.frameForRead(page);
    return frame === 0 ? undefined : pool.views.u8.subarray(frame, frame + PAGE_SIZE);
  }

  watch(page: number): void {
    const { memory, mmu } = this.#cpu;
    const frame = memory.frameForRead(page);
    memory.watchWrites(page);
    if (frame !== 0) mmu.withholdWrites(frame);
  }

  unwatch(page: number): void {
    this.#cpu.memory.unwatchWrites(page);
  }
}
