/**
 * What is known of each page of a guest's RAM: an array of doublewords in the pool, by page, which emitted code reads
 * too. The upper bits are the host address of the page's frame, 0 if it was never written, is not RAM, or is elsewhere.
 */
export const PAGE_MAP = {
  FRAME: 0xffff_f000,
  /** It was written, or could have been, since somebody last asked: `clearDirty` or `takeWritten`. */
  DIRTY: 1,
  /** Every change must be reported first. */
  WATCHED: 2,
  /** No RAM answers here: a hole, ROM, or (part of) the page belongs to a device. Without it, a page is RAM. */
  ABSENT: 4,
  /** `frameForRead` gave the zero frame for it. */
  SEEN_AS_ZERO: 8,
  /** The frame may be another guest's, too: who writes gets a copy. */
  SHARED: 16,
  /** It has no frame, but is not zero: its bytes are elsewhere, and come when they are asked for (`elsewhere.ts`). */
  ELSEWHERE: 32,
  /** It is as the last snapshot has it: who writes says that it is not any longer. */
  SAVED: 64,
  /** Written before the last `takeWritten`, since the last `clearDirty`; and the other way round. Emitted code leaves them. */
  DIRTY_STILL: 128,
  WRITTEN_STILL: 256,
  /** WATCHED, SHARED or SAVED: not to be written without asking. */
  GUARDED: 2 | 16 | 64,
  /** log2 of the size of an entry. */
  ENTRY_SHIFT: 2,
} as const;
