/** A writer of AML, as far as our DSDT goes. ACPI 2.0, chapter 17; resource descriptors: section 6.4. */

export type Aml = readonly number[];

const OP = {
  ZERO: 0x00,
  ONE: 0x01,
  NAME: 0x08,
  BYTE: 0x0a,
  WORD: 0x0b,
  DOUBLEWORD: 0x0c,
  SCOPE: 0x10,
  BUFFER: 0x11,
  PACKAGE: 0x12,
  METHOD: 0x14,
  DUAL_NAME: 0x2e,
  MULTI_NAME: 0x2f,
  EXTENDED: 0x5b,
  REGION: 0x80,
  FIELD: 0x81,
  DEVICE: 0x82,
} as const;

const bytesOf = (value: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff);

/** PkgLength: it counts itself, too. */
function packageLength(content: number): number[] {
  if (content + 1 < 0x40) return [content + 1];
  const extra = content + 2 < 0x1000 ? 1 : 2;
  const length = content + 1 + extra;
  return [(extra << 6) | (length & 0x0f), ...bytesOf(length >>> 4, extra)];
}

const packed = (opcode: readonly number[], content: Aml): Aml => [
  ...opcode,
  ...packageLength(content.length),
  ...content,
];

const segment = (text: string): number[] => [...text.padEnd(4, '_')].map((each) => each.charCodeAt(0));

/** A path: `\_SB_.PCI0`; segments shorter than four characters are filled up. */
export function path(text: string): Aml {
  const isRoot = text.startsWith('\\');
  const segments = text.slice(isRoot ? 1 : 0).split('.');
  const prefix = segments.length === 2 ? [OP.DUAL_NAME] : segments.length > 2 ? [OP.MULTI_NAME, segments.length] : [];
  return [...(isRoot ? ['\\'.charCodeAt(0)] : []), ...prefix, ...segments.flatMap(segment)];
}

/** Up to 32 bits. */
export function integer(value: number): Aml {
  if (value <= 1) return [value === 0 ? OP.ZERO : OP.ONE];
  if (value <= 0xff) return [OP.BYTE, value];
  return value <= 0xffff ? [OP.WORD, ...bytesOf(value, 2)] : [OP.DOUBLEWORD, ...bytesOf(value, 4)];
}

/** A compressed EISA identifier: `PNP0A03`. */
export function eisaId(text: string): Aml {
  const [a, b, c] = [...text.slice(0, 3)].map((letter) => letter.charCodeAt(0) - 0x40);
  const letters = (a << 10) | (b << 5) | c;
  const product = Number.parseInt(text.slice(3), 16);
  return [OP.DOUBLEWORD, letters >>> 8, letters & 0xff, product >>> 8, product & 0xff];
}

export const name = (of: string, value: Aml): Aml => [OP.NAME, ...path(of), ...value];
export const scope = (of: string, ...content: readonly Aml[]): Aml =>
  packed([OP.SCOPE], [...path(of), ...content.flat()]);
export const device = (of: string, ...content: readonly Aml[]): Aml =>
  packed([OP.EXTENDED, OP.DEVICE], [...path(of), ...content.flat()]);
/** `serialized`: it makes names of its own, so that only one may run at a time. */
export const method = (
  of: string,
  { parameters, serialized = false }: { readonly parameters: number; readonly serialized?: boolean },
  ...content: readonly Aml[]
): Aml => packed([OP.METHOD], [...path(of), parameters | (serialized ? 0x08 : 0), ...content.flat()]);
export const packageOf = (elements: readonly Aml[]): Aml => packed([OP.PACKAGE], [elements.length, ...elements.flat()]);
export const buffer = (bytes: readonly number[]): Aml => packed([OP.BUFFER], [...integer(bytes.length), ...bytes]);

