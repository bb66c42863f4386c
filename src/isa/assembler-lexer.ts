/** Splits a line of assembly text into tokens. */
import { UserError } from '../base/errors.ts';

export type Token =
  /** Lower case, except for symbols' own spelling in `text`. */
  | { readonly kind: 'name'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string; readonly value: bigint }
  | { readonly kind: 'float'; readonly text: string; readonly value: number }
  /** `text` is the content, one character per byte (UTF-8). */
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'punctuation'; readonly text: string };

const NAME = /[A-Za-z_.?@][A-Za-z0-9_.?@$#~]*/y;
const FLOAT = /\d[\d_]*\.[\d_]*(?:[eE][+-]?\d+)?|\d[\d_]*[eE][+-]\d+/y;
const NUMBER = /\d[0-9A-Za-z_]*/y;
const PUNCTUATION = /\$\$|<<|>>|<=|>=|==|<>|!=|&&|\|\||[[\](),:+\-*/%&|^~!<>=$]/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', a: '\x07', b: '\b', e: '\x1b' };

/** @throws UserError for a character that starts no token, an unfinished string, a malformed number */
export function tokenize(line: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(line)?.[0];
  };
  while (at < line.length) {
    const character = line[at];
    if (character === ';') break;
    if (/\s/.test(character)) {
      at++;
      continue;
    }
    if (character === '"' || character === "'" || character === '`') {
      const { text, end } = quoted(line, at);
      tokens.push({ kind: 'string', text });
      at = end;
      continue;
    }
    let text: string | undefined;
    if ((text = match(FLOAT)) !== undefined) {
      tokens.push({ kind: 'float', text, value: Number(text.replaceAll('_', '')) });
    } else if ((text = match(NUMBER)) !== undefined) tokens.push({ kind: 'number', text, value: parseNumber(text) });
    else if ((text = match(NAME)) !== undefined) tokens.push({ kind: 'name', text });
    else if ((text = match(PUNCTUATION)) !== undefined) tokens.push({ kind: 'punctuation', text });
    else throw new UserError(`unexpected character '${character}'`);
    at += text.length;
  }
  return tokens;
}

/** Strings take anything up to the same quote; those in back quotes also C escapes. */
function quoted(line: string, start: number): { text: string; end: number } {
  const quote = line[start];
  let text = '';
  for (let at = start + 1; at < line.length; at++) {
    let character = line[at];
    if (character === quote) return { text: utf8(text), end: at + 1 };
    if (quote === '`' && character === '\\') {
      character = line[++at] ?? '';
      if (character === 'x') {
        text += String.fromCharCode(Number.parseInt(line.slice(at + 1, at + 3), 16) || 0);
        at += 2;
        continue;
      }
      character = ESCAPES[character] ?? character;
    }
    text += character;
  }
  throw new UserError('unfinished string');
}

/** One character per UTF-8 byte; characters up to FFh, as escapes give them, stay single bytes if the text is Latin-1. */
function utf8(text: string): string {
  if ([...text].every((character) => character.charCodeAt(0) < 0x100)) return text;
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
}

/** `1234`, `0x1F`, `1Fh`, `0b101`, `101b`, `0o17`, `17o`, `17q`; underscores separate. */
function parseNumber(text: string): bigint {
  const plain = text.replaceAll('_', '').toLowerCase();
  const forms: [RegExp, string][] = [
    [/^0x([0-9a-f]+)$/, '0x'],
    [/^([0-9a-f]+)h$/, '0x'],
    [/^0b([01]+)$/, '0b'],
    [/^([01]+)b$/, '0b'],
    [/^0o([0-7]+)$/, '0o'],
    [/^([0-7]+)[oq]$/, '0o'],
    [/^(\d+)d?$/, ''],
  ];
  for (const [form, radix] of forms) {
    const digits = form.exec(plain)?.[1];
    if (digits !== undefined) return BigInt(radix + digits);
  }
  throw new UserError(`malformed number '${text}'`);
}
