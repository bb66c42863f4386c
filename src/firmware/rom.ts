/** The BIOS's ROM as the processor sees it, below 1 MiB and at the top of 4 GiB. */
import { ROM_PIECES } from './rom-image.ts';

export const ROM_SIZE = 0x1_0000;
/** The segment it is run from. */
export const ROM_SEGMENT = 0xf000;

export function romImage(): Uint8Array {
  const image = new Uint8Array(ROM_SIZE).fill(0xff);
  for (const [offset, hex] of ROM_PIECES)
    for (let at = 0; at < hex.length; at += 2) image[offset + at / 2] = Number.parseInt(hex.slice(at, at + 2), 16);
  return image;
}