const SPACE = { PCI_CONFIG: 2 } as const;
const FIELD_BYTE_ACCESS = 0x01;
/** A region of a PCI function's configuration space, and its bytes as fields. */
export const configFields = (region: string, first: number, names: readonly string[]): Aml => [
  ...[OP.EXTENDED, OP.REGION, ...path(region), SPACE.PCI_CONFIG, ...integer(first), ...integer(names.length)],
  ...packed(
    [OP.EXTENDED, OP.FIELD],
    [...path(region), FIELD_BYTE_ACCESS, ...names.flatMap((each) => [...segment(each), 8])],
  ),
];

/** Expressions and statements of methods. A target that is not wanted is `NOWHERE`. */
export const NOWHERE: Aml = [OP.ZERO];
export const local = (index: number): Aml => [0x60 + index];
export const argument = (index: number): Aml => [0x68 + index];
export const store = (value: Aml, to: Aml): Aml => [0x70, ...value, ...to];
export const decrement = (of: Aml): Aml => [0x76, ...of];
export const shiftLeft = (value: Aml, by: Aml, to: Aml): Aml => [0x79, ...value, ...by, ...to];
export const and = (left: Aml, right: Aml, to: Aml): Aml => [0x7b, ...left, ...right, ...to];
export const or = (left: Aml, right: Aml, to: Aml): Aml => [0x7d, ...left, ...right, ...to];
export const findSetRightBit = (value: Aml, to: Aml): Aml => [0x82, ...value, ...to];
export const wordField = (of: Aml, at: number, called: string): Aml => [0x8b, ...of, ...integer(at), ...path(called)];
export const returns = (value: Aml): Aml => [0xa4, ...value];
/** `If` and, if given, `Else`. */
export const when = (condition: Aml, then: readonly Aml[], otherwise?: readonly Aml[]): Aml => [
  ...packed([0xa0], [...condition, ...then.flat()]),
  ...(otherwise ? packed([0xa1], otherwise.flat()) : []),
];

// Resource descriptors

const END_TAG = [0x79, 0] as const;
export const resources = (...descriptors: readonly (readonly number[])[]): Aml =>
  buffer([...descriptors.flat(), ...END_TAG]);

/** Ports at a fixed place, all 16 address lines decoded. */
export const ioPorts = (first: number, length: number): number[] => [
  ...[0x47, 0x01],
  ...bytesOf(first, 2),
  ...bytesOf(first, 2),
  ...[1, length],
];

/** Of an ISA interrupt: high and edge. `shared`: low, level, shared. */
export const irqs = (lines: readonly number[], { shared = false } = {}): number[] => {
  const mask = lines.reduce((bits, line) => bits | (1 << line), 0);
  return shared ? [0x23, ...bytesOf(mask, 2), 0x18] : [0x22, ...bytesOf(mask, 2)];
};

export const dmaChannel = (channel: number): number[] => [0x2a, 1 << channel, 0x00];

const RANGE = { MEMORY: 0, IO: 1, BUS: 2 } as const;
/** The range is fixed at both ends, and what it holds is passed on. */
const FIXED = 0x0c;

const addressSpace = (
  tag: number,
  width: 2 | 4,
  kind: number,
  flags: number,
  [first, end]: readonly [number, number],
) => {
  const values = [0, first, end - 1, 0, end - first].flatMap((value) => bytesOf(value, width));
  return [tag, ...bytesOf(3 + values.length, 2), kind, FIXED, flags, ...values];
};
/** From the first to before the end. */
export const busRange = (range: readonly [number, number]): number[] => addressSpace(0x88, 2, RANGE.BUS, 0, range);
export const ioRange = (range: readonly [number, number]): number[] => addressSpace(0x88, 2, RANGE.IO, 0x03, range);
/** `cacheable`: as video memory may be. */
export const memoryRange = (range: readonly [number, number], { cacheable = false } = {}): number[] =>
  addressSpace(0x87, 4, RANGE.MEMORY, cacheable ? 0x03 : 0x01, range);
