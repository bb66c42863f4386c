/**
 * Scan codes of a 102-key PS/2 keyboard, by the names of W3C `KeyboardEvent.code`.
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboards".
 *
 * Set 2 is what the keys have; set 1 is what the 8042's translation makes of it; set 3 differs from set 2 where listed.
 */

/** Prefix of the keys that the 101-key layout added. */
export const EXTENDED = 0xe0;
/** Prefix of a break code in sets 2 and 3. */
export const BREAK = 0xf0;
/** Bit that makes a break code in set 1. */
const SET1_BREAK = 0x80;

/** Set 2 make codes; E0xxh: with the prefix E0h. PrintScreen and Pause have sequences of their own. */
const SET2: Readonly<Record<string, number>> = {
  Escape: 0x76,
  ...keys(['F1', 'F2', 'F3', 'F4', 'F5', 'F6'], [0x05, 0x06, 0x04, 0x0c, 0x03, 0x0b]),
  ...keys(['F7', 'F8', 'F9', 'F10', 'F11', 'F12'], [0x83, 0x0a, 0x01, 0x09, 0x78, 0x07]),
  Backquote: 0x0e,
  ...keys(['Digit1', 'Digit2', 'Digit3', 'Digit4', 'Digit5'], [0x16, 0x1e, 0x26, 0x25, 0x2e]),
  ...keys(['Digit6', 'Digit7', 'Digit8', 'Digit9', 'Digit0'], [0x36, 0x3d, 0x3e, 0x46, 0x45]),
  ...keys(['Minus', 'Equal', 'Backspace', 'Tab'], [0x4e, 0x55, 0x66, 0x0d]),
  ...keys(letters('QWERTYUIOP'), [0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d]),
  ...keys(['BracketLeft', 'BracketRight', 'Backslash', 'CapsLock'], [0x54, 0x5b, 0x5d, 0x58]),
  ...keys(letters('ASDFGHJKL'), [0x1c, 0x1b, 0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b]),
  ...keys(['Semicolon', 'Quote', 'Enter', 'ShiftLeft', 'IntlBackslash'], [0x4c, 0x52, 0x5a, 0x12, 0x61]),
  ...keys(letters('ZXCVBNM'), [0x1a, 0x22, 0x21, 0x2a, 0x32, 0x31, 0x3a]),
  ...keys(['Comma', 'Period', 'Slash', 'ShiftRight'], [0x41, 0x49, 0x4a, 0x59]),
  ...keys(['ControlLeft', 'MetaLeft', 'AltLeft', 'Space'], [0x14, 0xe01f, 0x11, 0x29]),
  ...keys(['AltRight', 'MetaRight', 'ContextMenu', 'ControlRight'], [0xe011, 0xe027, 0xe02f, 0xe014]),
  ...keys(['ScrollLock', 'NumLock'], [0x7e, 0x77]),
  ...keys(['Insert', 'Home', 'PageUp', 'Delete', 'End', 'PageDown'], [0xe070, 0xe06c, 0xe07d, 0xe071, 0xe069, 0xe07a]),
  ...keys(['ArrowUp', 'ArrowLeft', 'ArrowDown', 'ArrowRight'], [0xe075, 0xe06b, 0xe072, 0xe074]),
  ...keys(['NumpadDivide', 'NumpadMultiply', 'NumpadSubtract', 'NumpadAdd'], [0xe04a, 0x7c, 0x7b, 0x79]),
  ...keys(['NumpadEnter', 'NumpadDecimal', 'NumpadComma'], [0xe05a, 0x71, 0x6d]),
  ...keys(['Numpad0', 'Numpad1', 'Numpad2', 'Numpad3', 'Numpad4'], [0x70, 0x69, 0x72, 0x7a, 0x6b]),
  ...keys(['Numpad5', 'Numpad6', 'Numpad7', 'Numpad8', 'Numpad9'], [0x73, 0x74, 0x6c, 0x75, 0x7d]),
  ...keys(['IntlRo', 'IntlYen', 'KanaMode', 'Convert', 'NonConvert'], [0x51, 0x6a, 0x13, 0x64, 0x67]),
  ...keys(['Power', 'Sleep', 'WakeUp'], [0xe037, 0xe03f, 0xe05e]),
  ...keys(['AudioVolumeUp', 'AudioVolumeDown', 'AudioVolumeMute'], [0xe032, 0xe021, 0xe023]),
  ...keys(['MediaPlayPause', 'MediaStop', 'MediaTrackNext'], [0xe034, 0xe03b, 0xe04d]),
  ...keys(['MediaTrackPrevious', 'MediaSelect', 'LaunchMail'], [0xe015, 0xe050, 0xe048]),
  ...keys(['LaunchApp1', 'LaunchApp2', 'BrowserSearch', 'BrowserHome'], [0xe040, 0xe02b, 0xe010, 0xe03a]),
  ...keys(['BrowserBack', 'BrowserForward', 'BrowserStop'], [0xe038, 0xe030, 0xe028]),
  ...keys(['BrowserRefresh', 'BrowserFavorites'], [0xe020, 0xe018]),
};

