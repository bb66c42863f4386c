/**
 * What runs in the guests. Each program's amount of work is proportional to its size; the sizes here take 1.5 to 5
 * seconds each under Vetro's interpreter of November 2026 (on two slow cores); a quick run takes a quarter of them.
 */
import { DISK_MIB } from './disk-image.ts';

export const GROUPS = ['integer', 'memory', 'x87', 'sse', 'system', 'programs', 'disk', 'other'] as const;
export type GroupName = (typeof GROUPS)[number];

/** It tells how fast processors are emulated: the others count in no mean over groups. */
export const isOfProcessor = (group: GroupName): boolean => group !== 'disk' && group !== 'other';

/** It runs in guests that have a disk: /dev/sda, as `disk-image` makes it. */
export const needsDisk = ({ group }: Program): boolean => group === 'disk';

export interface Program {
  readonly name: string;
  readonly group: GroupName;
  readonly about: string;
  readonly size: number;
  /** What the guest's shell is given. */
  readonly command: (size: number) => string;
  /** Not measured: what must be there before, and what prints a result of the command that it does not print itself. */
  readonly before?: (size: number) => string;
  readonly after?: string;
  /** A word among the flags in /proc/cpuinfo, without which it cannot run. */
  readonly needs?: string;
  /** What it prints depends on the machine: it is not compared, and the program counts in no mean. */
  readonly differs?: boolean;
}

/** Programs of our own: guest/NAME.c, or another source. */
const own = (
  group: GroupName,
  name: string,
  size: number,
  about: string,
  needs: { readonly needs?: string } = {},
): Program => ({ name, group, about, size, command: (size) => `/bench/${name} ${size}`, ...needs });

/** KiB. */
const PASS = 2000;
/** MiB at the beginning of the disk that are read; those from `WRITTEN_FROM` on are written, so that all read the same. */
const READ = 32;
const WRITTEN = 16;
const WRITTEN_FROM = DISK_MIB / 2;
const DROP_CACHES = 'echo 3 >/proc/sys/vm/drop_caches';

const text = (size: number): string => `/bench/text ${size} >/tmp/text`;

/** Programs of busybox that read `size` KiB of text. */
const busybox = (name: string, size: number, about: string, command: string, more: Partial<Program> = {}): Program => ({
  name,
  group: 'programs',
  about,
  size,
  command: () => command,
  before: text,
  ...more,
});

const repeated = (size: number, command: string): string =>
  `i=0; while [ $i -lt ${size} ]; do ${command}; i=$((i + 1)); done`;

/** Those that read a text of `PASS` KiB, `size` times. */
const passes = (name: string, size: number, about: string, command: string, more: Partial<Program> = {}): Program => ({
  name,
  group: 'programs',
  about,
  size,
  before: () => text(PASS),
  command: (size) => repeated(size, command),
  ...more,
});

/** They read and write the disk itself, past the kernel's cache. */
const DISK_PROGRAMS: readonly Program[] = [
  {
    name: 'disk-read',
    group: 'disk',
    about: `passes of ${READ} MiB, 1 MiB at a time`,
    size: 24,
    command: (size) => repeated(size, `dd if=/dev/sda of=/dev/null bs=1M count=${READ} iflag=direct 2>/tmp/err`),
    after: `${DROP_CACHES}; dd if=/dev/sda bs=1M count=${READ} 2>/dev/null | md5sum`,
  },
  {
    name: 'disk-write',
    group: 'disk',
    about: `passes of ${WRITTEN} MiB, 1 MiB at a time, flushed`,
    size: 24,
    before: () => text(WRITTEN * 1024),
    command: (size) =>
      repeated(size, `dd if=/tmp/text of=/dev/sda bs=1M seek=${WRITTEN_FROM} oflag=direct conv=fsync 2>/tmp/err`),
    after: `${DROP_CACHES}; dd if=/dev/sda bs=1M skip=${WRITTEN_FROM} count=${WRITTEN} 2>/dev/null | md5sum; rm /tmp/text`,
  },
  own('disk', 'disk-random', 4000, '4 KiB anywhere in 64 MiB'),
];

export const PROGRAMS: readonly Program[] = [
  own('integer', 'sieve', 300, 'byte stores at strides'),
  own('integer', 'crc32', 1800, 'byte loads, a dependent chain'),
  own('integer', 'sha256', 800, 'rotations, many live values'),
  own('integer', 'sort', 450, 'quicksort: compares, branches'),
  own('integer', 'fib', 3200, 'CALL, RET, the stack'),
  own('integer', 'dhry', 2200, 'records, short strings, calls'),
  own('integer', 'vm', 3300, 'an interpreter: indirect jumps'),
  own('integer', 'u64', 18000, '64-bit arithmetic in 32 bits'),
  own('memory', 'memcpy', 1500, 'REP MOVS and STOS'),
  own('memory', 'memword', 430, 'copies and sums by words'),
  own('memory', 'chase', 25000, 'dependent loads over 4 MiB'),
  own('x87', 'nbody', 600, 'add, multiply, divide, square root'),
  own('x87', 'mandel', 1500, 'multiply, add, compare'),
  own('sse', 'vector', 10000, 'four floats at a time', { needs: 'sse2' }),
  own('sse', 'nbody-sse', 1500, 'scalar doubles', { needs: 'sse2' }),
  own('system', 'syscall', 500, 'SYSENTER and INT 80h'),
  own('system', 'forkexec', 500, 'fork, execve, exit, waitpid'),
  own('system', 'pipe', 9000, 'reads, writes, switches of process'),
  own('system', 'fault', 90, 'page faults'),
  busybox('gzip', 2400, 'deflate', 'gzip -c </tmp/text >/tmp/gz', { after: 'md5sum </tmp/gz' }),
  passes('gunzip', 9, 'inflate', 'gunzip -c </tmp/gz >/tmp/out', {
    before: () => `${text(PASS)}; gzip -1 -c </tmp/text >/tmp/gz`,
    after: 'md5sum </tmp/out',
  }),
  passes('md5sum', 28, 'MD5', 'md5sum </tmp/text'),
  passes('sha256sum', 9, 'SHA-256', 'sha256sum </tmp/text'),
  busybox('sort-lines', 6000, 'sort: lines of text', 'sort </tmp/text >/tmp/out', { after: 'md5sum </tmp/out' }),
  busybox('grep', 3000, 'a regular expression', "grep -c -E 'qui(min|ka).*xo[a-m]' </tmp/text"),
  {
    name: 'shell-loop',
    group: 'programs',
    about: 'the shell itself',
    size: 40000,
    command: (size) => `i=0; while [ $i -lt ${size} ]; do i=$((i + 1)); done; echo $i`,
  },
  ...DISK_PROGRAMS,
  {
    name: 'ls-lr',
    group: 'other',
    about: 'ls -lR / into a file',
    size: 1,
    command: () => 'ls -lR / >/tmp/out 2>/dev/null; wc -l </tmp/out',
    differs: true,
  },
  {
    name: 'serial',
    group: 'other',
    about: 'KiB of text on the serial line',
    size: 400,
    before: text,
    command: () => 'cat /tmp/text',
  },
];

/** A size for this run: at least 1. */
export const scaled = ({ size }: Program, scale: number): number => Math.max(1, Math.round(size * scale));
