/** Records that say what they are: all over a disk, none where another is. */
export const RECORD_BYTES = 3000;

/** Records that are written and read lie in even pieces of 8 KiB; what is behind each is free for other uses. */
const PIECE = 8192;

export const recordOffset = (number: number, size: number): number => {
  const pieces = Math.floor(size / PIECE) - 1;
  // A prime that is no divisor of the pieces: each number up to there has a place of its own.
  return ((number * 7919) % pieces) * PIECE;
};

export function recordBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  for (let at = 0; at < RECORD_BYTES; at++) bytes[at] = (number * 31 + at * 7 + (at >> 8)) & 0xff;
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
