/**
 * The x87 FPU. SDM Vol. 1, "Programming with the x87 FPU"; Vol. 2A for each instruction.
 *
 * The arithmetic is in helpers (`cpu/x87`), which all engines share. Rows say how instructions are encoded, what they
 * load and store, and which helper does the rest. Before a row with the property `x87` engines call `x87Check`.
 *
 * Encodings the manual leaves out but CPUs have (FCOM at DC D0, FXCH at DD C8 …) follow the documented ones, so the
 * assembler never picks them.
 */
import type { Value } from '../../ir/value.ts';
import { type Encoding, type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess } from '../operand.ts';
import type { SemanticsBuilder } from '../semantics.ts';
import { X87_CONTROL_INSTRUCTIONS } from './x87-control.ts';

/** Segment and offset of a memory operand, as helpers take them. */
const addressOf = (operand: OperandAccess, b: SemanticsBuilder<never>): [Value, Value] => [
  b.input('segment', 8),
  b.zeroExtend(operand.offset, b.pointerSize),
];

const byte = (value: number, b: SemanticsBuilder<never>): Value => b.constant(value, 8);

/** The two parts of an 80-bit operand. */
const load80 = (operand: OperandAccess, b: SemanticsBuilder<never>, intent: 'read' | 'modify' = 'read') => {
  const low = b.load(operand.segment, operand.offset, 64, intent);
  const high = b.load(operand.segment, b.add(operand.offset, 8), 16, intent);
  return { low, high };
};

// Loads and stores -------------------------------------------------------------------------------------------------

const fld = instruction({
  mnemonic: 'fld',
  summary: 'Load floating-point value',
  manual: 'SDM Vol. 2A, "FLD—Load Floating-Point Value"',
  operands: { src: 'r' },
  encodings: [
    ['D9 /0', 'm32'],
    ['DD /0', 'm64'],
    ['DB /5', 'm80'],
    ['D9 C0+i', 'sti'],
  ],
  flags: {},
  x87: 'wait',
  execute({ src }, b) {
    if (!src.isMemory) b.call('x87LoadRegister', [src.index]);
    else if (src.width === 32) b.call('x87LoadFloat32', [src.read(), ...addressOf(src, b)]);
    else if (src.width === 64) b.call('x87LoadFloat64', [src.read(), ...addressOf(src, b)]);
    else {
      const { low, high } = load80(src, b);
      b.call('x87LoadFloat80', [low, high, ...addressOf(src, b)]);
    }
  },
});

const fild = instruction({
  mnemonic: 'fild',
  summary: 'Load integer',
  manual: 'SDM Vol. 2A, "FILD—Load Integer"',
  operands: { src: 'r' },
  encodings: [
    ['DF /0', 'm16'],
    ['DB /0', 'm32'],
    ['DF /5', 'm64'],
  ],
  flags: {},
  x87: 'wait',
  execute({ src }, b) {
    b.call('x87LoadInteger', [b.signExtend(src.read(), 64), ...addressOf(src, b)]);
  },
});

const fbld = instruction({
  mnemonic: 'fbld',
  summary: 'Load binary coded decimal',
  manual: 'SDM Vol. 2A, "FBLD—Load Binary Coded Decimal"',
  operands: { src: 'r' },
  encodings: [['DF /4', 'm80']],
  flags: {},
  x87: 'wait',
  execute({ src }, b) {
    const { low, high } = load80(src, b);
    b.call('x87LoadDecimal', [low, high, ...addressOf(src, b)]);
  },
});

/** FLD1, FLDL2T, …: the constant's number is in the low three bits of the second byte. */
const loadConstant = (mnemonic: string, what: string, number: number): InstructionRow =>
  instruction({
    mnemonic,
    summary: `Load ${what}`,
    manual: 'SDM Vol. 2A, "FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ—Load Constant"',
    operands: {},
    encodings: [[`D9 E${(8 + number).toString(16).toUpperCase()}`]],
    flags: {},
    x87: 'wait',
    execute(_operands, b) {
      b.call('x87LoadConstant', [byte(number, b)]);
    },
  });

