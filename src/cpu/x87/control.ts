/** Control and status word. SDM Vol. 1, "x87 FPU Control Word", "x87 FPU Status Register". */

/** Exception flags of the status word; the mask bits of the control word have the same places. */
export const EXCEPTION = { IE: 0x01, DE: 0x02, ZE: 0x04, OE: 0x08, UE: 0x10, PE: 0x20 } as const;
export const EXCEPTIONS = 0x3f;

export const STATUS = {
  SF: 0x40,
  ES: 0x80,
  C0: 0x100,
  C1: 0x200,
  C2: 0x400,
  TOP: 0x3800,
  C3: 0x4000,
  B: 0x8000,
} as const;
export const CONDITION_CODES = STATUS.C0 | STATUS.C1 | STATUS.C2 | STATUS.C3;
export const TOP_SHIFT = 11;

/** FNINIT: all exceptions masked, 64 bits of precision, to nearest. Bit 6 is reserved and always 1. */
export const INITIAL_CONTROL = 0x037f;
export const CONTROL_FIXED = 0x0040;
export const CONTROL_WRITABLE = 0x1f3f;

export type Rounding = 'nearest' | 'down' | 'up' | 'zero';
const ROUNDINGS: readonly Rounding[] = ['nearest', 'down', 'up', 'zero'];
export const roundingOf = (fcw: number): Rounding => ROUNDINGS[(fcw >> 10) & 3];

/** Precision control, in bits of the significand. 01 is reserved: it acts as 64 bits. */
const PRECISIONS = [24, 64, 53, 64] as const;
export const precisionOf = (fcw: number): number => PRECISIONS[(fcw >> 8) & 3];

/** Those of `flags` whose exceptions the control word leaves unmasked. */
export const unmasked = (flags: number, fcw: number): number => flags & ~fcw & EXCEPTIONS;
