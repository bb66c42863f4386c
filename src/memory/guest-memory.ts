/**
 * A guest's physical address space: RAM, ROM and memory-mapped registers, by 4 KiB page.
 *
 * RAM is overcommitted: a page that was never written has no frame and reads as zero. The map is off the hot path: the
 * MMU asks `frameForRead` and `frameForWrite` when it fills a TLB entry, and keeps the answer; emitted code that does
 * this looks into the page map itself, and marks there what it makes writable as dirty. What makes an answer wrong later
 * is reported: `onFrameMoved` (a page leaves the zero frame, or one that it shares), `onRouted` (RAM comes or goes while the guest runs),
 * `onDiscarded` (frames have been given back).
 * A page can be elsewhere (`elsewhere.ts`): then it has no frame either, and gets one, with what belongs there, at its first
 * touch, whoever touches it. Nobody but who waits for it can tell.
 * What withholds the right to write is chosen by the caller: after `watchWrites` and `clearDirty` it drops its writable
 * translations itself.
 *
 * RAM comes before all else. Behind it are ROM, then devices; where the RAM of a page is switched off for reads or for
 * writes (`routeRam`), they are met. What has no frame gets no translation, so that devices may come and go freely.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { InternalError, UserError } from '../base/errors.ts';
import { Elsewhere } from './elsewhere.ts';
import { ALL_ONES, type MmioDevice, MmioMap } from './mmio-map.ts';
import { PAGE_MAP } from './page-map.ts';
import type { PageSource } from './page-source.ts';
import type { Pool } from './pool.ts';

export type { MmioDevice } from './mmio-map.ts';

/** Width of physical addresses in bits (MAXPHYADDR of the Pentium Pro). Nothing answers above. */
export const PHYSICAL_ADDRESS_BITS = 36;
/** RAM ends here: above, a PC has its PCI devices, interrupt controllers and firmware. */
export const RAM_LIMIT = 0xe000_0000;

/** Where accesses to RAM go: to it, or past it to the bus, where ROM and devices are. */
export interface RamRoute {
  readonly reads: 'ram' | 'bus';
  readonly writes: 'ram' | 'bus';
}

/** Pages of 4 KiB from a number on. */
export interface PageRange {
  readonly first: number;
  readonly pages: number;
}

/** What is in a page, wherever it answers. */
export interface MemoryPage {
  readonly kind: 'ram' | 'rom';
  /** Guest-physical page number. */
  readonly page: number;
  /** 4096. */
  readonly bytes: Uint8Array;
}

/** A page of RAM that does not answer all accesses, and its own frame, 0 if it has none. */
interface HiddenRam extends RamRoute {
  readonly frame: number;
}

const { DIRTY, DIRTY_STILL, WRITTEN_STILL, WATCHED, ABSENT, SEEN_AS_ZERO, SHARED, ELSEWHERE, SAVED } = PAGE_MAP;
const IS_DIRTY = DIRTY | DIRTY_STILL;
const IS_WRITTEN = DIRTY | WRITTEN_STILL;

const PAGE_MASK = PAGE_SIZE - 1;
const pageOf = (address: number): number => (address / PAGE_SIZE) | 0;
const NO_RAM: RamRoute = { reads: 'bus', writes: 'bus' };

export class GuestMemory {
  /** Bytes of RAM, holes included. */
  readonly size: number;
  /**
   * Called before bytes of a watched page change: by `write` or `copyIn`, not by who holds a frame; and before other
   * memory takes the place of any page.
   */
  onWatchedWrite: (page: number, offset: number, length: number) => void = () => {};
  /** Called when a page for which `frameForRead` gave `frame`, the zero frame or a shared one, gets a frame of its own. */
  onFrameMoved: (page: number, frame: number) => void = () => {};
  /** Called when RAM has been switched on or off somewhere: all that `frameForRead` and `frameForWrite` gave may be wrong. */
  onRouted: () => void = () => {};
  /** Called when frames have been given back: what `frameForRead` and `frameForWrite` gave for their pages is wrong. */
  onDiscarded: () => void = () => {};
  /**
   * Called between two instructions when a frame must not be written any more through what `frameForWrite` gave (`writes`),
   * or is the page's no longer (`all`).
   */
  onWithdrawn: (frame: number, what: 'writes' | 'all') => void = () => {};

  /** Frames that the guest should not exceed. It can, by a few: who is told stops it soon. */
  frameLimit = Number.POSITIVE_INFINITY;
  /** Called when a frame was allocated beyond that limit, or the pool's. */
  onBeyondLimit: () => void = () => {};

  readonly #pool: Pool;
  /** Host address of the page map (`page-map.ts`), and its entries. */
  readonly #map: number;
  #pages: number;
  /** Known from the beginning, so that no read makes the pool grow: the views of it that somebody works with stay good. */
  readonly #zeroFrame: number;
  /** ROM frames by page. */
  readonly #rom = new Map<number, number>();
  readonly #mmio = new MmioMap();
  /** Pages whose entry in the map says that no RAM answers, though there is some. */
  readonly #hidden = new Map<number, HiddenRam>();
  /** Of pages that are marked so in the map. None of them is hidden. */
  readonly #elsewhere: Elsewhere;
  /** Pages marked as elsewhere that still have their frames, which nobody else holds; the first was parked first. */
  readonly #parked = new Map<number, number>();
  readonly #swaps = { in: 0, out: 0 };
  #framesInUse = 0;
  #saves = 0;

