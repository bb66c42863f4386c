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

/** Operands that must be aligned. */
const ALIGNED = /^(fxsave|fxrstor|cmpxchg16b)$/;

/** Which byte of a large operand, or which of two operands, is found missing first is the CPU's affair. */
const SEVERAL_ADDRESSES = /^(cmps[bw]|fn?save|frstor|fxsave|fxrstor|fn?stenv|fldenv)$/;

/**
 * Where the manual leaves a choice, or CPUs differ from it, our rows do what AMD CPUs do, which is what they were tested
 * on. On another make of CPU these rows are compared less, or not at all:
 * the condition codes of x87 (which of them an instruction leaves alone), and
 * - ARPL that changes nothing: whether it asks for write permission;
 * - PUSH of a segment register: whether the upper half of the stack slot is written;
 * - POPA: whether the image of rSP is read; CALL: whether a missing stack or an unreachable target is reported first;
 * - undocumented x87 opcodes; the instruction and data pointers in FXSAVE images;
 * - x87 instructions with an exception that is not masked: whether it or a missing operand is found first, and what of the
 *   result is left; whether transcendental functions report an underflow;
 * - repeated string instructions: of 64-bit code with 32-bit addresses, whose count is 0, whether RCX loses its upper half;
 *   whose comparison faults, whether the flags are those of the one before.
 */
const AS_ON_AMD = /^(arpl|push|popa|call|fstpnce|ffreep|fxsave|fxrstor)$/;
const CONDITION_CODES = C0 | C1 | C2 | C3;
/** Of the status word. */
const UNDERFLOW = 0x10;
/** Masks of the control word. */
const ALL_MASKED = 0x3f;
const REPEATED = /^(ins|outs|movs|lods|stos|cmps|scas)[bwdq]$/;

type Condition = (vector: Vector) => boolean;
const either =
  (one: Condition, other: Condition | false): Condition =>
  (vector) =>
    one(vector) || (other !== false && other(vector));
const isUnmasked: Condition = ({ initial: { x87 } }) =>
  x87 !== undefined && (x87.controlWord & ALL_MASKED) !== ALL_MASKED;
const hasOnlyUpperCount: Condition = ({ mode, initial }) => {
  const count = initial.registers[1]!;
  return mode === 64 && BigInt.asUintN(32, count) === 0n && count !== 0n;
};

/** @param make who made the CPU to compare with: 'amd' for the engines among themselves, too */
export function comparisonFor({ mnemonic, x87 }: InstructionRow, make: 'amd' | 'other' = 'amd'): ComparisonOptions {
  if (make === 'other' && AS_ON_AMD.test(mnemonic)) return { undefinedResult: () => true };
  const ignored = IGNORED_STATUS.filter(([rows]) => rows.test(mnemonic)).reduce((mask, [, bits]) => mask | bits, 0);
  const isOther = make === 'other';
  const anyCodes = isOther && x87 !== undefined ? CONDITION_CODES : 0;
  const anyUnderflow = isOther && TRANSCENDENTAL.test(mnemonic) ? UNDERFLOW : 0;
  return {
    ...((anyCodes | anyUnderflow | ignored) !== 0 && { ignoredStatus: anyCodes | anyUnderflow | ignored }),
    ...(isOther && x87 !== undefined && { undefinedResult: isUnmasked }),
    ...(isOther && REPEATED.test(mnemonic) && { undefinedResult: hasOnlyUpperCount, anyFlagsAtFault: true }),
    ...(TRANSCENDENTAL.test(mnemonic) && { ulps: 2 }),
    ...(SEVERAL_ADDRESSES.test(mnemonic) && { anyFaultAddress: true }),
    ...(mnemonic === 'popa' && { partialLoads: true }),
    ...(ALIGNED.test(mnemonic) && { stackFaultAsProtection: true }),
    // MXCSR_MASK tells which bits this CPU has.
    ...(mnemonic === 'fxsave' && { ignoredOperandBytes: [28, 31] as const }),
    ...(mnemonic === 'f2xm1' && { undefinedResult: either(beyond(ONE), isOther && isUnmasked) }),
    ...(mnemonic === 'fyl2xp1' && {
      undefinedResult: either(beyond(ONE_MINUS_HALF_ROOT_TWO), isOther && isUnmasked),
    }),
  };
}

/** Exponent and significand of 1, and of 1 − √2/2, beyond which FYL2XP1 is undefined. */
const ONE = 0x3fff_8000_0000_0000_0000n;
const ONE_MINUS_HALF_ROOT_TWO = 0x3ffd_95f6_19980c43_36f7n;

/** |ST(0)| is greater than the bound. */
const beyond =
  (bound: bigint) =>
  ({ initial }: Vector): boolean =>
    initial.x87 !== undefined && BigInt.asUintN(79, initial.x87.stack[0]) > bound;
