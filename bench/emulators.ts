/**
 * The emulators side by side: how each is started with a Linux guest whose first serial port is the standard input and
 * output of its process.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const EMULATORS = ['vetro', 'base', 'v86', 'v86-nojit', 'qemu'] as const;
export type EmulatorName = (typeof EMULATORS)[number];
/** Those that take part unless others are named. `base` does if there is a base. */
export const USUAL_EMULATORS: readonly EmulatorName[] = ['vetro', 'v86', 'qemu'];

/** What boots, the same in every emulator. */
export interface GuestSystem {
  /** Paths. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  /** RAM in MiB. */
  readonly memory: number;
  /** Path of a raw image: the first disk on IDE. What guests write may, but need not, get into it. */
  readonly disk?: string;
}

/** `host`: guest time follows the wall clock. `virtual`: where the emulator can, idle time is skipped. */
export type Clock = 'virtual' | 'host';

export interface Invocation {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Emulator {
  readonly name: EmulatorName;
  readonly title: string;
  /** Folder of a revision of Vetro that has been built; undefined for the others. */
  readonly root: string | undefined;
  boot(system: GuestSystem, clock: Clock): Invocation;
}

const QEMU = 'qemu-system-i386';

/** A built tree of Vetro, by its command. Only options that all of its revisions have. */
export function vetro(name: 'vetro' | 'base', title: string, root: string): Emulator {
  return {
    name,
    title,
    root,
    boot: ({ kernel, initrd, commandLine, memory, disk }, clock) => ({
      command: process.execPath,
      args: [
        ...[join(root, 'dist', 'cli.js'), 'run', '--kernel', kernel, '--initrd', initrd, '--append', commandLine],
        ...['--memory', String(memory), '--clock', clock, '--serial', 'stdio'],
        ...(disk === undefined ? [] : ['--disk', disk]),
      ],
    }),
  };
}

/** v86 has no command: this program again, with `--v86`. */
export function v86(name: 'v86' | 'v86-nojit'): Emulator {
  const jit = name === 'v86';
  return {
    name,
    title: jit ? 'v86' : 'v86 without JIT',
    root: undefined,
    boot: (system) => ({
      command: process.execPath,
      args: [process.argv[1], '--v86', JSON.stringify({ ...system, jit })],
    }),
  };
}

export const qemu: Emulator = {
  name: 'qemu',
  title: 'QEMU TCG',
  root: undefined,
  boot: ({ kernel, initrd, commandLine, memory, disk }) => ({
    command: QEMU,
    args: [
      ...['-accel', 'tcg', '-display', 'none', '-monitor', 'none', '-nodefaults', '-vga', 'std', '-no-reboot'],
      ...['-m', String(memory), '-kernel', kernel, '-initrd', initrd, '-append', commandLine, '-serial', 'stdio'],
      // None of the others waits for the host's own disk.
      ...(disk === undefined ? [] : ['-drive', `file=${disk},format=raw,if=ide,index=0,cache=unsafe`]),
    ],
  }),
};

export const qemuVersion = (): string | undefined => {
  const { stdout, error } = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  return error ? undefined : /version (\S+)/.exec(stdout)?.[1];
};

export const v86Version = (): string =>
  (createRequire(import.meta.url)('v86/package.json') as { version: string }).version;
