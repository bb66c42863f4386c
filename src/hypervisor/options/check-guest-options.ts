/** Checks what a guest is asked for: whatever the types said, nothing wrong gets further than here. */
import {
  checkBoolean,
  checkBytes,
  checkChoice,
  checkNumber,
  checkOptions,
  checkString,
  checkWholeNumber,
  shown,
} from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import { DEFAULT_INSTRUCTION_TIME, ENGINES } from '../../machine/machine.ts';
import { MAXIMUM_MEMORY, MINIMUM_MEMORY } from '../../machine/pc-map.ts';
import { type CheckedMedia, checkMedia } from './check-media-options.ts';
import { type CheckedCheckpoint, checkCheckpoint } from './checkpoint-options.ts';
import type { BootDrive, BootModule, ClockMode, GuestBoot, GuestOptions, LatencyClass } from './guest-options.ts';
import type { MediaOptions } from './media-options.ts';

type Undecided = 'name' | 'boot' | 'cap' | 'fuel' | 'balloon' | 'pool' | 'checkpoint';

/** All decided but the name, which is the host's to give, and limits that there need not be. */
export type CheckedGuestOptions = Required<Omit<GuestOptions, Undecided | keyof MediaOptions>> & {
  readonly cap: number | undefined;
  readonly fuel: number | undefined;
  readonly name: string | undefined;
  readonly pool: string | undefined;
  readonly boot: GuestBoot;
  readonly media: CheckedMedia;
  readonly balloon: { readonly deflateOnOutOfMemory: boolean } | undefined;
  readonly checkpoint: CheckedCheckpoint | undefined;
};

const MIB = 2 ** 20;
/** Per cent of a core. */
export const CAP = { least: 0.1, most: 100, unit: 'per cent' };
/** Instructions. */
export const FUEL = { least: 0, most: Number.MAX_SAFE_INTEGER };
const WEIGHT = { least: 0.001, most: 1_000_000 };
const MEMORY = { least: MINIMUM_MEMORY / MIB, most: MAXIMUM_MEMORY / MIB, unit: 'MiB' };
export const INSTRUCTION_TIME = { least: 0.01, most: 1000, unit: 'ns' };
const POWER_ON = { least: 0, most: Date.UTC(9999, 11, 31), unit: 'ms' };
const DEFAULT_POWER_ON = Date.UTC(2000, 0, 1);
const LONGEST_NAME = 100;
const OPTIONS = [
  ...(['boot', 'name', 'memory', 'cpu', 'engine', 'powerOnTime', 'instructionTime'] as const),
  ...(['weight', 'cap', 'fuel', 'latency', 'clock', 'onTripleFault', 'onReset', 'onNothingToBoot'] as const),
  ...(['balloon', 'paravirtual', 'pool', 'reservation', 'checkpoint'] as const),
  ...(['disks', 'cdrom', 'floppy', 'floppies'] as const),
];
const BOOT_OPTIONS = [
  'kernel',
  'initrd',
  'modules',
  'commandLine',
  'image',
  'bios',
  'videoBios',
  'serialConsole',
  'order',
] as const;
const BOOT_DRIVES = ['floppy', 'disk', 'cdrom'] as const;
/** What can be booted, and what goes with it. */
const BOOT_SOURCES = {
  kernel: { called: 'a kernel', with: ['initrd', 'modules', 'commandLine'] },
  image: { called: 'an image', with: [] },
  bios: { called: 'a bios', with: ['videoBios', 'serialConsole', 'order'] },
} as const;
type BootSource = keyof typeof BOOT_SOURCES | 'order';

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
  const memory = ifGiven(given.memory, 256, (value) => checkWholeNumber('memory', value, MEMORY));
  return {
    media,
    boot: given.boot === undefined && hasDrives ? { order: BOOT_DRIVES } : checkBoot(given.boot),
    name: ifGiven(given.name, undefined, checkName),
    memory,
    cpu: ifGiven(given.cpu, 'i686', (value) => checkString('cpu', value)),
    engine: ifGiven(given.engine, 'auto', (value) => checkChoice('engine', value, ENGINES)),
    powerOnTime: ifGiven(given.powerOnTime, DEFAULT_POWER_ON, (value) =>
      checkWholeNumber('powerOnTime', value, POWER_ON),
    ),
    instructionTime: ifGiven(given.instructionTime, DEFAULT_INSTRUCTION_TIME, (value) =>
      checkNumber('instructionTime', value, INSTRUCTION_TIME),
    ),
    weight: ifGiven(given.weight, 1, (value) => checkWeight('weight', value)),
    cap: ifGiven<number | undefined>(given.cap, undefined, (value) => checkCap('cap', value)),
    fuel: ifGiven<number | undefined>(given.fuel, undefined, (value) => checkWholeNumber('fuel', value, FUEL)),
    latency: ifGiven<LatencyClass>(given.latency, 'normal', (value) =>
      checkChoice('latency', value, ['normal', 'interactive']),
    ),
    clock: ifGiven<ClockMode>(given.clock, 'virtual', (value) => checkChoice('clock', value, ['virtual', 'host'])),
    onTripleFault: ifGiven(given.onTripleFault, 'reset', resetOrStop('onTripleFault')),
    onReset: ifGiven(given.onReset, 'reset', resetOrStop('onReset')),
    onNothingToBoot: ifGiven<'wait' | 'stop'>(given.onNothingToBoot, 'wait', (value) =>
      checkChoice('onNothingToBoot', value, ['wait', 'stop']),
    ),
    balloon: checkBalloon(given.balloon),
    paravirtual: ifGiven(given.paravirtual, false, (value) => checkBoolean('paravirtual', value)),
    reservation: ifGiven(given.reservation, 0, (value) =>
      checkWholeNumber('reservation', value, { least: 0, most: memory, unit: 'MiB' }),
    ),
    pool: ifGiven(given.pool, undefined, (value) => checkName(value, 'pool')),
    checkpoint: checkCheckpoint(given.checkpoint),
  };
}

