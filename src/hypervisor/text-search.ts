/** Looks for text in a stream of UTF-8 that comes in pieces, cut anywhere. */

import { shown } from '../base/argument-check.ts';
import { UserError } from '../base/errors.ts';
import type { OutputLog } from './output-log.ts';

/** What was found. */
export interface TextMatch {
  /** The text searched that precedes it: from the end of the previous match, at most the last 65,536 bytes. */
  readonly before: string;
  readonly text: string;
  /** For a regular expression: its groups, in order; undefined for one that took no part. */
  readonly groups: readonly (string | undefined)[];
}

/** Text that a match can span, in bytes. */
export const SEARCH_WINDOW = 65_536;

type Find = (text: string) => { readonly index: number; readonly text: string; readonly groups: string[] } | undefined;

export class TextSearch {
  /** Number of the first byte of `#text`. */
  start: number;
  readonly #find: Find;
  readonly #log: OutputLog;
  #text = '';
  /** Number of the first byte that is not in `#text`. */
  #next: number;

  /** `find`: from `textFinder`. Begins at byte `from` of the log, which must keep what is behind `start`. */
  constructor(find: Find, log: OutputLog, from: number) {
    this.#find = find;
    this.#log = log;
    this.start = from;
    this.#next = from;
  }

  /** Searches what has come. @returns the match, and the number of the byte behind it */
  look(): { match: TextMatch; end: number } | undefined {
    while (this.#next < this.#log.end) {
      const bytes = this.#log.read(this.#next, Math.min(this.#log.end, this.#next + SEARCH_WINDOW));
      const whole = completeLength(bytes);
      if (whole === 0) return undefined;
      this.#text += decode(bytes.subarray(0, whole));
      this.#next += whole;
      const found = this.#find(this.#text);
      if (found) {
        const end = this.start + this.#byteLength(found.index + found.text.length);
        return { match: { before: this.#text.slice(0, found.index), text: found.text, groups: found.groups }, end };
      }
      this.#forget();
    }
    return undefined;
  }

  #forget(): void {
    const excess = this.#next - this.start - SEARCH_WINDOW;
    if (excess <= 0) return;
    const bytes = this.#log.read(this.start, this.#next);
    // Cut between characters: the rest must decode as it did.
    let cut = excess;
    while (cut < bytes.length && isContinuation(bytes[cut]!)) cut++;
    this.start += cut;
    this.#text = decode(bytes.subarray(cut));
  }

  /** Bytes that the first `length` UTF-16 units of the text were decoded from. */
  #byteLength(length: number): number {
    const bytes = this.#log.read(this.start, this.#next);
    // The longest prefix that gives no more than these: lengths grow with the prefix, broken characters included.
    let [least, most] = [0, bytes.length];
    while (least < most) {
      const middle = Math.ceil((least + most) / 2);
      if (decode(bytes.subarray(0, middle)).length <= length) least = middle;
      else most = middle - 1;
    }
    return least;
  }
}

/** @throws UserError for what can't be looked for */
export function textFinder(pattern: unknown): Find {
  if (typeof pattern === 'string') {
    if (pattern === '') throw new UserError('waitFor: the text is empty');
    if (pattern.length > SEARCH_WINDOW)
      throw new UserError(`waitFor: the text is longer than ${SEARCH_WINDOW} characters`);
    return (text) => {
      const index = text.indexOf(pattern);
      return index < 0 ? undefined : { index, text: pattern, groups: [] };
    };
  }
  if (!(pattern instanceof RegExp)) throw new UserError(`waitFor: text or a RegExp is needed, not ${shown(pattern)}`);
  // A copy: a global or sticky one remembers where it was, and others may use it.
  const expression = new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
  return (text) => {
    const found = expression.exec(text);
    return found ? { index: found.index, text: found[0], groups: found.slice(1) } : undefined;
  };
}

const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Length without a character at the end that may still be completed. */
function completeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (isContinuation(byte)) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