/** Set 3 make codes where they differ from set 2; none has a prefix. */
const SET3: Readonly<Record<string, number>> = {
  Escape: 0x08,
  ...keys(['F1', 'F2', 'F3', 'F4', 'F5', 'F6'], [0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f]),
  ...keys(['F7', 'F8', 'F9', 'F10', 'F11', 'F12'], [0x37, 0x3f, 0x47, 0x4f, 0x56, 0x5e]),
  ...keys(['CapsLock', 'Backslash', 'IntlBackslash', 'ControlLeft'], [0x14, 0x5c, 0x13, 0x11]),
  ...keys(['MetaLeft', 'AltLeft', 'AltRight', 'MetaRight'], [0x8b, 0x19, 0x39, 0x8c]),
  ...keys(['ContextMenu', 'ControlRight', 'PrintScreen', 'ScrollLock', 'Pause'], [0x8d, 0x58, 0x57, 0x5f, 0x62]),
  ...keys(['Insert', 'Home', 'PageUp', 'Delete', 'End', 'PageDown'], [0x67, 0x6e, 0x6f, 0x64, 0x65, 0x6d]),
  ...keys(['ArrowUp', 'ArrowLeft', 'ArrowDown', 'ArrowRight'], [0x63, 0x61, 0x60, 0x6a]),
  ...keys(['NumLock', 'NumpadDivide', 'NumpadMultiply'], [0x76, 0x77, 0x7e]),
  ...keys(['NumpadSubtract', 'NumpadAdd', 'NumpadEnter', 'NumpadComma'], [0x84, 0x7c, 0x79, 0x7b]),
  ...keys(['IntlYen', 'KanaMode', 'Convert', 'NonConvert'], [0x5d, 0x87, 0x86, 0x85]),
};

/** The 8042's translation of bytes 00h–7Fh from the keyboard; of those above, 83h and 84h are translated too. */
// biome-ignore format: a table of 16 columns
const TRANSLATION = [
  0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
  0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
  0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
  0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
  0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
  0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
  0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
  0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
] as const;

/** A byte of set 2 as set 1 has it. The break prefix itself has no counterpart: it sets bit 7 of the byte after it. */
export function translate(byte: number, { afterBreak }: { afterBreak: boolean }): number {
  const code = byte === 0x83 ? 0x41 : byte === 0x84 ? 0x54 : (TRANSLATION[byte] ?? byte); // F7, SysRq
  return afterBreak ? code | SET1_BREAK : code;
}

/** The set 2 make code of a key (E0xxh: with prefix), undefined if the keyboard has no such key. */
export const set2Code = (key: string): number | undefined => (Object.hasOwn(SET2, key) ? SET2[key] : undefined);
/** The set 3 make code of a key, undefined if it has none (the media keys came after set 3). */
export function set3Code(key: string): number | undefined {
  if (Object.hasOwn(SET3, key)) return SET3[key];
  const code = set2Code(key);
  return code === undefined || code > 0xff ? undefined : code;
}
/** All keys with a make code of their own. */
export const KEYS: readonly string[] = Object.keys(SET2);

function keys(names: readonly string[], codes: readonly number[]): Record<string, number> {
  return Object.fromEntries(names.map((name, index) => [name, codes[index]]));
}

function letters(row: string): string[] {
  return [...row].map((letter) => `Key${letter}`);
}
