/** What `vetro run` does: finds what to boot, creates the guests, connects their serial ports, waits for their end. */
import { UserError } from '../base/errors.ts';
import { createPlatform } from '../host/platform.ts';
import type { PcGuest as Guest } from '../hypervisor/create-guest.ts';
import { parseCheckpoint } from './checkpoint-option.ts';
import { Console } from './console.ts';
import { createHost } from './create-host.ts';
import { EXIT, exitStatusOf } from './exit-status.ts';
import { findGuest } from './find-guest.ts';
import { lastWords } from './last-words.ts';
import { openMonitor } from './monitor.ts';
import { Monitor } from './monitor-commands.ts';
import { parsePowerOnTime } from './power-on-time.ts';
import { ProfileOutput } from './profile-output.ts';
import { createProgress } from './progress.ts';
import { ResetWatch } from './reset-watch.ts';
import type { RunArguments } from './run-arguments.ts';
import { connectSerial, parseSerial } from './serial.ts';
import { parseSnapshotAt, type SnapshotArguments, SnapshotKeeper } from './snapshot-at.ts';
import { Top } from './top/top.ts';

/** @returns the exit status. @throws UserError; the reason of `stop` if it is aborted */
export async function runGuests(options: RunArguments, stop: AbortSignal): Promise<number> {
  const { boot, media, inputs, taken } = await findGuest(options, stop);
  const platform = createPlatform();
  const profile = createProfile(options, inputs, platform.now);
  const pools = options.pool === undefined ? undefined : { [POOL]: { limit: options.pool } };
  const host = createHost({ platform, pools });
  const guests: Guest[] = [];
  const clock = options.clock ?? (process.stdin.isTTY && options.serial === 'stdio' ? 'host' : 'virtual');
  // A run that is meant to repeat begins at the time that the library says; in a pipe, say, the clock is virtual, too.
  const repeats = options.clock === 'virtual' || (clock === 'virtual' && options.fuel !== undefined);
  const begin = options['power-on-time'] ?? (repeats ? undefined : 'now');
  const powerOnTime = begin === undefined ? undefined : parsePowerOnTime(begin, Date.now());
  try {
    for (let index = 0; index < options.count; index++) {
      guests.push(
        await host.createGuest({
          name: options.count === 1 ? 'guest' : `vm${index + 1}`,
          boot,
          ...media,
          memory: options.memory,
          cpu: options.cpu,
          engine: options.engine,
          clock,
          instructionTime: options['instruction-time'],
          powerOnTime,
          weight: options.weight[index] ?? options.weight.at(-1) ?? 1,
          cap: options.cap[index] ?? options.cap.at(-1),
          fuel: options.fuel,
          // Somebody types.
          latency: process.stdin.isTTY && options.serial === 'stdio' ? 'interactive' : 'normal',
          onTripleFault: options['no-reboot'] ? 'stop' : 'reset',
          onReset: options['no-reboot'] ? 'stop' : 'reset',
          onNothingToBoot: 'stop',
          balloon: options.balloon,
          paravirtual: options.paravirtual,
          pool: pools && POOL,
          checkpoint: parseCheckpoint(options.checkpoint),
        }),
      );
    }
    if (taken !== undefined) process.stderr.write(`vetro: ${taken}\n`);
    for (const guest of guests) profile?.watch(guest);
    try {
      const serial = options.top && options.serial === 'stdio' ? 'none' : options.serial;
      const session = { ...options, serial, inputs, hint: 'kernel' in boot ? KERNEL_HINT : '' };
      return await runToTheEnd(guests, session, stop);
    } finally {
      profile?.finish();
    }
  } finally {
    // What was written is brought to where it is kept, whatever else happens.
    await host[Symbol.asyncDispose]();
  }
}

/** @throws UserError */
function createProfile(options: RunArguments, inputs: readonly string[], now: () => number): ProfileOutput | undefined {
  const { profile: path, 'profile-interval': interval, symbols } = options;
  if (path === undefined) return undefined;
  return new ProfileOutput({ path, interval, symbols, inputs, now });
}

/** The pool that all guests are put into. */
const POOL = 'run';

/** For a kernel that comes to nothing before it has said a word. */
const KERNEL_HINT =
  '; Vetro starts kernels at their 32-bit entry: this one may need its real-mode entry and a BIOS, or another CPU';

export interface SessionOptions extends SnapshotArguments {
  readonly serial: string;
  readonly hint: string;
  /** Paths of what is booted, and of images. */
  readonly inputs: readonly string[];
  /** Standard output shows what the guests do. Default: false. */
  readonly top?: boolean;
}

