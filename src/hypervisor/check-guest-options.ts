/** Checks what a guest is asked for: whatever the types said, nothing wrong gets further than here. */
import {
  checkBytes,
  checkChoice,
  checkNumber,
  checkOptions,
  checkString,
  checkWholeNumber,
  shown,
} from '../base/argument-check.ts';
import { UserError } from '../base/errors.ts';
import { DEFAULT_INSTRUCTION_TIME, ENGINES } from '../machine/machine.ts';
import { MAXIMUM_MEMORY, MINIMUM_MEMORY } from '../machine/pc-map.ts';
import { type CheckedMedia, checkMedia } from './check-media-options.ts';
import type { BootDrive, ClockMode, GuestBoot, GuestOptions } from './guest-options.ts';
import type { MediaOptions } from './media-options.ts';

/** All decided but the name, which is the host's to give. */
export type CheckedGuestOptions = Required<Omit<GuestOptions, 'name' | 'boot' | keyof MediaOptions>> & {
  readonly name: string | undefined;
  readonly boot: GuestBoot;
  readonly media: CheckedMedia;
};

const MIB = 2 ** 20;
const WEIGHT = { least: 0.001, most: 1_000_000 };
const MEMORY = { least: MINIMUM_MEMORY / MIB, most: MAXIMUM_MEMORY / MIB, unit: 'MiB' };
export const INSTRUCTION_TIME = { least: 0.01, most: 1000, unit: 'ns' };
const POWER_ON = { least: 0, most: Date.UTC(9999, 11, 31), unit: 'ms' };
const DEFAULT_POWER_ON = Date.UTC(2000, 0, 1);
const LONGEST_NAME = 100;
const OPTIONS = [
  ...(['boot', 'name', 'memory', 'cpu', 'engine', 'powerOnTime', 'instructionTime'] as const),
  ...(['weight', 'clock', 'onTripleFault', 'onReset', 'onNothingToBoot'] as const),
  ...(['disks', 'cdrom', 'floppy', 'floppies'] as const),
];
const BOOT_OPTIONS = ['kernel', 'initrd', 'commandLine', 'image', 'order'] as const;
const BOOT_DRIVES = ['floppy', 'disk', 'cdrom'] as const;

/** @throws UserError that names the option */
export function checkGuestOptions(options: unknown): CheckedGuestOptions {
  const given = checkOptions('createGuest: options', options, OPTIONS);
  const ifGiven = <Value>(value: unknown, otherwise: Value, check: (value: unknown) => Value): Value =>
    value === undefined ? otherwise : check(value);
  const resetOrStop = (name: string) => (value: unknown) => checkChoice(name, value, ['reset', 'stop']);
  const { disks, cdrom, floppy, floppies } = given;
  const media = checkMedia({ disks, cdrom, floppy, floppies });
  const hasDrives = media.disks.length + media.floppies.length > 0 || media.cdrom !== undefined;
  if (given.boot !== undefined && 'order' in Object(given.boot) && !hasDrives)
    throw new UserError('boot.order needs drives: give disks, cdrom or floppies');
  return {
    media,
    boot: given.boot === undefined && hasDrives ? { order: BOOT_DRIVES } : checkBoot(given.boot),
    name: ifGiven(given.name, undefined, checkName),
    memory: ifGiven(given.memory, 256, (value) => checkWholeNumber('memory', value, MEMORY)),
    cpu: ifGiven(given.cpu, 'i686', (value) => checkString('cpu', value)),
    engine: ifGiven(given.engine, 'auto', (value) => checkChoice('engine', value, ENGINES)),
    powerOnTime: ifGiven(given.powerOnTime, DEFAULT_POWER_ON, (value) =>
      checkWholeNumber('powerOnTime', value, POWER_ON),
    ),
    instructionTime: ifGiven(given.instructionTime, DEFAULT_INSTRUCTION_TIME, (value) =>
      checkNumber('instructionTime', value, INSTRUCTION_TIME),
    ),
    weight: ifGiven(given.weight, 1, (value) => checkWeight('weight', value)),
    clock: ifGiven<ClockMode>(given.clock, 'virtual', (value) => checkChoice('clock', value, ['virtual', 'host'])),
    onTripleFault: ifGiven(given.onTripleFault, 'reset', resetOrStop('onTripleFault')),
    onReset: ifGiven(given.onReset, 'reset', resetOrStop('onReset')),
    onNothingToBoot: ifGiven<'wait' | 'stop'>(given.onNothingToBoot, 'wait', (value) =>
      checkChoice('onNothingToBoot', value, ['wait', 'stop']),
    ),
  };
}

export const checkWeight = (what: string, value: unknown): number => checkNumber(what, value, WEIGHT);

function checkName(value: unknown): string {
  const name = checkString('name', value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (name !== '' && name.length <= LONGEST_NAME && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(name)) return name;
  throw new UserError(`name must be 1 to ${LONGEST_NAME} characters without control characters, not ${shown(name)}`);
}

function checkBoot(value: unknown): GuestBoot {
  if (value === undefined) throw new UserError('boot is missing: give { kernel, initrd, commandLine } or { image }');
  const { order, ...others } = checkOptions('boot', value, BOOT_OPTIONS);
  const { kernel, initrd, commandLine, image } = others;
  if (order !== undefined) return { order: checkOrder(order, others) };
  if ((kernel === undefined) === (image === undefined)) {
    throw new UserError(
      `boot needs either a kernel or an image, ${kernel === undefined ? 'and has none' : 'not both'}`,
    );
  }
  if (image !== undefined) {
    for (const [name, other] of Object.entries({ initrd, commandLine })) {
      if (other !== undefined) throw new UserError(`boot.${name} goes with a kernel, not with an image`);
    }
    return { image: checkContent('boot.image', image) };
  }
  return {
    kernel: checkBytes('boot.kernel', kernel), // of an empty one it is said that it is no kernel
    initrd: initrd === undefined ? undefined : checkContent('boot.initrd', initrd),
    commandLine: commandLine === undefined ? '' : checkCommandLine(commandLine),
  };
}

/** @param others options of `boot` that say something else */
function checkOrder(value: unknown, others: Readonly<Record<string, unknown>>): readonly BootDrive[] {
  const other = Object.keys(others).find((name) => others[name] !== undefined);
  if (other !== undefined) throw new UserError(`boot.order and boot.${other} exclude each other: give one of them`);
  if (!Array.isArray(value) || value.length === 0)
    throw new UserError(`boot.order must be an array of ${BOOT_DRIVES.join(', ')}, not ${shown(value)}`);
  return Array.from(value, (drive, index) => checkChoice(`boot.order[${index}]`, drive, BOOT_DRIVES));
}

function checkContent(what: string, value: unknown): Uint8Array {
  const bytes = checkBytes(what, value);
  if (bytes.length === 0) throw new UserError(`${what} is empty`);
  return bytes;
}

function checkCommandLine(value: unknown): string {
  const text = checkString('boot.commandLine', value);
  if (text.includes('\0'))
    throw new UserError('boot.commandLine contains a NUL character, where the kernel would end it');
  return text;
}
