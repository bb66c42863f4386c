/** A pool and the code at work in it, held by one machine or by several that are clones of each other. */
import { PAGE_SIZE } from '../base/address.ts';
import { type CodeSpace, createCodeSpace, type SharedCode } from '../engine/code-space.ts';
import { Pool } from '../memory/pool.ts';

export class SharedPool {
  readonly pool: Pool;
  readonly code: CodeSpace;
  #holders = 1;

  /** For its first holder. */
  constructor(shared: SharedCode | undefined) {
    this.pool = Pool.create();
    this.code = createCodeSpace(this.pool, shared);
  }

  /** Bytes of frames, each counted once, however many share it. */
  get bytesInUse(): number {
    return this.pool.frames.inUse * PAGE_SIZE;
  }

  /** One more holds it. */
  join(): this {
    this.#holders++;
    return this;
  }

  /** A holder lets go; the last one has given back or forgotten all that it had of it. */
  leave(): void {
    if (--this.#holders > 0) return;
    this.code.runtime.dispose();
    this.pool.dispose();
  }
}
