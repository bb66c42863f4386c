/** `vetro run FILE` and `--kernel FILE`: what a file is, and the boot it gives. */
import { statSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { FileStore } from '../host/node/file-store.ts';
import type { BootDrive, BootModule, GuestBoot } from '../index.ts';
import { MEMORY } from '../machine/pc-map.ts';
import { BytesStore } from '../storage/bytes-store.ts';
import { FLOPPY_KIB, type ImageIdentity, type ImageKind, sniffImage } from '../storage/sniff-image.ts';
import { type FileLimit, readUserFile } from './files.ts';

export interface BootFileOptions {
  readonly initrd: string | undefined;
  /** Each the path of a file and, behind a blank, the string that goes with it. */
  readonly module: readonly string[];
  /** The kernel's command line, if the user gave one. */
  readonly append: string | undefined;
  /** What a Linux kernel gets otherwise; another gets an empty one. */
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

const BOOTABLE =
  'what boots is a Linux bzImage, a Multiboot kernel, a flat image (vetro asm FILE -o IMAGE), or an image of a disk';
const UNPACK = 'unpack it first';
/** Of what does not boot: what to do with it. */
const ADVICE: Partial<Record<ImageKind, string>> = {
  empty: BOOTABLE,
  zeros: BOOTABLE,
  'file system': 'it has no boot sector: give a kernel, and this as a disk (--kernel, --disk)',
  'multiboot 2': 'what boots is version 1; or start it by way of a loader (grub-mkrescue)',
  elf: 'what boots is a bzImage (for a vmlinux: arch/x86/boot/bzImage), a Multiboot kernel or a flat image (objcopy -O binary)',
  initrd: 'it goes with a kernel: --kernel bzImage --initrd FILE',
  compressed: UNPACK,
  archive: UNPACK,
  'other processor': `it is made for another processor: ${BOOTABLE}`,
  program: `it is not made for a PC without an operating system: ${BOOTABLE}`,
  document: BOOTABLE,
  text: 'a program in assembly language is assembled first: vetro asm FILE -o IMAGE',
};

const LARGEST_FLOPPY = Math.max(...FLOPPY_KIB) * 1024;

/** As code is called that is loaded at 0000:7C00. */
const flatName = ({ kind }: ImageIdentity): string => (kind === 'boot sector' ? kind : 'flat image');

/**
 * Boots kernels by their protocols, images of disks from a drive, anything that may be code as a flat image.
 * @throws UserError
 */
export function bootFile(path: string, options: BootFileOptions): GuestBoot | DriveBoot {
  const identity = identifyPath(path);
  const drive = identity && driveFor(identity, path);
  if (drive !== undefined) {
    refuseKernelOptions(options, `${path} is ${identity!.what}`);
    return { drive, path, what: identity!.what };
  }
  const { bytes, identity: found } = readAndIdentify(path, 'boot file', options.limit);
  if (isKernel(found)) return kernelBoot(path, bytes, found, options);
  refuseKernelOptions(options, `${path} is a ${flatName(found)}`);
  return { image: bytes };
}

function refuseKernelOptions({ initrd, module, append }: BootFileOptions, why: string): void {
  for (const [option, value] of Object.entries({ initrd, module: module[0], append }))
    if (value !== undefined) throw new UserError(`--${option} needs a kernel; ${why}`);
}

/** For `--kernel`: a file that is none is refused, with a word on what it is. @throws UserError */
export function bootKernelFile(path: string, options: BootFileOptions): GuestBoot {
  const { bytes, identity } = readAndIdentify(path, 'kernel', options.limit);
  if (isKernel(identity)) return kernelBoot(path, bytes, identity, options);
  throw new UserError(`the kernel ${path} is ${NO_KERNEL} but a ${flatName(identity)}: boot that with vetro run FILE`);
}

const NO_KERNEL = 'neither a Linux bzImage nor for Multiboot';
const isKernel = ({ kind }: ImageIdentity): boolean => kind === 'bzimage' || kind === 'multiboot';

/** @throws UserError for what goes with kernels of the other kind, or cannot be read */
function kernelBoot(
  path: string,
  kernel: Uint8Array,
  { kind, what }: ImageIdentity,
  { initrd, module, append, commandLine, limit }: BootFileOptions,
): GuestBoot {
  if (kind === 'multiboot') {
    if (initrd !== undefined)
      throw new UserError(`--initrd goes with a Linux kernel, and ${path} is ${what}: give a --module`);
    return { kernel, modules: module.map((text) => readModule(text, limit)), commandLine: append ?? '' };
  }
  if (module.length > 0) throw new UserError(`--module goes with a Multiboot kernel, and ${path} is ${what}`);
  return {
    kernel,
    initrd: initrd === undefined ? undefined : readUserFile(initrd, 'initrd', limit),
    commandLine: append ?? commandLine,
  };
}

function readModule(text: string, limit: FileLimit): BootModule {
  const path = modulePath(text);
  const image = readUserFile(path, 'module', limit);
  if (image.length === 0) throw new UserError(`the module ${path} is empty`);
  return { image, commandLine: text.slice(path.length).trim() };
}

/** What precedes the first blank. */
export const modulePath = (text: string): string => text.split(' ', 1)[0];

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
    const subject = what === 'kernel' ? `the kernel ${path} is ${NO_KERNEL}: it is` : `${path} seems to be`;
    throw new UserError(`${subject} ${identity.what}; ${advice}`);
  }
  const room = MEMORY.BOOT_IMAGE[1];
  if (!isKernel(identity) && size > room) {
    throw new UserError(
      `${path} is no kernel that boots, and too large for a flat image: ${size} bytes, there is room for ${room}`,
    );
  }
}

/** Code behind a boot sector is loaded as a whole, as long as it fits; then it may be a floppy disk that is cut short. */
function driveFor({ kind }: ImageIdentity, path: string, size = statSync(path).size): BootDrive | undefined {
  if (kind !== 'bootable') return DRIVES[kind];
  if (size <= MEMORY.BOOT_IMAGE[1]) return undefined;
  return size <= LARGEST_FLOPPY ? 'floppy' : 'disk';
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
