/**
 * Translated regions at work in one CPU: hot blocks are gathered, found to be parts of regions, compiled together and
 * entered in their blocks' headers. When bytes of a block change, the regions made of it go; what they were compiled to
 * is kept, in case the same bytes come back.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import type { CodeHalf } from '../../cpu/fetch-tlb.ts';
import type { Pool } from '../../memory/pool.ts';
import type { CodeSource } from '../blocks/block-decoder.ts';
import type { BlockCache } from '../interpreter/block-cache.ts';
import { type BlockIndex, COOL } from '../interpreter/block-index.ts';
import type { InterpreterRuntime } from '../interpreter/runtime.ts';
import { Cooling } from './cooling.ts';
import { LiveRegion, type RegionPlace } from './live-region.ts';
import type { Region } from './region.ts';
import { findRegion } from './region-finder.ts';
import { lowerRegion } from './region-lowering.ts';
import { canTranslateIn, type NamedRegion, RegionModule, regionExport } from './region-module.ts';
import { RegionSource } from './region-source.ts';
import type { Translation } from './translation.ts';
import type { TranslationOptions } from './translation-options.ts';
import { TranslationStore } from './translation-store.ts';

export interface RegionCacheParts {
  readonly pool: Pool;
  readonly runtime: InterpreterRuntime;
  readonly blocks: BlockCache;
  readonly code: CodeSource;
  /** Physical page of a linear one that code was fetched from, −1 if that is not known. */
  readonly fetchedPage: (page: number, half: CodeHalf) => number;
}

/** Where a block was met: the base of its page, and whether user code was running. */
export interface CodePlace {
  readonly base: number;
  readonly user: boolean;
}

/** Physical page at an offset from a base that is a page's start; −1: not known. */
type PageAt = (offset: number) => number;

const MAXIMUM_PAGES = 65536;

export class RegionCache {
  readonly #parts: RegionCacheParts;
  readonly #index: BlockIndex;
  readonly #source: RegionSource;
  readonly #options: TranslationOptions;
  /** Hot blocks that are to be translated together. */
  readonly #waiting = new Map<number, CodePlace>();
  /** Linear memory of regions that are gone. */
  #released: { readonly address: number; readonly bytes: number }[] = [];
  readonly #cooling = new Cooling();
  readonly #kept = new TranslationStore();
  readonly #live = new Map<Translation, Set<LiveRegion>>();
  /** By block: the regions made of it. */
  readonly #bySource = new Map<number, Set<LiveRegion>>();

  constructor(parts: RegionCacheParts, options: TranslationOptions) {
    this.#parts = parts;
    this.#index = parts.blocks.index;
    this.#source = new RegionSource(parts.blocks, parts.code, { forms: parts.runtime.boundForms, options });
    this.#options = options;
  }

  /** Entries of a new block, at a physical address, until it is hot. */
  heatFor(address: number, modeKey: number): number {
    if (!canTranslateIn(modeKey)) return COOL;
    return this.#cooling.threshold(Math.floor(address / PAGE_SIZE), this.#options.threshold) - 1;
  }

