/** Linux that mounts its disk, says what it finds there, and writes records until its emulator is killed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import { debianModules, type KernelModule } from '../support/debian-modules.ts';
import { scriptedInitrd } from '../support/scripted-linux.ts';
import { unpackedKernel } from '../support/unpacked-kernel.ts';
import { PRINT_FINDINGS, PUT_RECORD } from './crash-records.ts';

/**
 * `plain`: records alone. `bulk`: another process writes and removes files meanwhile. `uncached`: the disk's write cache is
 * off, so that Linux counts on each write and sends no flush.
 */
export const MODES = ['plain', 'bulk', 'uncached'] as const;
export type Mode = (typeof MODES)[number];

const MODULES = ['ata_piix', 'sd_mod', 'crc32c_generic', 'ext4'];

const SIGNATURE_MAGIC = '~Module signature appended~\n';
const SIGNATURE_HEADER = 12;

/** Its parameters are words of the kernel's command line: first bytes hole (`guestParameters`), mode, leave. */
const SCRIPT = `
${PUT_RECORD}
until [ -b /dev/sda ]; do sleep 0.02; done
[ $mode = uncached ] && echo 'write through' > /sys/class/scsi_disk/0:0:0:0/cache_type
echo "cache: $(cat /sys/class/scsi_disk/0:0:0:0/cache_type)"
mkdir /mnt
echo 'mounting'
mount -t ext4 /dev/sda /mnt || echo 'failed: mount'
dmesg | grep EXT4-fs
cd /mnt
${PRINT_FINDINGS}
truncate -s $bytes log
bulk() {
  turn=0
  while :; do
    cat /bin/busybox > bulk/$((turn % 4))
    [ $((turn % 3)) = 0 ] && sync
    [ $((turn % 5)) = 0 ] && rm -f bulk/*
    turn=$((turn + 1))
  done
}
if [ $mode = bulk ]; then bulk & fi
number=$first
while [ $number != $leave ]; do
  if put $number; then echo "ack $number"; else echo "failed: record $number"; fi
  number=$((number + 1))
done
echo 'leaving'
cd /
[ $mode = bulk ] && kill $! && wait
# What the other process has started may still be at work.
until umount /mnt 2>/dev/null; do sleep 0.02; done
poweroff -f
`;

/** Puts kernel and initial RAM disk into a folder. @returns arguments of `vetro` @throws if Debian's kernel is not to be had */
export async function prepareGuest(folder: string): Promise<readonly string[]> {
  const { kernel, initrd } = await fetchSystem('debian-686');
  const modules = (await debianModules('debian-686', MODULES)).map(unsigned);
  writeFileSync(join(folder, 'kernel'), unpackedKernel(readFileSync(kernel)));
  writeFileSync(join(folder, 'initrd'), scriptedInitrd({ initrd: readFileSync(initrd), modules, script: SCRIPT }));
  return [
    ...['run', '--kernel', join(folder, 'kernel'), '--initrd', join(folder, 'initrd')],
    ...['--memory', '64', '--clock', 'virtual', '--power-on-time', 'now', '--no-reboot'],
  ];
}

/** Without its signature, whose verification takes longer than the rest of the boot: "module signing" in Linux's admin-guide. */
function unsigned({ name, data }: KernelModule): KernelModule {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const end = bytes.length - SIGNATURE_MAGIC.length;
  if (!bytes.subarray(end).equals(Buffer.from(SIGNATURE_MAGIC))) return { name, data };
  // Its length is the last field of what is before the magic.
  return { name, data: data.subarray(0, end - SIGNATURE_HEADER - bytes.readUInt32BE(end - 4)) };
}

export const commandLine = (parameters: Readonly<Record<string, string | number>>): string =>
  [
    // isapnp waits a third of a second for cards, in a loop.
    'console=ttyS0 cryptomgr.notests noisapnp quiet',
    ...Object.entries(parameters).map(([name, value]) => `${name}=${value}`),
  ].join(' ');

export interface GuestWords {
  /** The last record that was acknowledged, if any. */
  readonly acknowledged: number | undefined;
  readonly inOrder: boolean;
  /** What it found on the disk: three lines, or fewer if it did not get there. */
  readonly findings: readonly string[];
  readonly cache: string | undefined;
  readonly mounting: boolean;
  readonly mounted: boolean;
  readonly replayed: boolean;
  readonly complaints: readonly string[];
}

/** What the guest said before it was killed. A line that has no end says nothing. */
export function readWords(output: string): GuestWords {
  const lines = output
    .split('\n')
    .slice(0, -1)
    .map((line) => line.trimEnd());
  const after = (start: string): string[] =>
    lines.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length));
  const numbers = after('ack ').map(Number);
  return {
    acknowledged: numbers.at(-1),
    inOrder: numbers.every((number, index) => number === numbers[0] + index),
    findings: after('found: ').map((line) => line.replace(/ +-$/, '')),
    cache: after('cache: ')[0],
    mounting: lines.includes('mounting'),
    mounted: lines.some((line) => line.includes('EXT4-fs (sda): mounted')),
    replayed: lines.some((line) => line.includes('EXT4-fs (sda): recovery complete')),
    complaints: lines.filter((line) => /^failed:|EXT4-fs (error|warning)|I\/O error|JBD2: |can't|No such/.test(line)),
  };
}
