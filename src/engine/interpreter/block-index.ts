/**
 * Blocks by key and by page. A block is the host address of its first record; what is known of it stands in a header in
 * front of that, in linear memory too: there are tens of thousands of them, and as objects they took more room than
 * their records.
 *
 * A block that is no longer good is marked stale, and taken out of the chains by whoever comes along them next.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import type { Pool } from '../../memory/pool.ts';

/** Bytes in front of the first record. */
export const BLOCK_HEADER_SIZE = 40;
/** What emitted code reads of the header: bytes from a field to the first record. */
export const BEFORE_BLOCK = { REGION: 8, HEAT: 4 } as const;
/** Entries until an engine is asked that does not want to know. */
export const COOL = 0xffff_ffff;

/** Byte offsets in the header. */
const HEADER = {
  /** f64: guest-physical address * 16 + the block's bits of the mode key. */
  key: 0,
  /** u32: offset of the code segment's last byte from the block, when it was decoded; all ones: that, or further. */
  lastByte: 8,
  /** u32: the second page of an instruction that crosses into it. */
  crossingPage: 12,
  /** u32: next block in the chain of the key, and in those of the two pages. */
  nextOfKey: 16,
  nextOfPage: 20,
  nextOfCrossing: 24,
  /** u16: bytes covered end at this offset in the first page. */
  end: 28,
  /** u8 */
  records: 30,
  /** u8: see FLAG; in the upper half the bytes covered of the second page, 0: it does not cross. */
  flags: 31,
  /** u32: host address of what enters the translated region that begins here (`engine/jit/cache/region-cache`); 0: none. */
  region: 32,
  /** u32: entries until the engine is asked for such a region; 0: it is entered, or asked for, each time. */
  heat: 36,
} as const;

const FLAG = { STALE: 1, CUT_OFF: 2, CROSSING_SHIFT: 4 } as const;
const NO_LIMIT = 2 ** 32;
const CHAINS_SHIFT = 17;
const CHAINS = 2 ** (32 - CHAINS_SHIFT);

export interface BlockDescription {
  readonly records: number;
  readonly key: number;
  /** Bytes covered: up to this offset in the first page; and in the second, for an instruction that crosses. */
  readonly end: number;
  readonly crossing: { readonly page: number; readonly end: number } | undefined;
  /** Bytes to the end of the code segment when it was decoded. */
  readonly limit: number;
  /** It only faults, because its instruction ends beyond the code segment. */
  readonly cutOff: boolean;
  /** Entries until the engine is asked for a region. */
  readonly heat: number;
}

export class BlockIndex {
  readonly #pool: Pool;
  /** By hash of the key: the newest block. */
  readonly #byKey = new Uint32Array(CHAINS);
  /** The newest block that has bytes of a page; 0 once all are gone. */
  readonly #byPage = new Map<number, number>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Writes the header, and enters the block in the chain of its key. */
  add(block: number, { records, key, end, crossing, limit, cutOff, heat }: BlockDescription): void {
    const { u8, u16, u32, f64 } = this.#pool.views;
    const header = block - BLOCK_HEADER_SIZE;
    const chain = chainOf(key);
    f64[(header + HEADER.key) >>> 3] = key;
    u32[(header + HEADER.lastByte) >>> 2] = Math.min(limit, NO_LIMIT) - 1;
    u32[(header + HEADER.crossingPage) >>> 2] = crossing?.page ?? 0;
    u32[(header + HEADER.nextOfKey) >>> 2] = this.#byKey[chain];
    u32[(header + HEADER.nextOfPage) >>> 2] = 0;
    u32[(header + HEADER.nextOfCrossing) >>> 2] = 0;
    u16[(header + HEADER.end) >>> 1] = end;
    u8[header + HEADER.records] = records;
    u8[header + HEADER.flags] = ((crossing?.end ?? 0) << FLAG.CROSSING_SHIFT) | (cutOff ? FLAG.CUT_OFF : 0);
    this.setRegion(block, { region: 0, heat });
    this.#byKey[chain] = block;
  }

  /** What happens at the block's entry: see the header. */
  setRegion(block: number, { region, heat }: { readonly region: number; readonly heat: number }): void {
    const { u32 } = this.#pool.views;
    u32[(block - BEFORE_BLOCK.REGION) >>> 2] = region;
    u32[(block - BEFORE_BLOCK.HEAT) >>> 2] = heat;
  }

  /** Entries until the engine is asked for a region. */
  heat(block: number): number {
    return this.#pool.views.u32[(block - BEFORE_BLOCK.HEAT) >>> 2];
  }

  /** Host address of what enters the region that begins with the block; 0: there is none. */
  region(block: number): number {
    return this.#pool.views.u32[(block - BEFORE_BLOCK.REGION) >>> 2];
  }

  /** Enters a block in the chain of one of its pages. @returns whether the page had none, nor ever had one */
  addToPage(block: number, page: number): boolean {
    const first = this.#byPage.get(page);
    this.#setNextOfPage(block, page, first ?? 0);
    this.#byPage.set(page, block);
    return first === undefined;
  }

