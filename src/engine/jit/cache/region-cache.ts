/**
 * Translated regions at work in one CPU: hot blocks are gathered, found to be parts of regions, compiled together and
 * entered in their blocks' headers. When bytes of a block change, the regions made of it go; what they were compiled to
 * is kept, in case the same bytes come back.
 */
import { PAGE_SIZE } from '../../../base/address.ts';
import type { CodeHalf } from '../../../cpu/fetch-tlb.ts';
import { MODE } from '../../../cpu/mode-key.ts';
import type { Pool } from '../../../memory/pool.ts';
import type { CodeSource } from '../../blocks/block-decoder.ts';
import { COST } from '../../engine.ts';
import type { BlockCache } from '../../interpreter/block-cache.ts';
import { type BlockIndex, COOL } from '../../interpreter/block-index.ts';
import type { InterpreterRuntime } from '../../interpreter/runtime.ts';
import type { TranslationProfile } from '../../profile/engine-profile.ts';
import type { Profiler } from '../../profile/profiler.ts';
import { JumpTargets } from '../finder/jump-targets.ts';
import type { Region } from '../finder/region.ts';
import { findRegion } from '../finder/region-finder.ts';
import { RegionSource } from '../finder/region-source.ts';
import { lowerRegion } from '../lowering/region-lowering.ts';
import { canTranslateIn, type NamedRegion, RegionModule, regionExport } from '../lowering/region-module.ts';
import type { TranslationOptions } from '../translation-options.ts';
import { Cooling } from './cooling.ts';
import { LiveRegion, type RegionPlace } from './live-region.ts';
import { RegionCompiler } from './region-compiler.ts';
import type { Translation } from './translation.ts';
import { TranslationStore } from './translation-store.ts';

export interface RegionCacheParts {
  readonly pool: Pool;
  readonly runtime: InterpreterRuntime;
  readonly blocks: BlockCache;
  readonly code: CodeSource;
  /** The bytes of a physical page; undefined if no frame holds them. */
  readonly bytes: (page: number) => Uint8Array | undefined;
  /** Physical page of a linear one that code was fetched from, −1 if that is not known. */
  readonly fetchedPage: (page: number, half: CodeHalf) => number;
  /** Units that what it does costs: see `DispatchedCpu.spend`. */
  readonly spend: (units: number) => void;
}

/** Where a block was met: the base of its page, and whether user code was running. */
export interface CodePlace {
  readonly base: number;
  readonly user: boolean;
}

/** A region to be made: a small one first, a large one where that has run a lot. */
interface Wanted extends CodePlace {
  readonly size: 'first' | 'full';
  /** Offsets of instructions that are to be called: their accesses miss too often. */
  readonly calls: ReadonlySet<number>;
  /** Times that it was made anew because computed jumps left it. */
  readonly widened: number;
}

/** A region that is ready to be compiled, and the block from which it was found. */
interface FoundRegion {
  readonly region: Region;
  readonly lowered: NamedRegion;
  readonly block: number;
  readonly place: Wanted;
  readonly pageAt: PageAt;
}

/** Physical page at an offset from a base that is a page's start; −1: not known. */
type PageAt = (offset: number) => number;

/** Regions that are looked at at a time, and those of them that may be made anew: a slice must not wait for more. */
const LOOKS = 64;
const MOST_ANEW = 8;

/** Instructions retired in a region that make up for what it has cost. */
const OF_USE = 100_000;
/** Misses of an access after which the interpreter does it: a device, or a page with code and data. */
const MISSES = 2000;
/** Entries of a block that may have been translated before, until that is looked up. */
const EARLY = 4;
/** Times that a region is made anew because computed jumps leave it. */
const MOST_WIDENED = 4;
/** Part of the regions that go where there are too many. */
const EVICTED = 1 / 3;
/** Times that a region may be refused, if it is so more often than not. */
const MOST_REFUSED = 1000;
const NONE: ReadonlySet<number> = new Set();
const MAXIMUM_PAGES = 65536;

