/**
 * Test vectors for x87 instructions. What goes in is made here from seeds; what real hardware made of it is recorded in
 * `hardware-vectors.json` (an AMD EPYC of the Zen 4 family; `record-hardware-vectors.ts` made the file).
 */
import type { Float80 } from '../../../../src/cpu/x87/float80.ts';
import { classify, type Float80Class } from '../../../../src/cpu/x87/float80.ts';
import type { FpuResult, FpuState } from './x87-machine.ts';
import { AX_BEFORE } from './x87-machine.ts';

export interface X87Form {
  readonly name: string;
  readonly code: readonly number[];
  readonly vectors: number;
  /** Results may differ from the hardware's by one unit in the last place (and C1 with them). */
  readonly approximate: boolean;
}

/** Bytes at [ESI] that vectors fill and compare. */
export const MEMORY_BYTES = 16;
/** ModR/M for [ESI] with a digit. */
const at = (digit: number): number => 0x06 | (digit << 3);

const FEW = 39;
const MANY = 338;

const form = (name: string, code: readonly number[], vectors = FEW): X87Form => ({
  name,
  code,
  vectors,
  approximate: false,
});
const inexact = (name: string, code: readonly number[]): X87Form => ({ name, code, vectors: 160, approximate: true });

const arithmeticForms = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'].flatMap((name, digit) => [
  form(`${name} m32`, [0xd8, at(digit)], 2 * FEW),
  form(`${name} m64`, [0xdc, at(digit)], 2 * FEW),
  form(`fi${name.slice(1)} m32`, [0xda, at(digit)]),
  form(`fi${name.slice(1)} m16`, [0xde, at(digit)]),
  form(`${name} st0, st1`, [0xd8, 0xc1 + 8 * digit], MANY),
  form(`DC: ${name} st1`, [0xdc, 0xc1 + 8 * digit]),
  form(`${name} st0, st0`, [0xd8, 0xc0 + 8 * digit]),
  ...(name === 'fcomp' ? [] : [form(`DE: ${name} st1`, [0xde, 0xc1 + 8 * digit])]),
]);

const REGISTER_FORMS: readonly (readonly [string, number, number])[] = [
  ['fld', 0xd9, 0xc0],
  ['fxch', 0xd9, 0xc8],
  ['fst', 0xdd, 0xd0],
  ['fstp', 0xdd, 0xd8],
  ['ffree', 0xdd, 0xc0],
  ['ffreep', 0xdf, 0xc0],
  ['fstpnce', 0xd9, 0xd8],
  ['DD C8: fxch', 0xdd, 0xc8],
  ['DF C8: fxch', 0xdf, 0xc8],
  ['DF D0: fstp', 0xdf, 0xd0],
  ['DF D8: fstp', 0xdf, 0xd8],
  ['fcmovb', 0xda, 0xc0],
  ['fcmove', 0xda, 0xc8],
  ['fcmovbe', 0xda, 0xd0],
  ['fcmovu', 0xda, 0xd8],
  ['fcmovnb', 0xdb, 0xc0],
  ['fcmovne', 0xdb, 0xc8],
  ['fcmovnbe', 0xdb, 0xd0],
  ['fcmovnu', 0xdb, 0xd8],
  ['fucom', 0xdd, 0xe0],
  ['fucomp', 0xdd, 0xe8],
];

