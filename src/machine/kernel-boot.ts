/** A kernel in either of the formats that are started without a BIOS: its content says which. */
import { UserError } from '../base/errors.ts';
import { findMultibootHeader } from '../base/multiboot-header.ts';
import type { BootImage } from './boot.ts';
import { isBzImage, type LinuxBootOptions, linuxBoot } from './linux-boot.ts';
import { type BootModule, multibootBoot } from './multiboot/multiboot-boot.ts';

export interface KernelBootOptions extends LinuxBootOptions {
  /** Of a Multiboot kernel. */
  readonly modules?: readonly BootModule[] | undefined;
}

/** @throws UserError for what is neither, or cannot be started, and for what goes with the other format */
export function kernelBoot(options: KernelBootOptions): BootImage {
  const { kernel, initrd, modules = [] } = options;
  if (isBzImage(kernel)) {
    if (modules.length > 0) throw new UserError('modules go with a Multiboot kernel, and this is a Linux bzImage');
    return linuxBoot(options);
  }
  if (findMultibootHeader(kernel) === undefined)
    throw new UserError('the kernel is neither a Linux bzImage nor a Multiboot kernel');
  if (initrd !== undefined)
    throw new UserError('an initrd goes with a Linux bzImage; a Multiboot kernel takes modules');
  return multibootBoot(options);
}
