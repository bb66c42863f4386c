/** What of which row cannot be compared exactly, and why. Everything else must agree to the last bit. */
import type { InstructionRow } from '../isa/instruction.ts';
import type { ComparisonOptions } from './compare.ts';
import type { Vector } from './vector.ts';

const C0 = 0x100;
const C1 = 0x200;
const C2 = 0x400;
const C3 = 0x4000;

/** x87 condition codes that the manual calls undefined ("FPU Flags Affected"), or on which AMD and Intel differ. */
const IGNORED_STATUS: readonly (readonly [rows: RegExp, bits: number])[] = [
  // C1 tells whether the last bit was rounded up: not to be expected within 1 ulp.
  [/^(f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos)$/, C1],
  [/^ffree$/, C0 | C1 | C2 | C3],
];

/** Units in the last place: each side may be off by one from the true value. */
const TRANSCENDENTAL = /^(f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos)$/;

/** Which byte of a large operand, or which of two operands, is found missing first is the CPU's affair. */
const SEVERAL_ADDRESSES = /^(cmps[bw]|fn?save|frstor|fxsave|fxrstor|fn?stenv|fldenv)$/;

export function comparisonFor({ mnemonic }: InstructionRow): ComparisonOptions {
  const ignored = IGNORED_STATUS.filter(([rows]) => rows.test(mnemonic)).reduce((mask, [, bits]) => mask | bits, 0);
  return {
    ...(ignored !== 0 && { ignoredStatus: ignored }),
    ...(TRANSCENDENTAL.test(mnemonic) && { ulps: 2 }),
    ...(SEVERAL_ADDRESSES.test(mnemonic) && { anyFaultAddress: true }),
    // MXCSR_MASK tells which bits this CPU has.
    ...(mnemonic === 'fxsave' && { ignoredOperandBytes: [28, 31] as const }),
    ...(mnemonic === 'f2xm1' && { undefinedResult: beyond(ONE) }),
    ...(mnemonic === 'fyl2xp1' && { undefinedResult: beyond(ONE_MINUS_HALF_ROOT_TWO) }),
  };
}

/** Exponent and significand of 1, and of 1 − √2/2, beyond which FYL2XP1 is undefined. */
const ONE = 0x3fff_8000_0000_0000_0000n;
const ONE_MINUS_HALF_ROOT_TWO = 0x3ffd_95f6_19980c43_36f7n;

/** |ST(0)| is greater than the bound. */
const beyond =
  (bound: bigint) =>
  ({ initial }: Vector): boolean =>
    initial.x87 !== undefined && BigInt.asUintN(79, initial.x87.stack[0]!) > bound;
