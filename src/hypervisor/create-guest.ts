/** From checked options to a machine: boot image, PC. */
import { UserError } from '../base/errors.ts';
import type { BootImage, RomBoot } from '../machine/boot.ts';
import type { ImageStore } from '../machine/image-store.ts';
import { linuxBoot } from '../machine/linux-boot.ts';
import { Pc, type SharedCode } from '../machine/pc.ts';
import { MEMORY } from '../machine/pc-map.ts';
import type { CheckedGuestOptions } from './check-guest-options.ts';
import type { Guest } from './guest.ts';
import type { GuestBoot } from './guest-options.ts';

export type PcGuest = Guest<Pc>;

const MIB = 2 ** 20;

/** @throws UserError for options that cannot be met */
export function createPc(name: string, options: CheckedGuestOptions, code?: SharedCode): Pc {
  const memoryBytes = options.memory * MIB;
  const { cpu, engine, powerOnTime, instructionTime } = options;
  const boot = bootOf(options.boot, memoryBytes, cpu, code?.images);
  try {
    return new Pc({ name, memoryBytes, cpu, engine, boot, powerOnTime, instructionTime, code });
  } catch (error) {
    // What WebAssembly.Memory and typed arrays throw when the process has no more room.
    if (error instanceof RangeError) throw new UserError(`no room for ${name}: ${error.message}; dispose other guests`);
    throw error;
  }
}

function bootOf(
  boot: GuestBoot,
  memoryBytes: number,
  cpu: string,
  images: ImageStore | undefined,
): BootImage | RomBoot {
  if ('bios' in boot) {
    const { bios, videoBios, serialConsole } = boot;
    return { rom: { image: bios, videoBios: videoBios?.slice(), serialConsole } };
  }
  if ('kernel' in boot) {
    const { kernel, initrd, commandLine = '' } = boot;
    return linuxBoot({ kernel, initrd, commandLine, memoryBytes, cpu, images });
  }
  const [address, room] = MEMORY.BOOT_IMAGE;
  const { length } = boot.image;
  if (length > room) {
    throw new UserError(`boot.image has ${length} bytes; at most ${room} fit into conventional memory, from 7C00h on`);
  }
  return {
    pieces: [{ address, bytes: boot.image }],
    entry: { mode: 'real', ip: address },
  };
}