  /** A header for records that are no block of any page: such a block is always stale. */
  addStale(block: number): void {
    this.#pool.views.u8[block - BLOCK_HEADER_SIZE + HEADER.flags] = FLAG.STALE;
    this.setRegion(block, { region: 0, heat: COOL });
  }

  /** First of the blocks among which that of a key is, 0: there is none. */
  firstOfKey(key: number): number {
    const chain = chainOf(key);
    return (this.#byKey[chain] = this.#skipStale(this.#byKey[chain], HEADER.nextOfKey));
  }

  nextOfKey(block: number): number {
    const { u32 } = this.#pool.views;
    const at = (block - BLOCK_HEADER_SIZE + HEADER.nextOfKey) >>> 2;
    return (u32[at] = this.#skipStale(u32[at], HEADER.nextOfKey));
  }

  /** First of the blocks that have bytes of a page, 0: there is none. */
  firstOfPage(page: number): number {
    const known = this.#byPage.get(page);
    if (known === undefined) return 0;
    let first = known;
    while (first !== 0 && this.isStale(first)) first = this.#nextOfPage(first, page);
    if (first !== known) this.#byPage.set(page, first);
    return first;
  }

  nextOfPage(block: number, page: number): number {
    const known = this.#nextOfPage(block, page);
    let next = known;
    while (next !== 0 && this.isStale(next)) next = this.#nextOfPage(next, page);
    if (next !== known) this.#setNextOfPage(block, page, next);
    return next;
  }

  /** Whether the page has blocks, or had some and was not released. */
  hasPage(page: number): boolean {
    return this.#byPage.has(page);
  }

  releasePage(page: number): void {
    this.#byPage.delete(page);
  }

  /** Forgets all blocks. @returns the pages of `hasPage` */
  clear(): readonly number[] {
    const pages = [...this.#byPage.keys()];
    this.#byKey.fill(0);
    this.#byPage.clear();
    return pages;
  }

  key(block: number): number {
    return this.#pool.views.f64[(block - BLOCK_HEADER_SIZE + HEADER.key) >>> 3];
  }

  /** Guest-physical address of its first byte. */
  address(block: number): number {
    return Math.floor(this.key(block) / 16);
  }

  records(block: number): number {
    return this.#pool.views.u8[block - BLOCK_HEADER_SIZE + HEADER.records];
  }

  end(block: number): number {
    return this.#pool.views.u16[(block - BLOCK_HEADER_SIZE + HEADER.end) >>> 1];
  }

  /** As it was described, or 2^32 if it was more. */
  limit(block: number): number {
    return this.#pool.views.u32[(block - BLOCK_HEADER_SIZE + HEADER.lastByte) >>> 2] + 1;
  }

  /** Bytes covered of the second page; 0: it does not cross. */
  crossingEnd(block: number): number {
    return this.#flags(block) >>> FLAG.CROSSING_SHIFT;
  }

  crossingPage(block: number): number {
    return this.#pool.views.u32[(block - BLOCK_HEADER_SIZE + HEADER.crossingPage) >>> 2];
  }

  isCutOff(block: number): boolean {
    return (this.#flags(block) & FLAG.CUT_OFF) !== 0;
  }

  isStale(block: number): boolean {
    return (this.#flags(block) & FLAG.STALE) !== 0;
  }

  markStale(block: number): void {
    this.#pool.views.u8[block - BLOCK_HEADER_SIZE + HEADER.flags] |= FLAG.STALE;
    this.setRegion(block, { region: 0, heat: COOL });
  }

  #flags(block: number): number {
    return this.#pool.views.u8[block - BLOCK_HEADER_SIZE + HEADER.flags];
  }

  #skipStale(block: number, link: number): number {
    const { u32 } = this.#pool.views;
    let good = block;
    while (good !== 0 && this.isStale(good)) good = u32[(good - BLOCK_HEADER_SIZE + link) >>> 2];
    return good;
  }

  #nextOfPage(block: number, page: number): number {
    return this.#pool.views.u32[(block - BLOCK_HEADER_SIZE + this.#pageLink(block, page)) >>> 2];
  }

  #setNextOfPage(block: number, page: number, next: number): void {
    this.#pool.views.u32[(block - BLOCK_HEADER_SIZE + this.#pageLink(block, page)) >>> 2] = next;
  }

  /** Which of the two chains of pages is this page's. */
  #pageLink(block: number, page: number): number {
    return firstPage(this.key(block)) === page ? HEADER.nextOfPage : HEADER.nextOfCrossing;
  }
}

/** The page of a block's first byte. */
export const firstPage = (key: number): number => Math.floor(key / 16 / PAGE_SIZE);

/** A key is wider than 32 bits. */
const chainOf = (key: number): number => Math.imul(key ^ (key / NO_LIMIT), 0x9e37_79b1) >>> CHAINS_SHIFT;
