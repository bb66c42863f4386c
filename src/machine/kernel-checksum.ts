/**
 * The CRC-32 that a bzImage ends with: whether a kernel is what its maker wrote.
 * Sources: Linux, Documentation/arch/x86/boot.rst, "The Image Checksum": polynomial 04C11DB7h, initial remainder
 * FFFFFFFFh, so that the remainder over setup code and system is 0; Microsoft, "PE Format", for what signing changes.
 *
 * Boot protocol 2.08 brought it, Linux 6.15 dropped it without a new version of the protocol. Kernels are signed after
 * they were summed: the two fields of the PE header that a signer fills in count as the zeros they were.
 */
const PROTOCOL_WITH_CHECKSUM = 0x0208;
const FIRST_LINUX_WITHOUT = [6, 15] as const;
const FIELD = { VERSION: 0x206, KERNEL_VERSION: 0x20e } as const;
/** kernel_version is a pointer, less 200h, to "6.1.0-50-686 (builder) #1 …". */
const KERNEL_VERSION_BASE = 0x200;
const LINUX_VERSION = /^(\d+)\.(\d+)\.?\S* \(/;
const LONGEST_VERSION = 128;

const DOS_MAGIC = 0x5a4d;
const PE_OFFSET = 0x3c;
const PE_SIGNATURE = 0x4550;
const OPTIONAL_HEADER = 24;
const PE32 = 0x10b;
const CHECKSUM = 64;
/** From the optional header's start to the data directory. */
const DIRECTORY = { PE32: 96, PE32_PLUS: 112 } as const;
const CERTIFICATE_ENTRY = 4 * 8;

/** `imageBytes`: setup code and system, without what a signer appends. True if the kernel has no checksum. */
export function isIntact(kernel: Uint8Array, imageBytes: number): boolean {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  if (view.getUint16(FIELD.VERSION, true) < PROTOCOL_WITH_CHECKSUM || !isSummedLinux(kernel, view)) return true;
  const signed = signedFields(view);
  let remainder = 0xffff_ffff;
  let at = 0;
  const tables = remainders();
  for (const [first, end] of [...signed, [imageBytes, imageBytes] as const]) {
    remainder = divide(remainder, kernel.subarray(at, first), tables);
    remainder = divide(remainder, new Uint8Array(end - first), tables);
    at = end;
  }
  return remainder === 0 && kernel.length >= imageBytes;
}

/** Other systems in the same format (memtest86+, iPXE) have version texts of their own and no checksum. */
function isSummedLinux(kernel: Uint8Array, view: DataView): boolean {
  const pointer = view.getUint16(FIELD.KERNEL_VERSION, true);
  if (pointer === 0) return false;
  const start = KERNEL_VERSION_BASE + pointer;
  const match = LINUX_VERSION.exec(String.fromCharCode(...kernel.subarray(start, start + LONGEST_VERSION)));
  if (!match) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major < FIRST_LINUX_WITHOUT[0] || (major === FIRST_LINUX_WITHOUT[0] && minor < FIRST_LINUX_WITHOUT[1]);
}

/** Offsets [first, end) of checksum and certificate entry in a kernel that is a PE file as well, ascending. */
function signedFields(view: DataView): readonly (readonly [first: number, end: number])[] {
  if (view.getUint16(0, true) !== DOS_MAGIC) return [];
  const header = view.getUint32(PE_OFFSET, true);
  if (header + OPTIONAL_HEADER + DIRECTORY.PE32_PLUS + CERTIFICATE_ENTRY + 8 > view.byteLength) return [];
  if (view.getUint32(header, true) !== PE_SIGNATURE) return [];
  const optional = header + OPTIONAL_HEADER;
  const directory = view.getUint16(optional, true) === PE32 ? DIRECTORY.PE32 : DIRECTORY.PE32_PLUS;
  const [checksum, certificate] = [optional + CHECKSUM, optional + directory + CERTIFICATE_ENTRY];
  return [
    [checksum, checksum + 4],
    [certificate, certificate + 8],
  ];
}

/**
 * Remainders of each byte, and of each followed by one, two and three bytes of 0. Bits in reversed order, as it is done
 * everywhere: the polynomial is EDB88320h.
 */
function remainders(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
    return value;
  });
  const behindZero = (table: Uint32Array) => table.map((value) => first[value & 0xff] ^ (value >>> 8));
  const second = behindZero(first);
  const third = behindZero(second);
  return [first, second, third, behindZero(third)];
}

/** Four bytes at a time: a kernel has millions, and each guest waits for it. */
function divide(remainder: number, bytes: Uint8Array, tables: readonly Uint32Array[]): number {
  const [first, second, third, fourth] = tables;
  let rest = remainder;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    const word = rest ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    rest =
      fourth[word & 0xff] ^ third[(word >>> 8) & 0xff] ^ second[(word >>> 16) & 0xff] ^ first[(word >>> 24) & 0xff];
  }
  for (; at < bytes.length; at++) rest = first[(rest ^ bytes[at]) & 0xff] ^ (rest >>> 8);
  return rest >>> 0;
}
