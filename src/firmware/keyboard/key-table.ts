/**
 * What keys mean, as INT 16h gives it: scan code in bits 15–8, character in bits 7–0, by the scan codes of set 1. IBM PS/2
 * and PC BIOS Interface Technical Reference, "Keyboard Encoding", a keyboard of the United States with 101 keys.
 */

/** Plain, with Shift, with Ctrl, with Alt; undefined: nothing comes of it. */
export type KeyCodes = readonly [
  plain: number | undefined,
  shift: number | undefined,
  control: number | undefined,
  alt: number | undefined,
];

export interface Key {
  readonly codes: KeyCodes;
  /** A letter: Caps Lock reverses Shift. A key of the number pad: Num Lock does. */
  readonly lock?: 'caps' | 'num';
}

const none = undefined;
const code = (scan: number, character: string | number): number =>
  (scan << 8) | (typeof character === 'string' ? character.charCodeAt(0) : character);

const letter = (scan: number, character: string): [number, Key] => {
  const upper = character.toUpperCase();
  const codes = [
    code(scan, character),
    code(scan, upper),
    code(scan, upper.charCodeAt(0) & 0x1f),
    code(scan, 0),
  ] as const;
  return [scan, { codes, lock: 'caps' }];
};
/** A row of letters, from a scan code on. */
const letters = (first: number, row: string): [number, Key][] =>
  [...row].map((character, index) => letter(first + index, character));

/** A key with two characters; with Alt it has a code of its own, or that of its place. */
const sign = (
  scan: number,
  plain: string,
  shift: string,
  control?: number,
  alt: number | undefined = scan << 8,
): [number, Key] => [scan, { codes: [code(scan, plain), code(scan, shift), control, alt] }];

const pad = (scan: number, digit: string, control: number): [number, Key] => [
  scan,
  { codes: [scan << 8, code(scan, digit), control << 8, none], lock: 'num' },
];

const functionKey = (index: number): [number, Key] => {
  const [scan, shift, control, alt] = [0x3b + index, 0x54 + index, 0x5e + index, 0x68 + index].map((each) => each << 8);
  return [0x3b + index, { codes: [scan, shift, control, alt] }];
};

const DIGITS = '1234567890';
const SHIFTED_DIGITS = '!@#$%^&*()';
/** Of the digits, Ctrl makes codes of these two. */
const CONTROL_DIGITS: Readonly<Record<string, number>> = { '2': 0x0300, '6': 0x071e };

export const KEYS: ReadonlyMap<number, Key> = new Map<number, Key>([
  [0x01, { codes: [0x011b, 0x011b, 0x011b, 0x0100] }],
  ...[...DIGITS].map((digit, index) =>
    sign(0x02 + index, digit, SHIFTED_DIGITS[index], CONTROL_DIGITS[digit], (0x78 + index) << 8),
  ),
  sign(0x0c, '-', '_', 0x0c1f, 0x8200),
  sign(0x0d, '=', '+', none, 0x8300),
  [0x0e, { codes: [0x0e08, 0x0e08, 0x0e7f, 0x0e00] }],
  [0x0f, { codes: [0x0f09, 0x0f00, 0x9400, 0xa500] }],
  ...letters(0x10, 'qwertyuiop'),
  sign(0x1a, '[', '{', 0x1a1b),
  sign(0x1b, ']', '}', 0x1b1d),
  [0x1c, { codes: [0x1c0d, 0x1c0d, 0x1c0a, 0x1c00] }],
  ...letters(0x1e, 'asdfghjkl'),
  sign(0x27, ';', ':'),
  sign(0x28, "'", '"'),
  sign(0x29, '`', '~'),
  sign(0x2b, '\\', '|', 0x2b1c),
  ...letters(0x2c, 'zxcvbnm'),
  sign(0x33, ',', '<'),
  sign(0x34, '.', '>'),
  sign(0x35, '/', '?'),
  [0x37, { codes: [0x372a, 0x372a, 0x9600, 0x3700] }],
  [0x39, { codes: [0x3920, 0x3920, 0x3920, 0x3920] }],
  ...Array.from({ length: 10 }, (_, index) => functionKey(index)),
  pad(0x47, '7', 0x77),
  pad(0x48, '8', 0x8d),
  pad(0x49, '9', 0x84),
  [0x4a, { codes: [0x4a2d, 0x4a2d, 0x8e00, 0x4a00] }],
  pad(0x4b, '4', 0x73),
  pad(0x4c, '5', 0x8f),
  pad(0x4d, '6', 0x74),
  [0x4e, { codes: [0x4e2b, 0x4e2b, 0x9000, 0x4e00] }],
  pad(0x4f, '1', 0x75),
  pad(0x50, '2', 0x91),
  pad(0x51, '3', 0x76),
  pad(0x52, '0', 0x92),
  pad(0x53, '.', 0x93),
  sign(0x56, '\\', '|', none, none),
  [0x57, { codes: [0x8500, 0x8700, 0x8900, 0x8b00] }],
  [0x58, { codes: [0x8600, 0x8800, 0x8a00, 0x8c00] }],
]);

/** A key that the number pad has, too: E0h in place of a character tells the two apart. */
const grey = (scan: number, control: number, alt: number): [number, Key] => [
  scan,
  { codes: [code(scan, 0xe0), code(scan, 0xe0), code(control, 0xe0), alt << 8] },
];

/** Keys whose scan codes come with the prefix E0h. */
export const EXTENDED_KEYS: ReadonlyMap<number, Key> = new Map<number, Key>([
  [0x1c, { codes: [0xe00d, 0xe00d, 0xe00a, 0xa600] }],
  [0x35, { codes: [0xe02f, 0xe02f, 0x9500, 0xa400] }],
  grey(0x47, 0x77, 0x97),
  grey(0x48, 0x8d, 0x98),
  grey(0x49, 0x84, 0x99),
  grey(0x4b, 0x73, 0x9b),
  grey(0x4d, 0x74, 0x9d),
  grey(0x4f, 0x75, 0x9f),
  grey(0x50, 0x91, 0xa0),
  grey(0x51, 0x76, 0xa1),
  grey(0x52, 0x92, 0xa2),
  grey(0x53, 0x93, 0xa3),
]);

/** Digits of the number pad by scan code: with Alt they make a character's number. */
export const PAD_DIGITS: ReadonlyMap<number, number> = new Map([
  ...([0x47, 0x48, 0x49].map((scan, index) => [scan, 7 + index]) as [number, number][]),
  ...([0x4b, 0x4c, 0x4d].map((scan, index) => [scan, 4 + index]) as [number, number][]),
  ...([0x4f, 0x50, 0x51].map((scan, index) => [scan, 1 + index]) as [number, number][]),
  [0x52, 0],
]);

/** Highest scan code that programs of the 83-key keyboard are given. */
const LAST_OLD_CODE = 0x84;

/** What AH=00h and 01h make of a code of the larger keyboard; undefined: they do not know the key. */
export function oldCode(keyCode: number): number | undefined {
  const [scan, character] = [keyCode >>> 8, keyCode & 0xff];
  // Enter and the slash of the number pad have E0h in place of the scan code.
  if (scan === 0xe0) return character === 0x2f ? 0x352f : 0x1c00 | character;
  if (scan > LAST_OLD_CODE) return undefined;
  return character === 0xe0 && scan !== 0 ? scan << 8 : keyCode;
}
