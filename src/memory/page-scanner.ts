/**
 * Looks for pages of a pool's guests that have the same in them, and lets them share a frame, copied when one is written.
 * Pages of zeros simply give their frame back.
 *
 * It goes round, a piece at a time. A page counts if it has not changed since the round before; a hash says so, and finds
 * others of its kind among those that this round has met. Then bytes are compared: the hash decides nothing. A page that
 * was written again after it was merged has to stay as it is for twice as many rounds the next time.
 *
 * What a piece may cost is counted, not measured, so that contents chosen by a guest make nobody wait: equal hashes of
 * pages that differ are tried a few times, and then there are none.
 */
import { PAGE_SIZE } from '../base/address.ts';
import type { GuestMemory } from './guest-memory.ts';
import { PAGE_MAP } from './page-map.ts';
import type { Pool } from './pool.ts';
import type { ScannerFigures } from './scanner-figures.ts';

/** What is done to a page, in units of about 50 ns. */
const COST = { LOOK: 1, HASH: 40, COMPARE: 30, MERGE: 400 } as const;
/** Units of a round through frames that nobody has looked at: enough for whoever wants to have seen all of them. */
export const UNITS_PER_FRAME = COST.LOOK + COST.HASH + COST.COMPARE;
/** Places that are tried for a hash. */
const PROBES = 8;
/** Rounds that a page must have stayed as it is, at most. */
const LONGEST_CALM = 64;
const WORDS = PAGE_SIZE / 4;
const NONE = 0xffff_ffff;
/** With the frame that a page shares: it came to share it here. */
const MERGED = 1;

/** What is remembered of the pages of one memory. */
interface Known {
  /** Hash of what was in a page in the last round; of an empty one, and one not yet seen, `calm` is 0. */
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  /** The frame that it shared then, 0 if it had its own: as long as it shares that, nothing has changed. See `MERGED`. */
  readonly shared: Uint32Array;
  /** Rounds that it has been as it is now, the first included; and how many must be behind it to be merged. */
  readonly calm: Uint8Array;
  readonly needed: Uint8Array;
}

class Tenant {
  readonly memory: GuestMemory;
  #known: Known | undefined;

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  /** 14 bytes a page: most pools are never searched. */
  get known(): Known {
    const { pages } = this.memory;
    const words = () => new Uint32Array(pages);
    this.#known ??= {
      ...{ low: words(), high: words(), shared: words() },
      ...{ calm: new Uint8Array(pages), needed: new Uint8Array(pages).fill(2) },
    };
    return this.#known;
  }
}

