/** What ends the command from outside before its work is done: a signal, or an output that takes no more. */
import { UserError } from '../base/errors.ts';
import { fileProblem } from '../host/node/file-problem.ts';
import { SIGNALS, type StopSignal } from './signals.ts';

/** The status that a process which a signal has ended has in a shell: 128 + number. */
export const SIGNAL_STATUS: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
/** How long, in ms, output may take to drain once the command is to end. */
const LAST_MOMENT = 300;

/** Nothing is wrong, and nothing is printed: the command cleans up and ends with this status. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly status: number;

  constructor(why: string, status: number) {
    super(why);
    this.status = status;
  }
}

/**
 * Aborted when standard output fails, and, if asked for, at the first signal, with the error to end with as its reason;
 * then a signal does not end the process by itself any more.
 */
export function listenForStop({ signals }: { readonly signals: boolean }): AbortSignal {
  const stop = new AbortController();
  for (const signal of signals ? SIGNALS : []) {
    process.on(signal, () => stop.abort(new Interrupted(signal, SIGNAL_STATUS[signal])));
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read our output is gone (`vetro run | head`).
    if (error.code === 'EPIPE') stop.abort(new Interrupted('nobody reads standard output', 0));
    // A terminal that is gone: the signal that says so may come a moment later.
    else if (error.code === 'EIO') stop.abort(new Interrupted('the terminal is gone', SIGNAL_STATUS.SIGHUP));
    else stop.abort(new UserError(`cannot write to standard output: ${fileProblem(error)}`));
  });
  // There is nobody to be told.
  process.stderr.on('error', () => {});
  return stop.signal;
}

/** Resolves when standard output has taken everything, or failed; soon if the command is to stop. */
export async function flushed(stop: AbortSignal): Promise<void> {
  const written = new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  const hurried = new Promise<void>((resolve) => {
    const hurry = () => setTimeout(resolve, LAST_MOMENT);
    if (stop.aborted) hurry();
    else stop.addEventListener('abort', hurry, { once: true });
  });
  await Promise.race([written, hurried]);
}