export const FORMS: readonly X87Form[] = [
  ...arithmeticForms,
  ...REGISTER_FORMS.flatMap(([name, first, second]) =>
    [1, 6].map((register) => form(`${name} st${register}`, [first, second + register], 16)),
  ),
  form('fcomi', [0xdb, 0xf1], MANY / 2),
  form('fucomi', [0xdb, 0xe9], MANY / 2),
  form('fcomip', [0xdf, 0xf1]),
  form('fucomip', [0xdf, 0xe9]),
  form('fcompp', [0xde, 0xd9]),
  form('fucompp', [0xda, 0xe9]),
  form('DE D0: fcomp', [0xde, 0xd1]),
  form('fld m32', [0xd9, at(0)], 2 * FEW),
  form('fst m32', [0xd9, at(2)], 3 * FEW),
  form('fstp m32', [0xd9, at(3)]),
  form('fld m64', [0xdd, at(0)], 2 * FEW),
  form('fst m64', [0xdd, at(2)], 3 * FEW),
  form('fstp m64', [0xdd, at(3)]),
  form('fld m80', [0xdb, at(5)]),
  form('fstp m80', [0xdb, at(7)]),
  form('fild m16', [0xdf, at(0)]),
  form('fild m32', [0xdb, at(0)]),
  form('fild m64', [0xdf, at(5)]),
  form('fist m16', [0xdf, at(2)], 2 * FEW),
  form('fistp m16', [0xdf, at(3)]),
  form('fist m32', [0xdb, at(2)], 2 * FEW),
  form('fistp m32', [0xdb, at(3)]),
  form('fistp m64', [0xdf, at(7)], 2 * FEW),
  form('fbld', [0xdf, at(4)]),
  form('fbstp', [0xdf, at(6)], 2 * FEW),
  form('fchs', [0xd9, 0xe0]),
  form('fabs', [0xd9, 0xe1]),
  form('ftst', [0xd9, 0xe4]),
  form('fxam', [0xd9, 0xe5]),
  form('fld1', [0xd9, 0xe8]),
  form('fldl2t', [0xd9, 0xe9]),
  form('fldl2e', [0xd9, 0xea]),
  form('fldpi', [0xd9, 0xeb]),
  form('fldlg2', [0xd9, 0xec]),
  form('fldln2', [0xd9, 0xed]),
  form('fldz', [0xd9, 0xee]),
  form('fxtract', [0xd9, 0xf4], 2 * FEW),
  form('fprem1', [0xd9, 0xf5], MANY),
  form('fdecstp', [0xd9, 0xf6], 8),
  form('fincstp', [0xd9, 0xf7], 8),
  form('fprem', [0xd9, 0xf8], MANY),
  form('fsqrt', [0xd9, 0xfa], MANY / 2),
  form('frndint', [0xd9, 0xfc], MANY / 2),
  form('fscale', [0xd9, 0xfd], MANY),
  form('fnop', [0xd9, 0xd0], 8),
  form('fnstsw ax', [0xdf, 0xe0], 8),
  form('fnstsw m16', [0xdd, at(7)], 8),
  form('fnstcw', [0xd9, at(7)], 8),
  form('fldcw', [0xd9, at(5)]),
  form('fnclex', [0xdb, 0xe2]),
  form('fninit', [0xdb, 0xe3], 8),
  form('fneni', [0xdb, 0xe0], 4),
  form('fndisi', [0xdb, 0xe1], 4),
  form('fnsetpm', [0xdb, 0xe4], 4),
  form('fwait', [0x9b], 4),
  inexact('f2xm1', [0xd9, 0xf0]),
  inexact('fyl2x', [0xd9, 0xf1]),
  inexact('fptan', [0xd9, 0xf2]),
  inexact('fpatan', [0xd9, 0xf3]),
  inexact('fyl2xp1', [0xd9, 0xf9]),
  inexact('fsincos', [0xd9, 0xfb]),
  inexact('fsin', [0xd9, 0xfe]),
  inexact('fcos', [0xd9, 0xff]),
];

// What goes in -----------------------------------------------------------------------------------------------------

type Random = () => number;

/** Deterministic, 0 ≤ r < 1: xorshift with 32 bits of state. */
function createRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const pick = <T>(random: Random, choices: readonly T[]): T => choices[below(random, choices.length)];
const bits = (random: Random, count: number): bigint =>
  ((BigInt(below(random, 2 ** 32)) << 32n) | BigInt(below(random, 2 ** 32))) >> BigInt(64 - count);

const INTEGER = 1n << 63n;
const QUIET = 1n << 62n;
const ALL_ONES = (1n << 64n) - 1n;
const BIAS = 16383;

/** Significands that make rounding interesting: few bits, all bits, ties at 24, 53 and 64 bits and their neighbours. */
function significand(random: Random): bigint {
  switch (below(random, 8)) {
    case 0:
      return INTEGER;
    case 1:
      return ALL_ONES;
    case 2:
      return INTEGER | ((1n << BigInt(below(random, 63))) - 1n);
    case 3:
      return INTEGER | (1n << BigInt(below(random, 63)));
    case 4:
      return INTEGER | ((bits(random, 64) >> 40n) << 40n) | (1n << 39n) | BigInt(below(random, 2));
    case 5:
      return INTEGER | ((bits(random, 64) >> 11n) << 11n) | (1n << 10n) | BigInt(below(random, 2));
    case 6:
      return INTEGER | ((bits(random, 64) >> 32n) << 32n);
    default:
      return INTEGER | bits(random, 64);
  }
}

