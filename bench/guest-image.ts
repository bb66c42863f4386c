/**
 * The initramfs of the benchmark: Debian's busybox, our programs (guest/*.c, compiled by the machine's gcc without any
 * library), and an /init that does what the serial line says.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../src/base/errors.ts';
import { type CpioEntry, writeCpio } from '../src/machine/cpio.ts';
import type { KernelModule } from '../test/support/debian-modules.ts';

const GUEST = join(import.meta.dirname, 'guest');

/** No library, nothing that the compiler puts in on its own, nothing above a Pentium Pro. */
const FLAGS = [
  ...['-m32', '-march=i686', '-O2', '-std=gnu11', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-no-pie'],
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fno-math-errno', '-fno-tree-vectorize'],
  ...['-fno-tree-loop-distribute-patterns', '-fcf-protection=none', '-Wl,--build-id=none', '-s'],
];
const X87 = ['-mfpmath=387'];
const SSE2 = ['-msse2', '-mfpmath=sse'];

/** Names in /bench, with the source in guest/ that each is compiled from. */
export const BINARIES: readonly {
  readonly name: string;
  readonly source: string;
  readonly flags: readonly string[];
}[] = [
  ...['sieve', 'crc32', 'sha256', 'sort', 'fib', 'dhry', 'vm', 'u64', 'memcpy', 'memword', 'chase'].map(x87),
  ...['nbody', 'mandel', 'syscall', 'forkexec', 'pipe', 'fault', 'text', 'disk-random'].map(x87),
  { name: 'vector', source: 'vector', flags: SSE2 },
  { name: 'nbody-sse', source: 'nbody', flags: SSE2 },
];

function x87(name: string) {
  return { name, source: name, flags: X87 };
}

/**
 * Commands come on the serial line, one a line: `run NAME 'COMMAND'`. The echo is off, and kernel messages, so that
 * nothing stands between the markers but what the command prints. Where there are modules, they are those of a disk.
 */
const INIT = `#!/bin/busybox sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tmpfs tmpfs /tmp
dmesg -n 1
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
[ -d /modules ] && for module in /modules/*; do insmod $module; done
tries=0
while [ -d /modules ] && [ ! -b /dev/sda ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
run() { echo "@@start $1"; eval "$2" </dev/null; echo "@@end $1 $?"; }
echo @@ready
while read -r line; do eval "$line"; done
`;

/**
 * Writes an archive for guests with a disk: that of `initrd`, and `modules` of the kernel, which /init inserts in this
 * order.
 */
export function addModules(initrd: string, modules: readonly KernelModule[], file: string): void {
  const archive = writeCpio([
    { type: 'folder', path: 'modules' },
    ...modules.map(({ name, data }, index): CpioEntry => {
      return { type: 'file', path: `modules/${String(index).padStart(2, '0')}-${name}.ko`, data };
    }),
  ]);
  // The kernel unpacks one archive after the other.
  writeFileSync(file, Buffer.concat([readFileSync(initrd), archive]));
}

/** Writes the archive to `file`, working in `folder`. @throws UserError if there is no gcc that can do it */
export function buildGuestImage(busybox: Uint8Array, file: string, folder: string): void {
  const programs = BINARIES.map(({ name, source, flags }): CpioEntry => {
    const binary = join(folder, name);
    compile([...FLAGS, ...flags, '-o', binary, join(GUEST, `${source}.c`)]);
    return { type: 'file', path: `bench/${name}`, data: readFileSync(binary), mode: 0o755 };
  });
  const folders = ['bench', 'bin', 'dev', 'etc', 'proc', 'root', 'sbin', 'sys', 'tmp', 'usr', 'usr/bin', 'usr/sbin'];
  const archive = writeCpio([
    ...folders.map((path): CpioEntry => ({ type: 'folder', path })),
    { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { type: 'character-device', path: 'dev/null', major: 1, minor: 3, mode: 0o666 },
    { type: 'file', path: 'bin/busybox', data: busybox, mode: 0o755 },
    { type: 'file', path: 'init', data: new TextEncoder().encode(INIT), mode: 0o755 },
    ...programs,
  ]);
  writeFileSync(file, archive);
}

function compile(args: readonly string[]): void {
  const { status, error, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  if (error) throw new UserError('the programs of the guest are compiled by gcc, which is not installed');
  if (status !== 0) throw new UserError(`gcc cannot compile for i686: ${stderr.trim().split('\n')[0]}`);
}