  /**
   * `size`: bytes of RAM from address 0, a positive multiple of 4096, at most 3584 MiB.
   * @throws UserError for another size
   */
  constructor(pool: Pool, options: { size: number }) {
    const { size } = options;
    if (!(size > 0) || size % PAGE_SIZE !== 0 || size > RAM_LIMIT) {
      throw new UserError(`memory size ${size} bytes: must be a multiple of 4096 between 4096 and ${RAM_LIMIT}`);
    }
    this.size = size;
    this.#pool = pool;
    this.#zeroFrame = pool.frames.zeroFrame;
    this.#pages = size / PAGE_SIZE;
    this.#elsewhere = new Elsewhere(this.#pages);
    this.#map = pool.allocate(this.#pages << PAGE_MAP.ENTRY_SHIFT);
  }

  /** Where emitted code finds the page map, and how many pages it has. It stays there until `dispose`. */
  get pageMap(): { readonly address: number; readonly pages: number } {
    return { address: this.#map, pages: this.#pages };
  }

  /** Frames that this guest holds, ROM and shared ones included. */
  get framesInUse(): number {
    return this.#framesInUse;
  }

  /** Pages of RAM that are elsewhere, by where. */
  get pagesElsewhere(): Elsewhere['counts'] {
    return this.#elsewhere.counts;
  }

  /** Pages that were swapped in and out so far. */
  get swaps(): { readonly in: number; readonly out: number } {
    return this.#swaps;
  }

  /** Frames that it holds and others, too. */
  get framesShared(): number {
    const { frames, views } = this.#pool;
    const first = this.#entry(0);
    let shared = 0;
    for (let at = first; at < first + this.#pages; at++) {
      const entry = views.u32[at];
      if ((entry & SHARED) !== 0 && frames.isShared((entry & PAGE_MAP.FRAME) >>> 0)) shared++;
    }
    for (const { frame } of this.#hidden.values()) if (frames.isShared(frame)) shared++;
    return shared;
  }

  /**
   * Takes over the RAM of another memory of the same pool and size, ROM and devices of which are in the same places:
   * what is in it, and where it answers. Frames are shared until one of the two writes. Before the guest runs; the caller
   * drops all writable translations of the other.
   */
  copyRam(other: GuestMemory): void {
    const { frames, views } = this.#pool;
    this.#releaseFrames();
    this.#hidden.clear();
    other.unpark();
    for (let page = 0; page < this.#pages; page++) {
      const from = other.#entry(page);
      const entry = views.u32[from];
      const frame = (entry & PAGE_MAP.FRAME) >>> 0;
      if (frame === 0) {
        views.u32[this.#entry(page)] = (entry & (ABSENT | ELSEWHERE)) | ((entry & ELSEWHERE) !== 0 ? DIRTY : 0);
        continue;
      }
      frames.share(frame);
      this.#framesInUse++;
      views.u32[from] = entry | SHARED;
      views.u32[this.#entry(page)] = frame | SHARED | DIRTY;
    }
    this.#elsewhere.copyFrom(other.#elsewhere);
    for (const [page, hidden] of other.#hidden) {
      if (hidden.frame !== 0) {
        frames.share(hidden.frame);
        this.#framesInUse++;
        this.#markDirty(page);
      }
      this.#hidden.set(page, hidden);
    }
  }

  /**
   * Host address of the frame that holds guest-physical page `page`; 0 if none does (memory-mapped, or nothing).
   * @throws LostPageError; InternalError when the pool is full: of a page that is elsewhere
   */
  frameForRead(page: number): number {
    if (this.#isRam(page)) {
      const frame = this.#frameOrFetched(page);
      if (frame !== 0) return frame;
      this.#setAttributes(page, SEEN_AS_ZERO);
      return this.#zeroFrame;
    }
    return this.#frameBehind(page);
  }

  /**
   * Host address of the page's own frame, to be written freely: the page counts as dirty from now on. 0 if every write
   * must be seen (ROM, memory-mapped, nothing, watched, or RAM that answers writes alone).
   * @throws InternalError when the pool is full; LostPageError
   */
  frameForWrite(page: number): number {
    if (!this.#isRam(page) || this.#has(page, WATCHED)) return 0;
    return this.#ownFrame(page);
  }

  /** Unsigned value at a physical address, of any kind. Where nothing answers, all bits read as one. */
  read(address: number, size: 1 | 2 | 4): number {
    const offset = address & PAGE_MASK;
    if (offset + size > PAGE_SIZE) return this.#readBytes(address, size);
    const page = pageOf(address);
    const frame = this.frameForRead(page);
    if (frame === 0) return this.#mmio.read(address, size);
    const at = frame + offset;
    const { views } = this.#pool;
    if (size === 1) return views.u8[at];
    if (size === 2) return (at & 1) === 0 ? views.u16[at >>> 1] : views.u8[at] | (views.u8[at + 1] << 8);
    if ((at & 3) === 0) return views.u32[at >>> 2];
    const { u8 } = views;
    return (u8[at] | (u8[at + 1] << 8) | (u8[at + 2] << 16) | (u8[at + 3] << 24)) >>> 0;
  }

  /** Writes the low `size` bytes of `value`. ROM and empty space ignore it. */
  write(address: number, value: number, size: 1 | 2 | 4): void {
    const offset = address & PAGE_MASK;
    if (offset + size > PAGE_SIZE) {
      for (let index = 0; index < size; index++) this.write(address + index, value >>> (8 * index), 1);
      return;
    }
    const page = pageOf(address);
    const frame = this.#changes(page, address, value, size)
      ? this.#frameToWrite(page, offset, size)
      : this.#ownFrame(page);
    if (frame === 0) return this.#mmio.write(address, value, size);
    const at = frame + offset;
    const { u8, u16, u32 } = this.#pool.views;
    if (size === 1) u8[at] = value;
    else if (size === 2 && (at & 1) === 0) u16[at >>> 1] = value;
    else if (size === 4 && (at & 3) === 0) u32[at >>> 2] = value;
    else for (let index = 0; index < size; index++) u8[at + index] = value >>> (8 * index);
  }

  /** As `read`, eight bytes: the lower doubleword is read first. */
  read64(address: number): bigint {
    const low = this.read(address, 4);
    return BigInt(low) | (BigInt(this.read(address + 4, 4)) << 32n);
  }

  /** As `write`, eight bytes: the lower doubleword is written first. */
  write64(address: number, value: bigint): void {
    this.write(address, Number(value & 0xffff_ffffn), 4);
    this.write(address + 4, Number((value >> 32n) & 0xffff_ffffn), 4);
  }

  /** Writes bytes as a device or loader does. What is not RAM ignores them. */
  copyIn(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const page = pageOf(address + done);
      const offset = (address + done) & PAGE_MASK;
      const length = Math.min(PAGE_SIZE - offset, bytes.length - done);
      const frame = this.#frameToWrite(page, offset, length);
      if (frame !== 0) this.#pool.views.u8.set(bytes.subarray(done, done + length), frame + offset);
      done += length;
    }
  }

  /** A copy of RAM and ROM. Memory-mapped registers are not disturbed: they, and empty space, give FFh. */
  copyOut(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.copyTo(address, bytes);
    return bytes;
  }

  /** The same into `bytes`, all of it. */
  copyTo(address: number, bytes: Uint8Array): void {
    const { length } = bytes;
    for (let done = 0; done < length; ) {
      const page = pageOf(address + done);
      const offset = (address + done) & PAGE_MASK;
      const count = Math.min(PAGE_SIZE - offset, length - done);
      const frame = this.#isRam(page) ? this.#frameOrFetched(page) || this.#zeroFrame : this.#frameBehind(page);
      if (frame === 0) bytes.fill(0xff, done, done + count);
      else bytes.set(this.#pool.views.u8.subarray(frame + offset, frame + offset + count), done);
      done += count;
    }
  }

  /**
   * Puts read-only memory at a page-aligned address, over RAM if there is some. The last page is filled up with FFh.
   * Before the guest runs, or followed by a flush of all translations.
   * @throws UserError if the address is unaligned or something other than RAM is there
   */
  addRom(address: number, bytes: Uint8Array): void {
    if (address % PAGE_SIZE !== 0) throw new UserError(`ROM at ${hex(address)}: not at a page border`);
    this.#refuseOverlap('ROM', address, bytes.length);
    for (let done = 0; done < bytes.length; done += PAGE_SIZE) {
      const page = pageOf(address + done);
      const frame = this.#allocateFrame();
      const { u8 } = this.#pool.views;
      u8.fill(0xff, frame, frame + PAGE_SIZE);
      u8.set(bytes.subarray(done, done + PAGE_SIZE), frame);
      this.#rom.set(page, frame);
      this.#removeRam(page);
    }
  }

  /**
   * Puts a device's registers at [first, first + length), over RAM if there is some: of a page that a device has a part
   * of, the rest is empty space. Before the guest runs, or followed by a flush of all translations.
   * @throws UserError if a device or ROM is already there, or the range leaves the address space
   */
  addMmio(first: number, length: number, device: MmioDevice): void {
    this.#refuseOverlap(device.name, first, length);
    this.#mmio.add({ first, length, device });
    for (let page = pageOf(first); page <= pageOf(first + length - 1); page++) this.#removeRam(page);
  }

  /** As `MmioSpace` of the bus has it. At any time: what it may hide has no translation. */
  mapMmio([first, length]: readonly [number, number], device: MmioDevice, order: number): () => void {
    return this.#mmio.map({ first, length, device, order });
  }

  /** Switches the RAM of a page-aligned range on or off, at any time. What is in it stays. Beyond RAM it does nothing. */
  routeRam(first: number, length: number, route: RamRoute): void {
    let changed = false;
    const end = Math.min(pageOf(first + length - 1) + 1, this.#pages);
    for (let page = pageOf(first); page < end; page++) changed = this.#routePage(page, route) || changed;
    if (changed) this.onRouted();
  }

  /**
   * Gives back the frames of these pages, which read as zero from now on, and count as dirty; those that are elsewhere are
   * forgotten. What is not RAM, or has accesses to it switched off, is left alone. Between two instructions only: one in its
   * midst may hold a frame.
   * @returns pages given back
   */
  discard(ranges: readonly PageRange[]): number {
    let given = 0;
    for (const { first, pages } of ranges) {
      const end = Math.min(first + pages, this.#pages);
      for (let page = first; page < end; page++) if (this.#discardPage(page)) given++;
    }
    if (given > 0) this.onDiscarded();
    return given;
  }

  /** Pages of RAM, holes included. */
  get pages(): number {
    return this.#pages;
  }

  /** What the map says of a page of RAM (`page-map.ts`). */
  mapEntry(page: number): number {
    return this.#pool.views.u32[this.#entry(page)];
  }

  /**
   * Gives up a page's frame, which nobody shares, for that of a page of another memory in the same pool (or of this one), which
   * has the same in it: both are copied when they are written. Between two instructions only, as is `giveUpZeros`; the
   * guest cannot tell, and the page does not count as written.
   */
  shareEqual(page: number, other: GuestMemory, otherPage: number): void {
    const [own, frame] = [this.#frame(page), other.#frame(otherPage)];
    if (!other.#has(otherPage, SHARED)) other.onWithdrawn(frame, 'writes');
    other.#setAttributes(otherPage, SHARED);
    this.#pool.frames.share(frame);
    this.#setFrame(page, frame);
    this.#setAttributes(page, SHARED);
    this.onWithdrawn(own, 'all');
    this.#pool.frames.free(own);
  }

  /** Gives up a page's frame, in which there are only zeros. */
  giveUpZeros(page: number): void {
    const frame = this.#frame(page);
    this.#releaseFrame(page);
    // Others may share it: what is dropped of theirs they find again.
    this.onWithdrawn(frame, 'all');
  }

  /** Every change of this page must be reported first: it holds decoded code. The caller drops writable translations. */
  watchWrites(page: number): void {
    if (this.#isRam(page)) this.#setAttributes(page, WATCHED);
  }

  unwatchWrites(page: number): void {
    if (this.#isRam(page)) this.#clearAttributes(page, WATCHED);
  }

  /** Pages of RAM that were written, or could have been, since `clearDirty`. */
  *dirtyPages(): Generator<number> {
    for (let page = 0; page < this.#pages; page++) if (this.#has(page, IS_DIRTY)) yield page;
  }

  /** Whether `dirtyPages` would give this page. */
  isDirty(page: number): boolean {
    return page < this.#pages && this.#has(page, IS_DIRTY);
  }

  /** Starts a new round of dirty tracking, for `pages` pages (default: all). The caller drops all writable translations. */
  clearDirty(firstPage = 0, pages = this.#pages): void {
    const end = Math.min(firstPage + pages, this.#pages);
    const { u32 } = this.#pool.views;
    const last = this.#entry(end);
    for (let at = this.#entry(firstPage); at < last; at++) {
      if ((u32[at] & DIRTY) !== 0) u32[at] |= WRITTEN_STILL;
      u32[at] &= ~IS_DIRTY;
    }
  }

  /**
   * Pages of RAM that were written, or could have been, since this was last called, rising; what `dirtyPages` gives is not
   * changed by it. One asks at a time, and the caller drops all writable translations; what he reads of a page from now on
   * is what it is, or the page is among those of the next call.
   */
  takeWritten(): Uint32Array {
    const { u32 } = this.#pool.views;
    const first = this.#entry(0);
    const written = new Uint32Array(this.#pages);
    let count = 0;
    for (let page = 0; page < this.#pages; page++) {
      const entry = u32[first + page];
      if ((entry & IS_WRITTEN) === 0) continue;
      written[count++] = page;
      u32[first + page] = (entry & ~IS_WRITTEN) | ((entry & DIRTY) === 0 ? 0 : DIRTY_STILL);
    }
    return written.slice(0, count);
  }

  /** Whether `takeWritten` would give this page. */
  isWritten(page: number): boolean {
    return page < this.#pages && this.#has(page, IS_WRITTEN);
  }

  /**
   * The bytes of a page of RAM, whether it answers at present or not, good until the next call, or until the memory is
   * changed: the frame itself, unless it is elsewhere. Undefined: it is zero, and has no frame.
   * @throws LostPageError
   */
  ramBytes(page: number): Uint8Array | undefined {
    return page < this.#pages ? this.#ramBytes(page) : undefined;
  }

  /** Pages of RAM that were written, or could have been, since `markSaved`. */
  unsavedPages(): number[] {
    const { u32 } = this.#pool.views;
    const first = this.#entry(0);
    const pages: number[] = [];
    for (let page = 0; page < this.#pages; page++) if ((u32[first + page] & SAVED) === 0) pages.push(page);
    return pages;
  }

  /** What is in RAM now is kept somewhere. The caller drops all writable translations. @returns how often that was said */
  markSaved(): number {
    const { u32 } = this.#pool.views;
    const first = this.#entry(0);
    for (let at = first; at < first + this.#pages; at++) u32[at] |= SAVED;
    return ++this.#saves;
  }

  /** How often `markSaved` was called. */
  get saves(): number {
    return this.#saves;
  }

  /**
   * RAM that is not all zero, whether it answers at present or not, and ROM; by page number. The bytes are good until the
   * next page, or until the memory is changed: frames themselves. What is elsewhere stays there.
   * @throws LostPageError
   */
  *contents(): Generator<MemoryPage> {
    yield* this.ramContents(range(this.#pages));
    yield* this.romContents();
  }

  /** As `contents`, of RAM alone, and of these pages. */
  *ramContents(pages: Iterable<number>): Generator<MemoryPage> {
    for (const page of pages) {
      const bytes = page < this.#pages ? this.#ramBytes(page) : undefined;
      if (bytes && !isZero(bytes)) yield { kind: 'ram', page, bytes };
    }
  }

  /** As `contents`, of ROM alone. */
  *romContents(): Generator<MemoryPage> {
    for (const [page, frame] of this.#rom) yield { kind: 'rom', page, bytes: this.#bytes(frame) };
  }

  /** Pages of ROM. */
  get romPages(): readonly number[] {
    return [...this.#rom.keys()];
  }

  /**
   * Puts `pages`, as `contents` gave them, in the place of all RAM, which is zero elsewhere, and of ROM. What answers
   * where stays as it is. All RAM counts as written. A flush of all translations must follow.
   * @throws InternalError when the pool is full, or for a page that is not there
   */
  replaceContents(pages: Iterable<MemoryPage>): void {
    // Who decoded code there hears of it; code in ROM, and in RAM that only answers reads, is not watched.
    for (const page of [...this.#rom.keys(), ...this.#hidden.keys()]) this.onWatchedWrite(page, 0, PAGE_SIZE);
    for (let page = 0; page < this.#pages; page++)
      if (this.#has(page, WATCHED)) this.onWatchedWrite(page, 0, PAGE_SIZE);
    this.#releaseFrames();
    for (let page = 0; page < this.#pages; page++) this.#markDirty(page);
    for (const page of pages) this.addContent(page);
  }

  /**
   * What reads of a page see, without anything being allocated: 4096 bytes, good until the next call, or until the memory
   * is changed. Undefined where no frame answers, or it was never written.
   * @throws LostPageError
   */
  bytesForRead(page: number): Uint8Array | undefined {
    if (this.#isRam(page)) return this.#ramBytes(page);
    const frame = this.#frameBehind(page);
    return frame === 0 ? undefined : this.#bytes(frame);
  }

  /** As `bytesForRead`, of RAM that answers no reads at present. */
  hiddenBytes(page: number): Uint8Array | undefined {
    const hidden = this.#hidden.get(page);
    return hidden?.reads === 'bus' && hidden.frame !== 0 ? this.#bytes(hidden.frame) : undefined;
  }

  /** Adds a page to what `replaceContents` has put there: of RAM, one that is zero. @throws InternalError as that does */
  addContent({ kind, page, bytes }: MemoryPage): void {
    const frame = kind === 'rom' ? this.#rom.get(page) : this.#newRamFrame(page);
    if (frame === undefined) throw new InternalError(`no ${kind} at page ${page}`);
    this.#pool.views.u8.set(bytes, frame);
  }

  /** A page of RAM that was added is zero again. */
  clearContent(page: number): void {
    this.#releaseFrame(page);
    this.#markDirty(page);
  }

  /**
   * Adds a page of RAM that is zero to what `replaceContents` has put there, but leaves its bytes where they are: in a slot
   * of which it becomes a holder.
   * @throws InternalError as that does; LostPageError where it has to be read at once
   */
  addElsewhere(page: number, source: PageSource, slot: number): void {
    if (!this.#isRam(page)) return this.addContent({ kind: 'ram', page, bytes: source.read(slot) });
    this.#releaseFrame(page);
    source.share(slot);
    this.#elsewhere.put(page, source, slot);
    this.#clearAttributes(page, SEEN_AS_ZERO);
    this.#setAttributes(page, ELSEWHERE);
  }

  /**
   * The page keeps its frame, but looks as if it were elsewhere: so it shows whether anybody touches it. Not that which is
   * watched, shared or no plain RAM, or has one of the frames `spared`. The caller withholds translations of it.
   * @returns its frame; 0 if it was not parked
   */
  park(page: number, spared: ReadonlySet<number>): number {
    const frame = this.#isRam(page) && !this.#has(page, WATCHED) ? this.#frame(page) : 0;
    if (frame === 0 || spared.has(frame) || this.#pool.frames.isShared(frame)) return 0;
    this.#clearAttributes(page, PAGE_MAP.FRAME | SHARED);
    this.#setAttributes(page, ELSEWHERE);
    this.#parked.set(page, frame);
    return frame;
  }

  /** Parked pages that nobody has touched since, those first that were parked first; and what is in them. */
  *parkedPages(): Generator<{ readonly page: number; readonly bytes: Uint8Array }> {
    for (const [page, frame] of this.#parked) yield { page, bytes: this.#bytes(frame) };
  }

  get pagesParked(): number {
    return this.#parked.size;
  }

  /** Parked pages look as they did before. */
  unpark(): void {
    for (const [page, frame] of this.#parked) this.#unpark(page, frame);
  }

  /** A parked page is in a slot from now on, of which it is a holder already. Its frame is given back. */
  evict(page: number, source: PageSource, slot: number): void {
    this.#releaseFrame(page);
    this.#elsewhere.put(page, source, slot);
    this.#setAttributes(page, ELSEWHERE);
    this.#swaps.out++;
  }

  /**
   * Fetches pages that are in a source before they are asked for: at most `count`, from a page on.
   * @returns the page behind the last one; undefined where there are no more
   * @throws LostPageError; InternalError when the pool is full
   */
  fetchAhead(source: PageSource, first: number, count: number): number | undefined {
    let page = this.#elsewhere.next(source, first);
    for (let fetched = 0; page !== undefined && fetched < count; fetched++) {
      this.#fetch(page);
      page = this.#elsewhere.next(source, page + 1);
    }
    return page;
  }

  /**
   * Puts back what has been written, and where RAM answers, since `copy` was made of this memory by `copyRam`; nobody has
   * written to the copy. Costs what has changed. A flush of all translations must follow.
   */
  revertRam(copy: GuestMemory): void {
    for (const page of new Set([...this.#hidden.keys(), ...copy.#hidden.keys()])) {
      // What is elsewhere is not fetched: what the copy has takes its place.
      if (this.#has(page, ELSEWHERE)) this.clearContent(page);
      this.#routePage(page, copy.#hidden.get(page) ?? { reads: 'ram', writes: 'ram' });
    }
    this.unpark();
    const [own, other] = [this.#entry(0), copy.#entry(0)];
    for (let page = 0; page < this.#pages; page++) {
      // Each time anew: what is fetched may make the pool grow.
      const { u32 } = this.#pool.views;
      const [one, two] = [u32[own + page], u32[other + page]];
      if (((one ^ two) & (PAGE_MAP.FRAME | ELSEWHERE)) !== 0) this.#takePage(page, copy);
      else if ((one & ELSEWHERE) !== 0 && !this.#elsewhere.isSame(page, copy.#elsewhere)) this.#takePage(page, copy);
    }
    for (const [page, { frame }] of copy.#hidden) if (this.#ramFrame(page) !== frame) this.#takeFrame(page, frame);
  }

  /** What a copy has in a page, in place of what is in it. */
  #takePage(page: number, copy: GuestMemory): void {
    try {
      // Into the copy: who comes back to it again and again does not have to fetch it each time.
      if (copy.#has(page, ELSEWHERE)) copy.#fetch(page);
    } catch {
      // It cannot be had, now: that is for who touches it.
      this.#takeFrame(page, 0);
      this.#elsewhere.copy(page, copy.#elsewhere);
      this.#setAttributes(page, ELSEWHERE);
      return;
    }
    const frame = copy.#frame(page);
    if (frame !== 0) copy.#setAttributes(page, SHARED);
    this.#takeFrame(page, frame);
  }

  /** Another frame, of which others are holders, in place of the page's own; 0: none. */
  #takeFrame(page: number, frame: number): void {
    if (this.#has(page, WATCHED) && !this.#isEqual(this.#ramFrame(page), frame))
      this.onWatchedWrite(page, 0, PAGE_SIZE);
    this.#releaseFrame(page);
    if (frame !== 0) {
      this.#pool.frames.share(frame);
      this.#framesInUse++;
    }
    const hidden = this.#hidden.get(page);
    if (hidden) this.#hidden.set(page, { ...hidden, frame });
    else if (frame !== 0) this.#setAttributes(page, frame | SHARED);
    this.#markDirty(page);
  }

  #isEqual(frame: number, other: number): boolean {
    if (frame === 0 || other === 0) return false;
    const { u32 } = this.#pool.views;
    const distance = (other - frame) >> 2;
    const end = (frame + PAGE_SIZE) >>> 2;
    for (let at = frame >>> 2; at < end; at++) if (u32[at] !== u32[at + distance]) return false;
    return true;
  }

  /** Returns all frames. The memory must not be used afterwards. */
  dispose(): void {
    this.#releaseFrames();
    for (const frame of this.#rom.values()) this.#pool.frames.free(frame);
    this.#rom.clear();
    this.#hidden.clear();
    this.#mmio.clear();
    this.#framesInUse = 0;
    this.#pool.release(this.#map, this.#pages << PAGE_MAP.ENTRY_SHIFT);
    this.#pages = 0;
    // Who keeps the object shall not keep what hangs on it.
    this.onWatchedWrite = () => {};
    this.onFrameMoved = () => {};
    this.onRouted = () => {};
    this.onDiscarded = () => {};
    this.onWithdrawn = () => {};
    this.onBeyondLimit = () => {};
  }

  #isRam(page: number): boolean {
    return page >= 0 && page < this.#pages && !this.#has(page, ABSENT);
  }

  /** Index of a page's entry in the map, as a doubleword of the pool. */
  #entry(page: number): number {
    return (this.#map >>> 2) + page;
  }
  #has(page: number, attribute: number): boolean {
    return (this.#pool.views.u32[this.#entry(page)] & attribute) !== 0;
  }
  #setAttributes(page: number, attributes: number): void {
    this.#pool.views.u32[this.#entry(page)] |= attributes;
  }
  #markDirty(page: number): void {
    const { u32 } = this.#pool.views;
    u32[this.#entry(page)] = (u32[this.#entry(page)] | DIRTY) & ~SAVED;
  }
  #clearAttributes(page: number, attributes: number): void {
    this.#pool.views.u32[this.#entry(page)] &= ~attributes;
  }
  /** The page's frame, 0 if it has none. */
  #frame(page: number): number {
    return (this.#pool.views.u32[this.#entry(page)] & PAGE_MAP.FRAME) >>> 0;
  }
  /** The same, of a page that is not hidden; one that is elsewhere gets one. */
  #frameOrFetched(page: number): number {
    return this.#frame(page) || (this.#has(page, ELSEWHERE) ? this.#fetch(page) : 0);
  }

  /** A frame for a page that is elsewhere, with what belongs there. */
  #fetch(page: number): number {
    const parked = this.#parked.get(page);
    if (parked !== undefined) return this.#unpark(page, parked);
    const bytes = this.#elsewhere.read(page);
    const frame = this.#allocateFrame();
    this.#pool.views.u8.set(bytes, frame);
    this.#setFrame(page, frame);
    this.#clearAttributes(page, ELSEWHERE);
    if (this.#elsewhere.kindOf(page) === 'swap') this.#swaps.in++;
    this.#elsewhere.forget(page);
    return frame;
  }

  #unpark(page: number, frame: number): number {
    this.#parked.delete(page);
    this.#clearAttributes(page, ELSEWHERE);
    this.#setFrame(page, frame);
    return frame;
  }

  #setFrame(page: number, frame: number): void {
    const { u32 } = this.#pool.views;
    u32[this.#entry(page)] = frame | (u32[this.#entry(page)] & ~PAGE_MAP.FRAME);
  }

  /** The page's own frame, allocated at first need; marks it dirty. */
  #ownFrame(page: number): number {
    const known = this.#frameOrFetched(page);
    if (known !== 0 && !this.#has(page, SHARED)) {
      this.#markDirty(page);
      return known;
    }
    if (known !== 0) return this.#unshare(page, known);
    const frame = this.#allocateFrame();
    const { u32 } = this.#pool.views;
    const at = this.#entry(page);
    const attributes = u32[at];
    u32[at] = frame | (attributes & ~(SEEN_AS_ZERO | SAVED)) | DIRTY;
    if ((attributes & SEEN_AS_ZERO) !== 0) this.onFrameMoved(page, this.#zeroFrame);
    return frame;
  }

  #unshare(page: number, shared: number): number {
    const frame = this.#copyIfShared(shared);
    this.#setFrame(page, frame);
    this.#clearAttributes(page, SHARED);
    this.#markDirty(page);
    if (frame !== shared) this.onFrameMoved(page, shared);
    return frame;
  }

  /** A frame with the same in it that nobody else holds: the frame itself, if the others have let go of it. */
  #copyIfShared(frame: number): number {
    const { frames } = this.#pool;
    if (!frames.isShared(frame)) return frame;
    const copy = frames.allocate();
    this.#pool.views.u8.copyWithin(copy, frame, frame + PAGE_SIZE);
    frames.free(frame);
    // It holds no more frames than before, but the pool does.
    this.#checkLimits();
    return copy;
  }

  /** What answers reads of a page that is not simply RAM; 0: a device, or nothing. */
  #frameBehind(page: number): number {
    const hidden = this.#hidden.get(page);
    if (hidden?.reads === 'ram') return hidden.frame || this.#zeroFrame;
    return this.#rom.get(page) ?? 0;
  }

  /** Whether a write may change what somebody watches: real-mode code writes the same values into itself again and again. */
  #changes(page: number, address: number, value: number, size: 1 | 2 | 4): boolean {
    return (
      !this.#isRam(page) || !this.#has(page, WATCHED) || this.read(address, size) !== (value & ALL_ONES[size]) >>> 0
    );
  }

  /** The frame that takes a write to these bytes of a page, after who watches them has been told; 0: it goes to the bus. */
  #frameToWrite(page: number, offset: number, length: number): number {
    if (this.#isRam(page)) {
      if (this.#has(page, WATCHED)) this.onWatchedWrite(page, offset, length);
      return this.#ownFrame(page);
    }
    const hidden = this.#hidden.get(page);
    if (hidden?.writes !== 'ram') return 0;
    // Nobody can have seen what is in it.
    const frame = hidden.frame === 0 ? this.#allocateFrame() : this.#copyIfShared(hidden.frame);
    if (hidden.frame !== frame) this.#hidden.set(page, { ...hidden, frame });
    this.#markDirty(page);
    return frame;
  }

  /** @returns whether that changed anything */
  #routePage(page: number, { reads, writes }: RamRoute): boolean {
    const before = this.#isRam(page) ? { reads: 'ram', writes: 'ram' } : (this.#hidden.get(page) ?? NO_RAM);
    if (before.reads === reads && before.writes === writes) return false;
    // Also where only writes change: who watched the page would not hear of them later.
    this.onWatchedWrite(page, 0, PAGE_SIZE);
    const frame = this.#has(page, ELSEWHERE) ? this.#fetch(page) : this.#ramFrame(page);
    const dirty = this.#pool.views.u32[this.#entry(page)] & (IS_DIRTY | IS_WRITTEN);
    const isPlain = reads === 'ram' && writes === 'ram';
    if (isPlain) this.#hidden.delete(page);
    else this.#hidden.set(page, { reads, writes, frame });
    const shared = this.#pool.frames.isShared(frame) ? SHARED : 0;
    this.#pool.views.u32[this.#entry(page)] = (isPlain ? frame | shared : ABSENT) | dirty;
    return true;
  }

  #discardPage(page: number): boolean {
    if (!this.#isRam(page) || (this.#frame(page) === 0 && !this.#has(page, ELSEWHERE))) return false;
    if (this.#has(page, WATCHED)) this.onWatchedWrite(page, 0, PAGE_SIZE);
    this.#releaseFrame(page);
    this.#markDirty(page);
    return true;
  }

  /** The frame of RAM, hidden or not; 0 if it has none. */
  #ramFrame(page: number): number {
    return this.#hidden.get(page)?.frame ?? this.#frame(page);
  }

  #bytes(frame: number): Uint8Array {
    return this.#pool.views.u8.subarray(frame, frame + PAGE_SIZE);
  }

  /** What is in RAM, hidden or not; undefined if it was never written. */
  #ramBytes(page: number): Uint8Array | undefined {
    const parked = this.#parked.get(page);
    if (parked !== undefined) return this.#bytes(parked);
    if (this.#has(page, ELSEWHERE)) return this.#elsewhere.read(page);
    const frame = this.#ramFrame(page);
    return frame === 0 ? undefined : this.#bytes(frame);
  }

  /** The frame of RAM, hidden or not, allocated if need be; undefined beyond RAM. */
  #newRamFrame(page: number): number | undefined {
    if (!(page < this.#pages)) return undefined;
    const known = this.#ramFrame(page);
    const hidden = this.#hidden.get(page);
    // What others hold, too, is not to be written over.
    if (known !== 0 && !hidden) return this.#has(page, SHARED) ? this.#unshare(page, known) : known;
    if (known !== 0 && hidden) {
      const frame = this.#copyIfShared(known);
      this.#hidden.set(page, { ...hidden, frame });
      return frame;
    }
    const frame = this.#allocateFrame();
    const { u32 } = this.#pool.views;
    const at = this.#entry(page);
    if (this.#isRam(page)) u32[at] = frame | (u32[at] & ~SEEN_AS_ZERO);
    else this.#hidden.set(page, { ...(this.#hidden.get(page) ?? NO_RAM), frame });
    return frame;
  }

  #allocateFrame(): number {
    const frame = this.#pool.frames.allocate();
    this.#framesInUse++;
    this.#checkLimits();
    return frame;
  }

  #checkLimits(): void {
    if (this.#framesInUse > this.frameLimit || this.#pool.frames.isShort) this.onBeyondLimit();
  }

  #releaseFrame(page: number): void {
    const hidden = this.#hidden.get(page);
    const parked = this.#parked.get(page);
    if (parked !== undefined) this.#unpark(page, parked);
    const frame = this.#ramFrame(page);
    if (hidden) this.#hidden.set(page, { ...hidden, frame: 0 });
    if (this.#has(page, ELSEWHERE)) {
      this.#clearAttributes(page, ELSEWHERE);
      this.#elsewhere.forget(page);
    }
    if (frame === 0) return;
    this.#pool.frames.free(frame);
    this.#clearAttributes(page, PAGE_MAP.FRAME | SHARED);
    this.#framesInUse--;
  }

  /** Those of all pages. */
  #releaseFrames(): void {
    const first = this.#entry(0);
    // Most have nothing that is to go; those of which no RAM answers may have a frame that is hidden.
    for (let page = 0; page < this.#pages; page++) {
      const entry = this.#pool.views.u32[first + page];
      if ((entry & (PAGE_MAP.FRAME | ELSEWHERE | ABSENT)) !== 0) this.#releaseFrame(page);
    }
  }

  #removeRam(page: number): void {
    if (page >= this.#pages) return;
    this.#releaseFrame(page);
    this.#hidden.delete(page);
    this.#pool.views.u32[this.#entry(page)] = ABSENT;
  }

  #readBytes(address: number, size: number): number {
    let value = 0;
    for (let index = 0; index < size; index++) value |= this.read(address + index, 1) << (8 * index);
    return value >>> 0;
  }

  #refuseOverlap(name: string, first: number, length: number): void {
    const last = first + length - 1;
    if (!(length > 0) || first < 0 || last >= 2 ** PHYSICAL_ADDRESS_BITS) {
      throw new UserError(`${name} at ${hex(first)}–${hex(last)}: outside the physical address space`);
    }
    const range = this.#mmio.overlapping(first, last);
    if (range !== undefined)
      throw new UserError(`${name} at ${hex(first)}–${hex(last)}: ${range.device.name} is there`);
    for (const page of this.#rom.keys()) {
      if (page >= pageOf(first) && page <= pageOf(last)) {
        throw new UserError(`${name} at ${hex(first)}–${hex(last)}: ROM is there`);
      }
    }
  }
}

/** Of a frame, or of what a source gave, which need not be aligned. */
function isZero(bytes: Uint8Array): boolean {
  if (bytes.byteOffset % 4 !== 0) return bytes.every((byte) => byte === 0);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  return true;
}

const hex = (value: number): string => `${value.toString(16).toUpperCase()}h`;

function* range(count: number): Generator<number> {
  for (let number = 0; number < count; number++) yield number;
}
