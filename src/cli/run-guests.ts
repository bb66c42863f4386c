/** What `vetro run` does: finds what to boot, creates the guests, connects their serial ports, waits for their end. */
import { UserError } from '../base/errors.ts';
import { type Guest, type GuestBoot, Host } from '../index.ts';
import { bootFile, readKernelFile } from './boot-file.ts';
import { Console } from './console.ts';
import { assembleDemo } from './demo.ts';
import { exitStatusOf } from './exit-status.ts';
import { fetchSystem, isFetched } from './fetch/debian.ts';
import { readUserFile } from './files.ts';
import { openMonitor } from './monitor.ts';
import { createProgress } from './progress.ts';
import type { RunArguments } from './run-command.ts';
import { connectSerial } from './serial.ts';

/** Sets the process's exit status. @throws UserError */
export async function runGuests(options: RunArguments): Promise<void> {
  const boot = await findBoot(options);
  const host = await Host.create();
  const guests: Guest[] = [];
  try {
    for (let index = 0; index < options.count; index++) {
      guests.push(
        await host.createGuest({
          name: options.count === 1 ? 'guest' : `vm${index + 1}`,
          boot,
          memory: options.memory,
          cpu: options.cpu,
          engine: options.engine,
          clock: options.clock ?? (process.stdin.isTTY && options.serial === 'stdio' ? 'host' : 'virtual'),
          powerOnTime: Date.now(),
          weight: options.weight[index] ?? options.weight.at(-1) ?? 1,
          onTripleFault: options.reboot ? 'reset' : 'stop',
          onReset: options.reboot ? 'reset' : 'stop',
        }),
      );
    }
    process.exitCode = await runToTheEnd(guests, options);
  } finally {
    host.dispose();
  }
}

async function runToTheEnd(guests: readonly Guest[], options: RunArguments): Promise<number> {
  // Before the serial port is connected: the line must be gone when output appears.
  if (options.serial === 'stdio') showWait(guests);
  const closeSerial = await connectSerial(guests, options.serial);
  const console = new Console({
    guests,
    serialInput: options.serial === 'stdio',
    onMonitor: openMonitor,
    onQuit: () => {
      for (const guest of guests) guest.stop();
    },
  });
  try {
    const exits = await Promise.all(
      guests.map(async (guest) => {
        guest.on('reset', (cause) => {
          if (cause !== 'host') console.report(`${guest.name}: ${cause === 'guest' ? 'reset' : 'triple fault, reset'}`);
        });
        const exit = await guest.run();
        const error = exit.reason === 'error' ? `: ${exit.error.message}` : '';
        if (exit.reason !== 'stopped' && exit.reason !== 'halted')
          console.report(`${guest.name}: ${exit.reason}${error}`);
        return exit;
      }),
    );
    return Math.max(...exits.map(exitStatusOf));
  } finally {
    console.close();
    await closeSerial();
  }
}

/**
 * A kernel unpacks itself for seconds before it says a word. Meanwhile a terminal shows that something happens; the line
 * goes away with the first output.
 */
function showWait(guests: readonly Guest[]): void {
  const progress = createProgress();
  const show = (): void => {
    const instructions = guests.reduce((sum, guest) => sum + guest.instructions, 0);
    progress.show(`starting, ${Math.floor(instructions / 1e6)} million instructions`);
  };
  const timer = setInterval(show, 250);
  let shown = true;
  const end = (): void => {
    clearInterval(timer);
    if (shown) progress.end();
    shown = false;
  };
  for (const guest of guests) {
    guest.serial.on('data', end);
    guest.on('exit', end);
  }
}

async function findBoot(options: RunArguments): Promise<GuestBoot> {
  if (options.demo) return { image: assembleDemo() };
  const { file, initrd, append } = options;
  if (file !== undefined) return bootFile(file, { initrd, append, commandLine: COMMAND_LINE });
  if (options.kernel !== undefined) return readKernel(options.kernel, options.initrd, options.append ?? COMMAND_LINE);
  const progress = createProgress();
  try {
    const { kernel, initrd } = await fetchSystem(options.system, { onProgress: progress.show });
    progress.end();
    return readKernel(kernel, initrd, options.append ?? debianCommandLine(options));
  } catch (error) {
    progress.end();
    if (!(error instanceof UserError) || (await isFetched(options.system))) throw error;
    process.stderr.write(
      `vetro: no ${options.system} (${error.message}); booting the embedded demo instead. ` +
        'To give a kernel: vetro run --kernel <bzImage> --initrd <file>\n',
    );
    return { image: assembleDemo() };
  }
}

function readKernel(kernel: string, initrd: string | undefined, commandLine: string): GuestBoot {
  return {
    kernel: readKernelFile(kernel),
    initrd: initrd === undefined ? undefined : readUserFile(initrd, 'initrd'),
    commandLine,
  };
}

const COMMAND_LINE = 'console=ttyS0';

/**
 * Debian's kernel tests all of its ciphers at every boot unless told otherwise: half of what a boot executes. On a
 * terminal, /init is told its size.
 */
function debianCommandLine({ serial }: RunArguments): string {
  const { isTTY, rows, columns } = process.stdout;
  const size = serial === 'stdio' && isTTY && process.stdin.isTTY ? ` LINES=${rows} COLUMNS=${columns}` : '';
  return `${COMMAND_LINE} cryptomgr.notests${size}`;
}