export const checkCap = (what: string, value: unknown): number => checkNumber(what, value, CAP);
export const checkWeight = (what: string, value: unknown): number => checkNumber(what, value, WEIGHT);

function checkBalloon(value: unknown): CheckedGuestOptions['balloon'] {
  if (value === undefined || value === false) return undefined;
  const given = value === true ? {} : checkOptions('balloon', value, ['deflateOnOutOfMemory']);
  const { deflateOnOutOfMemory = true } = given;
  return { deflateOnOutOfMemory: checkBoolean('balloon.deflateOnOutOfMemory', deflateOnOutOfMemory) };
}

/** `what` it is that has the name, for the message. */
export function checkName(value: unknown, what = 'name'): string {
  const name = checkString(what, value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (name !== '' && name.length <= LONGEST_NAME && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(name)) return name;
  throw new UserError(`${what} must be 1 to ${LONGEST_NAME} characters without control characters, not ${shown(name)}`);
}

function checkBoot(value: unknown): GuestBoot {
  if (value === undefined)
    throw new UserError('boot is missing: give { kernel, initrd, commandLine }, { image } or { bios }');
  const given = checkOptions('boot', value, BOOT_OPTIONS);
  const source = checkSource(given);
  const { kernel, initrd, modules, commandLine, image, bios, videoBios, serialConsole, order } = given;
  switch (source) {
    case 'order':
      return { order: checkOrder(order) };
    case 'image':
      return { image: checkContent('boot.image', image) };
    case 'bios':
      return {
        bios: checkContent('boot.bios', bios),
        videoBios: videoBios === undefined ? undefined : checkContent('boot.videoBios', videoBios),
        serialConsole: serialConsole === undefined ? false : checkBoolean('boot.serialConsole', serialConsole),
        order: order === undefined ? undefined : checkOrder(order),
      };
    case 'kernel':
      return {
        kernel: checkBytes('boot.kernel', kernel), // of an empty one it is said that it is no kernel
        initrd: initrd === undefined ? undefined : checkContent('boot.initrd', initrd),
        modules: modules === undefined ? undefined : checkModules(modules),
        commandLine: commandLine === undefined ? '' : checkCommandLine('boot.commandLine', commandLine),
      };
  }
}

/** The one source that is given, and nothing that goes with another. */
function checkSource(given: Readonly<Partial<Record<(typeof BOOT_OPTIONS)[number], unknown>>>): BootSource {
  const sources = (Object.keys(BOOT_SOURCES) as (keyof typeof BOOT_SOURCES)[]).filter(
    (name) => given[name] !== undefined,
  );
  // By our own BIOS.
  if (sources.length === 0 && given.order !== undefined) return 'order';
  const [source, second] = sources;
  if (source === undefined || second !== undefined) {
    const found = source === undefined ? 'and has none' : 'not both';
    throw new UserError(`boot needs either a kernel, an image or a bios, ${found}`);
  }
  for (const [owner, { called, with: companions }] of Object.entries(BOOT_SOURCES)) {
    if (owner === source) continue;
    const stray = companions.find((name) => given[name] !== undefined);
    if (stray !== undefined)
      throw new UserError(`boot.${stray} goes with ${called}, not with ${BOOT_SOURCES[source].called}`);
  }
  return source;
}

function checkOrder(value: unknown): readonly BootDrive[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new UserError(`boot.order must be an array of ${BOOT_DRIVES.join(', ')}, not ${shown(value)}`);
  return Array.from(value, (drive, index) => checkChoice(`boot.order[${index}]`, drive, BOOT_DRIVES));
}

function checkContent(what: string, value: unknown): Uint8Array {
  const bytes = checkBytes(what, value);
  if (bytes.length === 0) throw new UserError(`${what} is empty`);
  return bytes;
}

function checkModules(value: unknown): readonly BootModule[] {
  if (!Array.isArray(value)) throw new UserError(`boot.modules must be an array, not ${shown(value)}`);
  return Array.from(value, (module, index) => {
    const what = `boot.modules[${index}]`;
    const { image, commandLine } = checkOptions(what, module, ['image', 'commandLine']);
    return {
      image: checkContent(`${what}.image`, image),
      commandLine: commandLine === undefined ? '' : checkCommandLine(`${what}.commandLine`, commandLine),
    };
  });
}

function checkCommandLine(what: string, value: unknown): string {
  const text = checkString(what, value);
  if (text.includes('\0')) throw new UserError(`${what} contains a NUL character, where the kernel would end it`);
  return text;
}
