/**
 * Blocks by guest-physical address and mode, in linear memory, so that emitted code finds them without a call: a
 * direct-mapped table, behind which the block cache has them all.
 *
 * In it are only blocks that may be entered whoever comes: not those that go on in another page, since which page that
 * is depends on who comes, nor those cut off by the end of a code segment.
 */
import type { Pool } from '../../memory/pool.ts';

/** An entry is {address, key, block, length}. */
export const BLOCK_TABLE = {
  ENTRIES: 32768,
  ENTRY_SHIFT: 4,
  /** Lower half of the physical address. */
  ADDRESS: 0,
  /** The rest of it, and below that the block's bits of the mode key. */
  KEY: 4,
  /** Host address of the block's first record; 0: no entry. */
  BLOCK: 8,
  /** Bytes that the code segment must still have, less one. */
  LAST_BYTE: 12,
  KEY_SHIFT: 4,
  /** What spreads pages over the table. */
  PAGE_FACTOR: 0x61a7,
} as const;

const BYTES = BLOCK_TABLE.ENTRIES << BLOCK_TABLE.ENTRY_SHIFT;

export class BlockTable {
  readonly #pool: Pool;
  /** Host address. */
  readonly address: number;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.address = pool.allocate(BYTES, 64);
  }

  /** `key`: the block's bits of the mode key. */
  set(physical: number, key: number, block: { readonly address: number; readonly bytes: number }): void {
    const at = this.#entry(physical);
    const { u32 } = this.#pool.views;
    u32[at + BLOCK_TABLE.ADDRESS / 4] = physical;
    u32[at + BLOCK_TABLE.KEY / 4] = keyWord(physical, key);
    u32[at + BLOCK_TABLE.BLOCK / 4] = block.address;
    u32[at + BLOCK_TABLE.LAST_BYTE / 4] = block.bytes - 1;
  }

  /** Takes the block out, if it is in. */
  remove(physical: number, block: number): void {
    const at = this.#entry(physical);
    const { u32 } = this.#pool.views;
    if (u32[at + BLOCK_TABLE.BLOCK / 4] !== block) return;
    // No key is all ones.
    u32[at + BLOCK_TABLE.KEY / 4] = 0xffff_ffff;
    u32[at + BLOCK_TABLE.BLOCK / 4] = 0;
  }

  clear(): void {
    this.#pool.views.u32.fill(0, this.address >>> 2, (this.address + BYTES) >>> 2);
  }

  dispose(): void {
    this.#pool.release(this.address, BYTES);
  }

  #entry(physical: number): number {
    const page = Math.floor(physical / 4096);
    const index = (physical ^ Math.imul(page, BLOCK_TABLE.PAGE_FACTOR)) & (BLOCK_TABLE.ENTRIES - 1);
    return (this.address + (index << BLOCK_TABLE.ENTRY_SHIFT)) >>> 2;
  }
}

const keyWord = (physical: number, key: number): number =>
  (Math.floor(physical / 2 ** 32) << BLOCK_TABLE.KEY_SHIFT) | key;
