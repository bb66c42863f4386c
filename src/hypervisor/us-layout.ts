/** Which keys type a character on a keyboard with the US layout, by the names of W3C `KeyboardEvent.code`. */

export interface KeyCombination {
  readonly code: string;
  readonly shift: boolean;
}

/** Keys of the main block in rows: what they type alone, and with Shift. */
const PLAIN = "`1234567890-=[]\\;',./";
const SHIFTED = '~!@#$%^&*()_+{}|:"<>?';
const CODES = [
  ...[
    'Backquote',
    ...[...'1234567890'].map((digit) => `Digit${digit}`),
    'Minus',
    'Equal',
    'BracketLeft',
    'BracketRight',
  ],
  ...['Backslash', 'Semicolon', 'Quote', 'Comma', 'Period', 'Slash'],
];
const OTHERS: Readonly<Record<string, string>> = {
  ' ': 'Space',
  '\n': 'Enter',
  '\r': 'Enter',
  '\t': 'Tab',
  '\b': 'Backspace',
  '\x1b': 'Escape',
};

/** undefined: no key types it. */
export function keysOf(character: string): KeyCombination | undefined {
  if (/^[a-z]$/i.test(character)) {
    return { code: `Key${character.toUpperCase()}`, shift: character !== character.toLowerCase() };
  }
  if (Object.hasOwn(OTHERS, character)) return { code: OTHERS[character], shift: false };
  const [plain, shifted] = [PLAIN.indexOf(character), SHIFTED.indexOf(character)];
  if (plain >= 0) return { code: CODES[plain], shift: false };
  return shifted >= 0 ? { code: CODES[shifted], shift: true } : undefined;
}
