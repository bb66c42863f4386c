/** What can be asked of a migration, and what it was like. */

import { type AbortSignalLike, checkSignal } from '../../base/abort.ts';
import { checkFunction, checkNumber, checkOptions, checkWholeNumber } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import { type CheckedRestoreOptions, checkRestoreOptions, type RestoreOptions } from '../snapshot/snapshot-options.ts';

export interface MigrateOptions {
  /** How long the guest should stand still at most, in ms; it is aimed at, not promised. Default 100. */
  readonly downtime?: number | undefined;
  /** Times that memory is copied beside the guest, at most; 0: the guest stands still from the beginning. Default 30. */
  readonly rounds?: number | undefined;
  /** How long, in ms, the guest stands still for an answer before it goes on here. Default 10,000. */
  readonly patience?: number | undefined;
  /** Aborted: the guest goes on here, as if nothing had happened; but not once it has been handed over. */
  readonly signal?: AbortSignalLike | undefined;
  /** Told after each round. */
  readonly onProgress?: ((progress: MigrationProgress) => void) | undefined;
}

export interface MigrationProgress {
  /** Rounds that are over. */
  readonly rounds: number;
  /** Bytes that went through the stream so far. */
  readonly bytes: number;
  /** Pages of 4 KiB that the guest has written since they were copied. */
  readonly written: number;
  /** Per cent of its time that the guest is denied, as it writes faster than can be copied. */
  readonly throttle: number;
}

export interface Migration extends MigrationProgress {
  /** How long the guest stood still, in ms: until the other side had it. */
  readonly downtime: number;
  /** Instructions that it had retired. */
  readonly instructions: number;
}

export interface ReceiveOptions extends RestoreOptions {
  /** Aborted: all that has come is thrown away, and the guest goes on where it was; but not once it has been handed over. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long, in ms, nothing may come before the other side is given up. Default 60,000. */
  readonly patience?: number | undefined;
}

export type CheckedMigrateOptions = Required<Pick<MigrateOptions, 'downtime' | 'rounds' | 'patience'>> &
  Pick<MigrateOptions, 'signal' | 'onProgress'>;

export interface CheckedReceiveOptions {
  readonly restore: CheckedRestoreOptions;
  readonly signal: AbortSignalLike | undefined;
  readonly patience: number;
}

/** What timers can do. */
const TIME = { least: 0, most: 2 ** 31 - 1, unit: 'ms' };
const ROUNDS = { least: 0, most: 1000 };
const USUAL = { DOWNTIME: 100, ROUNDS: 30, SEND_PATIENCE: 10_000, RECEIVE_PATIENCE: 60_000 } as const;

/** @throws UserError that names the option */
export function checkMigrateOptions(options: unknown): CheckedMigrateOptions {
  const names = ['downtime', 'rounds', 'patience', 'signal', 'onProgress'] as const;
  const { downtime, rounds, patience, signal, onProgress } = checkOptions('migrate: options', options, names);
  return {
    downtime: downtime === undefined ? USUAL.DOWNTIME : checkNumber('migrate: downtime', downtime, TIME),
    rounds: rounds === undefined ? USUAL.ROUNDS : checkWholeNumber('migrate: rounds', rounds, ROUNDS),
    patience: patience === undefined ? USUAL.SEND_PATIENCE : checkNumber('migrate: patience', patience, TIME),
    signal: checkSignal('migrate: signal', signal),
    onProgress: onProgress === undefined ? undefined : checkFunction('migrate: onProgress', onProgress),
  };
}

/** @throws UserError that names the option */
export function checkReceiveOptions(options: unknown): CheckedReceiveOptions {
  const { signal, patience, ...restore } = Object(options) as Partial<Record<string, unknown>>;
  if (restore.checkpoint !== undefined)
    throw new UserError('receive: checkpoint: this is not done yet; take snapshots of the guest when it has come');
  return {
    restore: checkRestoreOptions(typeof options === 'object' && options !== null ? restore : options),
    signal: checkSignal('receive: signal', signal),
    patience: patience === undefined ? USUAL.RECEIVE_PATIENCE : checkNumber('receive: patience', patience, TIME),
  };
}