/** @returns the exit status. @throws as `runGuests` does */
export async function runToTheEnd(
  guests: readonly Guest[],
  options: SessionOptions,
  stop: AbortSignal,
): Promise<number> {
  const stopAll = (): void => {
    for (const guest of guests) guest.stop();
  };
  let failure: unknown;
  const onFailure = (error: unknown): void => {
    failure ??= error;
    stopAll();
  };
  const watches = new Map(guests.map((guest) => [guest, new ResetWatch(guest)]));
  const silent = new Set(guests);
  for (const guest of guests) guest.serial.on('data', () => silent.delete(guest));
  // Before the serial port is connected: the line must be gone when output appears.
  const endWait = options.serial === 'stdio' ? showWait(guests) : () => {};
  const connection = await connectSerial({
    guests,
    serial: parseSerial(options.serial),
    inputs: options.inputs,
    onFailure,
  });
  // Nobody reads it here.
  for (const guest of guests) guest.debugConsole.discard();
  const monitors = new Map(guests.map((guest) => [guest, new Monitor(guest)]));
  const top = options.top ? new Top({ guests, now: createPlatform().now }) : undefined;
  const console = new Console({
    guests,
    screen: connection.screen,
    serialInput: options.serial === 'stdio',
    onMonitor: async (guest, end) => {
      endWait();
      top?.hide();
      try {
        return await openMonitor(guest, monitors.get(guest)!, end);
      } finally {
        top?.show();
      }
    },
    onReport: top && ((line) => top.note(line)),
    onQuit: stopAll,
    onHangUp: () => process.kill(process.pid, 'SIGHUP'),
    onInput: (guest) => watches.get(guest)!.heardInput(),
  });
  const runOne = async (guest: Guest): Promise<number> => {
    let hopeless = false;
    const keeper = createKeeper(guest, options, { report: (line) => console.report(line), onFailure });
    guest.on('reset', (cause, explanation) => {
      if (cause === 'host') return;
      const what = cause === 'guest' ? 'reset' : `triple fault${explanation === undefined ? '' : ` (${explanation})`}`;
      const outcome = watches.get(guest)!.reset();
      if (outcome === 'progress') console.report(`${guest.name}: ${cause === 'guest' ? what : `${what}, reset`}`);
      if (outcome !== 'hopeless') return;
      endWait();
      const hint = silent.has(guest) ? options.hint : '';
      console.report(`${guest.name}: ${what} again and again, without getting any further; given up${hint}`);
      hopeless = true;
      guest.stop();
    });
    guest.on('breakpoint', () => void console.openMonitor(guest));
    guest.on('memory', () => {
      const line = `${guest.name} is paused: there is no memory for it`;
      // Nobody could let it go on.
      if (!process.stdin.isTTY) return onFailure(new UserError(`${line}; give more, or run fewer guests`));
      console.report(`${line}; Ctrl-A c, then c, continues`);
    });
    guest.on('warning', (line) => {
      // That it is held means that we write slowly, and do so on purpose.
      if (!guest.serial.full) console.report(line);
    });
    const exit = await guest.run();
    await keeper?.ended(exit);
    if (!stop.aborted) for (const line of lastWords(guest, exit, silent.has(guest))) console.report(line);
    if (guest === console.front && guests.some(({ state }) => state !== 'stopped')) console.next();
    return hopeless ? EXIT.TRIPLE_FAULT : exitStatusOf(exit);
  };
  stop.addEventListener('abort', stopAll);
  try {
    stop.throwIfAborted();
    const statuses = await Promise.all(guests.map(runOne));
    if (failure === undefined) await settled(connection.drained(), stop);
    stop.throwIfAborted();
    if (failure !== undefined) throw failure;
    return Math.max(...statuses);
  } finally {
    stop.removeEventListener('abort', stopAll);
    console.close();
    top?.close();
    await settled(connection.close(), stop);
  }
}

function createKeeper(
  guest: Guest,
  { snapshot: path, 'snapshot-at': at }: SnapshotArguments,
  how: { report(line: string): void; onFailure(error: unknown): void },
): SnapshotKeeper | undefined {
  const time = parseSnapshotAt({ snapshot: path, 'snapshot-at': at });
  return path === undefined || time === undefined ? undefined : new SnapshotKeeper(guest, { ...how, path, at: time });
}

/** Waits for work that is given up when the command is to stop. */
const settled = (work: Promise<void>, stop: AbortSignal): Promise<void> =>
  Promise.race([
    work,
    new Promise<void>((resolve) => {
      if (stop.aborted) resolve();
      else stop.addEventListener('abort', () => resolve(), { once: true });
    }),
  ]);

/**
 * A kernel unpacks itself for seconds before it says a word. Meanwhile a terminal shows that something happens; the line
 * goes away with the first output.
 */
function showWait(guests: readonly Guest[]): () => void {
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
  return end;
}
