/** A CD with a boot catalogue and nothing else. "El Torito" 1.0. */
const BLOCK = 2048;
const CATALOG = 19;
const IMAGE = 20;

export interface BootCd {
  /** Media type: 0 no emulation, 1–3 diskettes, 4 hard disk. */
  readonly media: number;
  readonly image: Uint8Array;
  readonly loadSegment?: number;
  /** Sectors of 512 bytes. */
  readonly count?: number;
  readonly blocks?: number;
}

export function bootCd({ media, image, loadSegment = 0, count = 1, blocks = 32 }: BootCd): Uint8Array {
  const length = Math.max(blocks, IMAGE + Math.ceil(image.length / BLOCK));
  const cd = new Uint8Array(length * BLOCK);
  const view = new DataView(cd.buffer);
  const text = (at: number, string: string) => cd.set(new TextEncoder().encode(string), at);
  text(16 * BLOCK, '\x01CD001\x01');
  text(17 * BLOCK, '\0CD001\x01EL TORITO SPECIFICATION');
  view.setUint32(17 * BLOCK + 0x47, CATALOG, true);
  const catalog = CATALOG * BLOCK;
  view.setUint8(catalog, 1);
  view.setUint16(catalog + 30, 0xaa55, true);
  view.setUint16(catalog + 28, -(1 + 0xaa55), true); // the words add up to 0
  view.setUint8(catalog + 32, 0x88);
  view.setUint8(catalog + 33, media);
  view.setUint16(catalog + 34, loadSegment, true);
  view.setUint16(catalog + 38, count, true);
  view.setUint32(catalog + 40, IMAGE, true);
  cd.set(image, IMAGE * BLOCK);
  return cd;
}