/**
 * The place is checked for writing before anything happens: a faulting store leaves the FPU as it was. An unmasked
 * exception suppresses the store.
 */
const storeFloat = (mnemonic: 'fst' | 'fstp', encodings: readonly Encoding[]): InstructionRow =>
  instruction({
    mnemonic,
    summary: mnemonic === 'fst' ? 'Store floating-point value' : 'Store floating-point value and pop',
    manual: 'SDM Vol. 2A, "FST/FSTP—Store Floating Point Value"',
    operands: { dst: 'w' },
    encodings,
    flags: {},
    x87: 'wait',
    execute({ dst }, b) {
      const pops = byte(mnemonic === 'fst' ? 0 : 1, b);
      if (!dst.isMemory) b.call('x87StoreRegister', [dst.index, pops]);
      else if ((dst.width as number) === 80) store80('x87StoreFloat80', dst, b);
      else {
        const place = b.load(dst.segment, dst.offset, dst.width, 'modify');
        const helper = dst.width === 32 ? 'x87StoreFloat32' : 'x87StoreFloat64';
        const [allowed, value] = b.call(helper, [pops, ...addressOf(dst, b)], [1, dst.width]);
        b.when(allowed!, () => b.store(dst.segment, dst.offset, value!, place));
      }
    },
  });

function store80(helper: 'x87StoreFloat80' | 'x87StoreDecimal', dst: OperandAccess, b: SemanticsBuilder<never>): void {
  const place = load80(dst, b, 'modify');
  const [allowed, low, high] = b.call(helper, addressOf(dst, b), [1, 64, 16]);
  b.when(allowed!, () => {
    b.store(dst.segment, dst.offset, low!, place.low);
    b.store(dst.segment, b.add(dst.offset, 8), high!, place.high);
  });
}

const storeInteger = (mnemonic: 'fist' | 'fistp', encodings: readonly Encoding[]): InstructionRow =>
  instruction({
    mnemonic,
    summary: mnemonic === 'fist' ? 'Store integer' : 'Store integer and pop',
    manual: 'SDM Vol. 2A, "FIST/FISTP—Store Integer"',
    operands: { dst: 'w' },
    encodings,
    flags: {},
    x87: 'wait',
    execute({ dst }, b) {
      const place = b.load(dst.segment, dst.offset, dst.width, 'modify');
      const pops = byte(mnemonic === 'fist' ? 0 : 1, b);
      const [allowed, value] = b.call('x87StoreInteger', [byte(dst.width, b), pops, ...addressOf(dst, b)], [1, 64]);
      b.when(allowed!, () => b.store(dst.segment, dst.offset, b.truncate(value!, dst.width), place));
    },
  });

const fbstp = instruction({
  mnemonic: 'fbstp',
  summary: 'Store binary coded decimal and pop',
  manual: 'SDM Vol. 2A, "FBSTP—Store BCD Integer and Pop"',
  operands: { dst: 'w' },
  encodings: [['DF /6', 'm80']],
  flags: {},
  x87: 'wait',
  execute({ dst }, b) {
    store80('x87StoreDecimal', dst, b);
  },
});

/** Undocumented: FSTP that takes an empty ST(0) without complaint. */
const fstpnce = instruction({
  mnemonic: 'fstpnce',
  summary: 'Store floating-point value and pop, no stack underflow',
  manual: 'AMD64 Architecture Programmer’s Manual Vol. 3, opcode map D9',
  operands: { dst: 'w' },
  encodings: [['D9 D8+i', 'sti']],
  flags: {},
  x87: 'wait',
  execute({ dst }, b) {
    b.call('x87StoreRegisterOrDrop', [dst.index]);
  },
});

const fxch = instruction({
  mnemonic: 'fxch',
  summary: 'Exchange register contents',
  manual: 'SDM Vol. 2A, "FXCH—Exchange Register Contents"',
  operands: { src: 'rw' },
  encodings: [
    ['D9 C8+i', 'sti'],
    ['DD C8+i', 'sti'],
    ['DF C8+i', 'sti'],
  ],
  flags: {},
  x87: 'wait',
  execute({ src }, b) {
    b.call('x87Exchange', [src.index]);
  },
});

