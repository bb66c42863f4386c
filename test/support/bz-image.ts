/** A minimal bzImage: a valid setup header, one setup sector, and `code` as the protected-mode kernel. */
export interface BzImageOptions {
  readonly code?: Uint8Array;
  readonly version?: number;
  readonly loadedHigh?: boolean;
  readonly initSize?: number;
  readonly initrdMaximum?: number;
  readonly commandLineSize?: number;
}

export function createBzImage({
  code = Uint8Array.of(0xf4),
  version = 0x020f,
  loadedHigh = true,
  initSize = 0x10_0000,
  initrdMaximum = 0x7f_ffff_ff,
  commandLineSize = 255,
}: BzImageOptions = {}): Uint8Array {
  const paragraphs = Math.ceil(code.length / 16);
  const image = new Uint8Array(2 * 512 + paragraphs * 16);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint32(0x1f4, paragraphs, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x6aeb, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, version, true);
  view.setUint8(0x211, loadedHigh ? 1 : 0);
  view.setUint32(0x214, 0x10_0000, true);
  view.setUint32(0x22c, initrdMaximum, true);
  view.setUint8(0x234, 1);
  view.setUint32(0x238, commandLineSize, true);
  view.setBigUint64(0x258, 0x10_0000n, true);
  view.setUint32(0x260, initSize, true);
  image.set(code, 1024);
  return image;
}
