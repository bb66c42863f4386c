/** What a file is that somebody wants to boot, by its content: a kernel, a flat image, or something else, and what to do with that. */

export type FileIdentity =
  /** It has the setup header of the Linux boot protocol. */
  | { readonly kind: 'linux' }
  /** 512 bytes that end with 55AAh. */
  | { readonly kind: 'boot sector' }
  /** Nothing speaks against its being code. */
  | { readonly kind: 'flat image' }
  | { readonly kind: 'other'; readonly what: string; readonly advice: string };

/** As much of a file's beginning as is looked at. */
export const IDENTITY_BYTES = 0x1_0000;

const SECTOR = 512;
const BOOTABLE = 'what boots is a Linux bzImage or a flat image (vetro asm FILE -o IMAGE)';
const UNPACK = 'unpack it first';
const DISK = 'there is no disk to boot from yet: give the kernel and initrd that lie on it (--kernel, --initrd)';
const NOT_FOR_PC = `it is not made for a PC without an operating system: ${BOOTABLE}`;

interface Format {
  readonly what: string;
  readonly advice: string;
  readonly at?: number;
  /** Any of these: text, or bytes written as 0x… */
  readonly magic: readonly string[];
}

/** Signatures, the first that matches. Those at another place than 0 come first: what is there says more. */
const FORMATS: readonly Format[] = [
  { what: 'a CD image (ISO 9660)', advice: DISK, at: 0x8001, magic: ['CD001'] },
  { what: 'a disk image (GPT)', advice: DISK, at: SECTOR, magic: ['EFI PART'] },
  { what: 'a disk image (qcow)', advice: DISK, magic: ['0x514649fb'] },
  { what: 'a disk image (VMDK)', advice: DISK, magic: ['KDMV', '# Disk DescriptorFile'] },
  { what: 'a disk image (VDI)', advice: DISK, magic: ['<<< '] },
  { what: 'a disk image (VHD)', advice: DISK, magic: ['conectix', 'vhdxfile'] },
  { what: 'a file system (squashfs)', advice: DISK, magic: ['hsqs'] },
  { what: 'a disk image (NTFS)', advice: DISK, at: 3, magic: ['NTFS    '] },
  {
    what: 'an initial RAM disk (cpio)',
    advice: 'it goes with a kernel: --kernel bzImage --initrd FILE',
    magic: ['070701', '070702', '070707', '0xc771'],
  },
  { what: 'a tar archive', advice: UNPACK, at: 257, magic: ['ustar'] },
  { what: 'compressed with gzip', advice: `${UNPACK} (gunzip)`, magic: ['0x1f8b08'] },
  { what: 'compressed with xz', advice: `${UNPACK} (unxz)`, magic: ['0xfd377a585a00'] },
  { what: 'compressed with bzip2', advice: `${UNPACK} (bunzip2)`, magic: ['BZh'] },
  { what: 'compressed with zstd', advice: `${UNPACK} (unzstd)`, magic: ['0x28b52ffd'] },
  { what: 'compressed with lz4', advice: `${UNPACK} (unlz4)`, magic: ['0x04224d18', '0x02214c18'] },
  { what: 'compressed with lzop', advice: `${UNPACK} (lzop -d)`, magic: ['0x894c5a4f'] },
  { what: 'a zip archive', advice: UNPACK, magic: ['0x504b0304', '0x504b0506'] },
  { what: 'a 7z archive', advice: UNPACK, magic: ['0x377abcaf271c'] },
  { what: 'a rar archive', advice: UNPACK, magic: ['Rar!'] },
  { what: 'a package or library (ar)', advice: UNPACK, magic: ['!<arch>'] },
  { what: 'a package (rpm)', advice: UNPACK, magic: ['0xedabeedb'] },
  {
    what: 'an ELF file',
    advice: 'what boots is a bzImage (for a vmlinux: arch/x86/boot/bzImage) or a flat image (objcopy -O binary)',
    magic: ['0x7f454c46'],
  },
  { what: 'a kernel for ARM', advice: `it is made for another processor: ${BOOTABLE}`, at: 0x38, magic: ['ARMd'] },
  {
    what: 'a kernel for RISC-V',
    advice: `it is made for another processor: ${BOOTABLE}`,
    at: 0x38,
    magic: ['RSC\x05'],
  },
  { what: 'a program for macOS', advice: NOT_FOR_PC, magic: ['0xcffaedfe', '0xcefaedfe', '0xfeedface', '0xfeedfacf'] },
  { what: 'a Java class', advice: NOT_FOR_PC, magic: ['0xcafebabe'] },
  { what: 'a WebAssembly module', advice: NOT_FOR_PC, magic: ['0x0061736d01000000'] },
  { what: 'a picture', advice: BOOTABLE, magic: ['0x89504e470d0a1a0a', '0xffd8ff', 'GIF8'] },
  { what: 'a PDF document', advice: BOOTABLE, magic: ['%PDF-'] },
];

