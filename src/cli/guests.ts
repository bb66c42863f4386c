/** Guests that have a name: the one table of what `vetro run --guest` boots and `vetro fetch` fetches. */
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import type { GuestBoot } from '../index.ts';
import { assembleDemo } from './demo.ts';
import { defaultCacheFolder } from './fetch/cache-folder.ts';
import { fetchSystem, loadSystem, type SystemName } from './fetch/debian.ts';
import type { FetchOptions } from './fetch/fetched-files.ts';
import { loadPackageFiles, type PackageFiles } from './fetch/package-files.ts';
import { loadSeaBios } from './fetch/seabios.ts';

/** How it starts: the boot, and what lies in the CD-ROM drive if it boots from there. */
export interface LoadedGuest {
  readonly boot: GuestBoot;
  readonly cd?: Uint8Array;
}

interface NamedGuest {
  /** What it is, for the help. */
  readonly what: string;
  /** The command line of its kernel; undefined: it has none. */
  readonly commandLine?: string;
  /** Another can take its place if it cannot be had. */
  readonly isDefault?: boolean;
  /** From the cache, or fetched. */
  readonly load: (commandLine: string, options: FetchOptions) => Promise<LoadedGuest>;
  /** Sees to it that all of it lies in the cache. @returns lines that say where */
  readonly fetch: (options: FetchOptions) => Promise<readonly string[]>;
}

const MIB = 2 ** 20;
const GRUB_CD = 'grub-rescue-cdrom.iso';
const GRUB: PackageFiles = {
  name: 'grub',
  packageName: 'grub-rescue-pc',
  paths: [`usr/lib/grub-rescue/${GRUB_CD}`],
  size: 16 * MIB,
};
const MEMTEST_KERNEL = 'memtest86+ia32.bin';
const MEMTEST: PackageFiles = {
  name: 'memtest',
  packageName: 'memtest86+',
  paths: [`boot/${MEMTEST_KERNEL}`],
  size: 8 * MIB,
};

/** Debian's kernel tests all of its ciphers at every boot unless told otherwise: half of what a boot executes. */
const debian = (name: SystemName, what: string): NamedGuest => ({
  what,
  commandLine: 'console=ttyS0 cryptomgr.notests',
  isDefault: true,
  load: async (commandLine, options) => ({ boot: { ...(await loadSystem(name, options)), commandLine } }),
  async fetch(options) {
    const { kernel, initrd } = await fetchSystem(name, options);
    return [`kernel ${kernel}`, `initrd ${initrd}`];
  },
});

export const GUESTS = {
  'debian-686': debian('debian-686', "Debian's kernel, to a shell"),
  'debian-686-pae': debian('debian-686-pae', 'the same with PAE'),
  grub: {
    what: "GRUB's rescue CD, by SeaBIOS, whose console the terminal is",
    async load(_, options) {
      const files = await loadPackageFiles(GRUB, options);
      const boot = {
        ...(await loadSeaBios(options)),
        serialConsole: true,
        order: ['cdrom', 'floppy', 'disk'],
      } as const;
      return { boot, cd: files.get(GRUB_CD)! };
    },
    async fetch(options) {
      await loadPackageFiles(GRUB, options);
      await loadSeaBios(options);
      return [`cdrom ${pathOf(GRUB, GRUB_CD, options)}`];
    },
  },
  memtest: {
    what: 'memtest86+, which shows its screen on the terminal',
    commandLine: 'console=ttyS0,115200',
    async load(commandLine, options) {
      const files = await loadPackageFiles(MEMTEST, options);
      return { boot: { kernel: files.get(MEMTEST_KERNEL)!, commandLine } };
    },
    async fetch(options) {
      await loadPackageFiles(MEMTEST, options);
      return [`kernel ${pathOf(MEMTEST, MEMTEST_KERNEL, options)}`];
    },
  },
  demo: {
    what: 'a program of ours, which needs no network',
    load: async () => ({ boot: { image: assembleDemo() } }),
    fetch: async () => ['the demo comes with Vetro: nothing is fetched'],
  },
} as const satisfies Readonly<Record<string, NamedGuest>>;

export type GuestName = keyof typeof GUESTS;
export const GUEST_NAMES = Object.keys(GUESTS) as GuestName[];
export const DEFAULT_GUEST: GuestName = 'debian-686';

/** All that is known of one. */
export const guestNamed = (name: GuestName): NamedGuest => GUESTS[name];

/** @throws UserError for a command line that it cannot take */
export function commandLineOf(name: GuestName, append: string | undefined): string {
  const { commandLine } = guestNamed(name);
  if (append !== undefined && commandLine === undefined)
    throw new UserError(`--append is for kernels: ${name === 'demo' ? 'the demo' : name} has no command line`);
  return append ?? commandLine ?? '';
}

/** A line for each, for the help. */
export const describeGuests = (): string =>
  GUEST_NAMES.map((name) => `  ${name.padEnd(16)}${guestNamed(name).what}`).join('\n');

const pathOf = ({ name }: PackageFiles, file: string, { cacheFolder = defaultCacheFolder() }: FetchOptions): string =>
  join(cacheFolder, name, file);
