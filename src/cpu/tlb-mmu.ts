/**
 * The MMU over a software TLB in linear memory, which emitted code reads too (`tlb-layout.ts`). A miss walks the page
 * tables and fills an entry; what must be seen every time (memory-mapped registers, ROM writes, pages with decoded
 * code) never gets one. Emitted code does the same for what is frequent (`engine/lowering/tlb-fill`), and leaves the rest
 * to this: what is done here is what is right.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../base/address.ts';
import { PAGE_MAP } from '../memory/page-map.ts';
import type { Cpu } from './cpu.ts';
import { raise } from './fault.ts';
import { type CodeHalf, FetchTlb } from './fetch-tlb.ts';
import { FillLog, slotOf } from './fill-log.ts';
import { EFLAGS } from './flags.ts';
import type { AccessPrivilege, Mmu } from './mmu.ts';
import { pageFault, walkPages } from './paging/page-walk.ts';
import { type PagingState, pagingState } from './paging/paging-state.ts';
import { isLongMode } from './processor-mode.ts';
import { CR0 } from './register-bits.ts';
import { translateLogical } from './segmentation.ts';
import { TLB } from './tlb-layout.ts';
import { WithheldEntries } from './withheld-entries.ts';

type Access = 'read' | 'write' | 'execute';
const PAGE_MASK = PAGE_SIZE - 1;
const { INVALID } = TLB;

/** Which of the four tables. */
const TABLE = { userRead: 0, userWrite: 1, supervisorRead: 2, supervisorWrite: 3 } as const;

/** Called for every data access while it is installed. */
export type DataWatch = (address: number, size: number, access: 'read' | 'write') => void;

/** Entries that are looked at one by one where a frame is searched; of more, the tables are. */
const FEW = 1024;

export class TlbMmu implements Mmu {
  readonly #cpu: Cpu;
  /** Host address of the four tables, and of a fifth that never holds anything. */
  readonly #tables: number;
  readonly #empty: number;
  readonly #log: FillLog;
  readonly #fetches: FetchTlb;
  /** Worked out when a walk needs it: the mode changes far more often than paging does. */
  #paging: PagingState | undefined;
  #pagingIsStale = true;
  #wide = false;
  #watch: DataWatch | undefined;
  /** Linear pages of which no entry is made, so that every access to them comes here, and who is told. */
  #noticed: { readonly pages: ReadonlySet<number>; readonly tell: DataWatch } | undefined;
  #checksAlignment = false;
  #leavesAll = false;
  readonly #withheld = new WithheldEntries();
  #walks = 0;

