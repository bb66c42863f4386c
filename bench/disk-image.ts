/** The disk of those guests that have one: a raw image, which all emulators have as the first disk of their IDE controller. */
import { writeFileSync } from 'node:fs';

const MIB = 2 ** 20;
/** Twice what `disk-random` reads; the programs write into the second half only. */
export const DISK_MIB = 128;

/** Bytes that look random, always the same: no emulator shall do better with zeros. */
export function writeDiskImage(file: string): void {
  const words = new Uint32Array((DISK_MIB * MIB) / Uint32Array.BYTES_PER_ELEMENT);
  let state = 1;
  for (let at = 0; at < words.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    words[at] = state ^ (state >>> 15);
  }
  writeFileSync(file, words);
}