/** FCMOVcc: `condition` is the code of Jcc with the same meaning. */
const conditionalMove = (mnemonic: string, opcode: string, condition: number): InstructionRow =>
  instruction({
    mnemonic,
    summary: 'Floating-point conditional move',
    manual: 'SDM Vol. 2A, "FCMOVcc—Floating-Point Conditional Move"',
    operands: { dst: 'w', src: 'r' },
    encodings: [[opcode, 'st0', 'sti']],
    flags: { reads: ['CF', 'ZF', 'PF'] },
    x87: 'wait',
    feature: 'cmov',
    execute({ src }, b) {
      b.call('x87ConditionalMove', [src.index, b.conditionHolds(condition)]);
    },
  });

// Arithmetic -------------------------------------------------------------------------------------------------------

/** Numbered as in ModR/M.reg of D8; 2 and 3 are the comparisons. */
const OPERATION = { fadd: 0, fmul: 1, fsub: 4, fsubr: 5, fdiv: 6, fdivr: 7 } as const;
const OPERATION_NAMES = {
  fadd: ['Add', 'FADD/FADDP/FIADD—Add'],
  fmul: ['Multiply', 'FMUL/FMULP/FIMUL—Multiply'],
  fsub: ['Subtract', 'FSUB/FSUBP/FISUB—Subtract'],
  fsubr: ['Reverse subtract', 'FSUBR/FSUBRP/FISUBR—Reverse Subtract'],
  fdiv: ['Divide', 'FDIV/FDIVP/FIDIV—Divide'],
  fdivr: ['Reverse divide', 'FDIVR/FDIVRP/FIDIVR—Reverse Divide'],
} as const;

/** Second bytes of DC and DE, where the reverse forms have changed places with the straight ones. */
const TO_REGISTER = { fadd: 'C0', fmul: 'C8', fsubr: 'E0', fsub: 'E8', fdivr: 'F0', fdiv: 'F8' } as const;

function arithmetic(name: keyof typeof OPERATION): InstructionRow[] {
  const number = OPERATION[name];
  const [what, title] = OPERATION_NAMES[name];
  const manual = `SDM Vol. 2A, "${title}"`;
  const fromRegister = (0xc0 + 8 * number).toString(16).toUpperCase();
  return [
    instruction({
      mnemonic: name,
      summary: `${what} a floating-point value in memory`,
      manual,
      operands: { src: 'r' },
      encodings: [
        [`D8 /${number}`, 'm32'],
        [`DC /${number}`, 'm64'],
      ],
      flags: {},
      x87: 'wait',
      execute({ src }, b) {
        const helper = src.width === 32 ? 'x87ArithmeticFloat32' : 'x87ArithmeticFloat64';
        b.call(helper, [byte(number, b), src.read(), ...addressOf(src, b)]);
      },
    }),
    instruction({
      mnemonic: name,
      summary: `${what} floating-point registers`,
      manual,
      operands: { dst: 'rw', src: 'r' },
      encodings: [
        [`D8 ${fromRegister}+i`, 'st0', 'sti'],
        [`DC ${TO_REGISTER[name]}+i`, 'sti', 'st0'],
      ],
      flags: {},
      x87: 'wait',
      execute({ dst, src }, b) {
        b.call('x87Arithmetic', [byte(number, b), dst.index, src.index, byte(0, b)]);
      },
    }),
    instruction({
      mnemonic: `${name}p`,
      summary: `${what} floating-point registers and pop`,
      manual,
      operands: { dst: 'rw', src: 'r' },
      encodings: [[`DE ${TO_REGISTER[name]}+i`, 'sti', 'st0']],
      flags: {},
      x87: 'wait',
      execute({ dst, src }, b) {
        b.call('x87Arithmetic', [byte(number, b), dst.index, src.index, byte(1, b)]);
      },
    }),
    instruction({
      mnemonic: `fi${name.slice(1)}`,
      summary: `${what} an integer in memory`,
      manual,
      operands: { src: 'r' },
      encodings: [
        [`DE /${number}`, 'm16'],
        [`DA /${number}`, 'm32'],
      ],
      flags: {},
      x87: 'wait',
      execute({ src }, b) {
        b.call('x87ArithmeticInteger', [byte(number, b), b.signExtend(src.read(), 32), ...addressOf(src, b)]);
      },
    }),
  ];
}

