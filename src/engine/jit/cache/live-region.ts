/** A translation at work: linked with the interpreter's blocks of its code at one place in physical memory. */
import type { Pool } from '../../../memory/pool.ts';
import {
  KNOWN_REGION,
  NO_TARGET,
  placeOfJump,
  REGION_ENTRY,
  REGION_EXIT,
  REGION_JUMP,
} from '../../blocks/region-entry.ts';
import { noExits, type RegionFigures, type RegionOrigin } from '../../profile/region-ledger.ts';
import type { Translation } from './translation.ts';

const NONE: readonly never[] = [];

/** Where its code lies. */
export interface RegionPlace {
  readonly origin: RegionOrigin;
  /** Numbers of its physical pages. */
  readonly pages: readonly number[];
  /** By trace: host address of the interpreter's block. */
  readonly blocks: readonly number[];
  /** Host address of the record of an instruction of a trace. */
  recordAt(trace: number, offset: number): number;
}

/** What `takeStrays` tells. */
interface Stray {
  readonly jump: number;
  readonly taken: number;
  readonly targets: readonly number[];
}

export class LiveRegion {
  readonly translation: Translation;
  readonly origin: RegionOrigin;
  readonly blocks: readonly number[];
  readonly slot: number;
  /** Instructions retired in it when it was last asked whether it is used. */
  retiredBefore = 0;
  /** Of its entries, jumps and exits. */
  readonly address: number;
  readonly bytes: number;
  readonly #pool: Pool;
  /** By computed jump: how often it had left when that was last asked. */
  #strayed: Uint32Array | undefined;
  /** Which of the exits are accesses': all of these are looked at time and again. */
  readonly #accesses: readonly number[];

  /** @param slot of its function in the table of regions */
  constructor(pool: Pool, translation: Translation, place: RegionPlace, slot: number) {
    this.#pool = pool;
    this.translation = translation;
    this.origin = place.origin;
    this.blocks = place.blocks;
    this.slot = slot;
    const { entries, exits, jumps, pages } = translation;
    const known = placeOfJump(pages.length, jumps.length) + exits.length * REGION_EXIT.SIZE;
    this.bytes = entries.length * REGION_ENTRY.SIZE + known;
    this.address = pool.allocate(this.bytes, 8);
    this.#accesses = [...exits.keys()].filter((exit) => exits[exit].cause === 'memory');
    this.#write(place);
  }

  /** Host address of an entry. */
  entryAt(selector: number): number {
    return this.address + selector * REGION_ENTRY.SIZE;
  }

  /** Whether an entry is one of its own. */
  owns(entry: number): boolean {
    return entry >= this.address && entry < this.address + this.bytes;
  }

  /** Where it is entered next, its pages are looked for. */
  forgetPlace(): void {
    // No tag is 0.
    this.#pool.views.u32[(this.#known + KNOWN_REGION.TAG) >>> 2] = 0;
  }

  /** Instructions retired in it. */
  get retired(): number {
    const { u32 } = this.#pool.views;
    const { length } = this.translation.entries;
    let retired = 0;
    for (let selector = 0; selector < length; selector++) {
      const at = (this.entryAt(selector) + REGION_ENTRY.RETIRED) >>> 2;
      retired += u32[at] + u32[at + 1] * 2 ** 32;
    }
    return retired;
  }

  /** Times that each exit was taken. */
  get taken(): readonly number[] {
    const { u32 } = this.#pool.views;
    return this.translation.exits.map((_, index) => u32[(this.exitAt(index) + REGION_EXIT.TAKEN) >>> 2]);
  }

