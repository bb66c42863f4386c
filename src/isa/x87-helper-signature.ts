/**
 * The helpers that x87 rows call. Memory operands arrive as their value, then the segment register's number and the
 * offset, for the last operand pointer; stores return whether to store (an unmasked exception may forbid it) and what.
 */
import { type HelperSignature, signature } from './signature.ts';

const NOTHING = signature([]);
/** (segment, offset) */
const ADDRESS = [8, 'pointer'] as const;

export const X87_HELPER_SIGNATURES = {
  /** (1: waiting instruction): #NM, #MF; called by engines before every row with the property `x87` */
  x87Check: signature([8]),
  /** FWAIT: #NM, #MF */
  x87Wait: NOTHING,

  /** (value, segment, offset) */
  x87LoadFloat32: signature([32, ...ADDRESS]),
  x87LoadFloat64: signature([64, ...ADDRESS]),
  /** (significand, sign and exponent, segment, offset) */
  x87LoadFloat80: signature([64, 16, ...ADDRESS]),
  /** (value sign-extended to 64 bits, segment, offset) */
  x87LoadInteger: signature([64, ...ADDRESS]),
  /** (lower 16 digits, sign and upper digits, segment, offset) */
  x87LoadDecimal: signature([64, 16, ...ADDRESS]),
  /** (register) */
  x87LoadRegister: signature([8]),
  /** (number of the constant: low three bits of D9 E8..EE) */
  x87LoadConstant: signature([8]),
  /** (pops, segment, offset) → store, value */
  x87StoreFloat32: signature([8, ...ADDRESS], [1, 32]),
  x87StoreFloat64: signature([8, ...ADDRESS], [1, 64]),
  /** (segment, offset) → store, low 64 bits, high 16 bits; pops */
  x87StoreFloat80: signature([...ADDRESS], [1, 64, 16]),
  x87StoreDecimal: signature([...ADDRESS], [1, 64, 16]),
  /** (width in bits, pops, segment, offset) → store, value in the low bits */
  x87StoreInteger: signature([8, 8, ...ADDRESS], [1, 64]),
  /** (register, pops) */
  x87StoreRegister: signature([8, 8]),
  /** (register): FSTPNCE */
  x87StoreRegisterOrDrop: signature([8]),
  /** (register) */
  x87Exchange: signature([8]),
  /** (register, condition holds) */
  x87ConditionalMove: signature([8, 1]),
  /** (register, pops) */
  x87Free: signature([8, 8]),

  /** (operation, destination register, source register, pops): destination ← destination op source. Operations are numbered as in ModR/M.reg of D8. */
  x87Arithmetic: signature([8, 8, 8, 8]),
  /** (operation, value, segment, offset): ST(0) ← ST(0) op value */
  x87ArithmeticFloat32: signature([8, 32, ...ADDRESS]),
  x87ArithmeticFloat64: signature([8, 64, ...ADDRESS]),
  /** The value is sign-extended to 32 bits. */
  x87ArithmeticInteger: signature([8, 32, ...ADDRESS]),

  /** (register, 1: unordered compare, pops): ST(0) with the register, into C3 C2 C0 */
  x87Compare: signature([8, 8, 8]),
  /** (pops, value, segment, offset) */
  x87CompareFloat32: signature([8, 32, ...ADDRESS]),
  x87CompareFloat64: signature([8, 64, ...ADDRESS]),
  x87CompareInteger: signature([8, 32, ...ADDRESS]),
  /** (register, 1: unordered compare, pops) → flags change, ZF, PF, CF */
  x87CompareFlags: signature([8, 8, 8], [1, 1, 1, 1]),
  x87Test: NOTHING,
  x87Examine: NOTHING,

  x87ChangeSign: NOTHING,
  x87Absolute: NOTHING,
  x87SquareRoot: NOTHING,
  x87RoundToInteger: NOTHING,
  x87Scale: NOTHING,
  x87Extract: NOTHING,
  /** (1: IEEE remainder) */
  x87Remainder: signature([8]),
  x87TwoToXMinus1: NOTHING,
  /** (1: of x + 1) */
  x87Logarithm: signature([8]),
  x87Tangent: NOTHING,
  x87Arctangent: NOTHING,
  x87Sine: NOTHING,
  x87Cosine: NOTHING,
  x87SineCosine: NOTHING,

  /** (to be added to TOP) */
  x87Rotate: signature([8]),
  x87Nop: NOTHING,
  x87Initialize: NOTHING,
  x87ClearExceptions: NOTHING,
  x87LoadControl: signature([16]),
  /** (segment, offset, operand size) */
  x87StoreEnvironment: signature([...ADDRESS, 8]),
  x87LoadEnvironment: signature([...ADDRESS, 8]),
  x87SaveState: signature([...ADDRESS, 8]),
  x87RestoreState: signature([...ADDRESS, 8]),
  /** (segment, offset, operand size, 64-bit mode) */
  fxSave: signature([...ADDRESS, 8, 1]),
  fxRestore: signature([...ADDRESS, 8, 1]),
} as const satisfies Record<string, HelperSignature>;
