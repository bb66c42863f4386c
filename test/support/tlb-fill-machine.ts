/** Two processors with the same memory, one of which fills its TLB by emitted code where that does not decline. */
import { PAGE_SIZE } from '../../src/base/address.ts';
import { walkPages } from '../../src/cpu/paging/page-walk.ts';
import { pagingState } from '../../src/cpu/paging/paging-state.ts';
import { CR0, CR4, EFER } from '../../src/cpu/register-bits.ts';
import { FILL_LOG, SLOT, TLB } from '../../src/cpu/tlb-layout.ts';
import { TlbMmu } from '../../src/cpu/tlb-mmu.ts';
import type { Random } from '../../src/difftest/random.ts';
import { defineTlbFill } from '../../src/engine/lowering/tlb-fill.ts';
import { PAGE_MAP } from '../../src/memory/page-map.ts';
import { ModuleBuilder } from '../../src/wasm/module-builder.ts';
import { createFakeCpu, type FakeCpu, faultOf } from './fake-cpu.ts';

const MEMORY = 8 * 2 ** 20;
const PAGES = MEMORY / PAGE_SIZE;
/** Tables; the last two are never written by the test itself: one has no frame, one is a hole. */
const TABLES = [0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x108, 0x109];
const WRITTEN_TABLES = TABLES.slice(0, -2);
const HOLE = TABLES[TABLES.length - 1];
/** Of these, every third has no frame. */
const DATA = Array.from({ length: 24 }, (_, index) => 0x200 + index);
const ROM = 0x300;
const DEVICE = 0x301;
const ENTRIES = [0, 1, 5, 511, 1023];
const PHYSICAL_LIMIT_PAGES = 2 ** 20;

export interface FillMode {
  readonly paging: 'none' | '32-bit' | 'PAE';
  readonly largePages: boolean;
  readonly globalPages: boolean;
  readonly noExecute: boolean;
}

type Fill = (state: number, linear: number, write: number) => number;
interface Side {
  readonly cpu: FakeCpu;
  readonly mmu: TlbMmu;
}

function compileFill(memory: WebAssembly.Memory): Fill {
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: 65536 });
  module.export('fill', defineTlbFill(module).index);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { host: { memory } });
  return instance.exports.fill as Fill;
}

export class TlbFillMachine {
  readonly #random: Random;
  /** The same in all, host addresses too; only the second calls `fill`. */
  readonly #alone: Side;
  readonly #helped: Side;
  readonly fill: Fill;
  #last = 0;
  #mode: FillMode = { paging: 'none', largePages: false, globalPages: false, noExecute: false };

  constructor(random: Random) {
    this.#random = random;
    this.#alone = createSide();
    this.#helped = createSide();
    this.fill = compileFill(this.#helped.cpu.pool.memory);
  }

  get helped(): Side {
    return this.#helped;
  }

  /** Random tables and rights, no translations. */
  start(mode: FillMode): void {
    this.#mode = mode;
    const { paging, largePages, globalPages, noExecute } = mode;
    for (const table of WRITTEN_TABLES) {
      for (const entry of ENTRIES) {
        const at = table * PAGE_SIZE + entry * (paging === 'PAE' ? 8 : 4);
        if (at >= (table + 1) * PAGE_SIZE) continue;
        const [low, high] = this.#entry(table < TABLES[4]);
        this.#both(({ cpu }) => {
          cpu.memory.write(at, low, 4);
          if (paging === 'PAE') cpu.memory.write(at + 4, high, 4);
        });
      }
    }
    const watched = [...DATA, ...WRITTEN_TABLES].filter(() => this.#random.oneIn(8));
    const dirty = this.#random.oneIn(2);
    const pdptes = [0, 1, 2, 3].map(() => this.#table() * PAGE_SIZE + (this.#random.oneIn(12) ? 0 : 1));
    if (this.#random.oneIn(4)) pdptes[this.#random.below(4)] += 2 ** 32;
    this.#both(({ cpu }) => {
      const { state, memory } = cpu;
      for (const page of [...DATA, ...WRITTEN_TABLES]) memory.unwatchWrites(page);
      for (const page of watched) memory.watchWrites(page);
      if (dirty) memory.clearDirty();
      state.cr0 = (CR0.PE | (paging === 'none' ? 0 : CR0.PG)) >>> 0;
      const features = (largePages ? CR4.PSE : 0) | (globalPages ? CR4.PGE : 0);
      state.cr4 = features | (paging === 'PAE' ? CR4.PAE : 0);
      state.efer = noExecute ? EFER.NXE : 0;
      [state.pdpte0, state.pdpte1, state.pdpte2, state.pdpte3] = pdptes;
    });
    this.changeRights();
    this.changeRoot();
  }

