/** From checked options to a machine: boot image, drives, PC. */
import { InternalError, UserError } from '../base/errors.ts';
import type { BiosBoot, BootImage, RomBoot } from '../machine/boot.ts';
import type { ImageStore } from '../machine/image-store.ts';
import { linuxBoot } from '../machine/linux-boot.ts';
import { Pc, type PcOptions, type SharedCode } from '../machine/pc.ts';
import { MEMORY } from '../machine/pc-map.ts';
import type { CheckedGuestOptions } from './check-guest-options.ts';
import type { Guest } from './guest.ts';
import type { GuestMedia } from './guest-media.ts';
import type { BootDrive, GuestBoot } from './guest-options.ts';

export type PcGuest = Guest<Pc>;

const MIB = 2 ** 20;

export interface PcParts {
  readonly code?: SharedCode | undefined;
  readonly media?: GuestMedia | undefined;
  /** A machine created by the same options: see `PcOptions`. */
  readonly cloneOf?: Pc | undefined;
}

/** @throws UserError for options that cannot be met */
export function createPc(name: string, options: CheckedGuestOptions, { code, media, cloneOf }: PcParts = {}): Pc {
  const memoryBytes = options.memory * MIB;
  const { cpu, engine, powerOnTime, instructionTime } = options;
  const boot = cloneOf?.boot ?? bootOf(options.boot, { memoryBytes, cpu, images: code?.images, media });
  const drives = media && drivesOf(name, media);
  try {
    return new Pc({ name, memoryBytes, cpu, engine, boot, powerOnTime, instructionTime, code, cloneOf, ...drives });
  } catch (error) {
    // What WebAssembly.Memory and typed arrays throw when the process has no more room.
    if (error instanceof RangeError || (cloneOf && error instanceof InternalError))
      throw new UserError(`no room for ${name}: ${error.message}; dispose other guests`);
    throw error;
  }
}

function drivesOf(name: string, media: GuestMedia): Partial<PcOptions> {
  const { disks, cdrom } = media;
  const [a, b] = media.floppies;
  return {
    disks,
    cdrom: cdrom && (cdrom.medium ?? 'empty'),
    floppies: a === undefined ? [] : b === undefined ? [a] : [a, b],
    onHostError: (line) => media.note(`${name}: ${line}; the guest is told of an error of the drive`),
  };
}

interface BootParts {
  readonly memoryBytes: number;
  readonly cpu: string;
  readonly images: ImageStore | undefined;
  readonly media: GuestMedia | undefined;
}

/** As the firmware calls them. */
const BOOT_KINDS: Readonly<Record<BootDrive, 'floppy' | 'disk' | 'cd'>> = {
  floppy: 'floppy',
  disk: 'disk',
  cdrom: 'cd',
};

function bootOf(boot: GuestBoot, { memoryBytes, cpu, images, media }: BootParts): BootImage | BiosBoot | RomBoot {
  const order = 'order' in boot ? boot.order?.map((kind) => BOOT_KINDS[kind]) : undefined;
  if ('bios' in boot) {
    const { bios, videoBios, serialConsole } = boot;
    return { rom: { image: bios, videoBios: videoBios?.slice(), serialConsole, order } };
  }
  if ('order' in boot)
    return { bios: { floppies: media?.floppies, order, onNothingToBoot: (tried) => media?.nothingToBoot(tried) } };
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