// Comparison -------------------------------------------------------------------------------------------------------

const FCOM = 'SDM Vol. 2A, "FCOM/FCOMP/FCOMPP—Compare Floating Point Values"';
const FUCOM = 'SDM Vol. 2A, "FUCOM/FUCOMP/FUCOMPP—Unordered Compare Floating Point Values"';
const FICOM = 'SDM Vol. 2A, "FICOM/FICOMP—Compare Integer"';
const FCOMI = 'SDM Vol. 2A, "FCOMI/FCOMIP/FUCOMI/FUCOMIP—Compare Floating Point Values and Set EFLAGS"';

interface Comparison {
  readonly mnemonic: string;
  readonly manual: string;
  readonly unordered: boolean;
  readonly pops: number;
}
const summaryOf = ({ unordered, pops }: Comparison, what: string): string =>
  `${unordered ? 'Unordered compare' : 'Compare'} ${what}${['', ' and pop', ' and pop twice'][pops]}`;

/** Compares ST(0) with a register. `encodings` take it as ST(i), or none for ST(1). */
const compareRegister = (comparison: Comparison, encodings: readonly Encoding[]): InstructionRow => {
  const { mnemonic, manual, unordered, pops } = comparison;
  return instruction({
    mnemonic,
    summary: summaryOf(comparison, 'floating-point registers'),
    manual,
    operands: { src: 'r' },
    encodings,
    flags: {},
    x87: 'wait',
    execute(operands, b) {
      const src = operands.src as OperandAccess | undefined;
      b.call('x87Compare', [src?.index ?? byte(1, b), byte(unordered ? 1 : 0, b), byte(pops, b)]);
    },
  });
};

const compareMemory = (comparison: Comparison, encodings: readonly Encoding[]): InstructionRow =>
  instruction({
    mnemonic: comparison.mnemonic,
    summary: summaryOf(comparison, 'with a floating-point value in memory'),
    manual: comparison.manual,
    operands: { src: 'r' },
    encodings,
    flags: {},
    x87: 'wait',
    execute({ src }, b) {
      const helper = src.width === 32 ? 'x87CompareFloat32' : 'x87CompareFloat64';
      b.call(helper, [byte(comparison.pops, b), src.read(), ...addressOf(src, b)]);
    },
  });

const compareInteger = (comparison: Comparison, encodings: readonly Encoding[]): InstructionRow =>
  instruction({
    mnemonic: comparison.mnemonic,
    summary: summaryOf(comparison, 'with an integer in memory'),
    manual: comparison.manual,
    operands: { src: 'r' },
    encodings,
    flags: {},
    x87: 'wait',
    execute({ src }, b) {
      b.call('x87CompareInteger', [byte(comparison.pops, b), b.signExtend(src.read(), 32), ...addressOf(src, b)]);
    },
  });

/** Into EFLAGS; they keep their values if the comparison ends in an unmasked exception. */
const compareFlags = (comparison: Comparison, opcode: string): InstructionRow =>
  instruction({
    mnemonic: comparison.mnemonic,
    summary: `${summaryOf(comparison, 'floating-point registers')}, into EFLAGS`,
    manual: comparison.manual,
    operands: { dst: 'r', src: 'r' },
    encodings: [[opcode, 'st0', 'sti']],
    flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
    x87: 'wait',
    feature: 'cmov',
    execute({ src }, b) {
      const [changed, ZF, PF, CF] = b.call(
        'x87CompareFlags',
        [src.index, b.constant(comparison.unordered ? 1 : 0, 8), b.constant(comparison.pops, 8)],
        [1, 1, 1, 1],
      );
      const cleared = b.constant(0, 1);
      b.when(changed!, () => b.setFlags({ OF: cleared, SF: cleared, ZF: ZF!, AF: cleared, PF: PF!, CF: CF! }));
    },
  });