  changeRights(): void {
    const writeProtect = this.#random.oneIn(2);
    const cpl = this.#random.pick([0, 3]);
    this.#both(({ cpu: { state }, mmu }) => {
      state.cr0 = (writeProtect ? state.cr0 | CR0.WP : state.cr0 & ~CR0.WP) >>> 0;
      state.cpl = cpl;
      mmu.refresh();
      mmu.flush('all');
    });
  }

  /** As MOV CR3. Throws if the flush drops a global entry or leaves another. */
  changeRoot(): void {
    const root = this.#table() * PAGE_SIZE;
    const kept = this.#valid(this.#helped, (flags) => (flags & SLOT.GLOBAL) !== 0);
    this.#both(({ cpu: { state }, mmu }) => {
      state.cr3 = root;
      mmu.refresh();
      mmu.flush('nonGlobal');
    });
    const left = this.#valid(this.#helped, () => true);
    if (`${left}` !== `${kept}`) throw new Error(`MOV CR3 leaves slots ${left}, not ${kept}`);
  }

  /** Turns a bit of the directory's entry for the last address, and drops translations as MOV CR3 does. */
  changeEntry(): void {
    const bit = this.#random.below(32);
    const [wide, linear] = [this.#mode.paging === 'PAE', this.#last];
    this.#both(({ cpu: { state, memory }, mmu }) => {
      const pdpte = [state.pdpte0, state.pdpte1, state.pdpte2, state.pdpte3][Math.floor(linear / 2 ** 30)];
      const root = wide ? pdpte - (pdpte % PAGE_SIZE) : state.cr3;
      const at = root + (wide ? (Math.floor(linear / 2 ** 21) & 511) * 8 : Math.floor(linear / 2 ** 22) * 4);
      memory.write(at, (memory.read(at, 4) ^ (1 << bit)) >>> 0, 4);
      mmu.flush('nonGlobal');
    });
  }

  flushAll(): void {
    this.#both(({ mmu }) => mmu.flush('all'));
    const left = this.#valid(this.#helped, () => true);
    if (left.length > 0) throw new Error(`a flush of all leaves slots ${left}`);
  }

  flushPage(linear: number): void {
    this.#both(({ mmu }) => mmu.flushPage(linear));
  }

  /** One that the tables say something about, often the same as before. */
  linear(): number {
    if (!this.#random.oneIn(3)) this.#last = this.#newLinear();
    return this.#last;
  }

  #newLinear(): number {
    const random = this.#random;
    const offset = random.below(PAGE_SIZE);
    if (this.#mode.paging === 'none') return this.#page() * PAGE_SIZE + offset;
    const [table, page] = [random.pick(ENTRIES), random.pick(ENTRIES)];
    if (this.#mode.paging === '32-bit') return table * 2 ** 22 + page * PAGE_SIZE + offset;
    return random.below(4) * 2 ** 30 + (table & 511) * 2 ** 21 + (page & 511) * PAGE_SIZE + offset;
  }

  /**
   * An access by both. @returns what emitted code did
   * @throws Error if that is not what it should do, or if the two differ after it
   */
  access(linear: number, access: 'read' | 'write'): 'hit' | 'filled' | 'declined' {
    const expected = this.#expectation(linear, access);
    const { cpu, mmu } = this.#helped;
    let did: 'hit' | 'filled' | 'declined' = 'hit';
    if (mmu.hostAddress(linear, 1, access) === 0) {
      did = this.fill(cpu.state.address, linear, access === 'write' ? 1 : 0) === 1 ? 'filled' : 'declined';
    }
    if (did !== expected) throw new Error(`${expected} expected, ${did} seen`);
    if (did === 'declined') this.#compare('it declined, but changed');
    const alone = attempt(this.#alone, linear, access);
    const helped = did === 'declined' ? attempt(this.#helped, linear, access) : '';
    if (alone !== helped) throw new Error(`alone: ${alone}; helped: ${helped}`);
    this.#compare('different:');
    return did;
  }

  /** What emitted code should do, from the page walk in TypeScript and the rules for declining. */
  #expectation(linear: number, access: 'read' | 'write'): 'hit' | 'filled' | 'declined' {
    const { cpu, mmu } = this.#alone;
    const { state, memory } = cpu;
    if (mmu.hostAddress(linear, 1, access) !== 0) return 'hit';
    const privilege = state.cpl === 3 ? 'user' : 'supervisor';
    const paging = pagingState(state, cpu.model);
    let page = Math.floor(linear / PAGE_SIZE);
    if (paging) {
      const looked: number[] = [];
      const found = walkPages({ address: linear, access, privilege }, paging, (at) => {
        looked.push(Math.floor(at / PAGE_SIZE));
        return this.#info(cpu, Math.floor(at / PAGE_SIZE)).frame ? memory.read(at, 4) : 0xffff_ffff;
      });
      if (looked.some((table) => this.#info(cpu, table).frame === 0)) return 'declined';
      if (found.kind === 'fault') return 'declined';
      if (found.updates.some(({ at }) => this.#info(cpu, Math.floor(at / PAGE_SIZE)).watched)) return 'declined';
      const noted = cpu.pool.views.u8[state.tlbLog + FILL_LOG.LARGE + Math.floor(linear / 2 ** 21)];
      if (found.sizeBits > 12 && noted === 0) return 'declined';
      ({ page } = found);
    }
    const { frame, watched } = this.#info(cpu, page);
    return frame === 0 || (access === 'write' && watched) ? 'declined' : 'filled';
  }

  #info({ memory, pool }: FakeCpu, page: number): { frame: number; watched: boolean } {
    if (page >= PAGES) return { frame: 0, watched: false };
    const entry = pool.views.u32[(memory.pageMap.address >>> 2) + page];
    return { frame: (entry & PAGE_MAP.FRAME) >>> 0, watched: (entry & PAGE_MAP.WATCHED) !== 0 };
  }

  /** A random entry: present and permissive more often than not, now and then with a bit that must not be set. */
  #entry(isDirectory: boolean): [low: number, high: number] {
    const random = this.#random;
    let low = random.below(0x1000) & 0xf78;
    if (!random.oneIn(16)) low |= 1;
    for (const right of [2, 4]) if (!random.oneIn(5)) low |= right;
    if (random.oneIn(4)) low |= 0x80;
    let page = isDirectory && !random.oneIn(12) ? this.#table() : this.#page();
    if (isDirectory && (low & 0x80) !== 0 && !random.oneIn(6))
      page = random.pick([0, 0x400, 0x401, 0x600, 0x404, 0x602]);
    const high = random.oneIn(24) ? 2 ** random.below(32) : 0;
    return [page * PAGE_SIZE + low, high];
  }

  #table(): number {
    return this.#random.oneIn(16) ? this.#random.pick(TABLES) : this.#random.pick(WRITTEN_TABLES);
  }

  #page(): number {
    const random = this.#random;
    if (random.oneIn(12)) return random.pick([ROM, DEVICE, HOLE, PAGES, PHYSICAL_LIMIT_PAGES - 1, ...TABLES]);
    return random.pick(DATA);
  }

  #both(act: (side: Side) => void): void {
    act(this.#alone);
    act(this.#helped);
  }

  /** Slots that hold an entry. */
  #valid({ cpu }: Side, accept: (flags: number) => boolean): number[] {
    const { u8, u32 } = cpu.pool.views;
    const { tables } = parts(cpu);
    const flags = cpu.state.tlbLog + FILL_LOG.FLAGS;
    const slots = Array.from({ length: 4 * TLB.ENTRIES }, (_, slot) => slot);
    return slots.filter((slot) => {
      const at = tables + Math.floor(slot / TLB.ENTRIES) * TLB.TABLE_SIZE + (slot % TLB.ENTRIES) * 8;
      return u32[at >>> 2] !== TLB.INVALID && accept(u8[flags + slot]);
    });
  }

  /** TLB, log, page map and all that the tables hold. */
  #picture({ cpu }: Side): Map<string, Uint8Array> {
    const { memory, pool, state } = cpu;
    const { tables } = parts(cpu);
    const part = (from: number, bytes: number) => pool.views.u8.subarray(from, from + bytes);
    return new Map([
      ['the TLB', part(tables, 4 * TLB.TABLE_SIZE)],
      ['the log', part(state.tlbLog, FILL_LOG.SIZE)],
      ['the page map', part(memory.pageMap.address, 4 * memory.pageMap.pages)],
      ...TABLES.map((page) => [`table ${page}`, memory.copyOut(page * PAGE_SIZE, PAGE_SIZE)] as const),
    ]);
  }

  #compare(what: string): void {
    const other = this.#picture(this.#helped);
    for (const [name, bytes] of this.#picture(this.#alone)) {
      if (Buffer.compare(bytes, other.get(name)!) !== 0) throw new Error(`${what} ${name}`);
    }
  }
}

