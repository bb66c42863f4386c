/** Exit statuses of the command `vetro`, as documented in the README and in `vetro run --help`. */
import { UserError } from '../base/errors.ts';
import type { GuestExit } from '../hypervisor/guest-events.ts';
import { StorageError } from '../storage/storage-error.ts';
import { Interrupted } from './stop.ts';

export const EXIT = {
  /** The guest powered off or halted for good, or the user quit. */
  OK: 0,
  /** A bug of ours. For `vetro difftest`: a difference was found, which is one. For `vetro image check`: faults were found. */
  INTERNAL_ERROR: 1,
  /** A wrong option, a missing or unusable file, no network: one line on standard error says what. */
  USER_ERROR: 2,
  /** Triple fault with --no-reboot, or resets that lead nowhere. */
  TRIPLE_FAULT: 3,
} as const;

/** The status for a guest's end. A write of `value` to the debug-exit port gives `value * 2 + 1`, as under QEMU. */
export function exitStatusOf(exit: GuestExit): number {
  switch (exit.reason) {
    case 'halted':
    case 'power-off':
    case 'stopped':
    case 'out-of-fuel':
    case 'migrated':
      return EXIT.OK;
    case 'triple-fault':
      return EXIT.TRIPLE_FAULT;
    case 'debug-exit':
      return exit.status & 0xff;
    case 'nothing-to-boot':
      return EXIT.USER_ERROR;
    case 'error':
      return EXIT.INTERNAL_ERROR;
  }
}

/** The status for an error, and its one line, unless nothing need be said. */
export function describeError(error: unknown): { message?: string; status: number } {
  if (error instanceof Interrupted) return { status: error.status };
  if (error instanceof UserError || error instanceof StorageError)
    return { message: error.message, status: EXIT.USER_ERROR };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message: `internal error: ${text}`, status: EXIT.INTERNAL_ERROR };
}