const comparison = (mnemonic: string, manual: string, pops: number): Comparison => ({
  mnemonic,
  manual,
  pops,
  unordered: mnemonic.startsWith('fu'),
});

// Instructions on the top of the stack -------------------------------------------------------------------------------

/** No operands, one helper, whose optional argument tells two instructions apart. */
const onTop = (mnemonic: string, opcode: string, helper: string, what: string, title: string, argument?: number) =>
  instruction({
    mnemonic,
    summary: what,
    manual: `SDM Vol. 2A, "${title}"`,
    operands: {},
    encodings: [[opcode]],
    flags: {},
    x87: 'wait',
    execute(_operands, b) {
      b.call(helper, argument === undefined ? [] : [byte(argument, b)]);
    },
  });

const freeRegister = (mnemonic: 'ffree' | 'ffreep', opcode: string): InstructionRow =>
  instruction({
    mnemonic,
    summary: mnemonic === 'ffree' ? 'Free floating-point register' : 'Free floating-point register and pop',
    manual: 'SDM Vol. 2A, "FFREE—Free Floating-Point Register"',
    operands: { dst: 'w' },
    encodings: [[opcode, 'sti']],
    flags: {},
    x87: 'wait',
    execute({ dst }, b) {
      b.call('x87Free', [dst.index, byte(mnemonic === 'ffree' ? 0 : 1, b)]);
    },
  });