  /** A block is hot, at this place. @returns host address of the entry of its region, 0: it is to be interpreted */
  translate(block: number, place: CodePlace): number {
    if (this.#linkKnown(block, place)) return this.#index.region(block);
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
    const regions = this.#bySource.get(block);
    if (!regions) return;
    this.#cooling.changed(Math.floor(this.#index.key(block) / 16 / PAGE_SIZE));
    for (const live of regions) this.#release(live);
  }

  /** All blocks are dropped. */
  clear(): void {
    this.#waiting.clear();
    for (const regions of this.#live.values()) for (const live of regions) this.#release(live);
    this.#takeBack();
  }

  /** Called where no region runs. */
  #takeBack(): void {
    for (const { address, bytes } of this.#released) this.#parts.pool.release(address, bytes);
    this.#released = [];
  }

  #flush(): void {
    this.#takeBack();
    const found: { readonly region: Region; readonly lowered: NamedRegion; readonly pageAt: PageAt; block: number }[] =
      [];
    const module = new RegionModule({ maximumPages: MAXIMUM_PAGES });
    const translated = new Set<number>();
    for (const [block, place] of this.#waiting) {
      if (translated.has(block)) continue;
      const pageAt = this.#pagesAround(block, place);
      const region = findRegion(
        this.#offset(block),
        this.#source.around(block, pageAt),
        this.#options.regionInstructions,
      );
      if (region === undefined) {
        this.#index.setRegion(block, { region: 0, heat: COOL });
        continue;
      }
      for (const { trace } of region.entries) translated.add(this.#blockOf(region.traces[trace].offset, block, pageAt));
      const name = `region ${this.#index.key(block).toString(16)}, ${region.blocks.length} blocks`;
      found.push({ region, lowered: { ...lowerRegion(region, module.numberFunctions), name }, pageAt, block });
    }
    this.#waiting.clear();
    if (found.length === 0) return;
    const regions = found.map(({ lowered }) => lowered);
    const compiled = new WebAssembly.Module(module.finish(regions));
    const exports = this.#parts.runtime.linkRegions(compiled, { emitted: module.callsEmittedFunctions });
    for (const [index, { region, lowered, pageAt, block }] of found.entries()) {
      const run = exports[regionExport(index)] as CallableFunction;
      const translation = this.#keep(region, lowered, run, pageAt);
      this.#link(translation, block, pageAt);
    }
  }

  /** Physical pages around a block. Its own is the one that it is of, whatever the tables say by now. */
  #pagesAround(block: number, { base, user }: CodePlace): PageAt {
    const own = Math.floor(this.#index.key(block) / 16 / PAGE_SIZE);
    const half = user ? 'user' : 'supervisor';
    return (offset) => (offset === 0 ? own : this.#parts.fetchedPage(((base + offset) >>> 0) / PAGE_SIZE, half));
  }

  /** In its page. */
  #offset(block: number): number {
    return Math.floor(this.#index.key(block) / 16) % PAGE_SIZE;
  }

  #keep(region: Region, { exits, name }: NamedRegion, compiled: CallableFunction, pageAt: PageAt): Translation {
    const { pages, traces, entries, blocks } = region;
    const translation: Translation = {
      compiled,
      name,
      exits,
      pages: pages.map(({ offset }) => offset),
      entries: entries.map(({ trace }) => trace),
      instructions: blocks.reduce((sum, { instructions }) => sum + instructions.length, 0),
      traces: traces.map((trace) => ({ ...trace, bytes: this.#bytes(trace, pageAt)!.slice() })),
    };
    this.#kept.add(translation, (one) => this.#live.has(one));
    return translation;
  }

  /** Bytes of guest memory; undefined if no frame holds them. */
  #bytes({ offset, length }: { readonly offset: number; readonly length: number }, pageAt: PageAt) {
    const page = pageAt(offset & -PAGE_SIZE);
    const within = offset & (PAGE_SIZE - 1);
    return page < 0 ? undefined : this.#parts.code.pageBytes(page)?.subarray(within, within + length);
  }

  /** Puts to work what was once compiled for the same bytes. */
  #linkKnown(block: number, place: CodePlace): boolean {
    const pageAt = this.#pagesAround(block, place);
    const offset = this.#offset(block);
    const [first] = this.#bytes({ offset, length: 1 }, pageAt)!;
    for (const translation of this.#kept.beginningAt(offset, first)) {
      const isSame = translation.traces.every((trace) => {
        const now = this.#bytes(trace, pageAt);
        return now !== undefined && trace.bytes.every((byte, index) => byte === now[index]);
      });
      if (isSame && this.#link(translation, block, pageAt)) return true;
    }
    return false;
  }

  /** Host address of the interpreter's block at an offset, made if need be; 0: it cannot be. */
  #blockOf(offset: number, near: number, pageAt: PageAt): number {
    const physical = pageAt(offset & -PAGE_SIZE) * PAGE_SIZE + (offset & (PAGE_SIZE - 1));
    const mode = this.#index.key(near) % 16;
    const { blocks, code } = this.#parts;
    const known = blocks.known(physical * 16 + mode);
    // Its bytes end before the page does, so that nothing can fault.
    return known !== 0 ? known : blocks.find(physical, mode, { ...code, limit: 2 ** 32 });
  }

  /** @returns whether there was room */
  #link(translation: Translation, block: number, pageAt: PageAt): boolean {
    const { pool, runtime, blocks: cache } = this.#parts;
    const { pages, traces, entries } = translation;
    const blocks = traces.map(({ offset }) => this.#blockOf(offset, block, pageAt));
    const slot = runtime.regions.add(translation.compiled);
    if (slot === 0) return false;
    const place: RegionPlace = {
      pages: pages.map(pageAt),
      blocks,
      recordAt: (trace, offset) => cache.recordAt(blocks[trace], offset & (PAGE_SIZE - 1)),
    };
    const live = new LiveRegion(pool, translation, place, slot);
    for (const [selector, trace] of entries.entries()) {
      this.#index.setRegion(blocks[trace], { region: live.entryAt(selector), heat: 0 });
    }
    addTo(this.#live, translation, live);
    for (const source of blocks) addTo(this.#bySource, source, live);
    return true;
  }

  #release(live: LiveRegion): void {
    const { translation, slot, address, bytes, blocks } = live;
    for (const trace of translation.entries) {
      const block = blocks[trace];
      // Another region may begin there by now.
      if (!live.owns(this.#index.region(block))) continue;
      const heat = this.#index.isStale(block) ? COOL : this.#options.threshold;
      this.#index.setRegion(block, { region: 0, heat });
    }
    deleteFrom(this.#live, translation, live);
    for (const source of blocks) deleteFrom(this.#bySource, source, live);
    this.#parts.runtime.regions.remove(slot);
    // It may be running, and have called what dropped it.
    this.#released.push({ address, bytes });
  }
}

function addTo<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const known = map.get(key);
  if (known) known.add(value);
  else map.set(key, new Set([value]));
}

function deleteFrom<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const known = map.get(key);
  known?.delete(value);
  if (known?.size === 0) map.delete(key);
}
