/** `vetro run FILE` and `--kernel FILE`: what a file is, and the boot it gives. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import type { GuestBoot } from '../index.ts';
import { MEMORY } from '../machine/pc-map.ts';
import { type FileLimit, readUserFile } from './files.ts';
import { IDENTITY_BYTES, identifyFile } from './identify-file.ts';

export interface BootFileOptions {
  readonly initrd: string | undefined;
  /** The kernel's command line, if the user gave one. */
  readonly append: string | undefined;
  /** What a kernel gets otherwise. */
  readonly commandLine: string;
  readonly limit: FileLimit;
}

/** What a guest boots lies in its memory. */
export const memoryLimit = (mebibytes: number): FileLimit => ({
  bytes: mebibytes * 2 ** 20,
  because: `the guest has ${mebibytes} MiB of memory (see --memory)`,
});

/** Boots a bzImage by the Linux boot protocol, anything that may be code as a flat image. @throws UserError */
export function bootFile(path: string, options: BootFileOptions): GuestBoot {
  const { initrd, append, commandLine, limit } = options;
  const { bytes, identity } = readAndIdentify(path, 'boot file', limit);
  if (identity.kind === 'linux') {
    return {
      kernel: bytes,
      initrd: initrd === undefined ? undefined : readUserFile(initrd, 'initrd', limit),
      commandLine: append ?? commandLine,
    };
  }
  for (const [option, value] of Object.entries({ initrd, append })) {
    if (value !== undefined) throw new UserError(`--${option} needs a Linux kernel; ${path} is a ${identity.kind}`);
  }
  return { image: bytes };
}

/** For `--kernel`: a file that is no bzImage is refused, with a word on what it is. @throws UserError */
export function readKernelFile(path: string, limit: FileLimit): Uint8Array {
  const { bytes, identity } = readAndIdentify(path, 'kernel', limit);
  if (identity.kind === 'linux') return bytes;
  throw new UserError(
    `the kernel ${path} is not a Linux bzImage but a ${identity.kind}: boot that with vetro run FILE`,
  );
}

function readAndIdentify(path: string, what: 'boot file' | 'kernel', limit: FileLimit) {
  // What a file is shows in its beginning: a disk image of many gigabytes is not read to be refused.
  const { head, size } = readHead(path) ?? {};
  if (head) identify(head, size!, path, what);
  const bytes = readUserFile(path, what, limit);
  const identity = identify(bytes.subarray(0, IDENTITY_BYTES), bytes.length, path, what);
  return { bytes, identity };
}

/** @throws UserError for what cannot boot */
function identify(head: Uint8Array, size: number, path: string, what: 'boot file' | 'kernel') {
  const identity = identifyFile(head, size);
  if (identity.kind === 'other') {
    const subject = what === 'kernel' ? `the kernel ${path} is not a Linux bzImage: it is` : `${path} seems to be`;
    throw new UserError(`${subject} ${identity.what}; ${identity.advice}`);
  }
  const room = MEMORY.BOOT_IMAGE[1];
  if (identity.kind === 'flat image' && size > room) {
    throw new UserError(
      `${path} is no Linux bzImage, and too large for a flat image: ${size} bytes, there is room for ${room}`,
    );
  }
  return identity;
}

/** Undefined for what is no plain file: `readUserFile` says what is wrong with it, or reads standard input. */
function readHead(path: string): { head: Uint8Array; size: number } | undefined {
  let file: number | undefined;
  try {
    const status = statSync(path);
    if (!status.isFile()) return undefined;
    file = openSync(path, 'r');
    const head = new Uint8Array(IDENTITY_BYTES);
    return { head: head.subarray(0, readSync(file, head)), size: status.size };
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
