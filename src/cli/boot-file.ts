/** `vetro run FILE` and `--kernel FILE`: what a file is, and the boot it gives. */
import { statSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { FileStore } from '../host/node/file-store.ts';
import type { BootDrive, GuestBoot } from '../index.ts';
import { MEMORY } from '../machine/pc-map.ts';
import { BytesStore } from '../storage/bytes-store.ts';
import { type ImageIdentity, type ImageKind, sniffImage } from '../storage/sniff-image.ts';
import { type FileLimit, readUserFile } from './files.ts';

export interface BootFileOptions {
  readonly initrd: string | undefined;
  /** The kernel's command line, if the user gave one. */
  readonly append: string | undefined;
  /** What a kernel gets otherwise. */
  readonly commandLine: string;
  readonly limit: FileLimit;
}

/** A file that is put into a drive, to be booted there by the BIOS. */
export interface DriveBoot {
  readonly drive: BootDrive;
  readonly path: string;
  /** In words. */
  readonly what: string;
}

/** What a guest boots lies in its memory. */
export const memoryLimit = (mebibytes: number): FileLimit => ({
  bytes: mebibytes * 2 ** 20,
  because: `the guest has ${mebibytes} MiB of memory (see --memory)`,
});

const DRIVES: Partial<Record<ImageKind, BootDrive>> = {
  iso: 'cdrom',
  floppy: 'floppy',
  disk: 'disk',
  qcow2: 'disk',
  vmdk: 'disk',
  vdi: 'disk',
  vhd: 'disk',
};

const BOOTABLE = 'what boots is a Linux bzImage, a flat image (vetro asm FILE -o IMAGE), or an image of a disk';
const UNPACK = 'unpack it first';
/** Of what does not boot: what to do with it. */
const ADVICE: Partial<Record<ImageKind, string>> = {
  empty: BOOTABLE,
  zeros: BOOTABLE,
  'file system': 'it has no boot sector: give a kernel, and this as a disk (--kernel, --disk)',
  multiboot: 'such kernels do not boot yet: give a bzImage or a disk',
  elf: 'what boots is a bzImage (for a vmlinux: arch/x86/boot/bzImage) or a flat image (objcopy -O binary)',
  initrd: 'it goes with a kernel: --kernel bzImage --initrd FILE',
  compressed: UNPACK,
  archive: UNPACK,
  'other processor': `it is made for another processor: ${BOOTABLE}`,
  program: `it is not made for a PC without an operating system: ${BOOTABLE}`,
  document: BOOTABLE,
  text: 'a program in assembly language is assembled first: vetro asm FILE -o IMAGE',
};

/** As code is called that is loaded at 0000:7C00. */
const flatName = ({ kind }: ImageIdentity): string => (kind === 'boot sector' ? kind : 'flat image');

/**
 * Boots a bzImage by the Linux boot protocol, images of disks from a drive, anything that may be code as a flat image.
 * @throws UserError
 */
export function bootFile(path: string, options: BootFileOptions): GuestBoot | DriveBoot {
  const { initrd, append, commandLine, limit } = options;
  const identity = identifyPath(path);
  const drive = identity && driveFor(identity, path);
  if (drive !== undefined) {
    refuseKernelOptions(options, `${path} is ${identity!.what}`);
    return { drive, path, what: identity!.what };
  }
  const { bytes, identity: found } = readAndIdentify(path, 'boot file', limit);
  if (found.kind === 'bzimage') {
    return {
      kernel: bytes,
      initrd: initrd === undefined ? undefined : readUserFile(initrd, 'initrd', limit),
      commandLine: append ?? commandLine,
    };
  }
  refuseKernelOptions(options, `${path} is a ${flatName(found)}`);
  return { image: bytes };
}

function refuseKernelOptions({ initrd, append }: BootFileOptions, why: string): void {
  for (const [option, value] of Object.entries({ initrd, append }))
    if (value !== undefined) throw new UserError(`--${option} needs a Linux kernel; ${why}`);
}

/** For `--kernel`: a file that is no bzImage is refused, with a word on what it is. @throws UserError */
export function readKernelFile(path: string, limit: FileLimit): Uint8Array {
  const { bytes, identity } = readAndIdentify(path, 'kernel', limit);
  if (identity.kind === 'bzimage') return bytes;
  throw new UserError(
    `the kernel ${path} is not a Linux bzImage but a ${flatName(identity)}: boot that with vetro run FILE`,
  );
}

type Purpose = 'boot file' | 'kernel';

function readAndIdentify(path: string, what: Purpose, limit: FileLimit) {
  // What a file is shows in its beginning: a disk image of many gigabytes is not read to be refused.
  const first = identifyPath(path);
  if (first) refuse(first, statSync(path).size, path, what);
  const bytes = readUserFile(path, what, limit);
  // A store in memory answers at once.
  const identity = sniffImage(new BytesStore(bytes)) as ImageIdentity;
  refuse(identity, bytes.length, path, what);
  return { bytes, identity };
}

/** @throws UserError for what cannot boot */
function refuse(identity: ImageIdentity, size: number, path: string, what: Purpose): void {
  const drive = driveFor(identity, path, size);
  const advice =
    drive === undefined
      ? ADVICE[identity.kind]
      : what === 'kernel'
        ? 'boot it with vetro run FILE'
        : 'give it as a file';
  if (advice !== undefined) {
    const subject = what === 'kernel' ? `the kernel ${path} is not a Linux bzImage: it is` : `${path} seems to be`;
    throw new UserError(`${subject} ${identity.what}; ${advice}`);
  }
  const room = MEMORY.BOOT_IMAGE[1];
  if (identity.kind !== 'bzimage' && size > room) {
    throw new UserError(
      `${path} is no Linux bzImage, and too large for a flat image: ${size} bytes, there is room for ${room}`,
    );
  }
}

/** Code behind a boot sector is loaded as a whole, as long as it fits. */
function driveFor({ kind }: ImageIdentity, path: string, size?: number): BootDrive | undefined {
  if (kind === 'bootable' && (size ?? statSync(path).size) > MEMORY.BOOT_IMAGE[1]) return 'disk';
  return DRIVES[kind];
}

/** Undefined for what is no plain file: `readUserFile` says what is wrong with it, or reads standard input. */
function identifyPath(path: string): ImageIdentity | undefined {
  let store: FileStore | undefined;
  try {
    store = FileStore.open(path, { shareWithWriter: true });
    return sniffImage(store) as ImageIdentity;
  } catch {
    return undefined;
  } finally {
    store?.close();
  }
}
