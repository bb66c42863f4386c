/** What can be asked of checkpoints: snapshots that are taken by themselves, to go on from when the host has died. */
import { checkNumber, checkOptions, checkString, checkWholeNumber } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';

export interface CheckpointOptions {
  /** How much may be lost: ms, or a text as `30s`, `500ms`, `2m`, `1h`; from 100 ms to a day. Default: 30 s. */
  readonly every?: number | string | undefined;
  /** Path of a store of snapshots; one that is not there is made. */
  readonly to: string;
  /** How many are kept: older ones are deleted. From 1 to 1000. Default: 2. */
  readonly keep?: number | undefined;
}

export interface CheckedCheckpoint {
  /** In ms. */
  readonly every: number;
  readonly to: string;
  readonly keep: number;
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const EVERY = { least: 100, most: 86_400_000, unit: 'ms' };
const DEFAULT_EVERY = 30_000;
const KEEP = { least: 1, most: 1000 };

/** @throws UserError that names the option */
export function checkCheckpoint(value: unknown): CheckedCheckpoint | undefined {
  if (value === undefined) return undefined;
  const { every, to, keep } = checkOptions('checkpoint', value, ['every', 'to', 'keep']);
  if (checkString('checkpoint.to', to) === '')
    throw new UserError('checkpoint.to is empty: it must be the path of a folder');
  return {
    every: every === undefined ? DEFAULT_EVERY : Math.round(checkInterval(every)),
    to: to as string,
    keep: keep === undefined ? 2 : checkWholeNumber('checkpoint.keep', keep, KEEP),
  };
}

function checkInterval(every: unknown): number {
  if (typeof every !== 'string') return checkNumber('checkpoint.every', every, EVERY);
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)$/.exec(every) ?? [];
  if (number === undefined)
    throw new UserError(`checkpoint.every must be a time as in 30s, 500ms, 2m, not ${every.slice(0, 100)}`);
  return checkNumber('checkpoint.every', Number(number) * UNITS[unit as keyof typeof UNITS], EVERY);
}
