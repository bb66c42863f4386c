/**
 * Plain data as bytes and back: what JSON has, and bigint, undefined, numbers that are not finite, and Uint8Array, whose
 * bytes stand behind the text. What comes back is made of fresh objects and arrays. Nothing that is read is trusted.
 *
 * Layout: length of the text (32 bits, little-endian), text (UTF-8), bytes of all arrays in the order of the text.
 */
import { InternalError, UserError } from '../base/errors.ts';
import { damaged } from './snapshot-error.ts';

/** Marks an object that stands for something that JSON has not. No plain data has such a property. */
const TAG = '$';
/** An assignment of this property would not make one. */
const PROTOTYPE = '__proto__';
/** Of objects in objects. */
const MOST_LEVELS = 32;
const PREFIX = 4;
/** Bytes of text: what JSON makes of it takes many times as much memory. */
const MOST_TEXT = 2 ** 24;

type Tagged =
  | { readonly [TAG]: 'undefined' }
  | { readonly [TAG]: 'bigint' | 'number'; readonly value: string }
  | { readonly [TAG]: 'bytes'; readonly length: number };

/** @throws InternalError for what is no plain data; UserError for too much of it, arrays aside */
export function encodePlain(data: unknown): Uint8Array {
  const arrays: Uint8Array[] = [];
  const text = new TextEncoder().encode(JSON.stringify(toJson(data, arrays)));
  if (text.length > MOST_TEXT) throw new UserError(`this is too large for a snapshot: ${text.length} bytes of text`);
  const bytes = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, PREFIX + text.length));
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, PREFIX);
  let at = PREFIX + text.length;
  for (const array of arrays) {
    bytes.set(array, at);
    at += array.length;
  }
  return bytes;
}

/** @throws UserError for bytes that `encodePlain` did not make */
export function decodePlain(bytes: Uint8Array): unknown {
  if (bytes.length < PREFIX) throw damaged('no data');
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (PREFIX + length > bytes.length) throw damaged('data without an end');
  if (length > MOST_TEXT) throw damaged('too much text');
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(PREFIX, PREFIX + length)));
  } catch (error) {
    throw damaged((error as Error).message);
  }
  const reader = new Reader(bytes.subarray(PREFIX + length));
  const data = reader.value(json, 0);
  if (!reader.atEnd) throw damaged('bytes that nothing refers to');
  return data;
}

function toJson(data: unknown, arrays: Uint8Array[]): unknown {
  if (data === undefined) return { [TAG]: 'undefined' };
  if (data === null || typeof data === 'boolean' || typeof data === 'string') return data;
  if (typeof data === 'bigint') return { [TAG]: 'bigint', value: String(data) };
  if (typeof data === 'number') return Number.isFinite(data) ? data : { [TAG]: 'number', value: String(data) };
  if (data instanceof Uint8Array) {
    arrays.push(data);
    return { [TAG]: 'bytes', length: data.length };
  }
  if (Array.isArray(data)) return data.map((each) => toJson(each, arrays));
  if (typeof data !== 'object' || Object.getPrototypeOf(data) !== Object.prototype || TAG in data)
    throw new InternalError(`${Object.prototype.toString.call(data)} is no plain data`);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, toJson(value, arrays)]));
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(json: unknown, level: number): unknown {
    if (typeof json !== 'object' || json === null) return json;
    if (level > MOST_LEVELS) throw damaged('data nested too deeply');
    if (Array.isArray(json)) return json.map((each) => this.value(each, level + 1));
    if (TAG in json) return this.#tagged(json as Tagged);
    const result: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(json)) {
      if (key === PROTOTYPE) throw damaged(`a property ${PROTOTYPE}`);
      result[key] = this.value(value, level + 1);
    }
    return result;
  }

  #tagged(json: Tagged): unknown {
    switch (json[TAG]) {
      case 'undefined':
        return undefined;
      case 'bigint':
        if (!/^-?\d{1,20}$/.test(json.value)) throw damaged('a number that is none');
        return BigInt(json.value);
      case 'number':
        if (!/^(NaN|-?Infinity)$/.test(json.value)) throw damaged('a number that is none');
        return Number(json.value);
      case 'bytes': {
        const start = this.#at;
        const end = start + json.length;
        if (!Number.isInteger(json.length) || json.length < 0 || end > this.#bytes.length)
          throw damaged('bytes that are not there');
        this.#at = end;
        // Not `slice`: that of a Buffer is a Buffer, and still the same memory.
        return new Uint8Array(this.#bytes.subarray(start, end));
      }
      default:
        throw damaged('data of an unknown kind');
    }
  }
}
