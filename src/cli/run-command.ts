/** `vetro run`: declares its options and hands them to `runGuests`. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import { DEFAULT_INSTRUCTION_TIME } from '../base/guest-time.ts';
import { DEFAULT_INTERVAL } from '../debug/profile/guest-profiler.ts';
import { ENGINES } from '../engine/processor.ts';
import { CAP, FUEL, INSTRUCTION_TIME } from '../hypervisor/options/check-guest-options.ts';
import { POOL_LIMIT } from '../hypervisor/options/pool-options.ts';
import { bootOptions, checkBootOptions } from './boot-options.ts';
import { checkNumber, refuseEmpty } from './check-options.ts';
import { parseCheckpoint } from './checkpoint-option.ts';
import type { CommandContext } from './command-context.ts';
import { describeGuests } from './guests.ts';
import { MEDIA_EPILOGUE, mediaOptions, parseBootOrder, parseMedia } from './media-options.ts';
import { parsePowerOnTime } from './power-on-time.ts';
import type { RunArguments } from './run-arguments.ts';
import { runGuests } from './run-guests.ts';
import { parseSerial } from './serial.ts';
import { parseSnapshotAt, snapshotOptions } from './snapshot-at.ts';

const COUNT = { least: 1, most: 256 };
/** Instructions between two samples. */
const INTERVAL = { least: 100, most: 1e12, whole: true };
const POOL = { ...POOL_LIMIT, whole: true };
const WEIGHT = { least: 0.001, most: 1_000_000 };

const EXIT_STATUSES = `Exit status:
  0  the guest powered off or halted for good, or you quit
  1  internal error (a bug of ours)
  2  a wrong option or an unusable file: one line on standard error says what
  3  triple fault with --no-reboot, or resets again and again without getting any further
  130, 143, 129  ended by SIGINT, SIGTERM, SIGHUP
  n  the guest wrote (n - 1) / 2 to its debug-exit port F4h (the status has 8 bits)`;

const KEYS = `Keys, on a terminal:
  Ctrl-A x  quit          Ctrl-A c  monitor: registers, memory, breakpoints, step (q quits there)
  Ctrl-A n  next guest    Ctrl-A s  tell a Linux shell the size of the terminal
  Ctrl-A a  send Ctrl-A
A serial line cannot tell the guest that the terminal was resized: Ctrl-A s types
"stty rows R cols C" there.`;

export const runCommand = (context: CommandContext): CommandModule<object, RunArguments> => ({
  command: 'run [file]',
  describe: 'Boot a kernel, a CD, floppy or disk, a flat image, a BIOS, the demo, or by default Debian (fetched once)',
  builder: (args) =>
    snapshotOptions(mediaOptions(bootOptions(args)))
      .option('engine', {
        choices: ENGINES,
        default: ENGINES[0],
        describe: 'how guest code is executed: auto translates what is hot, jit all at once',
        requiresArg: true,
      })
      .option('clock', {
        choices: ['virtual', 'host'] as const,
        requiresArg: true,
        describe: 'guest time: by instructions alone, or along the wall clock (default: host on a terminal)',
      })
      .option('instruction-time', {
        type: 'number',
        default: DEFAULT_INSTRUCTION_TIME,
        describe: 'guest time that an instruction takes, in ns, 0.01 to 1000; with --clock host only at first',
        requiresArg: true,
      })
      .option('power-on-time', {
        type: 'string',
        describe: "the date in the guest's clock, in UTC, as 2026-11-28T12:34:56, or now",
        requiresArg: true,
      })
      .option('serial', {
        type: 'string',
        default: 'stdio',
        requiresArg: true,
        describe: 'where COM1 goes: stdio, pty, file:<path> or none',
      })
      .option('count', { type: 'number', default: 1, describe: 'guests to run at once', requiresArg: true })
      .option('weight', {
        type: 'array',
        number: true,
        default: [] as number[],
        describe: 'shares of the guests, in order: --weight 1 3',
        requiresArg: true,
      })
      .option('cap', {
        type: 'array',
        number: true,
        default: [] as number[],
        describe: 'most processor time of the guests, in order, in per cent of a core: --cap 50 100',
        requiresArg: true,
      })
      .option('fuel', {
        type: 'number',
        describe: 'stop each guest behind exactly so many instructions (as 1e9), and print its state hash',
        requiresArg: true,
      })
      .option('no-reboot', { type: 'boolean', default: false, describe: 'a reset or triple fault ends the guest' })
      .option('balloon', {
        type: 'boolean',
        default: false,
        describe: "a memory balloon: Linux's virtio_balloon gives memory back (monitor: balloon MIB)",
      })
      .option('paravirtual', {
        type: 'boolean',
        default: false,
        describe: "tell the guest of its hypervisor: KVM's signature, kvmclock, and steal time",
      })
      .option('pool', {
        type: 'number',
        describe: 'put all guests into one pool of so many MiB, where they share equal pages (with --count)',
        requiresArg: true,
      })
      .option('top', {
        type: 'boolean',
        default: false,
        describe:
          'show what the guests do, once a second: a table, or lines of JSON in a pipe; serial stdio is none then',
      })
      .option('checkpoint', {
        type: 'string',
        describe:
          'take snapshots into this folder while it runs (FOLDER,every=30s): vetro recover FOLDER goes on from there',
        requiresArg: true,
      })
      .option('profile', {
        type: 'string',
        describe: 'write where guest time goes to this file, for speedscope; .txt or .collapsed: collapsed stacks',
        requiresArg: true,
      })
      .option('profile-interval', {
        type: 'number',
        describe: `instructions between two samples of the profile (default: ${DEFAULT_INTERVAL.toLocaleString('en')})`,
        requiresArg: true,
      })
      .option('symbols', {
        type: 'array',
        string: true,
        default: [] as string[],
        describe: 'names for the profile: System.map or /proc/kallsyms of the kernel, ELF files',
        requiresArg: true,
      })
      .example('$0 run', 'boot Debian to a shell')
      .example('$0 run --guest grub', "boot GRUB's rescue CD (fetched once)")
      .example('$0 run bzImage --initrd initrd.img', 'boot your own kernel')
      .example("$0 run gnumach --module 'ext2fs.static ext2fs'", 'boot a Multiboot kernel with a module')
      .example('$0 run --bios seabios', 'start SeaBIOS')
      .example('$0 asm boot.asm -o boot.img && vetro run boot.img', 'boot your own program')
      .epilogue(`Guests (--guest):\n${describeGuests()}\n\n${MEDIA_EPILOGUE}\n\n${KEYS}\n\n${EXIT_STATUSES}`),
  handler: async (options) => {
    context.status = await runGuests(checked(options), context.stop);
  },
});

