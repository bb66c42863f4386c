/** A minimal bzImage: a valid setup header, one setup sector, and `code` as the protected-mode kernel. */
export interface BzImageOptions {
  readonly code?: Uint8Array;
  readonly version?: number;
  readonly loadedHigh?: boolean;
  readonly initSize?: number;
  readonly initrdMaximum?: number;
  readonly commandLineSize?: number;
  readonly codeStart?: number;
  readonly xloadflags?: number;
  readonly payload?: { readonly offset: number; readonly length: number };
  /** The text that kernel_version points to; without one there is none. */
  readonly kernelVersion?: string;
  /** Ends with the CRC-32 that makes the remainder over everything 0. */
  readonly checksum?: boolean;
  /** A PE header, as a kernel for EFI has it. */
  readonly pe?: 'PE32' | 'PE32+';
}

export function createBzImage({
  code = Uint8Array.of(0xf4),
  version = 0x020f,
  loadedHigh = true,
  initSize = 0x10_0000,
  initrdMaximum = 0x7f_ffff_ff,
  commandLineSize = 255,
  codeStart = 0x10_0000,
  xloadflags = 0,
  payload = { offset: 0, length: 0 },
  kernelVersion,
  checksum = false,
  pe,
}: BzImageOptions = {}): Uint8Array {
  const paragraphs = Math.ceil((code.length + (checksum ? 4 : 0)) / 16);
  const image = new Uint8Array(2 * 512 + paragraphs * 16);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint32(0x1f4, paragraphs, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x6aeb, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, version, true);
  view.setUint8(0x211, loadedHigh ? 1 : 0);
  view.setUint32(0x214, codeStart, true);
  view.setUint32(0x22c, initrdMaximum, true);
  view.setUint8(0x234, 1);
  view.setUint16(0x236, xloadflags, true);
  view.setUint32(0x238, commandLineSize, true);
  view.setUint32(0x248, payload.offset, true);
  view.setUint32(0x24c, payload.length, true);
  view.setBigUint64(0x258, 0x10_0000n, true);
  view.setUint32(0x260, initSize, true);
  image.set(code, 1024);
  if (kernelVersion !== undefined) {
    view.setUint16(0x20e, KERNEL_VERSION_AT - 0x200, true);
    image.set(new TextEncoder().encode(`${kernelVersion}\0`), KERNEL_VERSION_AT);
  }
  if (pe !== undefined) {
    view.setUint16(0, 0x5a4d, true);
    view.setUint32(0x3c, PE_AT, true);
    view.setUint32(PE_AT, 0x4550, true);
    view.setUint16(PE_AT + 24, pe === 'PE32' ? 0x10b : 0x20b, true);
  }
  if (checksum) view.setUint32(image.length - 4, remainder(image.subarray(0, -4)), true);
  return image;
}

const KERNEL_VERSION_AT = 0x300;
const PE_AT = 0x40;

/** What a signer writes: PE checksum, certificate entry, and the signature behind the image. */
export function sign(image: Uint8Array, pe: 'PE32' | 'PE32+'): Uint8Array {
  const signed = new Uint8Array(image.length + 64).fill(0x5a, image.length);
  signed.set(image);
  const view = new DataView(signed.buffer);
  view.setUint32(PE_AT + 24 + 64, 0x1234_5678, true);
  const certificate = PE_AT + 24 + (pe === 'PE32' ? 96 : 112) + 32;
  view.setUint32(certificate, image.length, true);
  view.setUint32(certificate + 4, 64, true);
  return signed;
}

/** CRC-32 without the final inversion, bit by bit. */
function remainder(bytes: Uint8Array): number {
  let rest = 0xffff_ffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb8_8320 : rest >>> 1;
  }
  return rest >>> 0;
}