/** Exponents at which memory formats and integers end. */
const EDGES = [
  -16382, -1075, -1074, -1023, -1022, -150, -149, -127, -126, 127, 128, 1023, 1024, 14, 15, 30, 31, 59, 62, 63, 64,
  16383,
];

const MAKERS: readonly ((random: Random) => Omit<Float80, 'sign'>)[] = [
  () => ({ exponent: 0, significand: 0n }),
  (random) => ({
    exponent: 0,
    significand: pick(random, [1n, INTEGER - 1n, 1n + bits(random, 1 + below(random, 62))]),
  }),
  (random) => ({ exponent: 0, significand: INTEGER | bits(random, 1 + below(random, 63)) }),
  () => ({ exponent: 0x7fff, significand: INTEGER }),
  (random) => ({ exponent: 0x7fff, significand: INTEGER | pick(random, [1n, bits(random, 62) | 1n]) }),
  (random) => ({ exponent: 0x7fff, significand: INTEGER | QUIET | pick(random, [0n, bits(random, 62)]) }),
  (random) => ({ exponent: pick(random, [0x7fff, 1, BIAS]), significand: bits(random, 63) }),
  (random) => ({ exponent: pick(random, [1, 2, 0x7ffd, 0x7ffe]), significand: significand(random) }),
  (random) => ({ exponent: BIAS + pick(random, EDGES), significand: significand(random) }),
  (random) => ({ exponent: 1 + below(random, 0x7ffe), significand: significand(random) }),
  (random) => ({ exponent: BIAS + below(random, 8) - 4, significand: significand(random) }),
  (random) => ({ exponent: BIAS + below(random, 140) - 70, significand: significand(random) }),
  (random) => ({ exponent: BIAS + below(random, 70) - 3, significand: significand(random) }),
];

const number = (random: Random, maker = below(random, MAKERS.length)): Float80 => ({
  sign: below(random, 2) as 0 | 1,
  ...MAKERS[maker](random),
});

/** A memory operand that is an edge case of one of the formats, or anything. */
function operand(random: Random): Uint8Array {
  const memory = new Uint8Array(MEMORY_BYTES).map(() => below(random, 256));
  const view = new DataView(memory.buffer);
  const tops32 = [
    0, 0x8000_0000, 1, 0x7f_ffff, 0x80_0000, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0001, 0x7fc0_0000, 0x3f80_0000,
  ];
  const tops64 = [
    0n,
    1n << 63n,
    1n,
    (1n << 52n) - 1n,
    1n << 52n,
    0x7fefn << 48n,
    0x7ff0n << 48n,
    (0xfff0n << 48n) | 1n,
    0x7ff8n << 48n,
  ];
  switch (below(random, 8)) {
    case 0: {
      const value = number(random);
      view.setBigUint64(0, value.significand, true);
      view.setUint16(8, (value.sign << 15) | value.exponent, true);
      break;
    }
    case 1:
      view.setUint32(0, pick(random, tops32), true);
      break;
    case 2:
      view.setBigUint64(0, pick(random, tops64), true);
      break;
    case 3:
      view.setFloat32(0, (random() - 0.5) * 2 ** below(random, 40), true);
      break;
    case 4:
      view.setFloat64(0, (random() - 0.5) * 2 ** below(random, 40), true);
      break;
    case 5:
      view.setInt32(0, below(random, 9) - 4, true);
      break;
    case 6:
      for (let digit = 0; digit < 9; digit++) memory[digit] = below(random, 10) * 16 + below(random, 10);
      memory[9] = below(random, 2) * 128;
  }
  return memory;
}

/** Vector `index` of a form: all pairs of kinds of numbers in ST(0) and ST(1), all rounding and precision controls come round. */
function makeVector(random: Random, index: number, approximate: boolean): FpuState {
  const top = below(random, 8);
  const masks = random() < 0.6 ? 0x3f : below(random, 64);
  const control = 0x40 | masks | (pick(random, [0, 2, 3, 3]) << 8) | ((index & 3) << 10);
  const flags = random() < 0.2 ? below(random, 64) & masks : 0;
  const status = (top << 11) | (below(random, 8) << 8) | (below(random, 2) << 14) | flags;
  const kinds = MAKERS.length;
  const stack = Array.from({ length: 8 }, () => number(random));
  stack[0] = number(random, index % kinds);
  stack[1] = number(random, Math.floor(index / kinds) % kinds);
  if (approximate && random() < 0.5) {
    const exponent = () =>
      BIAS + pick(random, [0, -1, -1, -2, -3, -5, -10, -20, -40, -66, -100, 1, 2, 3, 5, 10, 30, 62]);
    stack[0] = { sign: below(random, 3) ? 0 : 1, exponent: exponent(), significand: significand(random) };
    stack[1] = { sign: below(random, 2) as 0 | 1, exponent: exponent(), significand: significand(random) };
  } else if (index >= kinds * kinds && random() < 0.2) {
    stack[1] = { ...stack[0], sign: below(random, 2) as 0 | 1 };
  }
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    const empty = random() < (register === 7 ? 0.85 : register < 2 ? 0.03 : 0.3);
    if (empty) tags |= 3 << (2 * ((top + register) & 7));
  }
  const eflags = [0, 2, 4, 6, 7, 11].reduce((word, bit) => word | (below(random, 2) << bit), 0);
  return { control, status, tags, stack, memory: operand(random), flags: eflags };
}

