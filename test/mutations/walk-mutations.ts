import type { Mutation } from './mutations.ts';

const FILL = 'src/engine/lowering/tlb-fill.ts';
const LOG = 'src/cpu/fill-log.ts';
const UNIT = ['test/unit/engine/lowering/tlb-fill.test.ts'];

/** Faults in what follows a TLB miss in emitted code. */
export const WALK_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'walk: a supervisor may write read-only pages with CR0.WP = 1',
    file: FILL,
    original: 'user.or(cr0.and(CR0.WP).isNotZero())',
    planted: 'user',
    tests: UNIT,
  },
  {
    fault: 'walk: a write does not set the dirty bit',
    file: FILL,
    original: 'i32(ENTRY.A | ENTRY.D)',
    planted: 'i32(ENTRY.A)',
    tests: UNIT,
  },
  {
    fault: 'walk: an accessed bit is set in a page with decoded code, unseen',
    file: FILL,
    original: 'f.if(missing, () => declineIf(f, isGuarded(mapEntry)));',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: pages with decoded code become writable',
    file: FILL,
    original: 'frame.isZero().or(write.and(isGuarded(page)))',
    planted: 'frame.isZero()',
    tests: UNIT,
  },
  {
    fault: 'walk: a written page does not become dirty',
    file: FILL,
    original: 'markDirty(f, page);',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: a part of a larger page is filled that INVLPG does not know of',
    file: FILL,
    original: 'declineIf(f, noted.isZero());',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: reserved bits of a larger page are ignored',
    file: FILL,
    original: 'declineIf(f, low.and((span - 1) & ~0x1fff));',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: XD is no reserved bit with EFER.NXE = 0',
    file: FILL,
    original: 'select(noExecute, i32(~XD_HIGH), -1)',
    planted: 'select(noExecute, i32(~XD_HIGH), ~XD_HIGH)',
    tests: UNIT,
  },
  {
    fault: 'walk: G counts with CR4.PGE = 0',
    file: FILL,
    original: 'select(cr4.and(CR4.PGE), i32(ENTRY.G), 0)',
    planted: 'i32(ENTRY.G)',
    tests: UNIT,
  },
  {
    fault: 'walk: tables beyond RAM are read',
    file: FILL,
    original: 'declineIf(this.#f, page.belowU(load32(this.#log, FILL_LOG.PAGES)).isZero());',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: 4-level tables are taken for others',
    file: FILL,
    original: "declineIf(f, field(state, 'efer').and(EFER.LMA));",
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: a slot that was filled before a MOV CR3 is not listed after it',
    file: LOG,
    original: 'u8[at] = flags & ~list.listed;',
    planted: '',
    tests: UNIT,
  },
  {
    fault: 'walk: MOV CR3 drops entries that are global now and were not',
    file: LOG,
    original: "scope === 'all' || (flags & SLOT.GLOBAL) === 0",
    planted: 'flags >= 0',
    tests: UNIT,
  },
  {
    fault: 'walk: watched data gets a place in the TLB',
    file: 'src/cpu/tlb-mmu.ts',
    original: 'hidden || wide || this.#noticed !== undefined ||',
    planted: 'hidden || wide ||',
    tests: UNIT,
  },
  {
    fault: 'walk: an access to two pages is done in one',
    file: 'src/engine/interpreter/memory-functions.ts',
    original: 'code.i32(PAGE_SIZE - bytes);',
    planted: 'code.i32(PAGE_SIZE);',
    tests: ['test/conformance/system/paging-pae.test.ts'],
  },
  {
    fault: 'INVLPG of a larger page drops its first part alone',
    file: 'src/cpu/tlb-mmu.ts',
    original: 'Math.min(pages, TLB.ENTRIES)',
    planted: '1',
    tests: ['test/unit/cpu/tlb-mmu.test.ts'],
  },
  {
    fault: 'the first page that is read without a frame makes the pool grow',
    file: 'src/memory/guest-memory.ts',
    original: 'return this.#zeroFrame;',
    planted: 'return this.#pool.frames.allocate();',
    tests: ['test/unit/memory/guest-memory.test.ts'],
  },
];
