/** From checked options to a machine: boot image, drives, PC. */
import { UserError } from '../base/errors.ts';
import type { BiosBoot, BootImage, RomBoot } from '../machine/boot.ts';
import type { ImageStore } from '../machine/image-store.ts';
import { kernelBoot } from '../machine/kernel-boot.ts';
import { Pc, type PcOptions, type SharedCode } from '../machine/pc.ts';
import { MEMORY } from '../machine/pc-map.ts';
import type { SharedPool } from '../machine/shared-pool.ts';
import { PoolFullError } from '../memory/pool-full-error.ts';
import type { Guest } from './guest.ts';
import type { GuestMedia } from './media/guest-media.ts';
import type { CheckedGuestOptions } from './options/check-guest-options.ts';
import type { BootDrive, GuestBoot } from './options/guest-options.ts';

export type PcGuest = Guest<Pc>;

const MIB = 2 ** 20;

export interface PcParts {
  readonly code?: SharedCode | undefined;
  readonly media?: GuestMedia | undefined;
  /** Default: one of its own. */
  readonly pool?: SharedPool | undefined;
}

/** @throws UserError for options that cannot be met */
export function createPc(name: string, options: CheckedGuestOptions, { code, media, pool }: PcParts = {}): Pc {
  const memoryBytes = options.memory * MIB;
  const { cpu, engine, powerOnTime, instructionTime, balloon, paravirtual } = options;
  const boot = bootOf(options.boot, { memoryBytes, cpu, images: code?.images, media });
  const drives = media && drivesOf(name, media);
  try {
    const parts = {
      name,
      memoryBytes,
      cpu,
      engine,
      boot,
      powerOnTime,
      instructionTime,
      code,
      balloon,
      paravirtual,
      pool,
    };
    return Pc.create({ ...parts, ...drives });
  } catch (error) {
    throw wantOfRoom(name, error) ?? error;
  }
}

/** @throws UserError for want of room */
export function clonePc(original: Pc, name: string): Pc {
  try {
    return original.clone(name);
  } catch (error) {
    throw wantOfRoom(name, error) ?? error;
  }
}

/** What WebAssembly.Memory and typed arrays throw when the process has no more room, and what a pool does that is full. */
const wantOfRoom = (name: string, error: unknown): UserError | undefined =>
  error instanceof RangeError || error instanceof PoolFullError
    ? new UserError(`no room for ${name}: ${error.message}; dispose other guests`)
    : undefined;

/** A machine's drives, with what is in them. */
export function drivesOf(name: string, media: GuestMedia): Partial<PcOptions> {
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
    const { commandLine = '' } = boot;
    return kernelBoot({ ...boot, commandLine, memoryBytes, cpu, images });
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