export class RegionCache {
  readonly #parts: RegionCacheParts;
  readonly #index: BlockIndex;
  readonly #source: RegionSource;
  readonly #jumpTargets = new JumpTargets();
  readonly #options: TranslationOptions;
  /** Hot blocks that are to be translated together. */
  readonly #waiting = new Map<number, Wanted>();
  /** Regions that are gone, but for their linear memory. */
  #released: LiveRegion[] = [];
  /** Instructions retired in regions of which nothing is left. */
  #retiredBefore = 0;
  /** Keys of blocks that may have been translated before. */
  readonly #early = new Set<number>();
  /** Instructions since the last look after the regions. */
  #executed = 0;
  /** Where the round of looks at the watched regions is. */
  #round: MapIterator<[LiveRegion, { readonly block: number; readonly place: Wanted }]> | undefined;
  readonly #cooling = new Cooling();
  readonly #compiler: RegionCompiler;
  readonly #kept = new TranslationStore();
  /** Regions that may be made anew, with the blocks that they were made for. */
  readonly #watched = new Map<LiveRegion, { readonly block: number; readonly place: Wanted }>();
  /** Told what regions have done that go, and what translating takes. */
  profiler: Profiler | undefined;
  readonly #live = new Map<Translation, Set<LiveRegion>>();
  /** By block: the regions made of it. */
  readonly #bySource = new Map<number, Set<LiveRegion>>();

