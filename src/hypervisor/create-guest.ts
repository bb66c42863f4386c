/** From checked options to a machine: boot image, PC. */
import { UserError } from '../base/errors.ts';
import type { BootImage } from '../machine/boot.ts';
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
  const { cpu, engine, powerOnTime } = options;
  const boot = bootImage(options.boot, memoryBytes, cpu);
  checkPlaces(boot, memoryBytes);
  try {
    return new Pc({ name, memoryBytes, cpu, engine, boot, powerOnTime, code });
  } catch (error) {
    // What WebAssembly.Memory and typed arrays throw when the process has no more room.
    if (error instanceof RangeError) throw new UserError(`no room for ${name}: ${error.message}; dispose other guests`);
    throw error;
  }
}

function bootImage(boot: GuestBoot, memoryBytes: number, cpu: string): BootImage {
  if ('kernel' in boot) {
    const { kernel, initrd, commandLine = '' } = boot;
    return linuxBoot({ kernel, initrd, commandLine, memoryBytes, cpu });
  }
  const [address] = MEMORY.BOOT_IMAGE;
  return {
    pieces: [{ address, bytes: boot.image }],
    entry: { mode: 'real', ip: address },
  };
}

/** Each piece must come to lie in RAM, and on no other. */
function checkPlaces({ pieces }: BootImage, memoryBytes: number): void {
  const [hole, holeLength] = MEMORY.VGA_WINDOW;
  const taken: [first: number, end: number][] = [[hole, hole + holeLength]];
  for (const { address, bytes } of pieces) {
    const end = address + bytes.length;
    const range = `${address.toString(16)}h–${(end - 1).toString(16)}h`;
    if (end > memoryBytes) {
      throw new UserError(`boot: what is to lie at ${range} does not fit into ${memoryBytes / MIB} MiB of memory`);
    }
    const other = taken.find(([first, otherEnd]) => address < otherEnd && first < end);
    if (other?.[0] === hole)
      throw new UserError(`boot: what is to lie at ${range} reaches into the video memory at A0000h`);
    if (other) throw new UserError(`boot: what is to lie at ${range} overlaps what lies at ${other[0].toString(16)}h`);
    taken.push([address, end]);
  }
}
