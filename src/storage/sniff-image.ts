/** What a file is that somebody wants to boot or to put into a drive, by its content. */
import { type ByteStore, type ImageFormat, SECTOR_BYTES } from './block-store.ts';
import { type Awaitable, runTask, type Task, wait } from './task.ts';

export type ImageKind =
  | 'empty'
  | Exclude<ImageFormat, 'raw'>
  /** ISO 9660, also with a partition table for booting from a disk. */
  | 'iso'
  /** As large as a floppy disk. */
  | 'floppy'
  /** A disk with a partition table, MBR or GPT. */
  | 'disk'
  /** A Linux kernel with the setup header of the boot protocol. */
  | 'bzimage'
  | 'multiboot'
  | 'elf'
  | 'gzip'
  /** Nothing is known of it. */
  | 'raw';

export interface ImageIdentity {
  readonly kind: ImageKind;
  /** If it is a disk image: how it is read. */
  readonly format: ImageFormat;
}

/** Sizes of floppy disks, in KiB: 5¼ and 3½ inches; 1680 is Microsoft's distribution format. */
export const FLOPPY_KIB = [160, 180, 320, 360, 720, 1200, 1440, 1680, 2880] as const;

const LOOKED_AT = 0x9000;
const MULTIBOOT = { MAGIC: 0x1bad_b002, SEARCHED: 8192 } as const;

/** @throws StorageError if it cannot be read */
export const sniffImage = (store: ByteStore): Awaitable<ImageIdentity> => runTask(sniff(store));

export function* sniff(store: ByteStore): Task<ImageIdentity> {
  const head = yield* wait(store.read(0, Math.min(LOOKED_AT, store.size)));
  const tail = store.size > SECTOR_BYTES ? yield* wait(store.read(store.size - SECTOR_BYTES, SECTOR_BYTES)) : head;
  const format = formatOf(head, tail);
  return { kind: format === 'raw' ? kindOf(head, store.size) : format, format };
}

/** @param head the first sector, at least @param tail the last 512 bytes */
export function formatOf(head: Uint8Array, tail: Uint8Array): ImageFormat {
  if (has(head, 0, 'QFI\xfb')) return 'qcow2';
  if (has(head, 0, 'KDMV') || has(head, 0, '# Disk DescriptorFile')) return 'vmdk';
  if (has(head, 0x40, '\x7f\x10\xda\xbe')) return 'vdi';
  // A fixed VHD is a raw image with a footer; any other content may stand at its beginning.
  return has(head, 0, 'conectix') || has(tail, 0, 'conectix') ? 'vhd' : 'raw';
}

/** Of a raw image. */
function kindOf(head: Uint8Array, size: number): ImageKind {
  if (size === 0) return 'empty';
  if (has(head, 0x8001, 'CD001')) return 'iso';
  const bootable = has(head, 0x1fe, '\x55\xaa');
  if (bootable && has(head, 0x202, 'HdrS')) return 'bzimage';
  if (has(head, 0, '\x1f\x8b\x08')) return 'gzip';
  if (FLOPPY_KIB.some((kib) => size === kib * 1024)) return 'floppy';
  if (has(head, SECTOR_BYTES, 'EFI PART') || (bootable && isPartitioned(head))) return 'disk';
  if (isMultiboot(head)) return 'multiboot';
  return has(head, 0, '\x7fELF') ? 'elf' : 'raw';
}

/** @param text each character a byte */
function has(bytes: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text.charCodeAt(index)) return false;
  return true;
}

/** Multiboot Specification 0.6.96, 3.1: a header of longwords in the first 8192 bytes, whose first three add up to 0. */
function isMultiboot(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let at = 0; at + 12 <= Math.min(head.length, MULTIBOOT.SEARCHED); at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT.MAGIC) continue;
    const sum = MULTIBOOT.MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 2 ** 32 === 0) return true;
  }
  return false;
}

/** Four entries, each empty or active or not, of a type, and somewhere. */
function isPartitioned(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
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
