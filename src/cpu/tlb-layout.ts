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
 * Translations of instruction fetches: direct-mapped by linear page, user then supervisor. An entry is {page, upper half
 * of the page, physical page, flags}.
 */
export const FETCH_TLB = {
  ENTRIES: 1024,
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
