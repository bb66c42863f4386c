/**
 * Translated regions at work in one CPU: hot blocks are gathered, found to be parts of regions, compiled together and
 * entered in their blocks' headers. When bytes of a block change, the regions made of it go.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import type { CodeHalf } from '../../cpu/fetch-tlb.ts';
import type { Pool } from '../../memory/pool.ts';
import type { CodeSource } from '../blocks/block-decoder.ts';
import { REGION_ENTRY, REGION_EXIT } from '../blocks/region-entry.ts';
import type { BlockCache } from '../interpreter/block-cache.ts';
import type { BlockIndex } from '../interpreter/block-index.ts';
import { COOL } from '../interpreter/block-index.ts';
import type { InterpreterRuntime } from '../interpreter/runtime.ts';
import type { Region } from './region.ts';
import { findRegion } from './region-finder.ts';
import { lowerRegion } from './region-lowering.ts';
import { buildRegionModule, canTranslateIn, type NamedRegion, regionExport } from './region-module.ts';
import { RegionSource } from './region-source.ts';
import type { TranslationOptions } from './translation-options.ts';

/** A region that can be entered. */
interface LiveRegion {
  readonly region: Region;
  readonly slot: number;
  /** Host address and size of its entries and exits. */
  readonly address: number;
  readonly bytes: number;
}

export interface RegionCacheParts {
  readonly pool: Pool;
  readonly runtime: InterpreterRuntime;
  readonly blocks: BlockCache;
  readonly code: CodeSource;
}

/** Where a block was met: the base of its page, and whether user code was running. */
export interface CodePlace {
  readonly base: number;
  readonly user: boolean;
}

const MAXIMUM_PAGES = 65536;

export class RegionCache {
  readonly #pool: Pool;
  readonly #runtime: InterpreterRuntime;
  readonly #source: RegionSource;
  readonly #index: BlockIndex;
  readonly #options: TranslationOptions;
  readonly #fetchedPage: (page: number, half: CodeHalf) => number;
  /** Hot blocks that are to be translated together. */
  readonly #waiting = new Map<number, CodePlace>();
  /** Linear memory of regions that are gone. */
  #released: { readonly address: number; readonly bytes: number }[] = [];
  readonly #live = new Set<LiveRegion>();
  /** By block: the regions made of it. */
  readonly #bySource = new Map<number, Set<LiveRegion>>();

  /** `fetchedPage`: physical page of a linear one that code was fetched from, −1 if that is not known. */
  constructor(
    { pool, runtime, blocks, code }: RegionCacheParts,
    fetchedPage: (page: number, half: CodeHalf) => number,
    options: TranslationOptions,
  ) {
    this.#pool = pool;
    this.#runtime = runtime;
    this.#index = blocks.index;
    this.#source = new RegionSource(blocks, code, { forms: runtime.boundForms, options });
    this.#options = options;
    this.#fetchedPage = fetchedPage;
  }

  /** Entries of a new block until it is hot. */
  heatFor(modeKey: number): number {
    return canTranslateIn(modeKey) ? this.#options.threshold - 1 : COOL;
  }

  /** A block is hot, at this place. @returns host address of the entry of its region, 0: it is to be interpreted */
  translate(block: number, place: CodePlace): number {
    const again = this.#waiting.has(block);
    this.#waiting.set(block, place);
    if (!again && this.#waiting.size < this.#options.batch) {
      // If it comes back soon, it does not wait for others any longer.
      this.#index.setRegion(block, { region: 0, heat: Math.ceil(this.#options.threshold / 4) });
      return 0;
    }
    this.#flush();
    return this.#index.region(block);
  }

