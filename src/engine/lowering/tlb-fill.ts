/**
 * What follows a miss in the TLB, emitted: the page walk, accessed and dirty bits, the new entries. It does what is
 * frequent, with page tables and the page itself in frames of their own. All else it declines before anything is
 * written, and then the MMU (`cpu/tlb-mmu`) does it from the beginning: faults, reserved bits, the first touch of a
 * page, ROM and devices, watched and shared pages to be written, the first part of a larger page, 4-level paging, and whatever the
 * MMU keeps for itself by `tlbLog` = 0. `walkPages` says what is right.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../base/address.ts';
import { ENTRY } from '../../cpu/paging/page-walk.ts';
import { CR0, CR4, EFER } from '../../cpu/register-bits.ts';
import { type FieldName, STATE } from '../../cpu/state-layout.ts';
import { FILL_LOG, SLOT, TLB } from '../../cpu/tlb-layout.ts';
import { PAGE_MAP } from '../../memory/page-map.ts';
import { I32 } from '../../wasm/code-writer.ts';
import { type Int32, i32, type Local, select } from '../../wasm/expression.ts';
import {
  type DeclaredFunction,
  defineFunction,
  type FunctionWriter,
  load,
  load32,
} from '../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../wasm/module-builder.ts';

/** (state, linear address, 1 for a write or 0) → 1 if the TLB holds the page for that access now, or 0. */
export type TlbFill = DeclaredFunction<readonly [typeof I32, typeof I32, typeof I32], readonly [typeof I32]>;

const DECLINED = 0;
const FILLED = 1;
const OFFSET_MASK = PAGE_SIZE - 1;
const XD_HIGH = 0x8000_0000;

/** Adds the function to a module, for code of 32 and 16 bits. */
export function defineTlbFill(module: ModuleBuilder): TlbFill {
  const enter = defineEnter(module);
  return defineFunction(module, 'tlbFill', [I32, I32, I32], [I32] as const, (f, state, linear, write) => {
    const log = f.local(field(state, 'tlbLog'));
    declineIf(f, log.isZero());
    const user = f.local(field(state, 'cpl').eq(3));
    const cr0 = f.local(field(state, 'cr0'));
    const found = new Walk(f, log, linear, write);
    f.if(cr0.and(CR0.PG), () => {
      declineIf(f, field(state, 'efer').and(EFER.LMA));
      const checksWrites = user.or(cr0.and(CR0.WP).isNotZero());
      const rights = f.local(select(user, i32(ENTRY.US), 0).or(select(write.and(checksWrites), i32(ENTRY.RW), 0)));
      const cr4 = f.local(field(state, 'cr4'));
      f.if(
        cr4.and(CR4.PAE),
        () => {
          const noExecute = field(state, 'efer').and(EFER.NXE);
          const pdpte = f.local(state.add(linear.shr(30).shl(3)));
          const low = f.local(load32(pdpte, STATE.fields.pdpte0));
          declineIf(f, low.and(ENTRY.P).isZero());
          declineIf(f, load32(pdpte, STATE.fields.pdpte0 + 4));
          found.walk(low, {
            entryShift: 3,
            largeShift: 21,
            // No RAM lies above 4 GiB, so what is not reserved there is declined as well.
            refusedHigh: f.local(select(noExecute, i32(~XD_HIGH), -1)),
            allowsLarge: i32(1),
          });
        },
        () =>
          found.walk(field(state, 'cr3'), {
            entryShift: 2,
            largeShift: 22,
            refusedHigh: undefined,
            allowsLarge: cr4.and(CR4.PSE),
          }),
      );
      found.check(rights);
      f.set(found.global, found.leaf.low.and(select(cr4.and(CR4.PGE), i32(ENTRY.G), 0)).isNotZero());
    });
    const page = found.mapEntry(found.page);
    const frame = f.local(load32(page, 0).and(PAGE_MAP.FRAME));
    declineIf(f, frame.isZero().or(write.and(isGuarded(page))));

    // From here on it is done.
    found.update();
    const slots = f.local(select(user, i32(TABLE.userRead), TABLE.supervisorRead).mul(TLB.ENTRIES));
    f.if(write, () => {
      markDirty(f, page);
      const ofWrites = slots.add(TLB.ENTRIES);
      f.call(enter, log, field(state, 'tlbWrite'), ofWrites, linear, frame, found.global);
    });
    f.call(enter, log, field(state, 'tlbRead'), slots, linear, frame, found.global);
    f.return(FILLED);
  });
}

