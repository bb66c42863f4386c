/** Memory as text, in the formats of gdb's command `x/NFU`: N units of U bytes each, written as F says. */
import { shown } from '../base/argument-check.ts';
import { UserError } from '../base/errors.ts';

/** Hexadecimal, decimal, unsigned, octal, binary, address, character, string, instruction. */
export const FORMATS = 'xduotacsi';
export type Format = 'x' | 'd' | 'u' | 'o' | 't' | 'a' | 'c' | 's' | 'i';
export const UNITS = { b: 1, h: 2, w: 4, g: 8 } as const;
export type Unit = keyof typeof UNITS;

export interface ExamineRequest {
  readonly count: number;
  readonly format: Format;
  readonly unit: Unit;
}

/** Units in a row, as gdb has them. */
const ROW: Readonly<Record<Unit, number>> = { b: 8, h: 8, w: 4, g: 2 };
const MAX_STRING = 200;

/**
 * Reads the part behind `x/`: count, format and unit in any order; what is left out is as in `before`, the count 1.
 * @throws UserError naming the letter that is none
 */
export function parseExamine(text: string, before: ExamineRequest): ExamineRequest {
  let { format, unit } = before;
  let [hasFormat, hasUnit] = [false, false];
  const digits = /^\d*/.exec(text)![0];
  for (const letter of text.slice(digits.length)) {
    if (Object.hasOwn(UNITS, letter)) {
      [unit, hasUnit] = [letter as Unit, true];
    } else if (FORMATS.includes(letter)) {
      [format, hasFormat] = [letter as Format, true];
    } else
      throw new UserError(
        `${shown(letter)} in ${shown(`x/${text}`)} is no format (${[...FORMATS].join(' ')}) and no unit (b h w g)`,
      );
  }
  if (hasFormat && !hasUnit && format === 'c') unit = 'b';
  if (hasFormat && !hasUnit && format === 'a') unit = 'w';
  return { count: digits === '' ? 1 : Number(digits), format, unit };
}

/** One value as gdb writes it. */
export function formatValue(value: bigint, format: Exclude<Format, 's' | 'i'>, bytes: number): string {
  const bits = bytes * 8;
  switch (format) {
    case 'x':
      return `0x${value.toString(16).padStart(bytes * 2, '0')}`;
    case 'a':
      return `0x${value.toString(16)}`;
    case 'd':
      return BigInt.asIntN(bits, value).toString();
    case 'u':
      return value.toString();
    case 'o':
      return value === 0n ? '0' : `0${value.toString(8)}`;
    case 't':
      return value.toString(2).padStart(bits, '0');
    case 'c': {
      const byte = BigInt.asIntN(8, value);
      return `${byte} '${escapeByte(Number(BigInt.asUintN(8, value)), "'")}'`;
    }
  }
}

/** Rows of values, each with its address. Units that reach beyond `bytes` are left out. */
export function formatRows(address: number, bytes: Uint8Array, request: ExamineRequest): string[] {
  const { unit, count, format } = request;
  const size = UNITS[unit];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: string[] = [];
  for (let index = 0; index < count && (index + 1) * size <= bytes.length; index++) {
    let value = 0n;
    for (let byte = size - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(view.getUint8(index * size + byte));
    values.push(formatValue(value, format as Exclude<Format, 's' | 'i'>, size));
  }
  const width = Math.max(...values.map((value) => value.length));
  const rows: string[] = [];
  for (let at = 0; at < values.length; at += ROW[unit]) {
    const row = values.slice(at, at + ROW[unit]).map((value) => value.padEnd(width));
    rows.push(`${hex8(address + at * size)}  ${row.join('  ').trimEnd()}`);
  }
  return rows;
}

/** The string at the beginning of `bytes`, in quotes, and its length with the zero behind it. A long one ends in dots. */
export function formatString(bytes: Uint8Array): { text: string; length: number } {
  const end = bytes.indexOf(0);
  const length = Math.min(end < 0 ? bytes.length : end, MAX_STRING);
  const text = [...bytes.subarray(0, length)].map((byte) => escapeByte(byte, '"')).join('');
  const complete = end >= 0 && end <= MAX_STRING;
  return { text: `"${text}"${complete ? '' : '...'}`, length: complete ? length + 1 : Math.max(length, 1) };
}

const ESCAPES: Readonly<Record<number, string>> = {
  7: 'a',
  8: 'b',
  9: 't',
  10: 'n',
  11: 'v',
  12: 'f',
  13: 'r',
  27: 'e',
};

function escapeByte(byte: number, quote: string): string {
  const character = String.fromCharCode(byte);
  if (character === quote || character === '\\') return `\\${character}`;
  if (byte >= 0x20 && byte < 0x7f) return character;
  const letter = ESCAPES[byte];
  return letter ? `\\${letter}` : `\\${byte.toString(8).padStart(3, '0')}`;
}

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
