/** What `vetro run` boots: a file, a kernel, a BIOS, the demo, or Debian; a file may be an image for a drive. */
import { UserError } from '../base/errors.ts';
import type { GuestBoot } from '../index.ts';
import { bootBios } from './bios-boot.ts';
import { bootFile, bootKernelFile, type DriveBoot, memoryLimit, modulePath } from './boot-file.ts';
import { bootDebian } from './debian-boot.ts';
import { assembleDemo } from './demo.ts';
import { DEFAULT_SYSTEM } from './fetch-command.ts';
import type { BootArguments } from './run-arguments.ts';

/** `serial`: where the serial port goes, if a terminal may be there. */
export type BootRequest = BootArguments & { readonly serial?: string };

/** @throws UserError for unusable files; the reason of `stop` if it is aborted */
export async function findBoot(options: BootRequest, stop: AbortSignal): Promise<GuestBoot | DriveBoot> {
  const { demo, file, bios, kernel, initrd, module, append, memory } = options;
  if (demo) return { image: assembleDemo() };
  if (bios !== undefined) {
    if (file !== undefined) throw new UserError('FILE and --bios both say what to boot: give one of them');
    return bootBios(bios, stop);
  }
  const limit = memoryLimit(memory);
  const paths = [file === '' ? '-' : file, kernel, initrd, ...module.map(modulePath)];
  if (paths.filter((path) => path === '-').length > 1)
    throw new UserError('kernel, initrd and modules cannot share standard input: give all but one of them as files');
  const bootOptions = { initrd, module, append, commandLine: COMMAND_LINE, limit };
  if (file !== undefined) return bootFile(file, bootOptions);
  if (kernel !== undefined) return bootKernelFile(kernel, bootOptions);
  return bootDebian(options.system ?? DEFAULT_SYSTEM, {
    commandLine: append ?? debianCommandLine(options),
    signal: stop,
  });
}

const COMMAND_LINE = 'console=ttyS0';

/**
 * Debian's kernel tests all of its ciphers at every boot unless told otherwise: half of what a boot executes. On a
 * terminal, /init is told its size.
 */
function debianCommandLine({ serial }: BootRequest): string {
  const { isTTY, rows, columns } = process.stdout;
  const size = serial === 'stdio' && isTTY && process.stdin.isTTY ? ` LINES=${rows} COLUMNS=${columns}` : '';
  return `${COMMAND_LINE} cryptomgr.notests${size}`;
}
