/** A pool and the code at work in it, held by one machine or by several: clones of each other, or put together by their owner. */
import { PAGE_SIZE } from '../base/address.ts';
import { type CodeSpace, createCodeSpace, type SharedCode } from '../engine/code-space.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { PageScanner } from '../memory/page-scanner.ts';
import { Pool } from '../memory/pool.ts';

export class SharedPool {
  readonly pool: Pool;
  readonly code: CodeSpace;
  /** Looks for equal pages, when asked to. */
  readonly scanner: PageScanner;
  #holders = 0;
  #disposed = false;

  constructor(shared: SharedCode | undefined) {
    this.pool = Pool.create();
    this.code = createCodeSpace(this.pool, shared);
    this.scanner = new PageScanner(this.pool);
  }

  /** Its last holder has let go of it: there will be no other. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Bytes of frames, each counted once, however many share it. */
  get bytesInUse(): number {
    return this.pool.frames.inUse * PAGE_SIZE;
  }

  /** Bytes that would be in use besides if nobody shared any. */
  get bytesSaved(): number {
    return this.pool.frames.saved * PAGE_SIZE;
  }

  /** Bytes in use that should not be exceeded. A machine that does comes back from its run with reason `memory`. */
  get limit(): number {
    return this.pool.frames.limit * PAGE_SIZE;
  }

  set limit(bytes: number) {
    this.pool.frames.limit = Math.floor(bytes / PAGE_SIZE);
  }

  /** Before a run of one of its machines. @returns false if there is too little room for one */
  prepare(): boolean {
    return this.pool.frames.prepare();
  }

  /** One more holds it, with this memory. */
  join(memory: GuestMemory): this {
    this.#holders++;
    this.scanner.add(memory);
    return this;
  }

  /** A holder lets go; the last one has given back or forgotten all that it had of it. */
  leave(memory: GuestMemory): void {
    this.scanner.remove(memory);
    if (--this.#holders > 0) return;
    this.#disposed = true;
    this.code.runtime.dispose();
    this.pool.dispose();
  }
}
