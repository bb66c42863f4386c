/** What `vetro run` boots: a file, a kernel, a BIOS, or a guest that has a name; a file may be an image for a drive. */
import { UserError } from '../base/errors.ts';
import { bootBios } from './bios-boot.ts';
import { bootFile, bootKernelFile, type DriveBoot, memoryLimit, modulePath } from './boot-file.ts';
import { bootGuest } from './guest-boot.ts';
import { DEFAULT_GUEST, type LoadedGuest } from './guests.ts';
import type { BootArguments } from './run-arguments.ts';

/** `serial`: where the serial port goes, if a terminal may be there. */
export type BootRequest = BootArguments & { readonly serial?: string };

/** @throws UserError for unusable files; the reason of `stop` if it is aborted */
export async function findBoot(options: BootRequest, stop: AbortSignal): Promise<LoadedGuest | DriveBoot> {
  const { demo, file, bios, kernel, initrd, module, append, memory } = options;
  if (bios !== undefined) {
    if (file !== undefined) throw new UserError('FILE and --bios both say what to boot: give one of them');
    return { boot: await bootBios(bios, stop) };
  }
  const limit = memoryLimit(memory);
  const paths = [file === '' ? '-' : file, kernel, initrd, ...module.map(modulePath)];
  if (paths.filter((path) => path === '-').length > 1)
    throw new UserError('kernel, initrd and modules cannot share standard input: give all but one of them as files');
  const bootOptions = { initrd, module, append, commandLine: COMMAND_LINE, limit };
  if (file !== undefined) {
    const found = bootFile(file, bootOptions);
    return 'drive' in found ? found : { boot: found };
  }
  if (kernel !== undefined) return { boot: bootKernelFile(kernel, bootOptions) };
  const name = demo ? 'demo' : (options.guest ?? DEFAULT_GUEST);
  return bootGuest(name, { append, terminalSize: terminalSize(options), signal: stop });
}

const COMMAND_LINE = 'console=ttyS0';

/** On a terminal, Debian's /init is told its size. */
function terminalSize({ serial }: BootRequest): string {
  const { isTTY, rows, columns } = process.stdout;
  return serial === 'stdio' && isTTY && process.stdin.isTTY ? ` LINES=${rows} COLUMNS=${columns}` : '';
}
