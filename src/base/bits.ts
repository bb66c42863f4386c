/** Bit fields, as datasheets give them: [lowest bit, highest bit]. Values are unsigned, at most 32 bits wide. */
export type BitField = readonly [low: number, high: number];

/** Mask of `width` ones at bit 0, width 0..32. */
export const ones = (width: number): number => (width >= 32 ? 0xffff_ffff : ~(-1 << width) >>> 0);

/** The field's value, right-aligned and unsigned. */
export function extract(value: number, [low, high]: BitField): number {
  return (value >>> low) & ones(high - low + 1);
}

/** `value` with the field replaced (excess bits of `field` are dropped). */
export function insert(value: number, [low, high]: BitField, field: number): number {
  const mask = ones(high - low + 1) << low;
  return ((value & ~mask) | ((field << low) & mask)) >>> 0;
}

export const bit = (value: number, index: number): 0 | 1 => ((value >>> index) & 1) as 0 | 1;

/** Sign-extends the low `width` bits (1..32) to a signed 32-bit number. */
export const signExtend = (value: number, width: number): number => (value << (32 - width)) >> (32 - width);
