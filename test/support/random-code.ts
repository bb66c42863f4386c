/** Random machine code that is mostly made of what decoders find hard: prefixes, group opcodes, odd addressing forms. */
import type { Random } from '../../src/difftest/random.ts';

/** Bytes per sequence: one more than the longest instruction. */
export const SEQUENCE_LENGTH = 16;
const PREFIXES = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const EDGE_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];

/** `count` sequences, one after the other. */
export function randomCode(random: Random, count: number, mode: 16 | 32 | 64): Uint8Array {
  const code = new Uint8Array(count * SEQUENCE_LENGTH);
  random.fill(code);
  for (let start = 0; start < code.length; start += SEQUENCE_LENGTH) {
    let at = start;
    // Mostly up to three prefixes, now and then enough of them to reach the length limit.
    const prefixes = random.oneIn(40) ? 6 + random.below(10) : random.pick([0, 0, 0, 1, 1, 2, 3]);
    for (let index = 0; index < prefixes; index++) code[at++] = random.pick(PREFIXES);
    if (mode === 64 && !random.oneIn(3) && at < start + SEQUENCE_LENGTH) code[at++] = 0x40 | random.below(16);
    if (at >= start + SEQUENCE_LENGTH - 1) continue;
    const map = random.below(8);
    if (map >= 5) code[at++] = 0x0f;
    else if (map === 4) code[at] = 0xd8 | random.below(8);
    // The rest is random, sometimes with edge values for displacements and immediates.
    if (random.oneIn(4)) {
      for (at += 2; at < start + SEQUENCE_LENGTH; at++) if (random.oneIn(2)) code[at] = random.pick(EDGE_BYTES);
    }
  }
  return code;
}