function createSide(): Side {
  const cpu = createFakeCpu({ memory: MEMORY });
  const { memory } = cpu;
  // Both allocate frames in the same order from here on.
  memory.frameForRead(0);
  for (const page of [...WRITTEN_TABLES, ...DATA.filter((_, index) => index % 3 !== 2)]) memory.frameForWrite(page);
  for (let page = 0x400; page < 0x800; page++) if ((page & 7) !== 5) memory.frameForWrite(page);
  memory.routeRam(HOLE * PAGE_SIZE, PAGE_SIZE, { reads: 'bus', writes: 'bus' });
  memory.addRom(ROM * PAGE_SIZE, Uint8Array.of(1, 2, 3));
  memory.addMmio(DEVICE * PAGE_SIZE, PAGE_SIZE, { name: 'device', readMemory: () => 0, writeMemory: () => {} });
  // Behind the page map lies what looks like an entry of it.
  cpu.pool.views.u32[(memory.pageMap.address >>> 2) + PAGES] = memory.frameForWrite(DATA[0]);
  const mmu = new TlbMmu(cpu, () => {});
  mmu.refresh();
  return { cpu, mmu };
}

/** Host address of the four tables, from what the state block says of one. */
function parts({ state }: FakeCpu): { tables: number } {
  const before = state.cpl === 3 ? 0 : 2;
  return { tables: state.tlbRead - before * TLB.TABLE_SIZE };
}

function attempt({ mmu }: Side, linear: number, access: 'read' | 'write'): string {
  const fault = faultOf(() =>
    access === 'read' ? mmu.probeRead(linear, 1, 'current') : mmu.probeWrite(linear, 1, 'current'),
  );
  return fault ? `vector ${fault.vector}, error code ${fault.errorCode}` : '';
}