/** @param head the file's first bytes, `IDENTITY_BYTES` of them if it has so many @param size of the whole file */
export function identifyFile(head: Uint8Array, size = head.length): FileIdentity {
  const other = (what: string, advice: string): FileIdentity => ({ kind: 'other', what, advice });
  if (size === 0) return other('empty', BOOTABLE);
  if (has(head, 0x1fe, '0x55aa') && has(head, 0x202, 'HdrS')) return { kind: 'linux' };
  if (head.every((byte) => byte === 0)) return other('nothing but zeros', BOOTABLE);
  const format = FORMATS.find(({ at = 0, magic }) => magic.some((bytes) => has(head, at, bytes)));
  if (format) return other(format.what, format.advice);
  if (isPortableExecutable(head)) return other('a program for Windows or UEFI (PE)', NOT_FOR_PC);
  if (isDosProgram(head, size)) return other('a program for DOS (MZ)', NOT_FOR_PC);
  if (size === SECTOR && has(head, 0x1fe, '0x55aa')) return { kind: 'boot sector' };
  if (has(head, 0x36, 'FAT1') || has(head, 0x52, 'FAT32')) return other('a disk image (FAT)', DISK);
  if (isPartitioned(head)) return other('a disk image (with partitions)', DISK);
  if (has(head, 0x438, '0x53ef') && size > 0x1_0000) return other('a file system (ext2, ext3 or ext4)', DISK);
  if (isText(head)) return other('text', 'a program in assembly language is assembled first: vetro asm FILE -o IMAGE');
  return { kind: 'flat image' };
}

/** @param magic text, or bytes written as 0x… */
function has(bytes: Uint8Array, at: number, magic: string): boolean {
  const expected = magic.startsWith('0x')
    ? magic
        .slice(2)
        .match(/../g)!
        .map((pair) => Number.parseInt(pair, 16))
    : [...magic].map((character) => character.charCodeAt(0));
  return expected.every((byte, index) => bytes[at + index] === byte);
}

/** "MZ", and at the offset in 3Ch "PE\0\0". */
function isPortableExecutable(head: Uint8Array): boolean {
  if (!has(head, 0, 'MZ') || head.length < 0x40) return false;
  return has(head, view(head).getUint32(0x3c, true), '0x50450000');
}

/** "MZ", and the header's size in 512-byte pages is the file's. */
function isDosProgram(head: Uint8Array, size: number): boolean {
  if (!has(head, 0, 'MZ') || head.length < 0x1c) return false;
  const pages = view(head).getUint16(4, true);
  return pages > 0 && Math.abs(pages * SECTOR - size) <= SECTOR;
}

/** A partition table behind a boot sector: each of four entries empty or active or not, of a type, and somewhere. */
function isPartitioned(head: Uint8Array): boolean {
  if (head.length <= SECTOR || !has(head, 0x1fe, '0x55aa')) return false;
  let used = 0;
  for (let at = 0x1be; at < 0x1fe; at += 16) {
    const entry = head.subarray(at, at + 16);
    if (entry.every((byte) => byte === 0)) continue;
    const [first, length] = [view(entry).getUint32(8, true), view(entry).getUint32(12, true)];
    if ((entry[0] & 0x7f) !== 0 || entry[4] === 0 || first === 0 || length === 0) return false;
    used++;
  }
  return used > 0;
}

const TEXT_LOOKED_AT = 4096;

function isText(head: Uint8Array): boolean {
  if (has(head, 0, '0xfffe') || has(head, 0, '0xfeff')) return head.length % 2 === 0;
  let text: string;
  try {
    // The last character may be cut off: that is no error while more could follow.
    text = new TextDecoder('utf-8', { fatal: true }).decode(head.subarray(0, TEXT_LOOKED_AT), { stream: true });
  } catch {
    return false;
  }
  // A few bytes of code may all be letters.
  if (text.length < 16 && !text.includes('\n')) return false;
  return !/\p{Cc}/u.test(text.replaceAll(/[\t\n\r\f]/g, ''));
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
