/**
 * Memory, from the bottom: a pool (this file) is one WebAssembly.Memory; the frame pool cuts 4 KiB frames from it; a
 * guest's memory maps guest-physical pages to frames, ROM and memory-mapped registers.
 *
 * Guests in one pool can share frames and code. What the operating system commits is what was touched: a page of the
 * WebAssembly memory that nobody wrote costs nothing, so it is grown in large steps.
 */
import { InternalError } from '../base/errors.ts';
import { FramePool } from './frame-pool.ts';
import { PoolFullError } from './pool-full-error.ts';

const WASM_PAGE = 65536;
const GROWTH_PAGES = 1024; // 64 MiB
const INITIAL_PAGES = 16;
const MAXIMUM_BYTES = 65536 * WASM_PAGE;
/** Kept free at the bottom: host address 0 means "none". */
const RESERVED = 4096;

/** Typed arrays over the whole pool. Replaced whenever the memory grows: fetch them from `pool.views` at each use. */
export interface PoolViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly f64: Float64Array;
}

interface Region {
  address: number;
  bytes: number;
}

export class Pool {
  frames: FramePool;
  /** Valid until the next allocation of any kind in this pool. */
  views: PoolViews;
  /** First host address never handed out. */
  #top = RESERVED;
  /** Released regions, by address, none touching another. */
  #free: Region[] = [];
  readonly #maximumPages: number;
  #memory: WebAssembly.Memory | undefined;

  /** An empty pool that may grow to `maximumBytes` (default and limit: 4 GiB). */
  static create(options: { maximumBytes?: number } = {}): Pool {
    return new Pool(options.maximumBytes ?? MAXIMUM_BYTES);
  }

  private constructor(maximumBytes: number) {
    this.#maximumPages = Math.max(INITIAL_PAGES, Math.floor(Math.min(maximumBytes, MAXIMUM_BYTES) / WASM_PAGE));
    this.#memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: this.#maximumPages });
    this.views = createViews(this.#memory.buffer);
    this.frames = new FramePool(this);
  }

  /**
   * Host address of `bytes` zeroed bytes, never 0. `alignment` is a power of two, at most 64 KiB.
   * @throws PoolFullError
   */
  allocate(bytes: number, alignment = 64): number {
    const size = roundUp(bytes, 8);
    for (const [index, region] of this.#free.entries()) {
      const address = roundUp(region.address, alignment);
      const end = region.address + region.bytes;
      if (address + size > end) continue;
      this.#free.splice(index, 1);
      this.#addFree(region.address, address - region.address);
      this.#addFree(address + size, end - address - size);
      this.views.u8.fill(0, address, address + size);
      return address;
    }
    const address = roundUp(this.#top, alignment);
    this.#reach(address + size);
    this.#addFree(this.#top, address - this.#top);
    this.#top = address + size;
    return address; // memory that was never handed out is zero
  }

  /** Takes back what `allocate` gave, or an 8-byte aligned part of it. */
  release(address: number, bytes: number): void {
    this.#addFree(address, roundUp(bytes, 8));
  }

  /** For what is linked with it. @throws InternalError after `dispose` */
  get memory(): WebAssembly.Memory {
    if (this.#memory === undefined) throw new InternalError('the memory pool is disposed');
    return this.#memory;
  }

  /**
   * Lets go of everything at once, whatever is still handed out, so that no handle that somebody has kept keeps the
   * memory. What is read through the views from now on is undefined, what is written is lost.
   */
  dispose(): void {
    this.#memory = undefined;
    this.views = createViews(new ArrayBuffer(0));
    this.frames = new FramePool(this);
    this.#free = [];
  }

  #addFree(address: number, bytes: number): void {
    if (bytes === 0) return;
    let index = this.#free.findIndex((region) => region.address > address);
    if (index < 0) index = this.#free.length;
    const region = { address, bytes };
    const next = this.#free[index];
    if (next !== undefined && address + bytes === next.address) {
      region.bytes += next.bytes;
      this.#free.splice(index, 1);
    }
    const previous = this.#free[index - 1];
    if (previous !== undefined && previous.address + previous.bytes === address) previous.bytes += region.bytes;
    else this.#free.splice(index, 0, region);
  }

  /** Grows the memory until it holds the addresses below `end`. */
  #reach(end: number): void {
    const have = this.memory.buffer.byteLength / WASM_PAGE;
    const need = Math.ceil(end / WASM_PAGE);
    if (need <= have) return;
    const target = Math.min(Math.max(need, have + GROWTH_PAGES), this.#maximumPages);
    try {
      if (need > this.#maximumPages) throw new RangeError('at its maximum');
      this.memory.grow(target - have);
    } catch {
      throw new PoolFullError(`the memory pool is full (${(have * WASM_PAGE) / 2 ** 20} MiB in use)`);
    }
    this.views = createViews(this.memory.buffer);
  }
}

function createViews(buffer: ArrayBufferLike): PoolViews {
  return {
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u64: new BigUint64Array(buffer),
    f64: new Float64Array(buffer),
  };
}

const roundUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;
