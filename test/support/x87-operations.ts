/** x87 instructions as calls of their helpers, to compare emitted functions with helpers (and both with a host CPU). */

export interface X87Operation {
  readonly name: string;
  /** The instruction; memory operands are [ESI]. */
  readonly code: readonly number[];
  readonly helper: string;
  /** Arguments before those of the memory operand's address. */
  readonly args: (memory: DataView, condition: number) => readonly (number | bigint)[];
  /** Memory operand: segment and offset follow the other arguments. */
  readonly memory?: 'read' | 'write';
  /** Bytes that a store writes. */
  readonly storedBytes?: number;
  /** Condition for FCMOVcc: which EFLAGS bits must be set for it to hold. */
  readonly condition?: number;
}

const at = (digit: number): number => 0x06 | (digit << 3);
const FCMOVE_ZF = 0x40;

const ARITHMETIC = { fadd: 0, fmul: 1, fsub: 4, fsubr: 5, fdiv: 6, fdivr: 7 } as const;
/** ModR/M.reg in DC and DE, where the reverse forms have changed places. */
const TO_REGISTER = { fadd: 0, fmul: 1, fsub: 5, fsubr: 4, fdiv: 7, fdivr: 6 } as const;

const arithmetic = Object.entries(ARITHMETIC).flatMap(([name, number]): X87Operation[] => {
  const reversed = TO_REGISTER[name as keyof typeof TO_REGISTER];
  return [
    {
      name: `${name} st0, st1`,
      code: [0xd8, 0xc1 + 8 * number],
      helper: 'x87Arithmetic',
      args: () => [number, 0, 1, 0],
    },
    {
      name: `${name}p st1, st0`,
      code: [0xde, 0xc1 + 8 * reversed],
      helper: 'x87Arithmetic',
      args: () => [number, 1, 0, 1],
    },
    {
      name: `${name} m32`,
      code: [0xd8, at(number)],
      helper: 'x87ArithmeticFloat32',
      memory: 'read',
      args: (memory) => [number, memory.getUint32(0, true)],
    },
    {
      name: `${name} m64`,
      code: [0xdc, at(number)],
      helper: 'x87ArithmeticFloat64',
      memory: 'read',
      args: (memory) => [number, memory.getBigUint64(0, true)],
    },
    {
      name: `${name} integer m32`,
      code: [0xda, at(number)],
      helper: 'x87ArithmeticInteger',
      memory: 'read',
      args: (memory) => [number, memory.getUint32(0, true)],
    },
  ];
});

const load = (name: string, code: number[], helper: string, args: X87Operation['args']): X87Operation => ({
  name,
  code,
  helper,
  args,
  memory: 'read',
});
const store = (name: string, code: number[], helper: string, args: number[], storedBytes: number): X87Operation => ({
  name,
  code,
  helper,
  args: () => args,
  memory: 'write',
  storedBytes,
});
const register = (name: string, code: number[], helper: string, ...args: number[]): X87Operation => ({
  name,
  code,
  helper,
  args: () => args,
});