export const X87_INSTRUCTIONS: readonly InstructionRow[] = [
  fld,
  fild,
  fbld,
  loadConstant('fld1', '+1.0', 0),
  loadConstant('fldl2t', 'log2(10)', 1),
  loadConstant('fldl2e', 'log2(e)', 2),
  loadConstant('fldpi', 'pi', 3),
  loadConstant('fldlg2', 'log10(2)', 4),
  loadConstant('fldln2', 'ln(2)', 5),
  loadConstant('fldz', '+0.0', 6),
  storeFloat('fst', [
    ['D9 /2', 'm32'],
    ['DD /2', 'm64'],
    ['DD D0+i', 'sti'],
  ]),
  storeFloat('fstp', [
    ['D9 /3', 'm32'],
    ['DD /3', 'm64'],
    ['DB /7', 'm80'],
    ['DD D8+i', 'sti'],
    ['DF D0+i', 'sti'],
    ['DF D8+i', 'sti'],
  ]),
  fstpnce,
  storeInteger('fist', [
    ['DF /2', 'm16'],
    ['DB /2', 'm32'],
  ]),
  storeInteger('fistp', [
    ['DF /3', 'm16'],
    ['DB /3', 'm32'],
    ['DF /7', 'm64'],
  ]),
  fbstp,
  fxch,
  conditionalMove('fcmovb', 'DA C0+i', 0x2),
  conditionalMove('fcmove', 'DA C8+i', 0x4),
  conditionalMove('fcmovbe', 'DA D0+i', 0x6),
  conditionalMove('fcmovu', 'DA D8+i', 0xa),
  conditionalMove('fcmovnb', 'DB C0+i', 0x3),
  conditionalMove('fcmovne', 'DB C8+i', 0x5),
  conditionalMove('fcmovnbe', 'DB D0+i', 0x7),
  conditionalMove('fcmovnu', 'DB D8+i', 0xb),
  freeRegister('ffree', 'DD C0+i'),
  freeRegister('ffreep', 'DF C0+i'),
  ...(Object.keys(OPERATION) as (keyof typeof OPERATION)[]).flatMap(arithmetic),

  compareMemory(comparison('fcom', FCOM, 0), [
    ['D8 /2', 'm32'],
    ['DC /2', 'm64'],
  ]),
  compareRegister(comparison('fcom', FCOM, 0), [
    ['D8 D0+i', 'sti'],
    ['DC D0+i', 'sti'],
  ]),
  compareMemory(comparison('fcomp', FCOM, 1), [
    ['D8 /3', 'm32'],
    ['DC /3', 'm64'],
  ]),
  compareRegister(comparison('fcomp', FCOM, 1), [
    ['D8 D8+i', 'sti'],
    ['DC D8+i', 'sti'],
    ['DE D0+i', 'sti'],
  ]),
  compareRegister(comparison('fcompp', FCOM, 2), [['DE D9']]),
  compareRegister(comparison('fucom', FUCOM, 0), [['DD E0+i', 'sti']]),
  compareRegister(comparison('fucomp', FUCOM, 1), [['DD E8+i', 'sti']]),
  compareRegister(comparison('fucompp', FUCOM, 2), [['DA E9']]),
  compareInteger(comparison('ficom', FICOM, 0), [
    ['DE /2', 'm16'],
    ['DA /2', 'm32'],
  ]),
  compareInteger(comparison('ficomp', FICOM, 1), [
    ['DE /3', 'm16'],
    ['DA /3', 'm32'],
  ]),
  compareFlags(comparison('fcomi', FCOMI, 0), 'DB F0+i'),
  compareFlags(comparison('fcomip', FCOMI, 1), 'DF F0+i'),
  compareFlags(comparison('fucomi', FCOMI, 0), 'DB E8+i'),
  compareFlags(comparison('fucomip', FCOMI, 1), 'DF E8+i'),

  onTop('fchs', 'D9 E0', 'x87ChangeSign', 'Change sign', 'FCHS—Change Sign'),
  onTop('fabs', 'D9 E1', 'x87Absolute', 'Absolute value', 'FABS—Absolute Value'),
  onTop('ftst', 'D9 E4', 'x87Test', 'Compare with 0.0', 'FTST—TEST'),
  onTop('fxam', 'D9 E5', 'x87Examine', 'Examine', 'FXAM—Examine Floating-Point'),
  onTop('f2xm1', 'D9 F0', 'x87TwoToXMinus1', 'Compute 2^x − 1', 'F2XM1—Compute 2x–1'),
  onTop('fyl2x', 'D9 F1', 'x87Logarithm', 'Compute y × log2(x)', 'FYL2X—Compute y * log2x', 0),
  onTop('fptan', 'D9 F2', 'x87Tangent', 'Partial tangent', 'FPTAN—Partial Tangent'),
  onTop('fpatan', 'D9 F3', 'x87Arctangent', 'Partial arctangent', 'FPATAN—Partial Arctangent'),
  onTop(
    'fxtract',
    'D9 F4',
    'x87Extract',
    'Extract exponent and significand',
    'FXTRACT—Extract Exponent and Significand',
  ),
  onTop('fprem1', 'D9 F5', 'x87Remainder', 'Partial remainder (IEEE)', 'FPREM1—Partial Remainder', 1),
  onTop('fdecstp', 'D9 F6', 'x87Rotate', 'Decrement stack-top pointer', 'FDECSTP—Decrement Stack-Top Pointer', 7),
  onTop('fincstp', 'D9 F7', 'x87Rotate', 'Increment stack-top pointer', 'FINCSTP—Increment Stack-Top Pointer', 1),
  onTop('fprem', 'D9 F8', 'x87Remainder', 'Partial remainder', 'FPREM—Partial Remainder', 0),
  onTop('fyl2xp1', 'D9 F9', 'x87Logarithm', 'Compute y × log2(x + 1)', 'FYL2XP1—Compute y * log2(x +1)', 1),
  onTop('fsqrt', 'D9 FA', 'x87SquareRoot', 'Square root', 'FSQRT—Square Root'),
  onTop('fsincos', 'D9 FB', 'x87SineCosine', 'Sine and cosine', 'FSINCOS—Sine and Cosine'),
  onTop('frndint', 'D9 FC', 'x87RoundToInteger', 'Round to integer', 'FRNDINT—Round to Integer'),
  onTop('fscale', 'D9 FD', 'x87Scale', 'Scale by a power of two', 'FSCALE—Scale'),
  onTop('fsin', 'D9 FE', 'x87Sine', 'Sine', 'FSIN—Sine'),
  onTop('fcos', 'D9 FF', 'x87Cosine', 'Cosine', 'FCOS—Cosine'),
  onTop('fnop', 'D9 D0', 'x87Nop', 'No operation', 'FNOP—No Operation'),

  ...X87_CONTROL_INSTRUCTIONS,
];