  /**
   * Computed jumps that have left the region since the last time that this was asked, by number: how often in all, and
   * offsets to which, as far as they are remembered.
   */
  takeStrays(): readonly Stray[] {
    const { u32 } = this.#pool.views;
    const { length } = this.translation.jumps;
    let strays: Stray[] | undefined;
    for (let jump = 0; jump < length; jump++) {
      const at = this.#jumpAt(jump);
      const taken = u32[(at + REGION_JUMP.TAKEN) >>> 2];
      if (taken === (this.#strayed?.[jump] ?? 0)) continue;
      this.#strayed ??= new Uint32Array(length);
      this.#strayed[jump] = taken;
      const targets = u32.subarray((at + REGION_JUMP.TARGETS) >>> 2, (at + REGION_JUMP.SIZE) >>> 2);
      strays ??= [];
      strays.push({ jump, taken, targets: [...targets].filter((one) => one !== NO_TARGET).map((one) => one | 0) });
    }
    return strays ?? NONE;
  }

  /** Offsets of instructions whose accesses have left it at least so often. */
  missing(least: number): readonly number[] {
    const { u32 } = this.#pool.views;
    const first = (this.exitAt(0) + REGION_EXIT.TAKEN) >>> 2;
    let offsets: number[] | undefined;
    for (const exit of this.#accesses) {
      if (u32[first + exit * (REGION_EXIT.SIZE >>> 2)] < least) continue;
      offsets ??= [];
      offsets.push(this.translation.exits[exit].offset);
    }
    return offsets ?? NONE;
  }

  get entered(): number {
    return this.#sum(REGION_ENTRY.ENTERED);
  }

  /** Times that a page did not lie where it lay. */
  get refused(): number {
    return this.#sum(REGION_ENTRY.REFUSED);
  }

  get figures(): RegionFigures {
    const { entered, retired, refused } = this;
    const { instructions } = this.translation;
    const exits = noExits();
    for (const [index, taken] of this.taken.entries()) exits[this.translation.exits[index].cause] += taken;
    return { instructions, entered, retired, refused, exits };
  }

  /** Of a field of the entries. */
  #sum(field: number): number {
    const { u32 } = this.#pool.views;
    const { length } = this.translation.entries;
    let sum = 0;
    for (let selector = 0; selector < length; selector++) sum += u32[(this.entryAt(selector) + field) >>> 2];
    return sum;
  }

  get #known(): number {
    return this.entryAt(this.translation.entries.length);
  }

  #jumpAt(jump: number): number {
    return this.#known + placeOfJump(this.translation.pages.length, jump);
  }

  /** Host address of an exit. */
  exitAt(index: number): number {
    return this.#jumpAt(this.translation.jumps.length) + index * REGION_EXIT.SIZE;
  }

  #write({ pages, recordAt }: RegionPlace): void {
    const { entries, exits, jumps, traces } = this.translation;
    const { u32 } = this.#pool.views;
    for (const [selector, trace] of entries.entries()) {
      const at = this.entryAt(selector);
      u32[(at + REGION_ENTRY.FUNCTION) >>> 2] = this.slot;
      u32[(at + REGION_ENTRY.SELECTOR) >>> 2] = selector;
      u32[(at + REGION_ENTRY.REGION) >>> 2] = this.#known;
      u32[(at + REGION_ENTRY.PAGE_OFFSET) >>> 2] = traces[trace].offset & -4096;
      u32[(at + REGION_ENTRY.BLOCK) >>> 2] = this.blocks[trace];
    }
    this.forgetPlace();
    for (const [index, page] of pages.entries()) u32[((this.#known + KNOWN_REGION.PAGES) >>> 2) + index] = page;
    for (const jump of jumps.keys()) {
      const at = this.#jumpAt(jump);
      u32.fill(NO_TARGET, (at + REGION_JUMP.TARGETS) >>> 2, (at + REGION_JUMP.SIZE) >>> 2);
    }
    for (const [index, { cause, trace, offset, within, retired }] of exits.entries()) {
      const at = this.exitAt(index);
      u32[(at + REGION_EXIT.RECORD) >>> 2] = trace === undefined ? 0 : recordAt(trace, offset);
      u32[(at + REGION_EXIT.ENTERS_BLOCK) >>> 2] = cause !== 'branch' ? 0 : within ? 1 : 2;
      u32[(at + REGION_EXIT.OFFSET) >>> 2] = offset;
      u32[(at + REGION_EXIT.RETIRED) >>> 2] = retired;
    }
  }
}
