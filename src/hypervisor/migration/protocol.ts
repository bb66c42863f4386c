/**
 * What two hosts say to each other while a guest moves. All numbers are little-endian.
 *
 * Each side begins with 16 bytes: magic number, version (32 bits), 4 bytes that are zero. Messages follow: kind (8 bits),
 * 3 bytes that are zero, length of what follows (32 bits).
 *
 * - The source sends HEAD (the guest as it is), PAGES of what never changes (its boot image, ROM), BUILD, PAGES of what is
 *   written to disks and of RAM, those that have changed again and again; with the guest held, the last of them and STATE;
 *   and, when READY has come, COMMIT.
 * - The destination sends READY when all of it is there, is as it should be, and could run; DONE when COMMIT has come: from
 *   then on the guest is its own. REFUSED, before that: it has thrown all away, and why.
 *
 * So that never two run: the source runs the guest before it writes COMMIT, or when REFUSED has come; the destination,
 * when COMMIT has come. Who breaks off before COMMIT is written leaves the guest at the source. If COMMIT was written and
 * neither DONE nor REFUSED comes, nobody can know: the source holds the guest until its user has looked.
 *
 * Nothing that comes in is trusted: lengths are looked at before anything is allocated, and memory follows what has come.
 */

export const MAGIC = Uint8Array.of(0x76, 0x65, 0x74, 0x72, 0x6f, 0x2d, 0x6d, 0x0a); // "vetro-m", LF
export const PROTOCOL_VERSION = 1;
export const GREETING_BYTES = 16;
export const PREFIX_BYTES = 8;

export const MESSAGE = {
  HEAD: 1,
  PAGES: 2,
  BUILD: 3,
  STATE: 4,
  COMMIT: 5,
  READY: 17,
  DONE: 18,
  REFUSED: 19,
} as const;
export type MessageKind = (typeof MESSAGE)[keyof typeof MESSAGE];

/** Text of REFUSED, in bytes. */
export const MOST_REASON = 4096;
/** Of plain data, packed or not: a head has ROM, output that waits, strokes. */
const MOST_PLAIN = 2 ** 25;
/** What there is at most behind the prefix of each kind, in bytes. */
export const MOST_BYTES: Readonly<Record<MessageKind, number>> = {
  [MESSAGE.HEAD]: MOST_PLAIN,
  [MESSAGE.PAGES]: 2 ** 20,
  [MESSAGE.BUILD]: 0,
  [MESSAGE.STATE]: MOST_PLAIN,
  [MESSAGE.COMMIT]: MOST_PLAIN,
  [MESSAGE.READY]: 0,
  [MESSAGE.DONE]: 0,
  [MESSAGE.REFUSED]: MOST_REASON,
};
/** Unpacked. */
export const MOST_PLAIN_BYTES = MOST_PLAIN;

/**
 * PAGES: what they belong to (8 bits: `SPACE`; 8 bits that are zero; 16 bits: its index), how many (32 bits), bytes of the
 * packed form of their contents (32 bits; 0: it is not packed). For each page its number and where its content is (32 bits
 * each): `CONTENT`, or the number of a page of RAM that has the same at the destination at this place in the stream. Behind
 * them the contents, in that order, together deflated or not.
 */
export const PAGES_HEAD_BYTES = 12;
export const PAGE_ENTRY_BYTES = 8;
export const SPACE = { RAM: 0, ROM: 1, BOOT: 2, MEDIUM: 3 } as const;
export const CONTENT = { HERE: 0xffff_ffff, ZERO: 0xffff_fffe } as const;
/** Pages in a message, and contents. */
export const MOST_PAGES = 4096;
export const MOST_CONTENTS = 64;
