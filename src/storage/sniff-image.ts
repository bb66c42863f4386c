/** What a file is that somebody wants to boot or to put into a drive, by its content. */
import { findMultibootHeader } from '../base/multiboot-header.ts';
import { type ByteStore, type ImageFormat, SECTOR_BYTES } from './block-store.ts';
import { type Awaitable, runTask, type Task, wait } from './task.ts';

export type ImageKind =
  | 'empty'
  | 'zeros'
  | Exclude<ImageFormat, 'raw'>
  /** ISO 9660, also with a partition table for booting from a disk. */
  | 'iso'
  /** As large as a floppy disk. */
  | 'floppy'
  /** A disk with a partition table, MBR or GPT, or with a boot sector and a file system behind it. */
  | 'disk'
  /** A file system without a boot sector, or of a kind that no PC boots. */
  | 'file system'
  /** A Linux kernel with the setup header of the boot protocol. */
  | 'bzimage'
  /** A kernel for Multiboot, version 1. */
  | 'multiboot'
  /** A kernel for Multiboot 2 alone. */
  | 'multiboot 2'
  | 'elf'
  | 'initrd'
  | 'compressed'
  | 'archive'
  /** A kernel for another processor. */
  | 'other processor'
  /** A program for an operating system. */
  | 'program'
  | 'document'
  | 'text'
  /** One sector, with the signature of a boot sector. */
  | 'boot sector'
  /** Nothing is known of it but that it begins with a boot sector. */
  | 'bootable'
  /** Nothing is known of it. */
  | 'raw';

export interface ImageIdentity {
  readonly kind: ImageKind;
  /** In words, with an article where there is one: "a CD image (ISO 9660)". */
  readonly what: string;
  /** If it is a disk image: how it is read. */
  readonly format: ImageFormat;
}

/** Sizes of floppy disks, in KiB: 5¼ and 3½ inches; 1680 is Microsoft's distribution format. */
export const FLOPPY_KIB = [160, 180, 320, 360, 720, 1200, 1440, 1680, 2880] as const;

const LOOKED_AT = 0x9000;

interface Signature {
  readonly what: string;
  readonly kind: ImageKind;
  readonly at?: number;
  /** Any of these, each character a byte. */
  readonly magic: readonly string[];
}

