/** Entries of all four tables. */
const SLOTS = 4 * 4096;

/**
 * The software TLB, as emitted code reads it: direct-mapped, read and write apart, user and supervisor apart.
 * An entry is {tag, addend}: the tag is the page's linear address, host address = linear address + addend (mod 2^32).
 * 32-bit code uses 8-byte entries, 64-bit code 16-byte ones; the four tables are flushed when that changes.
 */
export const TLB = {
  ENTRIES: 4096,
  /** log2 of an entry's size. */
  entryShift: (wide: boolean): number => (wide ? 4 : 3),
  TAG: 0,
  addend: (wide: boolean): number => (wide ? 8 : 4),
  /** No page has this tag. */
  INVALID: 1,
  /** Bytes of one table, for the larger entry. */
  TABLE_SIZE: 4096 * 16,
  /** Tables of one CPU, in this order. */
  TABLES: ['userRead', 'userWrite', 'supervisorRead', 'supervisorWrite'],
} as const;

/**
 * What is remembered of the TLB's entries besides themselves (`fill-log.ts`), which emitted code that fills entries needs
 * and keeps, too. A slot is an entry by number: table × ENTRIES + index. Offsets from the log's host address.
 */
export const FILL_LOG = {
  /** The guest's page map (`page-map.ts`): host address, and pages. */
  PAGE_MAP: 0,
  PAGES: 4,
  /** Slots listed below, each at most once in a list: those that held an entry that is not global, and a global one. */
  COUNT: 8,
  GLOBAL_COUNT: 12,
  /** A byte for each 2 MiB of the lower 4 GiB of linear addresses; not 0: part of a larger page that is noted. */
  LARGE: 64,
  LARGE_SHIFT: 21,
  /** A byte of flags by slot. */
  FLAGS: 64 + 2048,
  /** Lists of 16-bit slots. */
  SLOTS: 64 + 2048 + SLOTS,
  GLOBAL_SLOTS: 64 + 2048 + 3 * SLOTS,
  SIZE: 64 + 2048 + 5 * SLOTS,
} as const;

/** Flags of a slot: which lists it is in, and whether the entry there, if there is one, is global. */
export const SLOT = { LISTED: 1, LISTED_GLOBAL: 2, GLOBAL: 4 } as const;

/**
 * Translations of instruction fetches: direct-mapped by linear page, user then supervisor. An entry is {page, upper half
 * of the page, physical page, flags}.
 */
export const FETCH_TLB = {
  ENTRIES: 4096,
  ENTRY_SHIFT: 4,
  PAGE: 0,
  PAGE_HIGH: 4,
  PHYSICAL: 8,
  GLOBAL: 12,
  /** No page has this number, in both halves. */
  INVALID: 0xffff_ffff,
} as const;

/** The jump cache: instruction pointer → block, valid while `tag` equals `state.jumpTag`. It lies behind the state block. */
export const JUMP_CACHE = {
  ENTRIES: 16384,
  ENTRY_SHIFT: 4,
  IP: 0,
  TAG: 4,
  BLOCK: 8,
  /** 64-bit mode: upper half of the instruction pointer. */
  IP_HIGH: 12,
} as const;

/** `state.jumpTag`: a generation, and below it a mode key. */
export const JUMP_TAG = { KEY_BITS: 5 } as const;