  /** `onCodeMoved` hears that code may no longer be found where it was. */
  constructor(cpu: Cpu, onCodeMoved: (half: CodeHalf) => void) {
    this.#cpu = cpu;
    this.#fetches = new FetchTlb(cpu.pool, onCodeMoved);
    this.#tables = cpu.pool.allocate(4 * TLB.TABLE_SIZE, 64);
    this.#empty = cpu.pool.allocate(TLB.TABLE_SIZE, 64);
    this.#log = new FillLog(cpu.pool, cpu.memory);
    for (const [start, bytes] of [
      [this.#tables, 4 * TLB.TABLE_SIZE],
      [this.#empty, TLB.TABLE_SIZE],
    ] as const) {
      cpu.pool.views.u32.fill(INVALID, start >>> 2, (start + bytes) >>> 2);
    }
    cpu.memory.onFrameMoved = (_page, frame) => this.#dropReads(frame);
    cpu.memory.onWithdrawn = (frame, what) => {
      this.withholdWrites(frame);
      if (what === 'all') this.#dropReads(frame);
    };
  }

  /** Gives the tables back. */
  dispose(): void {
    this.#cpu.pool.release(this.#tables, 4 * TLB.TABLE_SIZE);
    this.#cpu.pool.release(this.#empty, TLB.TABLE_SIZE);
    this.#log.dispose();
    this.#fetches.dispose();
  }

  /** Control registers, CPL or code size changed: takes note, and points emitted code to the right tables. */
  refresh(): void {
    const { state } = this.#cpu;
    this.#pagingIsStale = true;
    const wide = isLongMode(state);
    if (wide !== this.#wide) {
      // Entries change their size: all slots are cleared, whatever they held.
      this.#wide = wide;
      this.#cpu.pool.views.u32.fill(INVALID, this.#tables >>> 2, (this.#tables + 4 * TLB.TABLE_SIZE) >>> 2);
      this.flush('all');
    }
    const user = state.cpl === 3;
    this.#checksAlignment = user && (state.cr0 & CR0.AM) !== 0 && (state.flagsOther & EFLAGS.AC) !== 0;
    // While every access must be looked at, emitted code misses always.
    const hidden = this.#checksAlignment || this.#watch !== undefined;
    state.tlbRead = hidden ? this.#empty : this.#table(user ? TABLE.userRead : TABLE.supervisorRead);
    state.tlbWrite = hidden ? this.#empty : this.#table(user ? TABLE.userWrite : TABLE.supervisorWrite);
    state.tlbFetch = this.#fetches.table(user ? 'user' : 'supervisor');
    state.tlbTables = this.#tables;
    state.fetchTables = this.#fetches.table('user');
    // Emitted code knows of control registers, page tables and RAM, and of nothing else.
    this.#leavesAll = hidden || wide || this.#noticed !== undefined || state.a20Mask !== 0xffff_ffff;
    this.#pointToLog();
  }

  /** Emitted code does not know of entries that were withheld either. */
  #pointToLog(): void {
    this.#cpu.state.tlbLog = this.#leavesAll || this.#withheld.size > 0 ? 0 : this.#log.address;
  }

  /** Installs a watch on all data accesses (data breakpoints), or removes it. `refresh` must follow. */
  watchData(watch: DataWatch | undefined): void {
    this.#watch = watch;
  }

  /** `tell` hears of every access to these linear pages once it has taken place, whoever made it; none: of no more. */
  notice(pages: ReadonlySet<number>, tell: DataWatch): void {
    if (this.#noticed === undefined && pages.size === 0) return;
    this.#noticed = pages.size > 0 ? { pages, tell } : undefined;
    this.flush('all');
    this.refresh();
  }

  read(address: number, size: 1 | 2 | 4, privilege: AccessPrivilege): number {
    const host = this.#hit(address, size, this.#isUser(privilege) ? TABLE.userRead : TABLE.supervisorRead);
    if (host !== 0) {
      const { u8, u32 } = this.#cpu.pool.views;
      if (size === 4 && (host & 3) === 0) return u32[host >>> 2];
      let value = 0;
      for (let index = size - 1; index >= 0; index--) value = value * 256 + u8[host + index];
      return value;
    }
    this.#checkAlignment(address, size, privilege);
    const value = this.#readMissed(address, size, privilege);
    // Only an access that took place meets a data breakpoint.
    if (privilege === 'current') this.#watch?.(address, size, 'read');
    return value;
  }

  #readMissed(address: number, size: 1 | 2 | 4, privilege: AccessPrivilege): number {
    if ((address & PAGE_MASK) + size <= PAGE_SIZE) {
      const found = this.#cpu.memory.read(this.#translate(address, 'read', privilege), size);
      this.#tell(address, size, 'read');
      return found;
    }
    // Both pages are checked before anything is read.
    const { first, second, split } = this.#translateBoth(address, 'read', privilege);
    let value = 0;
    for (let index = size - 1; index >= 0; index--) {
      value = value * 256 + this.#cpu.memory.read(index < split ? first + index : second + index - split, 1);
    }
    this.#tell(address, size, 'read');
    return value;
  }

  write(address: number, value: number, size: 1 | 2 | 4, privilege: AccessPrivilege): void {
    const host = this.#hit(address, size, this.#isUser(privilege) ? TABLE.userWrite : TABLE.supervisorWrite);
    if (host !== 0) {
      const { u8, u32 } = this.#cpu.pool.views;
      if (size === 4 && (host & 3) === 0) u32[host >>> 2] = value;
      else for (let index = 0; index < size; index++) u8[host + index] = value >>> (8 * index);
      return;
    }
    this.#checkAlignment(address, size, privilege);
    this.#writeMissed(address, value, size, privilege);
    if (privilege === 'current') this.#watch?.(address, size, 'write');
  }

  #writeMissed(address: number, value: number, size: 1 | 2 | 4, privilege: AccessPrivilege): void {
    if ((address & PAGE_MASK) + size <= PAGE_SIZE) {
      this.#cpu.memory.write(this.#translate(address, 'write', privilege), value, size);
      this.#tell(address, size, 'write');
      return;
    }
    const { first, second, split } = this.#translateBoth(address, 'write', privilege);
    for (let index = 0; index < size; index++) {
      this.#cpu.memory.write(index < split ? first + index : second + index - split, (value >>> (8 * index)) & 0xff, 1);
    }
    this.#tell(address, size, 'write');
  }

