/** `vetro run`: declares its options and hands them to `runGuests`. */
import type { CommandModule } from 'yargs';
import { UserError } from '../base/errors.ts';
import type { SystemName } from './fetch/debian.ts';
import { SYSTEM_NAMES } from './fetch-command.ts';
import { runGuests } from './run-guests.ts';
import type { CommandContext } from './vetro.ts';

export interface RunArguments {
  file?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  system: SystemName;
  demo: boolean;
  memory: number;
  cpu: string;
  engine: 'interpreter' | 'reference';
  clock?: 'virtual' | 'host';
  serial: string;
  count: number;
  weight: number[];
  reboot: boolean;
}

const EXIT_STATUSES = `Exit status:
  0  the guest powered off or halted for good, or you quit
  1  internal error (a bug of ours)
  2  a wrong option or an unusable file: one line on standard error says what
  3  triple fault, with --no-reboot
  n  the guest wrote (n - 1) / 2 to its debug-exit port F4h`;

const KEYS = `Keys, on a terminal:
  Ctrl-A x  quit          Ctrl-A c  monitor: registers, memory, disassembly, step
  Ctrl-A n  next guest    Ctrl-A a  send Ctrl-A`;

export const runCommand = (context: CommandContext): CommandModule<object, RunArguments> => ({
  command: 'run [file]',
  describe: 'Boot a Linux kernel, a flat image, the demo, or by default Debian (fetched once)',
  builder: (args) =>
    args
      .positional('file', {
        type: 'string',
        describe: 'a bzImage, or a boot sector or flat image (as vetro asm makes), loaded and started at 0000:7C00',
      })
      .option('kernel', { type: 'string', describe: 'path of a bzImage', requiresArg: true })
      .option('initrd', {
        type: 'string',
        describe: 'path of an initial RAM disk',
        requiresArg: true,
      })
      .option('append', {
        type: 'string',
        requiresArg: true,
        describe: 'kernel command line, instead of console=ttyS0 (Debian: console=ttyS0 cryptomgr.notests)',
      })
      .option('system', {
        choices: SYSTEM_NAMES,
        default: 'debian-686' as const,
        describe: 'what to boot without --kernel',
      })
      .option('demo', { type: 'boolean', default: false, describe: 'boot the embedded demo' })
      .option('memory', { type: 'number', default: 512, describe: 'RAM of each guest in MiB', requiresArg: true })
      .option('cpu', { type: 'string', default: 'i686', describe: 'CPU model', requiresArg: true })
      .option('engine', {
        choices: ['interpreter', 'reference'] as const,
        default: 'interpreter' as const,
        describe: 'how guest code is executed',
      })
      .option('clock', {
        choices: ['virtual', 'host'] as const,
        describe: 'guest time: by instructions alone, or held back by the wall clock (default: host on a terminal)',
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
      .option('reboot', {
        type: 'boolean',
        default: true,
        describe: '--no-reboot: a reset or triple fault ends the guest',
      })
      .example('$0 run', 'boot Debian to a shell')
      .example('$0 run bzImage --initrd initrd.img', 'boot your own kernel')
      .example('$0 asm boot.asm -o boot.img && vetro run boot.img', 'boot your own program')
      .epilogue(`${KEYS}\n\n${EXIT_STATUSES}`),
  handler: async (options) => {
    context.status = await runGuests(checked(options), context.stop);
  },
});

/** @throws UserError for what yargs lets through: not-a-numbers, repeated options, zero. */
function checked<Options extends RunArguments>(options: Options): Options {
  for (const name of ['kernel', 'initrd', 'append', 'cpu', 'serial', 'memory', 'count', 'engine', 'clock'] as const) {
    if (Array.isArray(options[name])) throw new UserError(`--${name} is given twice`);
  }
  const { file, kernel, demo } = options;
  if (file !== undefined && kernel !== undefined) throw new UserError(`give either ${file} or --kernel ${kernel}`);
  if (file !== undefined && demo) throw new UserError(`give either ${file} or --demo`);
  if (options.initrd !== undefined && (file ?? kernel) === undefined)
    throw new UserError('--initrd needs a kernel: vetro run bzImage --initrd FILE');
  if (demo && kernel !== undefined) throw new UserError('--demo and --kernel exclude each other');
  if (!Number.isInteger(options.count) || options.count < 1)
    throw new UserError('--count must be a whole number from 1 on');
  if (options.weight.some((weight) => !(weight > 0))) throw new UserError('--weight must be a number above 0');
  return options;
}