  /** Bytes of a block have changed. */
  drop(block: number): void {
    this.#waiting.delete(block);
    for (const live of this.#bySource.get(block) ?? []) this.#release(live);
  }

  /** All blocks are dropped. */
  clear(): void {
    this.#waiting.clear();
    for (const live of this.#live) this.#release(live);
    this.#takeBack();
  }

  /** Called where no region runs. */
  #takeBack(): void {
    for (const { address, bytes } of this.#released) this.#pool.release(address, bytes);
    this.#released = [];
  }

  #flush(): void {
    this.#takeBack();
    const found: { region: Region; lowered: NamedRegion }[] = [];
    const translated = new Set<number>();
    for (const [block, place] of this.#waiting) {
      if (translated.has(block)) continue;
      const region = this.#find(block, place);
      if (region === undefined) {
        this.#index.setRegion(block, { region: 0, heat: COOL });
        continue;
      }
      for (const { record } of region.entries) translated.add(record);
      const name = `region ${this.#index.key(block).toString(16)}, ${region.blocks.length} blocks`;
      found.push({ region, lowered: { ...lowerRegion(region), name } });
    }
    this.#waiting.clear();
    if (found.length === 0) return;
    const bytes = buildRegionModule(
      found.map(({ lowered }) => lowered),
      { maximumPages: MAXIMUM_PAGES },
    );
    const exports = this.#runtime.linkRegions(new WebAssembly.Module(bytes));
    found.forEach(({ region, lowered }, index) => {
      this.#link(region, lowered, exports[regionExport(index)] as CallableFunction);
    });
  }

  #find(block: number, { base, user }: CodePlace): Region | undefined {
    const physical = Math.floor(this.#index.key(block) / 16);
    const pageAt = (offset: number): number => {
      if (offset === 0) return Math.floor(physical / PAGE_SIZE);
      return this.#fetchedPage(((base + offset) >>> 0) / PAGE_SIZE, user ? 'user' : 'supervisor');
    };
    return findRegion(physical % PAGE_SIZE, this.#source.around(block, pageAt), this.#options.regionInstructions);
  }

  #link(region: Region, { exits }: NamedRegion, compiled: CallableFunction): void {
    const slot = this.#runtime.regions.add(compiled);
    if (slot === 0) return;
    const entries = region.entries.length * REGION_ENTRY.SIZE;
    const bytes = entries + region.pages.length * 4 + exits.length * REGION_EXIT.SIZE;
    const address = this.#pool.allocate(bytes, 8);
    const { u32 } = this.#pool.views;
    region.pages.forEach(({ physical }, index) => {
      u32[((address + entries) >>> 2) + index] = physical;
    });
    region.entries.forEach(({ record, block }, selector) => {
      const at = address + selector * REGION_ENTRY.SIZE;
      u32[(at + REGION_ENTRY.FUNCTION) >>> 2] = slot;
      u32[(at + REGION_ENTRY.SELECTOR) >>> 2] = selector;
      u32[(at + REGION_ENTRY.REGION) >>> 2] = address + entries;
      u32[(at + REGION_ENTRY.PAGE_OFFSET) >>> 2] = region.blocks[block].offset & -PAGE_SIZE;
      this.#index.setRegion(record, { region: at, heat: 0 });
    });
    exits.forEach(({ record, cause, within, offset, retired }, index) => {
      const at = address + entries + region.pages.length * 4 + index * REGION_EXIT.SIZE;
      u32[(at + REGION_EXIT.RECORD) >>> 2] = record;
      u32[(at + REGION_EXIT.ENTERS_BLOCK) >>> 2] = cause !== 'branch' ? 0 : within ? 1 : 2;
      u32[(at + REGION_EXIT.OFFSET) >>> 2] = offset;
      u32[(at + REGION_EXIT.RETIRED) >>> 2] = retired;
    });
    const live = { region, slot, address, bytes };
    this.#live.add(live);
    for (const source of region.sources) {
      const regions = this.#bySource.get(source);
      if (regions) regions.add(live);
      else this.#bySource.set(source, new Set([live]));
    }
  }

  #release(live: LiveRegion): void {
    const { region, slot, address, bytes } = live;
    for (const { record } of region.entries) {
      const entry = this.#index.region(record);
      // Another region may begin there by now.
      if (entry < address || entry >= address + bytes) continue;
      const heat = this.#index.isStale(record) ? COOL : this.#options.threshold;
      this.#index.setRegion(record, { region: 0, heat });
    }
    for (const source of region.sources) {
      const regions = this.#bySource.get(source);
      regions?.delete(live);
      if (regions?.size === 0) this.#bySource.delete(source);
    }
    this.#runtime.regions.remove(slot);
    this.#live.delete(live);
    // It may be running, and have called what dropped it.
    this.#released.push({ address, bytes });
  }
}
