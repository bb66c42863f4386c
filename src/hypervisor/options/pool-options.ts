/** What a host is told of its memory. */
import { checkBoolean, checkNumber, checkOptions, checkWholeNumber, shown } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import { checkName } from './check-guest-options.ts';

/** A pool, in which guests that are created with its name live together. */
export interface PoolOptions {
  /** Memory that its guests may hold together, in MiB, a whole number from 1 to 4096. Default: no limit but those of the host. */
  readonly limit?: number | undefined;
  /**
   * Whether pages of its guests that are equal share memory. They are looked for between slices; `budget`: for so much of
   * the time, in per cent of a core, from 0.01 to 100. Default: true, for 1 per cent.
   */
  readonly sharing?: boolean | { readonly budget?: number | undefined } | undefined;
}

/** What may be done when memory is short, before the guest that is over its share is paused. Each is done by default. */
export interface ReclaimOptions {
  /** Guests with a balloon are asked to give memory back. */
  readonly balloon?: boolean | undefined;
  /** All pages are looked through for equal ones. */
  readonly sharing?: boolean | undefined;
  /** What guests have not used lately is swapped out, if the host has swap. */
  readonly swap?: boolean | undefined;
}

export interface CheckedPool {
  /** Bytes; Infinity if there is none. */
  readonly limit: number;
  /** Per cent of a core. */
  readonly budget: number;
}

export type CheckedReclaim = Readonly<Record<keyof ReclaimOptions, boolean>>;

export const POOL_LIMIT = { least: 1, most: 4096 };
const LIMIT = { ...POOL_LIMIT, unit: 'MiB' };
const BUDGET = { least: 0.01, most: 100, unit: 'per cent' };
const STEPS = ['balloon', 'sharing', 'swap'] as const;
/** Per cent of a core. */
const DEFAULT_BUDGET = 1;
export const DEFAULT_POOL: CheckedPool = { limit: Number.POSITIVE_INFINITY, budget: DEFAULT_BUDGET };

/** @throws UserError that names the option */
export function checkPools(value: unknown): ReadonlyMap<string, CheckedPool> {
  if (value === undefined) return new Map();
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UserError(`pools must be an object, by name, not ${shown(value)}`);
  return new Map(
    Object.entries(value).map(([name, pool]) => [checkName(name, 'a name in pools'), checkPool(name, pool)]),
  );
}

function checkPool(name: string, value: unknown): CheckedPool {
  const what = `pools.${name}`;
  const { limit, sharing } = checkOptions(what, value, ['limit', 'sharing']);
  const mebibytes = limit === undefined ? Number.POSITIVE_INFINITY : checkWholeNumber(`${what}.limit`, limit, LIMIT);
  return { limit: mebibytes * 2 ** 20, budget: checkSharing(`${what}.sharing`, sharing) };
}

function checkSharing(what: string, value: unknown): number {
  if (value === undefined || value === true) return DEFAULT_BUDGET;
  if (value === false) return 0;
  const { budget } = checkOptions(what, value, ['budget']);
  return budget === undefined ? DEFAULT_BUDGET : checkNumber(`${what}.budget`, budget, BUDGET);
}

/** @throws UserError that names the option */
export function checkReclaim(value: unknown): CheckedReclaim {
  const given = value === undefined ? {} : checkOptions('reclaim', value, STEPS);
  const isOn = (step: (typeof STEPS)[number]): boolean =>
    given[step] === undefined ? true : checkBoolean(`reclaim.${step}`, given[step]);
  return { balloon: isOn('balloon'), sharing: isOn('sharing'), swap: isOn('swap') };
}