/** @throws UserError for what yargs lets through: numbers out of range, empty words, options that exclude each other */
function checked<Options extends RunArguments>(options: Options): Options {
  refuseEmpty(options, ['serial', 'profile', 'cdrom', 'boot', 'snapshot', 'snapshot-at', 'checkpoint']);
  checkBootOptions(options);
  checkMedia(options);
  const { count, weight, 'instruction-time': instructionTime } = options;
  parseSerial(options.serial);
  if (options['power-on-time'] !== undefined) parsePowerOnTime(options['power-on-time'], 0);
  checkNumber('--instruction-time', instructionTime, { ...INSTRUCTION_TIME, unit: ' of ns' });
  checkNumber('--count', count, { ...COUNT, whole: true });
  if (parseSnapshotAt(options) !== undefined && count > 1)
    throw new UserError('--snapshot saves one guest: it does not go with --count');
  if (options.pool !== undefined) checkNumber('--pool', options.pool, POOL);
  parseCheckpoint(options.checkpoint);
  checkProfile(options);
  checkPerGuest('--weight', weight, WEIGHT, count);
  checkPerGuest('--cap', options.cap, { ...CAP, unit: ' of per cent' }, count);
  if (options.fuel !== undefined) checkNumber('--fuel', options.fuel, { ...FUEL, whole: true });
  return options;
}

function checkPerGuest(
  name: string,
  values: readonly number[],
  range: Parameters<typeof checkNumber>[2],
  count: number,
): void {
  for (const value of values) {
    if (Number.isNaN(value)) throw new UserError(`${name} takes numbers only: FILE, if there is one, comes before it`);
    checkNumber(name, value, range);
  }
  if (values.length <= count) return;
  throw new UserError(`${name} has ${values.length} numbers for ${count} guest${count === 1 ? '' : 's'} (see --count)`);
}

function checkMedia(options: RunArguments): void {
  parseMedia(options);
  if (parseBootOrder(options.boot) === undefined) return;
  const { kernel, demo, guest, initrd, module, append } = options;
  const other = Object.entries({ kernel, demo: demo || undefined, guest, initrd, module: module[0], append }).find(
    ([, value]) => value,
  );
  if (other) throw new UserError(`--boot starts from drives, and --${other[0]} does not: give one of them`);
}

function checkProfile({ profile, 'profile-interval': interval, symbols }: RunArguments): void {
  const needing = interval !== undefined ? '--profile-interval' : symbols.length > 0 ? '--symbols' : undefined;
  if (profile === undefined && needing !== undefined)
    throw new UserError(`${needing} is for profiles: give --profile FILE, too`);
  if (profile === '-') throw new UserError("--profile takes the name of a file: standard output is the guest's");
  if (interval !== undefined) checkNumber('--profile-interval', interval, INTERVAL);
  if (symbols.includes('')) throw new UserError('--symbols is empty: give it a value or leave it out');
}
