/**
 * What callers may get wrong at run time, whatever their types said. Each check returns the value, typed, or throws a
 * UserError whose one line names the argument.
 */
import { UserError } from './errors.ts';

/** An object with no other properties than `names`. `undefined` stands for one without any. */
export function checkOptions<Name extends string>(
  what: string,
  options: unknown,
  names: readonly Name[],
): Partial<Record<Name, unknown>> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new UserError(`${what} must be an object, not ${shown(options)}`);
  }
  const unknown = Object.keys(options).find((key) => !names.includes(key as Name));
  if (unknown !== undefined)
    throw new UserError(`${what}: there is no option ${shown(unknown)}; there is ${names.join(', ')}`);
  return options;
}

export interface Range {
  readonly least: number;
  readonly most: number;
  /** For the message: "MiB". */
  readonly unit?: string;
}

const ofUnit = (unit: string | undefined): string => (unit === undefined ? '' : ` of ${unit}`);

export function checkWholeNumber(what: string, value: unknown, range: Range): number {
  const { least, most, unit } = range;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UserError(`${what} must be a whole number${ofUnit(unit)} from ${least} to ${most}, not ${shown(value)}`);
}

export function checkNumber(what: string, value: unknown, range: Range): number {
  const { least, most, unit } = range;
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw new UserError(`${what} must be a number${ofUnit(unit)} from ${least} to ${most}, not ${shown(value)}`);
}

export function checkChoice<Choice extends string>(what: string, value: unknown, choices: readonly Choice[]): Choice {
  if (choices.includes(value as Choice)) return value as Choice;
  throw new UserError(`${what} must be ${choices.join(' or ')}, not ${shown(value)}`);
}

export function checkString(what: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new UserError(`${what} must be a string, not ${shown(value)}`);
}

/** A Uint8Array of whatever realm, over whatever buffer, as long as there is one behind it. */
export function checkBoolean(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new UserError(`${what} must be true or false, not ${shown(value)}`);
}

export function checkBytes(what: string, value: unknown): Uint8Array {
  if (!isBytes(value)) throw new UserError(`${what} must be a Uint8Array, not ${shown(value)}`);
  if (value.length > 0) return value;
  try {
    new DataView(value.buffer);
  } catch {
    throw new UserError(`${what}: its buffer is detached (it was transferred to somebody else)`);
  }
  // A view that its buffer has shrunk away from is empty, but refuses to be copied.
  return new Uint8Array();
}

/** By the internal slot, which cannot be had for show: also for arrays of another realm, where instanceof says no. */
const isBytes = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]';

export function checkFunction<Value extends (...args: never[]) => unknown>(what: string, value: unknown): Value {
  if (typeof value === 'function') return value as Value;
  throw new UserError(`${what} must be a function, not ${shown(value)}`);
}

/** A value in a message: short, on one line, and never by calling what it brings along. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      const text = JSON.stringify(value);
      return text.length > LONGEST ? `${text.slice(0, LONGEST)}…"` : text;
    }
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return 'a bigint';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? 'an array' : 'an object';
    default:
      return `a ${typeof value}`;
  }
}

const LONGEST = 60;
