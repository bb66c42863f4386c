/** What `vetro run` does: finds what to boot, creates the guests, connects their serial ports, waits for their end. */
import { createPlatform } from '../host/platform.ts';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import { Host } from '../hypervisor/host.ts';
import { Console } from './console.ts';
import { exitStatusOf } from './exit-status.ts';
import { findBoot } from './find-boot.ts';
import { openMonitor } from './monitor.ts';
import { Monitor } from './monitor-commands.ts';
import { createProgress } from './progress.ts';
import type { RunArguments } from './run-command.ts';
import { connectSerial } from './serial.ts';

/** @returns the exit status. @throws UserError; the reason of `stop` if it is aborted */
export async function runGuests(options: RunArguments, stop: AbortSignal): Promise<number> {
  const boot = await findBoot(options, stop);
  const host = new Host({ platform: createPlatform() });
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
    return await runToTheEnd(guests, options, stop);
  } finally {
    host.dispose();
  }
}

async function runToTheEnd(guests: readonly Guest[], options: RunArguments, stop: AbortSignal): Promise<number> {
  const stopAll = (): void => {
    for (const guest of guests) guest.stop();
  };
  // Before the serial port is connected: the line must be gone when output appears.
  if (options.serial === 'stdio') showWait(guests);
  const closeSerial = await connectSerial(guests, options.serial);
  // Nobody reads it here.
  for (const guest of guests) guest.debugConsole.discard();
  const monitors = new Map(guests.map((guest) => [guest, new Monitor(guest)]));
  const console = new Console({
    guests,
    serialInput: options.serial === 'stdio',
    onMonitor: (guest, end) => openMonitor(guest, monitors.get(guest)!, end),
    onQuit: stopAll,
  });
  stop.addEventListener('abort', stopAll);
  try {
    stop.throwIfAborted();
    const exits = await Promise.all(
      guests.map(async (guest) => {
        guest.on('reset', (cause) => {
          if (cause !== 'host') console.report(`${guest.name}: ${cause === 'guest' ? 'reset' : 'triple fault, reset'}`);
        });
        guest.on('breakpoint', () => void console.openMonitor(guest));
        const exit = await guest.run();
        const error = exit.reason === 'error' ? `: ${exit.error.message}` : '';
        if (exit.reason !== 'stopped' && exit.reason !== 'halted')
          console.report(`${guest.name}: ${exit.reason}${error}`);
        return exit;
      }),
    );
    stop.throwIfAborted();
    return Math.max(...exits.map(exitStatusOf));
  } finally {
    stop.removeEventListener('abort', stopAll);
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
