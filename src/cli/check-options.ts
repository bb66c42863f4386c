/** What yargs lets through: numbers out of range, and empty words. */
import { UserError } from '../base/errors.ts';

interface Range {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
  readonly unit?: string;
}

/** @throws UserError */
export function checkNumber(name: string, value: number, { least, most, whole = false, unit = '' }: Range): void {
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return;
  const kind = `a ${whole ? 'whole ' : ''}number${unit} from ${least} to ${most}`;
  throw new UserError(`${name} must be ${kind}${Number.isNaN(value) ? '' : `, not ${value}`}`);
}

/** @throws UserError for an option that is given an empty value */
export function refuseEmpty<Name extends string>(
  options: { readonly [Each in Name]?: unknown },
  names: readonly Name[],
): void {
  for (const name of names)
    if (options[name] === '') throw new UserError(`--${name} is empty: give it a value or leave it out`);
}