export const X87_OPERATIONS: readonly X87Operation[] = [
  ...arithmetic,
  register('fsqrt', [0xd9, 0xfa], 'x87SquareRoot'),
  register('frndint', [0xd9, 0xfc], 'x87RoundToInteger'),
  register('fscale', [0xd9, 0xfd], 'x87Scale'),
  register('fprem', [0xd9, 0xf8], 'x87Remainder', 0),
  register('fprem1', [0xd9, 0xf5], 'x87Remainder', 1),
  register('fxtract', [0xd9, 0xf4], 'x87Extract'),
  register('fcom st1', [0xd8, 0xd1], 'x87Compare', 1, 0, 0),
  register('fcompp', [0xde, 0xd9], 'x87Compare', 1, 0, 2),
  register('fucom st1', [0xdd, 0xe1], 'x87Compare', 1, 1, 0),
  register('fucomp st1', [0xdd, 0xe9], 'x87Compare', 1, 1, 1),
  register('fcomi st0, st1', [0xdb, 0xf1], 'x87CompareFlags', 1, 0, 0),
  register('fucomip st0, st1', [0xdf, 0xe9], 'x87CompareFlags', 1, 1, 1),
  load('fcomp m32', [0xd8, at(3)], 'x87CompareFloat32', (memory) => [1, memory.getUint32(0, true)]),
  load('fcom m64', [0xdc, at(2)], 'x87CompareFloat64', (memory) => [0, memory.getBigUint64(0, true)]),
  load('ficom m32', [0xda, at(2)], 'x87CompareInteger', (memory) => [0, memory.getUint32(0, true)]),
  register('ftst', [0xd9, 0xe4], 'x87Test'),
  register('fxam', [0xd9, 0xe5], 'x87Examine'),
  load('fld m32', [0xd9, at(0)], 'x87LoadFloat32', (memory) => [memory.getUint32(0, true)]),
  load('fld m64', [0xdd, at(0)], 'x87LoadFloat64', (memory) => [memory.getBigUint64(0, true)]),
  load('fld m80', [0xdb, at(5)], 'x87LoadFloat80', (memory) => [
    memory.getBigUint64(0, true),
    memory.getUint16(8, true),
  ]),
  load('fild m16', [0xdf, at(0)], 'x87LoadInteger', (memory) => [BigInt(memory.getInt16(0, true))]),
  load('fild m32', [0xdb, at(0)], 'x87LoadInteger', (memory) => [BigInt(memory.getInt32(0, true))]),
  load('fild m64', [0xdf, at(5)], 'x87LoadInteger', (memory) => [memory.getBigInt64(0, true)]),
  store('fst m32', [0xd9, at(2)], 'x87StoreFloat32', [0], 4),
  store('fstp m64', [0xdd, at(3)], 'x87StoreFloat64', [1], 8),
  store('fstp m80', [0xdb, at(7)], 'x87StoreFloat80', [], 10),
  store('fist m16', [0xdf, at(2)], 'x87StoreInteger', [16, 0], 2),
  store('fistp m32', [0xdb, at(3)], 'x87StoreInteger', [32, 1], 4),
  store('fistp m64', [0xdf, at(7)], 'x87StoreInteger', [64, 1], 8),
  register('fld st3', [0xd9, 0xc3], 'x87LoadRegister', 3),
  register('fst st2', [0xdd, 0xd2], 'x87StoreRegister', 2, 0),
  register('fstp st1', [0xdd, 0xd9], 'x87StoreRegister', 1, 1),
  register('fxch st2', [0xd9, 0xca], 'x87Exchange', 2),
  {
    name: 'fcmove st0, st2',
    code: [0xda, 0xca],
    helper: 'x87ConditionalMove',
    args: (_memory, condition) => [2, condition],
    condition: FCMOVE_ZF,
  },
  register('ffree st2', [0xdd, 0xc2], 'x87Free', 2, 0),
  register('ffreep st1', [0xdf, 0xc1], 'x87Free', 1, 1),
  ...[0, 1, 2, 3, 4, 5, 6].map((number) =>
    register(`constant ${number}`, [0xd9, 0xe8 + number], 'x87LoadConstant', number),
  ),
  register('fchs', [0xd9, 0xe0], 'x87ChangeSign'),
  register('fabs', [0xd9, 0xe1], 'x87Absolute'),
  register('fdecstp', [0xd9, 0xf6], 'x87Rotate', 7),
  register('fincstp', [0xd9, 0xf7], 'x87Rotate', 1),
  register('fnop', [0xd9, 0xd0], 'x87Nop'),
  load('fldcw', [0xd9, at(5)], 'x87LoadControl', (memory) => [memory.getUint16(0, true)]),
  register('fnclex', [0xdb, 0xe2], 'x87ClearExceptions'),
];