const TABLE = { userRead: TLB.TABLES.indexOf('userRead'), supervisorRead: TLB.TABLES.indexOf('supervisorRead') };
type Writer = FunctionWriter<readonly [typeof I32]>;
type I32Local = Local<typeof I32>;

const field = (state: Int32, name: FieldName): Int32 => load32(state, STATE.fields[name]);
const declineIf = (f: Writer, condition: Int32): void => f.if(condition, () => f.return(DECLINED));
const isGuarded = (mapEntry: Int32): Int32 => load32(mapEntry, 0).and(PAGE_MAP.GUARDED).isNotZero();
const markDirty = (f: Writer, mapEntry: Int32): void =>
  f.store('i32.store', mapEntry, 0, load32(mapEntry, 0).or(PAGE_MAP.DIRTY));

/** An entry of a table, in locals: its lower doubleword, where that is, and the map's entry for its page. */
interface TableEntry {
  readonly low: I32Local;
  readonly host: I32Local;
  readonly mapEntry: I32Local;
  /** Accessed and dirty bits that it is to be given; 0: it has them. */
  readonly missing: I32Local;
}

/** How the two levels of tables look: log2 of the size of an entry, and of what a directory's entry maps. */
interface Levels {
  readonly entryShift: number;
  readonly largeShift: number;
  /** Bits of an entry's upper doubleword that must not be set; undefined if there is none. */
  readonly refusedHigh: Int32 | undefined;
  /** Not 0: PS in a directory's entry makes it a larger page. */
  readonly allowsLarge: Int32;
}

/** A walk through two levels, and what it has found; without one, the linear address is the physical one. */
class Walk {
  readonly #f: Writer;
  readonly #log: Int32;
  readonly #linear: Int32;
  readonly #write: Int32;
  readonly #directory: TableEntry;
  readonly leaf: TableEntry;
  /** Bits that both entries have. */
  readonly #both: I32Local;
  /** Physical page. */
  readonly page: I32Local;
  readonly global: I32Local;

  constructor(f: Writer, log: Int32, linear: Int32, write: Int32) {
    this.#f = f;
    this.#log = log;
    this.#linear = linear;
    this.#write = write;
    const entry = () => ({
      low: f.variable(I32),
      host: f.variable(I32),
      mapEntry: f.variable(I32),
      missing: f.variable(I32),
    });
    this.#directory = entry();
    this.leaf = entry();
    this.#both = f.variable(I32);
    this.page = f.local(linear.shr(PAGE_SHIFT));
    this.global = f.variable(I32);
  }

