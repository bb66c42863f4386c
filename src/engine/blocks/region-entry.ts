/**
 * The border between the interpreter's loop and translated regions: a region is a function `(state, entry) → where to go
 * on`. `entry` is the host address of what is known of the entry taken; `state.base` is the base of its page.
 */

/** Regions that there can be at once. Slot 0 stays empty. */
export const REGION_TABLE_SIZE = 8192;

/** An entry in linear memory: offsets of u32 fields. */
export const REGION_ENTRY = {
  /** Index of the function in the table of regions. */
  FUNCTION: 0,
  /** Which of the region's entries it is. */
  SELECTOR: 4,
  /** Host address of what is known of the region (`KNOWN_REGION`). */
  REGION: 8,
  /** Times it was entered. */
  ENTERED: 12,
  /** i64: instructions retired in the region after it was entered here. */
  RETIRED: 16,
  /** Of the entry's page, from the region's base. */
  PAGE_OFFSET: 24,
  /** Times that a page did not lie where it lay. */
  REFUSED: 28,
  /** Host address of the first record of the block that begins there. */
  BLOCK: 32,
  SIZE: 40,
} as const;

/** What is known of a region in linear memory: offsets of u32 fields. Behind the pages stand its computed jumps, then its exits. */
export const KNOWN_REGION = {
  /** `state.jumpTag` and the region's base when its pages were last found where they were: while both are the same, they are. */
  TAG: 0,
  BASE: 4,
  /** Numbers of its physical pages, u32 each. */
  PAGES: 8,
} as const;

/** What a computed jump of a region has gone to outside of it, in linear memory: offsets of u32 fields. */
export const REGION_JUMP = {
  /** Times it left. */
  TAKEN: 0,
  /** Where to, from the base: of the addresses with the same hash the last one, or `NO_TARGET`. */
  TARGETS: 4,
  SIZE: 4 + 16 * 4,
} as const;
/** The hash: the top bits of the product, modulo 2^32. */
export const TARGET_HASH = { FACTOR: 0x9e37_79b1, BITS: 4 } as const;
export const NO_TARGET = 0xffff_ffff;

/** Bytes from what is known of a region with so many pages to one of its computed jumps; to its exits, if that is the number of its jumps. */
export const placeOfJump = (pages: number, jump: number): number =>
  KNOWN_REGION.PAGES + pages * 4 + jump * REGION_JUMP.SIZE;

/** An exit in linear memory: offsets of u32 fields. */
export const REGION_EXIT = {
  /** Host address of the record to go on with; 0: not known, it is looked for at `OFFSET`. */
  RECORD: 0,
  /** 1: it is a block's first. 2: it may be, but is looked for each time, because nothing says that its page stays there. */
  ENTERS_BLOCK: 4,
  /** Of the instruction to go on with, from the base; it may lie in another page. */
  OFFSET: 8,
  /** Instructions retired since the budget was last counted down. */
  RETIRED: 12,
  /** Times it was taken. */
  TAKEN: 16,
  SIZE: 20,
} as const;

/** What a region returns, below `FIRST_RECORD`; else a record's address, plus `ENTERS_BLOCK` if it is a block's first. */
export const GO_ON = {
  /** At `state.nextIp`; where that is found is written to `state.linkFrom`, if not 0. */
  AT_NEXT_IP: 0,
  ENTERS_BLOCK: 1,
  /** `state.ip` is set; a fault is pending. */
  FAULT: 2,
  /** `state.ip` is set; the dispatcher must look. */
  ATTENTION: 4,
} as const;
export const FIRST_RECORD = 8;
