/**
 * Frames: the 4 KiB units of host memory that guest pages are made of. They are cut from the pool in chunks, handed out
 * zeroed, and kept for reuse when they come back. A frame may have several holders, who only read it.
 */
import { PAGE_SIZE } from '../base/address.ts';

/** Small, so that a pool near its maximum can still be filled. */
const CHUNK_FRAMES = 64;

/** Where the chunks come from: a `Pool`. */
export interface ChunkSource {
  readonly views: { readonly u8: Uint8Array };
  allocate(bytes: number, alignment: number): number;
}

export class FramePool {
  readonly #pool: ChunkSource;
  readonly #free: number[] = [];
  /** Of frames that several hold: how many, but for one. */
  readonly #others = new Map<number, number>();
  /** Frames of the newest chunk that were never handed out, and so are zero. */
  #next = 0;
  #end = 0;
  #zeroFrame = 0;
  #inUse = 0;

  constructor(pool: ChunkSource) {
    this.#pool = pool;
  }

  /** Frames handed out and not yet given back; the zero frame is not counted. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Host address of the frame that is all zero and must never be written. One for all guests of the pool. */
  get zeroFrame(): number {
    if (this.#zeroFrame === 0) this.#zeroFrame = this.#take();
    return this.#zeroFrame;
  }

  /**
   * Host address of a zeroed frame.
   * @throws InternalError when the pool is full
   */
  allocate(): number {
    const frame = this.#take();
    this.#inUse++;
    return frame;
  }

  /** One more holds this frame. As long as others do, nobody may write it. */
  share(frame: number): void {
    this.#others.set(frame, (this.#others.get(frame) ?? 0) + 1);
  }

  /** Whether more than one holds this frame. */
  isShared(frame: number): boolean {
    return this.#others.has(frame);
  }

  /** A holder lets go of a frame. When nobody holds it any more, its content is lost. */
  free(frame: number): void {
    const others = this.#others.get(frame);
    if (others !== undefined) {
      if (others === 1) this.#others.delete(frame);
      else this.#others.set(frame, others - 1);
      return;
    }
    this.#free.push(frame);
    this.#inUse--;
  }

  #take(): number {
    const recycled = this.#free.pop();
    if (recycled !== undefined) {
      this.#pool.views.u8.fill(0, recycled, recycled + PAGE_SIZE);
      return recycled;
    }
    if (this.#next === this.#end) {
      this.#next = this.#pool.allocate(CHUNK_FRAMES * PAGE_SIZE, PAGE_SIZE);
      this.#end = this.#next + CHUNK_FRAMES * PAGE_SIZE;
    }
    const frame = this.#next;
    this.#next += PAGE_SIZE;
    return frame;
  }
}
