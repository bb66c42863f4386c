/** What saved data must look like. A schema throws a UserError that names the place; what it has passed has its type. */
import { damaged } from './snapshot-error.ts';

export type Schema<Type> = (value: unknown, place: string) => Type;
export type TypeOf<Checked> = Checked extends Schema<infer Type> ? Type : never;

/** Strings longer than this are never saved, but where a schema says so. */
const LONGEST_TEXT = 4096;
const MOST_U64 = 2n ** 64n - 1n;

const wrong = (place: string, what: string) => damaged(`${place} is ${what}`);

/** A whole number. */
export const whole =
  (least: number, most: number): Schema<number> =>
  (value, place) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
      throw wrong(place, `no whole number from ${least} to ${most}`);
    return value as number;
  };

export const u8 = whole(0, 0xff);
export const u16 = whole(0, 0xffff);
export const u32 = whole(0, 0xffff_ffff);
/** Counts, and guest times in ns. */
export const count = whole(0, Number.MAX_SAFE_INTEGER);
export const bit = whole(0, 1) as Schema<0 | 1>;

export const u64: Schema<bigint> = (value, place) => {
  if (typeof value !== 'bigint' || value < 0n || value > MOST_U64) throw wrong(place, 'no number of 64 bits');
  return value;
};

export const flag: Schema<boolean> = (value, place) => {
  if (typeof value !== 'boolean') throw wrong(place, 'neither true nor false');
  return value;
};

export const text =
  (longest = LONGEST_TEXT): Schema<string> =>
  (value, place) => {
    if (typeof value !== 'string' || value.length > longest) throw wrong(place, 'no text, or too long');
    return value;
  };

export const choice =
  <const Choice extends string>(choices: readonly Choice[]): Schema<Choice> =>
  (value, place) => {
    if (!choices.includes(value as Choice)) throw wrong(place, `none of ${choices.join(', ')}`);
    return value as Choice;
  };

/** `length`: exactly so many. */
export const bytes =
  ({ length, most = 2 ** 28 }: { length?: number; most?: number } = {}): Schema<Uint8Array> =>
  (value, place) => {
    if (!(value instanceof Uint8Array) || value.length > most || (length !== undefined && value.length !== length))
      throw wrong(place, length === undefined ? 'no bytes, or too many' : `not ${length} bytes`);
    return value;
  };

export const nullable =
  <Type>(schema: Schema<Type>): Schema<Type | null> =>
  (value, place) =>
    value === null ? null : schema(value, place);

/** It need not be there: in what earlier versions saved, it is not. */
export const optional =
  <Type>(schema: Schema<Type>): Schema<Type | undefined> =>
  (value, place) =>
    value === undefined ? undefined : schema(value, place);

export const list =
  <Type>(schema: Schema<Type>, most: number): Schema<readonly Type[]> =>
  (value, place) => {
    if (!Array.isArray(value) || value.length > most) throw wrong(place, 'no list, or too long');
    return value.map((each, index) => schema(each, `${place}[${index}]`));
  };

/** Properties by any name. */
export const dictionary =
  <Type>(schema: Schema<Type>): Schema<Readonly<Record<string, Type>>> =>
  (value, place) =>
    Object.fromEntries(
      Object.entries(objectOf(value, place)).map(([key, each]) => [key, schema(each, `${place}.${key}`)]),
    );

type RecordOf<Schemas> = { readonly [Key in keyof Schemas]: TypeOf<Schemas[Key]> };

/** These properties and no others. */
export const record =
  <Schemas extends Readonly<Record<string, Schema<unknown>>>>(schemas: Schemas): Schema<RecordOf<Schemas>> =>
  (value, place) => {
    const given = objectOf(value, place);
    const unknown = Object.keys(given).find((key) => !Object.hasOwn(schemas, key));
    if (unknown !== undefined) throw wrong(place, `something with an unknown part: ${unknown.slice(0, 100)}`);
    return Object.fromEntries(
      Object.entries(schemas).map(([key, schema]) => [key, schema(given[key], `${place}.${key}`)]),
    ) as RecordOf<Schemas>;
  };

/** Looked at by somebody else. */
export const anything: Schema<unknown> = (value) => value;

function objectOf(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw wrong(place, 'nothing with properties');
  return value as Record<string, unknown>;
}