  /** `root`: physical address of the directory, in its upper bits. */
  walk(root: Int32, levels: Levels): void {
    const f = this.#f;
    const { low } = this.#directory;
    const { largeShift } = levels;
    const span = 2 ** largeShift;
    this.#read(this.#directory, root, this.#linear.shr(largeShift), levels);
    f.set(this.#both, low);
    f.if(
      select(levels.allowsLarge, low.and(ENTRY.PS), 0),
      () => {
        // Reserved: the address bits below the page's size, except bit 12 (PAT).
        declineIf(f, low.and((span - 1) & ~0x1fff));
        const noted = load(I32, 'i32.load8_u', this.#log.add(this.#linear.shr(FILL_LOG.LARGE_SHIFT)), FILL_LOG.LARGE);
        declineIf(f, noted.isZero());
        for (const part of ['low', 'host', 'mapEntry'] as const) f.set(this.leaf[part], this.#directory[part]);
        f.set(
          this.page,
          low
            .and(-span)
            .or(this.#linear.and(span - 1))
            .shr(PAGE_SHIFT),
        );
      },
      () => {
        f.set(this.#directory.missing, low.and(ENTRY.A).xor(ENTRY.A));
        this.#read(this.leaf, low, this.#linear.shr(PAGE_SHIFT), levels);
        f.set(this.#both, this.#both.and(this.leaf.low));
        f.set(this.page, this.leaf.low.shr(PAGE_SHIFT));
      },
    );
  }

  /** Reads the entry of a table whose physical address is in the upper bits of `table`. Declines unless it is present. */
  #read(entry: TableEntry, table: Int32, number: Int32, { entryShift, refusedHigh }: Levels): void {
    const f = this.#f;
    f.set(entry.mapEntry, this.mapEntry(table.shr(PAGE_SHIFT)));
    const frame = f.local(load32(entry.mapEntry, 0).and(PAGE_MAP.FRAME));
    declineIf(f, frame.isZero());
    f.set(entry.host, frame.or(number.shl(entryShift).and(OFFSET_MASK)));
    f.set(entry.low, load32(entry.host, 0));
    declineIf(f, entry.low.and(ENTRY.P).isZero());
    if (refusedHigh) declineIf(f, load32(entry.host, 4).and(refusedHigh));
  }

  /** Address of a page's entry in the map. Declines beyond RAM. */
  mapEntry(page: Int32): I32Local {
    declineIf(this.#f, page.belowU(load32(this.#log, FILL_LOG.PAGES)).isZero());
    return this.#f.local(load32(this.#log, FILL_LOG.PAGE_MAP).add(page.shl(PAGE_MAP.ENTRY_SHIFT)));
  }

  /** Declines if a right is missing, or if a table that would be written is watched or shared. */
  check(rights: Int32): void {
    const f = this.#f;
    declineIf(f, this.#both.and(rights).ne(rights));
    const wanted = f.local(select(this.#write, i32(ENTRY.A | ENTRY.D), ENTRY.A));
    f.set(this.leaf.missing, this.leaf.low.and(wanted).xor(wanted));
    for (const { missing, mapEntry } of [this.#directory, this.leaf]) {
      f.if(missing, () => declineIf(f, isGuarded(mapEntry)));
    }
  }

  /** Sets the accessed and dirty bits. */
  update(): void {
    const f = this.#f;
    for (const { missing, host, mapEntry } of [this.#directory, this.leaf]) {
      f.if(missing, () => {
        f.store('i32.store', host, 0, load32(host, 0).or(missing));
        markDirty(f, mapEntry);
      });
    }
  }
}

/** (log, table, its first slot, linear address, frame, global): makes an entry, and notes it as `FillLog.note` does. */
function defineEnter(module: ModuleBuilder) {
  const types = [I32, I32, I32, I32, I32, I32] as const;
  return defineFunction(module, 'tlbEnter', types, [], (f, log, table, firstSlot, linear, frame, global) => {
    const index = f.local(linear.shr(PAGE_SHIFT).and(TLB.ENTRIES - 1));
    const entry = f.local(table.add(index.shl(TLB.entryShift(false))));
    const tag = f.local(linear.and(-PAGE_SIZE));
    f.store('i32.store', entry, TLB.TAG, tag);
    f.store('i32.store', entry, TLB.addend(false), frame.sub(tag));

    const slot = f.local(firstSlot.add(index));
    const flagsAt = f.local(log.add(slot));
    const flags = f.local(load(I32, 'i32.load8_u', flagsAt, FILL_LOG.FLAGS));
    const listed = f.local(select(global, i32(SLOT.LISTED_GLOBAL), SLOT.LISTED));
    f.if(flags.and(listed).isZero(), () => {
      const countAt = f.local(log.add(select(global, i32(FILL_LOG.GLOBAL_COUNT), FILL_LOG.COUNT)));
      const slots = log.add(select(global, i32(FILL_LOG.GLOBAL_SLOTS), FILL_LOG.SLOTS));
      const count = f.local(load32(countAt, 0));
      f.store('i32.store16', slots.add(count.shl(1)), 0, slot);
      f.store('i32.store', countAt, 0, count.add(1));
    });
    const isGlobal = select(global, i32(SLOT.GLOBAL), 0);
    f.store('i32.store8', flagsAt, FILL_LOG.FLAGS, flags.and(~SLOT.GLOBAL).or(listed).or(isGlobal));
  });
}
