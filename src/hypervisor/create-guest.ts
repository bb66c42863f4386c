/** From what a user asks for to a machine: checks, defaults, boot image, PC. */
import { UserError } from '../base/errors.ts';
import type { BootImage } from '../machine/boot.ts';
import { linuxBoot } from '../machine/linux-boot.ts';
import { type EngineName, Pc, type PcOptions } from '../machine/pc.ts';
import { MAXIMUM_MEMORY, MEMORY, MINIMUM_MEMORY } from '../machine/pc-map.ts';
import type { Guest, GuestSettings } from './guest.ts';

export type PcGuest = Guest<Pc>;

/** What a guest starts from: a Linux kernel, or bytes. */
export type GuestBoot =
  | {
      /** A bzImage, boot protocol 2.06 or newer. */
      readonly kernel: Uint8Array;
      readonly initrd?: Uint8Array | undefined;
      /** Default: empty. */
      readonly commandLine?: string;
    }
  | {
      /** Loaded at 0000:7C00 and started there in real-address mode, as a boot sector is (but of any size). */
      readonly image: Uint8Array;
    };

export interface GuestOptions extends Partial<GuestSettings> {
  readonly boot: GuestBoot;
  /** RAM in MiB, a whole number. Default 256. What is not touched costs nothing. */
  readonly memory?: number;
  /** CPU model. Default `i686`. */
  readonly cpu?: string;
  /** Default `interpreter`. */
  readonly engine?: EngineName;
  /** What its real-time clock shows at power-on, in ms since 1970. Default: 2000-01-01, so that runs repeat. */
  readonly powerOnTime?: number;
}

const MIB = 2 ** 20;
const DEFAULT_POWER_ON = Date.UTC(2000, 0, 1);

/** @throws UserError for options that cannot be met */
export function createPc(name: string, options: GuestOptions, compileLoop?: PcOptions['compileLoop']): Pc {
  const memoryBytes = checkMemory(options.memory ?? 256);
  return new Pc({
    name,
    memoryBytes,
    cpu: options.cpu ?? 'i686',
    engine: options.engine ?? 'interpreter',
    boot: bootImage(options.boot, memoryBytes),
    powerOnTime: options.powerOnTime ?? DEFAULT_POWER_ON,
    compileLoop,
  });
}

function checkMemory(mebibytes: number): number {
  const [least, most] = [MINIMUM_MEMORY / MIB, MAXIMUM_MEMORY / MIB];
  if (!Number.isInteger(mebibytes) || mebibytes < least || mebibytes > most) {
    throw new UserError(`memory must be a whole number of MiB from ${least} to ${most}, not ${mebibytes}`);
  }
  return mebibytes * MIB;
}

function bootImage(boot: GuestBoot, memoryBytes: number): BootImage {
  if ('kernel' in boot) {
    return linuxBoot({ kernel: boot.kernel, initrd: boot.initrd, commandLine: boot.commandLine ?? '', memoryBytes });
  }
  const [address] = MEMORY.BOOT_IMAGE;
  return {
    pieces: [{ address, bytes: boot.image }],
    entry: { mode: 'real', ip: address },
  };
}