  read64(address: number, privilege: AccessPrivilege): bigint {
    this.probeRead(address, 8, privilege);
    const low = this.read(address, 4, privilege);
    return BigInt(low) | (BigInt(this.read(this.#wrap(address + 4), 4, privilege)) << 32n);
  }

  write64(address: number, value: bigint, privilege: AccessPrivilege): void {
    this.probeWrite(address, 8, privilege);
    this.write(address, Number(value & 0xffff_ffffn), 4, privilege);
    this.write(this.#wrap(address + 4), Number((value >> 32n) & 0xffff_ffffn), 4, privilege);
  }

  probeWrite(address: number, size: number, privilege: AccessPrivilege): void {
    this.#probe(address, size, 'write', privilege);
  }

  probeRead(address: number, size: number, privilege: AccessPrivilege): void {
    this.#probe(address, size, 'read', privilege);
  }

  readSegment(segment: number, offset: number, size: 1 | 2 | 4): number {
    return this.read(translateLogical(this.#cpu, segment, offset, size, 'read'), size, 'current');
  }

  writeSegment(segment: number, offset: number, value: number, size: 1 | 2 | 4): void {
    this.write(translateLogical(this.#cpu, segment, offset, size, 'write'), value, size, 'current');
  }

  readSegment64(segment: number, offset: number): bigint {
    return this.read64(translateLogical(this.#cpu, segment, offset, 8, 'read'), 'current');
  }

  writeSegment64(segment: number, offset: number, value: bigint): void {
    this.write64(translateLogical(this.#cpu, segment, offset, 8, 'write'), value, 'current');
  }

  probeWriteSegment(segment: number, offset: number, size: number): void {
    this.probeWrite(translateLogical(this.#cpu, segment, offset, size, 'write'), size, 'current');
  }

  /** Host address of `size` bytes within one page, if the TLB holds it for that access at the current privilege; else 0. */
  hostAddress(address: number, size: number, access: 'read' | 'write'): number {
    const user = this.#cpu.state.cpl === 3;
    return this.#hit(
      address,
      size,
      access === 'read'
        ? user
          ? TABLE.userRead
          : TABLE.supervisorRead
        : user
          ? TABLE.userWrite
          : TABLE.supervisorWrite,
    );
  }

  /** Physical address of an instruction byte at the current privilege. Throws #PF. */
  translateFetch(address: number): number {
    const page = Math.floor(address / PAGE_SIZE);
    const user = this.#cpu.state.cpl === 3;
    const half = user ? 'user' : 'supervisor';
    let physical = this.#fetches.find(page, half);
    if (physical < 0) {
      const translation = this.#walk(address, 'execute', user);
      physical = translation.page;
      this.#fetches.fill(page, half, { physical, global: translation.global });
    }
    return physical * PAGE_SIZE + (address & PAGE_MASK);
  }

  /** Page walks since power-on; those of emitted code are not among them. */
  get walks(): number {
    return this.#walks;
  }

  /** Physical page of a linear one from which code was fetched; −1 if that is not held. */
  fetchedPage(page: number, half: CodeHalf): number {
    return this.#fetches.find(page, half);
  }

  flush(scope: 'nonGlobal' | 'all'): void {
    const { u32 } = this.#cpu.pool.views;
    this.#log.flush(scope, (slot) => this.#invalidate(u32, slot));
    this.#pointToLog();
    this.#pagingIsStale = true;
    this.#fetches.flush(scope);
  }

  flushPage(address: number): void {
    const page = Math.floor(address / PAGE_SIZE);
    const { u32 } = this.#cpu.pool.views;
    for (let table = 0; table < 4; table++) this.#invalidate(u32, slotOf(table, page));
    this.#pointToLog();
    this.#fetches.flushPages(page, 1);
    this.#log.takeLarge(address, (first, bytes) => this.#flushRange(first, bytes));
  }

  /**
   * Drops all parts of a page larger than 4 KiB: INVLPG of any address in it means the whole of it. Looks where they can
   * be, however much else was filled: a guest may do this all the time.
   */
  #flushRange(first: number, bytes: number): void {
    const { u32 } = this.#cpu.pool.views;
    const [page, pages] = [first / PAGE_SIZE, bytes / PAGE_SIZE];
    const count = Math.min(pages, TLB.ENTRIES);
    const [wide, end] = [this.#wide, first + bytes];
    const [mask, shift] = [TLB.ENTRIES - 1, TLB.entryShift(wide) - 2];
    for (let table = 0; table < 4; table++) {
      const start = this.#table(table) >>> 2;
      for (let index = 0; index < count; index++) {
        const at = start + (((page + index) & mask) << shift);
        const tag = u32[at];
        if (tag === INVALID) continue;
        const address = wide ? tag + u32[at + 1] * 2 ** 32 : tag;
        if (address >= first && address < end) u32[at] = INVALID;
      }
    }
    if (this.#withheld.size > 0) {
      this.#withheld.dropWhere(({ linear }) => linear >= page && linear < page + pages);
      this.#pointToLog();
    }
    this.#fetches.flushPages(page, pages);
  }

  /** Host addresses of the frames of which it holds translations; of some that it has dropped, too. */
  translatedFrames(): ReadonlySet<number> {
    const { u32 } = this.#cpu.pool.views;
    const addend = TLB.addend(this.#wide) >>> 2;
    const frames = new Set<number>();
    this.#log.visit((slot) => {
      const at = this.#entry(slot) >>> 2;
      if (u32[at] !== INVALID) frames.add((u32[at] + u32[at + addend]) >>> 0);
    });
    return frames;
  }

  /**
   * These frames go elsewhere, with the physical pages that they are of: whoever uses a translation of one comes here, and
   * finds the page by it all the same. While there are such translations, emitted code fills no entries.
   */
  withholdFrames(frames: ReadonlyMap<number, number>): void {
    const { u32 } = this.#cpu.pool.views;
    const addend = TLB.addend(this.#wide) >>> 2;
    this.#log.visit((slot) => {
      const at = this.#entry(slot) >>> 2;
      if (u32[at] === INVALID) return;
      const physical = frames.get((u32[at] + u32[at + addend]) >>> 0);
      if (physical === undefined) return;
      const linear = (u32[at] + (this.#wide ? u32[at + 1] * 2 ** 32 : 0)) / PAGE_SIZE;
      u32[at] = INVALID;
      this.#withheld.add(slot, { linear, physical, global: this.#log.isGlobal(slot) });
    });
    this.#pointToLog();
  }

  /** Writes to a physical page must be seen from now on: drops the entries through which it can be written. */
  withholdWrites(frame: number): void {
    const tables: readonly number[] = [TABLE.userWrite, TABLE.supervisorWrite];
    this.#dropFrame(frame, tables);
    if (this.#withheld.size === 0) return;
    const { u32 } = this.#cpu.pool.views;
    const map = this.#cpu.memory.pageMap.address >>> 2;
    this.#withheld.dropWhere(
      ({ physical }, slot) =>
        (u32[map + physical] & PAGE_MAP.FRAME) >>> 0 === frame && tables.includes(Math.floor(slot / TLB.ENTRIES)),
    );
    this.#pointToLog();
  }

  #dropReads(frame: number): void {
    this.#dropFrame(frame, [TABLE.userRead, TABLE.supervisorRead]);
  }

  #dropFrame(frame: number, tables: readonly number[]): void {
    const { u32 } = this.#cpu.pool.views;
    const step = 1 << (TLB.entryShift(this.#wide) - 2);
    const addend = TLB.addend(this.#wide) >>> 2;
    if (this.#log.length < FEW) {
      this.#log.visit((slot) => {
        const at = this.#entry(slot) >>> 2;
        const isMeant = u32[at] !== INVALID && (u32[at] + u32[at + addend]) >>> 0 === frame;
        if (isMeant && tables.includes(Math.floor(slot / TLB.ENTRIES))) u32[at] = INVALID;
      });
      return;
    }
    for (const table of tables) {
      let at = this.#table(table) >>> 2;
      for (let index = 0; index < TLB.ENTRIES; index++, at += step) {
        if (u32[at] !== INVALID && (u32[at] + u32[at + addend]) >>> 0 === frame) u32[at] = INVALID;
      }
    }
  }

  #table(table: number): number {
    return this.#tables + table * TLB.TABLE_SIZE;
  }

  #entry(slot: number): number {
    return this.#table(Math.floor(slot / TLB.ENTRIES)) + ((slot % TLB.ENTRIES) << TLB.entryShift(this.#wide));
  }

  #invalidate(u32: Uint32Array, slot: number): void {
    u32[this.#entry(slot) >>> 2] = INVALID;
    if (this.#withheld.size > 0) this.#withheld.drop(slot);
  }

  #isUser(privilege: AccessPrivilege): boolean {
    return privilege === 'current' && this.#cpu.state.cpl === 3;
  }

  /** Linear addresses wrap at 4 GiB outside 64-bit mode. */
  #wrap(address: number): number {
    return this.#wide ? address : address >>> 0;
  }

  /** Host address if the TLB holds the page and the access stays within it, else 0. */
  #hit(address: number, size: number, table: number): number {
    if (this.#watch !== undefined || this.#checksAlignment) return 0;
    const offset = address & PAGE_MASK;
    if (offset + size > PAGE_SIZE) return 0;
    const { u32 } = this.#cpu.pool.views;
    const page = this.#wide ? Math.floor(address / PAGE_SIZE) : address >>> PAGE_SHIFT;
    const at = this.#entry(slotOf(table, page)) >>> 2;
    if (u32[at] !== (page << PAGE_SHIFT) >>> 0) return 0;
    if (this.#wide && u32[at + 1] !== Math.floor(page / 2 ** 20)) return 0;
    return ((address >>> 0) + u32[at + (TLB.addend(this.#wide) >>> 2)]) >>> 0;
  }

  #checkAlignment(address: number, size: number, privilege: AccessPrivilege): void {
    if (privilege === 'supervisor' || !this.#checksAlignment || address % size === 0) return;
    throw raise.AC({ check: 'unaligned access at CPL 3 with CR0.AM and EFLAGS.AC set', on: { address, size } });
  }

  #tell(address: number, size: number, access: 'read' | 'write'): void {
    const { pages, tell } = this.#noticed ?? {};
    if (!pages) return;
    const last = Math.floor(this.#wrap(address + size - 1) / PAGE_SIZE);
    if (pages.has(Math.floor(address / PAGE_SIZE)) || pages.has(last)) tell!(address, size, access);
  }

  #probe(address: number, size: number, access: Access, privilege: AccessPrivilege): void {
    const user = this.#isUser(privilege);
    if (this.#checksAlignment && user && address % Math.min(size, 8) !== 0 && size <= 8) {
      throw raise.AC({ check: 'unaligned access at CPL 3 with CR0.AM and EFLAGS.AC set', on: { address, size } });
    }
    const table =
      access === 'write'
        ? user
          ? TABLE.userWrite
          : TABLE.supervisorWrite
        : user
          ? TABLE.userRead
          : TABLE.supervisorRead;
    if (this.#hit(address, 1, table) === 0) this.#translate(address, access, privilege);
    const last = this.#wrap(address + size - 1);
    if (Math.floor(last / PAGE_SIZE) !== Math.floor(address / PAGE_SIZE))
      this.#translate(this.#wrap(last - (last & PAGE_MASK)), access, privilege);
  }

  #translateBoth(address: number, access: Access, privilege: AccessPrivilege) {
    const split = PAGE_SIZE - (address & PAGE_MASK);
    const first = this.#translate(address, access, privilege);
    const second = this.#translate(this.#wrap(address + split), access, privilege);
    return { first, second, split };
  }

  /** Walks, carries out the accessed and dirty updates, and fills the TLB. @returns the physical address */
  #translate(address: number, access: Access, privilege: AccessPrivilege): number {
    const user = this.#isUser(privilege);
    if (this.#withheld.size > 0) {
      const known = this.#useWithheld(address, access, user);
      if (known !== undefined) return known * PAGE_SIZE + (address & PAGE_MASK);
    }
    const { page, global } = this.#walk(address, access, user);
    this.#fill(address, page, { user, access, global });
    return page * PAGE_SIZE + (address & PAGE_MASK);
  }

  /** Puts an entry that was withheld into its place again. @returns the physical page; undefined where there is none */
  #useWithheld(address: number, access: Access, user: boolean): number | undefined {
    // Then nothing is looked up in the TLB.
    if (this.#watch !== undefined || this.#checksAlignment) return undefined;
    const table = (user ? TABLE.userRead : TABLE.supervisorRead) + (access === 'write' ? 1 : 0);
    const found = this.#withheld.find(slotOf(table, Math.floor(address / PAGE_SIZE)), Math.floor(address / PAGE_SIZE));
    if (!found) return undefined;
    const { memory } = this.#cpu;
    const frame = access === 'write' ? memory.frameForWrite(found.physical) : memory.frameForRead(found.physical);
    if (frame !== 0) this.#set(table, address, frame, found.global);
    return found.physical;
  }

  #walk(address: number, access: Access, user: boolean): { page: number; global: boolean } {
    const { memory, state } = this.#cpu;
    let page = Math.floor(address / PAGE_SIZE);
    let global = false;
    if (this.#pagingIsStale) {
      this.#paging = pagingState(state, this.#cpu.model);
      this.#pagingIsStale = false;
    }
    if (this.#paging) {
      this.#walks++;
      const found = walkPages({ address, access, privilege: user ? 'user' : 'supervisor' }, this.#paging, (at) =>
        memory.read(this.#a20(at), 4),
      );
      if (found.kind === 'fault') throw pageFault(found);
      for (const { at, bits } of found.updates)
        memory.write(this.#a20(at), (memory.read(this.#a20(at), 4) | bits) >>> 0, 4);
      ({ page, global } = found);
      if (found.sizeBits > PAGE_SHIFT) this.#noteLargePage(address, found.sizeBits);
    }
    if (state.a20Mask !== 0xffff_ffff) page = this.#a20(page * PAGE_SIZE) / PAGE_SIZE;
    return { page, global };
  }

  #noteLargePage(address: number, sizeBits: number): void {
    if (this.#log.largePages >= TLB.ENTRIES) this.flush('all');
    this.#log.noteLarge(address, sizeBits);
  }

  /** The A20 gate: with it closed, address bit 20 is 0. */
  #a20(address: number): number {
    return this.#cpu.state.a20Mask === 0xffff_ffff ? address : address - (address & 0x10_0000);
  }

  #fill(address: number, page: number, how: { user: boolean; access: Access; global: boolean }): void {
    const { memory } = this.#cpu;
    if (how.access === 'execute') return;
    const base = how.user ? TABLE.userRead : TABLE.supervisorRead;
    if (how.access === 'write') {
      const frame = memory.frameForWrite(page);
      if (frame !== 0) {
        this.#set(base + 1, address, frame, how.global);
        this.#set(base, address, frame, how.global);
      }
      return;
    }
    const frame = memory.frameForRead(page);
    if (frame !== 0) this.#set(base, address, frame, how.global);
  }

  #set(table: number, address: number, frame: number, global: boolean): void {
    const { u32 } = this.#cpu.pool.views;
    const page = Math.floor(address / PAGE_SIZE);
    if (this.#noticed?.pages.has(page)) return;
    const slot = slotOf(table, page);
    const at = this.#entry(slot) >>> 2;
    const tag = (page * PAGE_SIZE) % 2 ** 32;
    u32[at] = tag;
    if (this.#wide) u32[at + 1] = Math.floor(page / 2 ** 20);
    u32[at + (TLB.addend(this.#wide) >>> 2)] = frame - tag;
    this.#log.note(slot, { global });
    if (this.#withheld.size === 0) return;
    this.#withheld.drop(slot);
    this.#pointToLog();
  }
}