  constructor(parts: RegionCacheParts, options: TranslationOptions) {
    this.#parts = parts;
    this.#index = parts.blocks.index;
    this.#source = new RegionSource(parts.blocks, parts.code, {
      forms: parts.runtime.boundForms,
      options,
      jumpTargets: this.#jumpTargets,
      regionSize: (block) => this.#entered(block)?.translation.instructions ?? 0,
    });
    this.#options = options;
    this.#compiler = new RegionCompiler((bytes, imports) => parts.runtime.linkRegions(bytes, imports));
  }

  /** Why nothing is translated any longer, in the host's words; undefined while it is. */
  get refusal(): string | undefined {
    return this.#compiler.refusal;
  }

  /** Entries of a new block, at a physical address, until it is hot. */
  heatFor(address: number, modeKey: number): number {
    if (!canTranslateIn(modeKey) || this.refusal !== undefined) return COOL;
    const page = Math.floor(address / PAGE_SIZE);
    const threshold = this.#cooling.threshold(page, this.#options.threshold);
    // Where the threshold is lower than that, nothing is early; nor where code keeps changing, be it to what it was.
    const mayBeEarly = EARLY < this.#options.threshold - 1 && threshold === this.#options.threshold;
    const offset = address % PAGE_SIZE;
    if (mayBeEarly && this.#kept.hasAny(offset, this.#parts.bytes(page)![offset])) {
      this.#early.add(address * 16 + (modeKey & MODE.BLOCK_MASK));
      return EARLY;
    }
    return threshold - 1;
  }

  /** A block is hot, at this place. @returns host address of the entry of its region, 0: it is to be interpreted */
  translate(block: number, place: CodePlace): number {
    this.#takeBack();
    if (this.#index.isStale(block) || !canTranslateIn(this.#index.key(block) % 16)) {
      // It was cool, and has counted down all the way.
      this.#index.setRegion(block, { region: 0, heat: COOL });
      return 0;
    }
    const wasEarly = this.#early.delete(this.#index.key(block));
    if (this.#parts.runtime.regions.isFull) {
      // What is compiled now would have to be thrown away.
      this.#index.setRegion(block, { region: 0, heat: this.#options.threshold });
      return 0;
    }
    if (this.#linkKnown(block, place)) return this.#index.region(block);
    if (this.refusal !== undefined) {
      this.#index.setRegion(block, { region: 0, heat: COOL });
      return 0;
    }
    if (wasEarly) {
      const page = Math.floor(this.#index.address(block) / PAGE_SIZE);
      this.#index.setRegion(block, { region: 0, heat: this.#cooling.threshold(page, this.#options.threshold) });
      return 0;
    }
    const again = this.#waiting.has(block);
    this.#waiting.set(block, { ...place, size: 'first', calls: NONE, widened: 0 });
    if (!again && this.#waiting.size < this.#options.batch) {
      // If it comes back soon, it does not wait for others any longer.
      this.#index.setRegion(block, { region: 0, heat: Math.ceil(this.#options.threshold / 4) });
      return 0;
    }
    this.#flush();
    return this.#index.region(block);
  }

  /** Looks after regions, now and then: to be called where none runs. @param executed instructions since the last time */
  maintain(executed: number): void {
    this.#executed += executed;
    if (this.#executed < this.#options.lookAfter) return;
    this.#executed = 0;
    this.#takeBack();
    if (this.refusal !== undefined) return;
    this.#round ??= this.#watched.entries();
    for (let looks = 0, anew = 0; looks < LOOKS && anew < MOST_ANEW; looks++) {
      const { value, done } = this.#round.next();
      if (done) {
        this.#round = undefined;
        break;
      }
      const [live, { block, place }] = value;
      // Another may have taken its place.
      const isEntered = live.owns(this.#index.region(block));
      if (!isEntered) continue;
      if (live.refused > MOST_REFUSED && live.refused > live.entered) {
        // Its pages lie elsewhere by now.
        this.#release(live);
        continue;
      }
      const missing = live.missing(MISSES);
      const strays = this.#learnStrays(live, block, place);
      const isWorthMore = place.size === 'first' && live.retired >= this.#options.worth;
      const isToBeWidened = place.size === 'full' && strays && place.widened < MOST_WIDENED;
      if (!isWorthMore && !isToBeWidened && missing.every((offset) => place.calls.has(offset))) continue;
      const widened = place.widened + (isToBeWidened ? 1 : 0);
      this.#waiting.set(block, { ...place, size: 'full', calls: new Set([...place.calls, ...missing]), widened });
      anew++;
    }
    if ([...this.#waiting.values()].some(({ size }) => size === 'full')) this.#flush();
  }

  /** Remembers where computed jumps have left a region to. @returns whether it is often to where it knew nothing of */
  #learnStrays(live: LiveRegion, block: number, place: CodePlace): boolean {
    const pageAt = this.#pagesAround(block, place);
    let learns = false;
    for (const { jump, taken, targets } of live.takeStrays()) {
      const { offset, known } = live.translation.jumps[jump];
      const page = pageAt(offset & -PAGE_SIZE);
      if (page < 0) continue;
      for (const target of targets) {
        this.#jumpTargets.add(page * PAGE_SIZE + (offset & (PAGE_SIZE - 1)), target - offset);
        if (taken >= this.#options.strays && !known.includes(target)) learns = true;
      }
    }
    return learns;
  }

  /** Instructions retired in regions so far. Not to be asked while one runs. */
  get retired(): number {
    let retired = this.#retiredBefore;
    for (const live of this.#released) retired += live.retired;
    for (const regions of this.#live.values()) for (const live of regions) retired += live.retired;
    return retired;
  }

  /** Bytes of blocks have changed, by one write. */
  drop(blocks: readonly number[]): void {
    const gone = new Set<LiveRegion>();
    for (const block of blocks) {
      this.#waiting.delete(block);
      this.#source.forget(block);
      for (const live of this.#bySource.get(block) ?? []) gone.add(live);
    }
    if (gone.size === 0) return;
    for (const live of gone) this.#release(live);
    // Where they were of use it is a page like others, which now and then holds something else.
    if (this.#options.cools && [...gone].every(({ retired }) => retired < OF_USE))
      this.#cooling.changed(Math.floor(this.#index.address(blocks[0]) / PAGE_SIZE));
  }

  /** Tags of `state.jumpTag` from now on are not those of before. */
  forgetPlaces(): void {
    for (const live of this.#watched.keys()) live.forgetPlace();
  }

  /** All blocks are dropped. */
  clear(): void {
    this.#waiting.clear();
    this.#source.forget();
    this.#early.clear();
    this.#jumpTargets.clear();
    for (const regions of this.#live.values()) for (const live of regions) this.#release(live);
    this.#takeBack();
  }

  /** Called where no region runs. */
  #takeBack(): void {
    for (const live of this.#released) {
      this.#retiredBefore += live.retired;
      this.#parts.pool.release(live.address, live.bytes);
    }
    this.#released = [];
  }

  /** What the profiler knows, and the regions at work. They have counted since they were put to work. */
  profile({ regions, compilation, times }: Profiler): TranslationProfile {
    const live = [...this.#live.values()].flatMap((ofOne) => [...ofOne]);
    return {
      ...regions.withLive(live),
      live: live.length,
      ...compilation,
      ...times,
      ...this.#cooling.figures,
    };
  }

  #flush(): void {
    this.#takeBack();
    const chained = this.#options.chained ?? this.#parts.runtime.chainsRegions;
    const module = new RegionModule({ maximumPages: MAXIMUM_PAGES, chained });
    const found = this.#timed('loweringTime', () => this.#lowerWaiting(module));
    if (found.length === 0) return;
    const regions = found.map(({ lowered }) => lowered);
    const bytes = this.#timed('loweringTime', () => module.finish(regions));
    const emitted = module.callsEmittedFunctions;
    const exports = this.#timed('compileTime', () => this.#compiler.compile(bytes, { emitted }));
    if (this.profiler) {
      const { compilation } = this.profiler;
      compilation.modules++;
      compilation.compiled += regions.length;
      compilation.codeBytes += bytes.length;
    }
    for (const [index, one] of found.entries()) {
      if (exports) this.#putToWork(one, exports[regionExport(index)] as CallableFunction);
      // What is a region already stays one, if a small one.
      else if (this.#index.region(one.block) === 0) this.#index.setRegion(one.block, { region: 0, heat: COOL });
    }
  }

  #timed<Result>(what: 'loweringTime' | 'compileTime', work: () => Result): Result {
    return this.profiler ? this.profiler.time(what, work) : work();
  }

  /** The regions of the blocks that wait. None waits any longer. */
  #lowerWaiting(module: RegionModule): readonly FoundRegion[] {
    const { firstInstructions, regionInstructions, dispatchingInstructions } = this.#options;
    const found: FoundRegion[] = [];
    const translated = new Set<number>();
    for (const [block, place] of this.#waiting) {
      if (translated.has(block)) continue;
      const pageAt = this.#pagesAround(block, place);
      const isFirst = place.size === 'first';
      const blocks = this.#source.around(block, pageAt, { joinsRegions: !isFirst, calls: place.calls });
      const limits = isFirst
        ? { instructions: firstInstructions, dispatching: firstInstructions }
        : { instructions: regionInstructions, dispatching: dispatchingInstructions };
      const region = findRegion(this.#offset(block), blocks, limits);
      if (region === undefined) {
        this.#index.setRegion(block, { region: 0, heat: COOL });
        continue;
      }
      for (const { trace } of region.entries) translated.add(this.#blockOf(region.traces[trace].offset, block, pageAt));
      for (const { instructions } of region.blocks) this.#parts.spend(COST.TRANSLATED * instructions.length);
      const name = `region ${this.#index.key(block).toString(16)}, ${region.blocks.length} blocks`;
      found.push({ region, lowered: { ...lowerRegion(region, module), name }, pageAt, block, place });
    }
    this.#waiting.clear();
    return found;
  }

  /** Takes the place of a smaller one. */
  #putToWork({ region, lowered, pageAt, block, place }: FoundRegion, compiled: CallableFunction): void {
    const translation = this.#keep(region, lowered, compiled, { pageAt, place });
    const before = this.#entered(block);
    if (before) {
      this.#kept.delete(before.translation);
      this.#release(before);
    }
    this.#link(translation, block, { place, pageAt });
  }

  /** The region that is entered with a block. */
  #entered(block: number): LiveRegion | undefined {
    const entry = this.#index.region(block);
    for (const live of this.#bySource.get(block) ?? []) if (live.owns(entry)) return live;
    return undefined;
  }

  /** Physical pages around a block. Its own is the one that it is of, whatever the tables say by now. */
  #pagesAround(block: number, { base, user }: CodePlace): PageAt {
    const own = Math.floor(this.#index.address(block) / PAGE_SIZE);
    const half = user ? 'user' : 'supervisor';
    return (offset) => (offset === 0 ? own : this.#parts.fetchedPage(((base + offset) >>> 0) / PAGE_SIZE, half));
  }

  /** In its page. */
  #offset(block: number): number {
    return this.#index.address(block) % PAGE_SIZE;
  }

  #keep(
    region: Region,
    { exits }: NamedRegion,
    compiled: CallableFunction,
    { pageAt, place: { size, calls } }: { readonly pageAt: PageAt; readonly place: Wanted },
  ): Translation {
    const { pages, traces, entries, blocks, jumps } = region;
    const translation: Translation = {
      compiled,
      size,
      exits,
      jumps,
      calls,
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
    return page < 0 ? undefined : this.#parts.bytes(page)?.subarray(within, within + length);
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
      const { size, calls } = translation;
      const wanted: Wanted = { ...place, size, calls, widened: 0 };
      if (!isSame || !this.#link(translation, block, { place: wanted, pageAt })) continue;
      if (this.profiler) this.profiler.compilation.reused++;
      return true;
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
  #link(
    translation: Translation,
    block: number,
    { place: wanted, pageAt }: { place: Wanted; pageAt: PageAt },
  ): boolean {
    const { pool, runtime, blocks: cache } = this.#parts;
    const { pages, traces, entries, jumps, exits } = translation;
    this.#makeRoom();
    const blocks = traces.map(({ offset }) => this.#blockOf(offset, block, pageAt));
    const slot = runtime.regions.add(translation.compiled);
    if (slot === 0) return false;
    const physical = this.#index.address(block);
    const place: RegionPlace = {
      origin: { physical, linear: (wanted.base + (physical % PAGE_SIZE)) >>> 0, user: wanted.user },
      pages: pages.map(pageAt),
      blocks,
      recordAt: (trace, offset) => cache.recordAt(blocks[trace], offset & (PAGE_SIZE - 1)),
    };
    this.#parts.spend(COST.LINKED_PART * (traces.length + jumps.length + exits.length));
    const live = new LiveRegion(pool, translation, place, slot);
    for (const [selector, trace] of entries.entries()) {
      this.#index.setRegion(blocks[trace], { region: live.entryAt(selector), heat: 0 });
    }
    this.#watched.set(live, { block, place: wanted });
    addTo(this.#live, translation, live);
    for (const source of blocks) addTo(this.#bySource, source, live);
    return true;
  }

  /** Where there are too many regions, those that ran least since the last time go. */
  #makeRoom(): void {
    if (this.#watched.size < this.#options.mostRegions) return;
    // Those that have just been linked have had no time yet.
    const byUse = [...this.#watched.keys()]
      .filter(({ entered }) => entered > 0)
      .map((live) => ({ live, retired: live.retired - live.retiredBefore }))
      .sort((one, other) => one.retired - other.retired);
    for (const [index, { live }] of byUse.entries()) {
      if (index < byUse.length * EVICTED) {
        this.#kept.delete(live.translation);
        this.#release(live);
      } else live.retiredBefore = live.retired;
    }
  }

  #release(live: LiveRegion): void {
    const { translation, slot, blocks } = live;
    this.profiler?.regions.add(live.origin, live.figures);
    for (const trace of translation.entries) {
      const block = blocks[trace];
      // Another region may begin there by now.
      if (!live.owns(this.#index.region(block))) continue;
      const page = Math.floor(this.#index.address(block) / PAGE_SIZE);
      const threshold = this.#cooling.threshold(page, this.#options.threshold);
      const heat = this.#index.isStale(block) ? COOL : threshold;
      this.#index.setRegion(block, { region: 0, heat });
    }
    this.#watched.delete(live);
    deleteFrom(this.#live, translation, live);
    for (const source of blocks) deleteFrom(this.#bySource, source, live);
    this.#parts.runtime.regions.remove(slot);
    // It may be running, and have called what dropped it.
    this.#released.push(live);
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