export class PageScanner {
  readonly #pool: Pool;
  readonly #tenants: Tenant[] = [];
  /** Where it is: a tenant by its place, and a page. */
  #tenant = 0;
  #page = 0;
  /** Pages met in this round, by hash: tenant and page at each place, as in a hash table with open addressing. */
  #owners = new Uint32Array(0);
  #pages = new Uint32Array(0);
  #met = 0;
  readonly #hash = { low: 0, high: 0 };
  #scanned = 0;
  #rounds = 0;
  #merged = 0;
  #zeros = 0;
  #parted = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get figures(): ScannerFigures {
    return {
      ...{ scanned: this.#scanned, rounds: this.#rounds, merged: this.#merged },
      ...{ zeros: this.#zeros, parted: this.#parted, saved: this.#pool.frames.saved },
    };
  }

  /** Units of a round through all that is there now, at the most. */
  get roundUnits(): number {
    let units = 0;
    for (const { memory } of this.#tenants) units += memory.pages * COST.LOOK + memory.framesInUse * UNITS_PER_FRAME;
    return units;
  }

  /** From now on its pages are looked at, too. Nobody else holds what is in its frames without counting as a holder. */
  add(memory: GuestMemory): void {
    this.#tenants.push(new Tenant(memory));
  }

  /** Before it is disposed. */
  remove(memory: GuestMemory): void {
    const index = this.#tenants.findIndex((tenant) => tenant.memory === memory);
    if (index < 0) return;
    this.#tenants.splice(index, 1);
    if (this.#tenant >= index) this.#page = 0;
    if (this.#tenant > index) this.#tenant--;
    // What it has met is known by place.
    if (this.#owners.length > 0) this.#forget();
  }

  /** Goes on for about so many units, between runs of all guests of the pool. @returns units spent */
  scan(units: number): number {
    let spent = 0;
    if (this.#owners.length === 0 && this.#tenants.length > 0) this.#forget();
    while (spent < units) {
      const tenant = this.#tenants[this.#tenant];
      if (tenant === undefined) {
        if (this.#tenants.length === 0) return spent;
        this.#rounds++;
        this.#tenant = 0;
        this.#forget();
        spent += COST.LOOK;
      } else if (this.#page >= tenant.memory.pages) {
        this.#tenant++;
        this.#page = 0;
      } else spent += this.#look(tenant, this.#page++);
    }
    return spent;
  }

  #forget(): void {
    let frames = 0;
    for (const { memory } of this.#tenants) frames += memory.framesInUse;
    const places = 2 ** Math.ceil(Math.log2(2 * frames + 1024));
    if (this.#owners.length !== places) {
      this.#owners = new Uint32Array(places);
      this.#pages = new Uint32Array(places);
    }
    this.#owners.fill(NONE);
    this.#met = 0;
  }

  /** @returns units spent */
  #look(tenant: Tenant, page: number): number {
    const entry = tenant.memory.mapEntry(page);
    const frame = (entry & PAGE_MAP.FRAME) >>> 0;
    if ((entry & PAGE_MAP.ABSENT) !== 0 || frame === 0) {
      tenant.known.calm[page] = 0;
      tenant.known.shared[page] = 0;
      return COST.LOOK;
    }
    this.#scanned++;
    const isShared = (entry & PAGE_MAP.SHARED) !== 0;
    const { low, high, shared, calm, needed } = tenant.known;
    let cost: number = COST.LOOK;
    if (!isShared || (shared[page] & ~MERGED) >>> 0 !== frame) {
      if (!isShared && (shared[page] & MERGED) !== 0) {
        this.#parted++;
        needed[page] = Math.min(2 * needed[page], LONGEST_CALM);
        calm[page] = 0;
      }
      cost += COST.HASH;
      const isZero = this.#digest(frame);
      if (isZero) {
        tenant.memory.giveUpZeros(page);
        this.#zeros++;
        calm[page] = 0;
        shared[page] = 0;
        return cost + COST.MERGE;
      }
      const isSame = calm[page] > 0 && low[page] === this.#hash.low && high[page] === this.#hash.high;
      if (!isSame) calm[page] = 0;
      low[page] = this.#hash.low;
      high[page] = this.#hash.high;
      shared[page] = isShared ? frame : 0;
    }
    calm[page] = Math.min(calm[page] + 1, LONGEST_CALM);
    return calm[page] < needed[page] ? cost : cost + this.#find(tenant, page);
  }

  /** Looks for one of its kind, or waits for one. @returns units spent */
  #find(tenant: Tenant, page: number): number {
    const { known } = tenant;
    const [low, high] = [known.low[page], known.high[page]];
    const mask = this.#owners.length - 1;
    let cost = 0;
    for (let probe = 0, at = low & mask; probe < PROBES; probe++, at = (at + 1) & mask) {
      if (this.#owners[at] === NONE) {
        // Never more than half full: the search ends.
        if (2 * ++this.#met > mask) return cost;
        this.#owners[at] = this.#tenant;
        this.#pages[at] = page;
        return cost;
      }
      const other = this.#tenants[this.#owners[at]];
      const otherPage = this.#pages[at];
      if (other.known.low[otherPage] !== low || other.known.high[otherPage] !== high) continue;
      const isMerged = this.#merge(tenant, page, other, otherPage);
      if (isMerged === 'already') return cost;
      cost += COST.COMPARE;
      if (isMerged) return cost + COST.MERGE;
    }
    return cost;
  }

  #merge(tenant: Tenant, page: number, other: Tenant, otherPage: number): boolean | 'already' {
    const { frames } = this.#pool;
    const [own, there] = [frameOf(tenant, page), frameOf(other, otherPage)];
    // It may have gone since it was met, or be served by a device now.
    if (there === 0) return false;
    if (own === there) return 'already';
    if (!this.#areEqual(own, there)) return false;
    // What others hold as well would not be given back: they would have to be found.
    if (!frames.isShared(own)) tenant.memory.shareEqual(page, other.memory, otherPage);
    else if (!frames.isShared(there)) other.memory.shareEqual(otherPage, tenant.memory, page);
    else return false;
    const shared = frameOf(tenant, page) | MERGED;
    tenant.known.shared[page] = shared;
    other.known.shared[otherPage] = shared;
    this.#merged++;
    return true;
  }

  #areEqual(frame: number, other: number): boolean {
    const { u32 } = this.#pool.views;
    const [first, there] = [frame >>> 2, other >>> 2];
    for (let word = 0; word < WORDS; word++) if (u32[first + word] !== u32[there + word]) return false;
    return true;
  }

  /** Leaves the hash of a frame in `#hash`. @returns whether all is zero, and then there is none */
  #digest(frame: number): boolean {
    const { u32 } = this.#pool.views;
    const end = (frame + PAGE_SIZE) >>> 2;
    let at = frame >>> 2;
    while (at < end && u32[at] === 0) at++;
    if (at === end) return true;
    let [low, high] = [at & (WORDS - 1), 0x9e37_79b9];
    for (at &= ~1; at < end; at += 2) {
      low = Math.imul(low ^ u32[at], 0x85eb_ca6b);
      low ^= low >>> 15;
      high = Math.imul(high ^ u32[at + 1], 0xc2b2_ae35);
      high ^= (high >>> 13) + low;
    }
    this.#hash.low = low >>> 0;
    this.#hash.high = high >>> 0;
    return false;
  }
}

function frameOf({ memory }: Tenant, page: number): number {
  const entry = memory.mapEntry(page);
  return (entry & PAGE_MAP.ABSENT) !== 0 ? 0 : (entry & PAGE_MAP.FRAME) >>> 0;
}