/** All vectors of a form. */
export function makeVectors({ code, vectors, approximate }: X87Form): FpuState[] {
  const random = createRandom(code.reduce((hash, byte) => Math.imul(hash, 31) + byte, 17));
  return Array.from({ length: vectors }, (_, index) => makeVector(random, index, approximate));
}

/** Which kinds of operand the vectors cover, for the floor in the test. */
export const kindOf = (value: Float80): Float80Class => classify(value);

// What comes out ---------------------------------------------------------------------------------------------------

const HAS = { control: 1, flags: 2, ax: 4, memory: 8 } as const;

const topOf = (status: number): number => (status >> 11) & 7;
const physical = (state: Pick<FpuState, 'status' | 'stack'>): Float80[] =>
  Array.from({ length: 8 }, (_, register) => state.stack[(register - topOf(state.status)) & 7]);
const sameNumber = (left: Float80, right: Float80): boolean =>
  left.sign === right.sign && left.exponent === right.exponent && left.significand === right.significand;

/** What an instruction changed, as bytes: status and tag word always, the rest if it differs from before. */
export function encodeResult(before: FpuState, after: FpuResult): number[] {
  const out: number[] = [];
  const word = (value: number) => out.push(value & 0xff, (value >> 8) & 0xff);
  const [old, now] = [physical(before), physical(after)];
  const changed = now.map((value, register) => !sameNumber(value, old[register]));
  const memoryChanged = after.memory.slice(0, MEMORY_BYTES).some((byte, index) => byte !== before.memory[index]);
  const has =
    (after.control !== before.control ? HAS.control : 0) |
    (after.flags !== before.flags ? HAS.flags : 0) |
    (after.ax !== AX_BEFORE ? HAS.ax : 0) |
    (memoryChanged ? HAS.memory : 0);
  out.push(
    has,
    changed.reduce((mask, flag, register) => mask | (flag ? 1 << register : 0), 0),
  );
  word(after.status);
  word(after.tags);
  if (has & HAS.control) word(after.control);
  if (has & HAS.flags) word(after.flags);
  if (has & HAS.ax) word(after.ax);
  if (has & HAS.memory) out.push(...after.memory.slice(0, 10));
  now.forEach((value, register) => {
    if (!changed[register]) return;
    word((value.sign << 15) | value.exponent);
    for (let shift = 0n; shift < 64n; shift += 8n) out.push(Number((value.significand >> shift) & 0xffn));
  });
  return out;
}

/** The result that `encodeResult` wrote, and where the next one starts. */
export function decodeResult(before: FpuState, bytes: Uint8Array, start: number): { after: FpuResult; next: number } {
  let position = start;
  const byte = () => bytes[position++];
  const word = () => byte() | (byte() << 8);
  const [has, changed] = [byte(), byte()];
  const [status, tags] = [word(), word()];
  const control = has & HAS.control ? word() : before.control;
  const flags = has & HAS.flags ? word() : before.flags;
  const ax = has & HAS.ax ? word() : AX_BEFORE;
  const memory = before.memory.slice();
  if (has & HAS.memory) for (let index = 0; index < 10; index++) memory[index] = byte();
  const registers = physical(before);
  for (let register = 0; register < 8; register++) {
    if (!((changed >> register) & 1)) continue;
    const signExponent = word();
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 8n) value |= BigInt(byte()) << shift;
    registers[register] = {
      sign: (signExponent >> 15) as 0 | 1,
      exponent: signExponent & 0x7fff,
      significand: value,
    };
  }
  const stack = Array.from({ length: 8 }, (_, index) => registers[(index + topOf(status)) & 7]);
  return { after: { status, tags, control, flags, ax, memory, stack }, next: position };
}
