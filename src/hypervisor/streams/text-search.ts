/** Looks for text in a stream of UTF-8 that comes in pieces, cut anywhere. */

import { shown } from '../../base/argument-check.ts';
import { UserError } from '../../base/errors.ts';
import type { OutputLog } from './output-log.ts';

/** What was found. */
export interface TextMatch {
  /** The text searched that precedes it: from the end of the previous match, at most the last 65,536 bytes. */
  readonly before: string;
  readonly text: string;
  /** For a regular expression: its groups, in order; undefined for one that took no part. */
  readonly groups: readonly (string | undefined)[];
}

/** Text that a match can span, and that can precede it, in bytes. */
export const SEARCH_WINDOW = 65_536;
/**
 * Most that an expression is tried on at once, in bytes. Its time may grow with the square, and what it is tried on is
 * the guest's: at 64 KiB a harmless-looking one took seconds.
 */
export const EXPRESSION_WINDOW = 16_384;
/** What precedes the text tried: a whole character of at most this many bytes. */
const CONTEXT = 4;

interface Found {
  readonly index: number;
  readonly text: string;
  readonly groups: string[];
}

export interface TextFinder {
  /** Looks from `from` on; what precedes that tells only where lines begin. */
  find(text: string, from: number): Found | undefined;
  /** Most bytes that are tried at once. */
  readonly window: number;
  /** Bytes that are tried again together with what comes next. */
  readonly overlap: number;
  /** A try may take long: the world is to have its turn behind each. */
  readonly slow: boolean;
}

export class TextSearch {
  /** Number of the first byte that may precede the match. */
  start: number;
  readonly #finder: TextFinder;
  readonly #log: OutputLog;
  /** What is tried next, together with what is new; and how much of it is context. */
  #text = '';
  #context = 0;
  /** Number of the first byte of `#text`. */
  #first: number;
  #next: number;

  /** Begins at byte `from` of the log, which must keep what is behind `start`. */
  constructor(finder: TextFinder, log: OutputLog, from: number) {
    this.#finder = finder;
    this.#log = log;
    this.start = from;
    this.#first = from;
    this.#next = from;
  }

  get slow(): boolean {
    return this.#finder.slow;
  }

  /** Number of the first byte that has not been tried. */
  get next(): number {
    return this.#next;
  }

  /** There is something to be tried: more than the beginning of a character. */
  get hasMore(): boolean {
    return completeLength(this.#log.read(this.#next, Math.min(this.#log.end, this.#next + CONTEXT))) > 0;
  }

  /** Tries the next window, or all there is if that is quick. @returns the match, and the number of the byte behind it */
  look(): { match: TextMatch; end: number } | undefined {
    while (this.hasMore) {
      const room = this.#finder.window - (this.#next - this.#first);
      const bytes = this.#log.read(this.#next, Math.min(this.#log.end, this.#next + room));
      const whole = completeLength(bytes);
      this.#text += decode(bytes.subarray(0, whole));
      this.#next += whole;
      const found = this.#finder.find(this.#text, this.#context);
      if (found) return this.#matchOf(found);
      this.#forget();
      if (this.slow) return undefined;
    }
    return undefined;
  }

  #matchOf({ index, text, groups }: Found): { match: TextMatch; end: number } {
    const before = decode(this.#log.read(this.start, this.#first)) + this.#text.slice(0, index);
    return { match: { before, text, groups }, end: this.#first + this.#byteLength(index + text.length) };
  }

  #forget(): void {
    this.start = this.#cut(this.start, this.#next - SEARCH_WINDOW);
    const first = this.#cut(this.#first, this.#next - this.#finder.overlap);
    if (first === this.#first) return;
    this.#first = first;
    this.#text = decode(this.#log.read(first, this.#next));
    this.#context = (this.#text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
  }

  /** The first byte from `to` on, but none before `from`, with which a character begins: the rest must decode as it did. */
  #cut(from: number, to: number): number {
    if (to <= from) return from;
    const bytes = this.#log.read(to, Math.min(this.#next, to + CONTEXT));
    let cut = 0;
    while (cut < bytes.length && isContinuation(bytes[cut])) cut++;
    return to + cut;
  }

  /** Bytes that the first `length` UTF-16 units of the text were decoded from. */
  #byteLength(length: number): number {
    const bytes = this.#log.read(this.#first, this.#next);
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
export function textFinder(pattern: unknown): TextFinder {
  if (typeof pattern === 'string') {
    if (pattern === '') throw new UserError('waitFor: the text is empty');
    if (pattern.length > SEARCH_WINDOW)
      throw new UserError(`waitFor: the text is longer than ${SEARCH_WINDOW} characters`);
    // UTF-8 has at most three bytes for a UTF-16 unit.
    const overlap = Math.min(3 * pattern.length, SEARCH_WINDOW) + CONTEXT;
    return {
      find(text, from) {
        const index = text.indexOf(pattern, from);
        return index < 0 ? undefined : { index, text: pattern, groups: [] };
      },
      window: overlap + SEARCH_WINDOW,
      overlap,
      slow: false,
    };
  }
  if (!(pattern instanceof RegExp)) throw new UserError(`waitFor: text or a RegExp is needed, not ${shown(pattern)}`);
  // A copy: a global or sticky one remembers where it was, and others may use it.
  const expression = new RegExp(pattern.source, `${pattern.flags.replaceAll(/[gy]/g, '')}g`);
  return {
    find(text, from) {
      expression.lastIndex = from;
      const found = expression.exec(text);
      return found ? { index: found.index, text: found[0], groups: found.slice(1) } : undefined;
    },
    window: EXPRESSION_WINDOW,
    overlap: EXPRESSION_WINDOW / 2 + CONTEXT,
    slow: true,
  };
}

const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Length without a character at the end that may still be completed. */
function completeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (isContinuation(byte)) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
