/** The options that say what a guest boots, and on what machine. */
import type { Argv } from 'yargs';
import { UserError } from '../base/errors.ts';
import { CPU_MODEL_NAMES, findCpuModel } from '../cpu/cpu-model.ts';
import { MAXIMUM_MEMORY, MINIMUM_MEMORY } from '../machine/pc-map.ts';
import { modulePath } from './boot-file.ts';
import { checkNumber, refuseEmpty } from './check-options.ts';
import { commandLineOf, DEFAULT_GUEST, GUEST_NAMES } from './guests.ts';
import type { BootArguments } from './run-arguments.ts';

const MIB = 2 ** 20;
const MEMORY = { least: MINIMUM_MEMORY / MIB, most: MAXIMUM_MEMORY / MIB };

/** Declares them, in this order, behind what `args` has. */
export const bootOptions = <Given>(args: Argv<Given>) =>
  args
    .positional('file', {
      type: 'string',
      describe:
        'a kernel (bzImage or Multiboot), an image of a CD, floppy or disk, or a flat image (as vetro asm makes), started at 0000:7C00',
    })
    .option('kernel', { type: 'string', describe: 'path of a kernel: bzImage or Multiboot', requiresArg: true })
    .option('initrd', {
      type: 'string',
      describe: 'path of an initial RAM disk',
      requiresArg: true,
    })
    .option('module', {
      type: 'array',
      string: true,
      nargs: 1,
      default: [] as string[],
      requiresArg: true,
      describe: "a module for a Multiboot kernel (repeatable): 'FILE', or 'FILE STRING'",
    })
    .option('append', {
      type: 'string',
      requiresArg: true,
      describe:
        'kernel command line, instead of console=ttyS0 (Debian: console=ttyS0 cryptomgr.notests; Multiboot: none)',
    })
    .option('guest', {
      choices: GUEST_NAMES,
      requiresArg: true,
      describe: `what to boot without a file (default: ${DEFAULT_GUEST}); see below`,
    })
    .option('bios', {
      type: 'string',
      requiresArg: true,
      describe: "start a BIOS: seabios (fetched once), or the image of one for QEMU's PC",
    })
    .option('demo', { type: 'boolean', default: false, describe: 'the same as --guest demo' })
    .option('memory', {
      type: 'number',
      default: 512,
      describe: `RAM of each guest in MiB, ${MEMORY.least} to ${MEMORY.most}`,
      requiresArg: true,
    })
    .option('cpu', {
      type: 'string',
      default: CPU_MODEL_NAMES[0],
      describe: `CPU model: ${CPU_MODEL_NAMES.join(', ')}`,
      requiresArg: true,
    });

/** @throws UserError for what yargs lets through */
export function checkBootOptions(options: BootArguments): void {
  refuseEmpty(options, ['kernel', 'initrd', 'bios', 'cpu']);
  refuseConflicts(options);
  checkNumber('--memory', options.memory, { ...MEMORY, whole: true, unit: ' of MiB' });
  findCpuModel(options.cpu);
}

function refuseConflicts({ file, kernel, initrd, module, append, guest, bios, demo }: BootArguments): void {
  const sources = { FILE: file, '--kernel': kernel, '--demo': demo || undefined, '--guest': guest, '--bios': bios };
  const given = Object.entries(sources).filter(([, value]) => value !== undefined);
  const [first, second] = given.map(([name]) => name);
  // A BIOS boots FILE if that is an image for a drive: seen later.
  const together = given.length === 2 && file !== undefined && bios !== undefined;
  if (second !== undefined && !together)
    throw new UserError(`${first} and ${second} both say what to boot: give one of them`);
  if (initrd !== undefined && (file ?? kernel) === undefined)
    throw new UserError('--initrd needs a kernel: vetro run bzImage --initrd FILE');
  if (module.some((text) => modulePath(text) === ''))
    throw new UserError('--module is empty: give the name of a file, and behind a blank what the kernel is told of it');
  if (module.length > 0 && (file ?? kernel) === undefined)
    throw new UserError("--module needs a Multiboot kernel: vetro run KERNEL --module 'FILE STRING'");
  if (append !== undefined && bios !== undefined)
    throw new UserError('--append is for kernels: a BIOS has no command line');
  if (guest !== undefined || demo) commandLineOf(guest ?? 'demo', append);
}
