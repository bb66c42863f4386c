/**
 * Frames: the 4 KiB units of host memory that guest pages are made of. They are cut from the pool in chunks, handed out
 * zeroed, and kept for reuse when they come back. A frame may have several holders, who only read it.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { PoolFullError } from './pool-full-error.ts';

/** Small, so that a pool near its maximum can still be filled. */
const CHUNK_FRAMES = 64;
/** Held in readiness for a run that is under way: what it may still need when it is told that there are no more. */
const RESERVE = 1024;
/** With fewer, no run should begin: it might need them before it can be stopped. */
const LEAST = 512;

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
  /** Chunks of which none was handed out. */
  readonly #stock: number[] = [];
  /** The pool has no more chunks to give. */
  #dry = false;
  #zeroFrame = 0;
  #inUse = 0;
  /** Frames that would be in use besides if nobody shared any. */
  #saved = 0;

  /** Frames in use that should not be exceeded. They can, by a few: who allocates hears of it from `isShort`. */
  limit = Number.POSITIVE_INFINITY;

  constructor(pool: ChunkSource) {
    this.#pool = pool;
  }

  /** Frames handed out and not yet given back; the zero frame is not counted. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Frames that would be in use besides if each holder had its own. */
  get saved(): number {
    return this.#saved;
  }

  /** More are in use than should be, or the last ones are being handed out: who runs comes back soon. */
  get isShort(): boolean {
    return this.#inUse > this.limit || (this.#dry && this.#available < RESERVE);
  }

  /**
   * Before a run: frames are got ready, so that none is missing in the midst of it.
   * @returns false if there are so few that it should not begin
   */
  prepare(): boolean {
    this.#dry = false;
    while (this.#available < RESERVE && !this.#dry) {
      try {
        this.#stock.push(this.#chunk());
      } catch (error) {
        if (!(error instanceof PoolFullError)) throw error;
        this.#dry = true;
      }
    }
    return this.#available >= LEAST;
  }

  /** Host address of the frame that is all zero and must never be written. One for all guests of the pool. */
  get zeroFrame(): number {
    if (this.#zeroFrame === 0) this.#zeroFrame = this.#take();
    return this.#zeroFrame;
  }

  /**
   * Host address of a zeroed frame.
   * @throws PoolFullError
   */
  allocate(): number {
    const frame = this.#take();
    this.#inUse++;
    return frame;
  }

  /** One more holds this frame. As long as others do, nobody may write it. */
  share(frame: number): void {
    this.#others.set(frame, (this.#others.get(frame) ?? 0) + 1);
    this.#saved++;
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
      this.#saved--;
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
      this.#next = this.#nextChunk();
      this.#end = this.#next + CHUNK_FRAMES * PAGE_SIZE;
    }
    const frame = this.#next;
    this.#next += PAGE_SIZE;
    return frame;
  }

  /** The reserve is for when there is nothing else: who runs is told as soon as it is touched. */
  #nextChunk(): number {
    if (this.#dry) return this.#stock.pop() ?? this.#chunk();
    try {
      return this.#chunk();
    } catch (error) {
      if (!(error instanceof PoolFullError)) throw error;
      this.#dry = true;
      const kept = this.#stock.pop();
      if (kept === undefined) throw error;
      return kept;
    }
  }

  get #available(): number {
    return this.#free.length + (this.#end - this.#next) / PAGE_SIZE + this.#stock.length * CHUNK_FRAMES;
  }

  #chunk(): number {
    return this.#pool.allocate(CHUNK_FRAMES * PAGE_SIZE, PAGE_SIZE);
  }
}