/** The first that matches. Those at another place than 0 come first: what is there says more. */
const SIGNATURES: readonly Signature[] = [
  { what: 'a disk image (GPT)', kind: 'disk', at: SECTOR_BYTES, magic: ['EFI PART'] },
  { what: 'a file system (squashfs)', kind: 'file system', magic: ['hsqs'] },
  { what: 'a disk image (VHDX)', kind: 'document', magic: ['vhdxfile'] },
  { what: 'an initial RAM disk (cpio)', kind: 'initrd', magic: ['070701', '070702', '070707', '\xc7\x71'] },
  { what: 'a tar archive', kind: 'archive', at: 257, magic: ['ustar'] },
  { what: 'compressed with gzip', kind: 'compressed', magic: ['\x1f\x8b\x08'] },
  { what: 'compressed with xz', kind: 'compressed', magic: ['\xfd7zXZ\0'] },
  { what: 'compressed with bzip2', kind: 'compressed', magic: ['BZh'] },
  { what: 'compressed with zstd', kind: 'compressed', magic: ['\x28\xb5\x2f\xfd'] },
  { what: 'compressed with lz4', kind: 'compressed', magic: ['\x04\x22\x4d\x18', '\x02\x21\x4c\x18'] },
  { what: 'compressed with lzop', kind: 'compressed', magic: ['\x89LZO'] },
  { what: 'a zip archive', kind: 'archive', magic: ['PK\x03\x04', 'PK\x05\x06'] },
  { what: 'a 7z archive', kind: 'archive', magic: ['7z\xbc\xaf\x27\x1c'] },
  { what: 'a rar archive', kind: 'archive', magic: ['Rar!'] },
  { what: 'a package or library (ar)', kind: 'archive', magic: ['!<arch>'] },
  { what: 'a package (rpm)', kind: 'archive', magic: ['\xed\xab\xee\xdb'] },
  { what: 'an ELF file', kind: 'elf', magic: ['\x7fELF'] },
  { what: 'a kernel for ARM', kind: 'other processor', at: 0x38, magic: ['ARMd'] },
  { what: 'a kernel for RISC-V', kind: 'other processor', at: 0x38, magic: ['RSC\x05'] },
  {
    what: 'a program for macOS',
    kind: 'program',
    magic: ['\xcf\xfa\xed\xfe', '\xce\xfa\xed\xfe', '\xfe\xed\xfa\xce', '\xfe\xed\xfa\xcf'],
  },
  { what: 'a Java class', kind: 'program', magic: ['\xca\xfe\xba\xbe'] },
  { what: 'a WebAssembly module', kind: 'program', magic: ['\0asm\x01\0\0\0'] },
  { what: 'a picture', kind: 'document', magic: ['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'GIF8'] },
  { what: 'a PDF document', kind: 'document', magic: ['%PDF-'] },
];

/** Of images whose bytes are not the disk's. */
const FORMATS_IN_WORDS: Readonly<Record<Exclude<ImageFormat, 'raw'>, string>> = {
  qcow2: 'a disk image (qcow2)',
  vmdk: 'a disk image (VMDK)',
  vdi: 'a disk image (VDI)',
  vhd: 'a disk image (VHD)',
};

/** Shorter files have no file system that could be told by the magic number of ext2. */
const LEAST_EXT2 = 0x1_0000;
/** A boot sector's signature, the last two bytes of it. */
const BOOT_SIGNATURE = { AT: 0x1fe, BYTES: '\x55\xaa' } as const;
const TEXT_LOOKED_AT = 4096;

/** @throws StorageError if it cannot be read */
export const sniffImage = (store: ByteStore): Awaitable<ImageIdentity> => runTask(sniff(store));

export function* sniff(store: ByteStore): Task<ImageIdentity> {
  const head = yield* wait(store.read(0, Math.min(LOOKED_AT, store.size)));
  const tail = store.size > SECTOR_BYTES ? yield* wait(store.read(store.size - SECTOR_BYTES, SECTOR_BYTES)) : head;
  const format = formatOf(head, tail);
  if (format !== 'raw') return { kind: format, what: FORMATS_IN_WORDS[format], format };
  return { ...contentOfRaw(head, store.size), format };
}

type Content = Omit<ImageIdentity, 'format'>;

/** @param head the first sector, at least @param tail the last 512 bytes */
export function formatOf(head: Uint8Array, tail: Uint8Array): ImageFormat {
  if (has(head, 0, 'QFI\xfb')) return 'qcow2';
  if (has(head, 0, 'KDMV') || has(head, 0, '# Disk DescriptorFile')) return 'vmdk';
  if (has(head, 0x40, '\x7f\x10\xda\xbe')) return 'vdi';
  // A fixed VHD is a raw image with a footer; any other content may stand at its beginning.
  return has(head, 0, 'conectix') || has(tail, 0, 'conectix') ? 'vhd' : 'raw';
}

/** Of a raw image. */
function contentOfRaw(head: Uint8Array, size: number): Content {
  if (size === 0) return { kind: 'empty', what: 'empty' };
  if (has(head, 0x8001, 'CD001')) return { kind: 'iso', what: 'a CD image (ISO 9660)' };
  const bootable = has(head, BOOT_SIGNATURE.AT, BOOT_SIGNATURE.BYTES);
  if (bootable && has(head, 0x202, 'HdrS')) return { kind: 'bzimage', what: 'a Linux kernel (bzImage)' };
  const known = SIGNATURES.find(({ at = 0, magic }) => magic.some((bytes) => has(head, at, bytes)));
  if ((known === undefined || bootable) && FLOPPY_KIB.some((kib) => size === kib * 1024))
    return { kind: 'floppy', what: 'a floppy disk image, by its size' };
  if (head.every((byte) => byte === 0)) return { kind: 'zeros', what: 'nothing but zeros' };
  // GRUB lies behind the MBR it is started by, and is a Multiboot kernel, too: what is partitioned is a disk.
  const multiboot = bootable && isPartitioned(head) ? undefined : findMultibootHeader(head);
  if (multiboot?.isSound)
    return multiboot.version === 1
      ? { kind: 'multiboot', what: 'a kernel (Multiboot)' }
      : { kind: 'multiboot 2', what: 'a kernel (Multiboot 2)' };
  if (known?.kind === 'elf' && multiboot) return { kind: 'elf', what: 'an ELF file with a corrupt Multiboot header' };
  if (known) return { kind: known.kind, what: known.what };
  return programOf(head, size) ?? diskContent(head, size, bootable) ?? unknownContent(head, bootable);
}

function programOf(head: Uint8Array, size: number): Content | undefined {
  if (isPortableExecutable(head)) return { kind: 'program', what: 'a program for Windows or UEFI (PE)' };
  return isDosProgram(head, size) ? { kind: 'program', what: 'a program for DOS (MZ)' } : undefined;
}

function diskContent(head: Uint8Array, size: number, bootable: boolean): Content | undefined {
  if (bootable && size === SECTOR_BYTES) return { kind: 'boot sector', what: 'a boot sector' };
  const fileSystem = fileSystemOf(head, size);
  if (bootable && isPartitioned(head)) return { kind: 'disk', what: 'a disk image (with partitions)' };
  if (fileSystem === undefined) return undefined;
  return bootable
    ? { kind: 'disk', what: `a disk image (${fileSystem})` }
    : { kind: 'file system', what: `a file system (${fileSystem})` };
}

function fileSystemOf(head: Uint8Array, size: number): string | undefined {
  if (has(head, 3, 'NTFS    ')) return 'NTFS';
  if (has(head, 0x36, 'FAT1') || has(head, 0x52, 'FAT32')) return 'FAT';
  return has(head, 0x438, '\x53\xef') && size > LEAST_EXT2 ? 'ext2, ext3 or ext4' : undefined;
}

function unknownContent(head: Uint8Array, bootable: boolean): Content {
  if (bootable && head.length > SECTOR_BYTES) return { kind: 'bootable', what: 'something behind a boot sector' };
  return isText(head) ? { kind: 'text', what: 'text' } : { kind: 'raw', what: 'nothing that is known here' };
}

/** @param text each character a byte */
function has(bytes: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text.charCodeAt(index)) return false;
  return true;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** "MZ", and at the offset in 3Ch "PE\0\0". */
function isPortableExecutable(head: Uint8Array): boolean {
  if (!has(head, 0, 'MZ') || head.length < 0x40) return false;
  return has(head, viewOf(head).getUint32(0x3c, true), 'PE\0\0');
}

/** "MZ", and the header's size in 512-byte pages is the file's. */
function isDosProgram(head: Uint8Array, size: number): boolean {
  if (!has(head, 0, 'MZ') || head.length < 0x1c) return false;
  const pages = viewOf(head).getUint16(4, true);
  return pages > 0 && Math.abs(pages * SECTOR_BYTES - size) <= SECTOR_BYTES;
}

function isText(head: Uint8Array): boolean {
  if (has(head, 0, '\xff\xfe') || has(head, 0, '\xfe\xff')) return head.length % 2 === 0;
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

/** Four entries, each empty or active or not, of a type, and somewhere. */
function isPartitioned(head: Uint8Array): boolean {
  const view = viewOf(head);
  let used = 0;
  for (let at = 0x1be; at < 0x1fe; at += 16) {
    const entry = head.subarray(at, at + 16);
    if (entry.every((byte) => byte === 0)) continue;
    const [start, sectors] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
    if ((entry[0] & 0x7f) !== 0 || entry[4] === 0 || start === 0 || sectors === 0) return false;
    used++;
  }
  return used > 0;
}
