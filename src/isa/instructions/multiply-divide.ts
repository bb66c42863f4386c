/** Multiplication and division. SDM Vol. 1, "Multiply and Divide Instructions". */
import type { Value, Width } from '../../ir/value.ts';
import { type InstructionRow, instruction } from '../instruction.ts';
import type { OperandAccess } from '../operand.ts';
import { GPR, type SemanticsBuilder } from '../semantics.ts';

type AllFlags = 'OF' | 'SF' | 'ZF' | 'AF' | 'PF' | 'CF';
type Builder = SemanticsBuilder<AllFlags>;

const DOUBLE = { 8: 16, 16: 32, 32: 64 } as const;
const doubleOf = (width: Width): Width => DOUBLE[width as keyof typeof DOUBLE];

/** Two halves of a double-width value as one. */
const join = (b: Builder, high: Value, low: Value): Value => {
  const width = doubleOf(low.width);
  return b.or(b.shl(b.zeroExtend(high, width), low.width), b.zeroExtend(low, width));
};

/**
 * Flags after a multiplication: CF and OF say that the upper half matters; the others are undefined. CPUs differ
 * (AMD's keep them); as on Intel's, they follow the lower half.
 */
function multiplyFlags(b: Builder, low: Value, tooWide: Value) {
  const { SF, ZF, PF } = b.resultFlags(low);
  return {
    CF: tooWide,
    OF: tooWide,
    SF: b.undefined(1, SF),
    ZF: b.undefined(1, ZF),
    PF: b.undefined(1, PF),
    AF: b.undefined(1, 0),
  };
}

/** The halves of the product, the lower one first. */
function multiplyWide(b: Builder, left: Value, right: Value, signed: boolean): [Value, Value] {
  const { width } = left;
  if (width === 64) {
    return [b.mul(left, right), signed ? b.mulHighSigned(left, right) : b.mulHighUnsigned(left, right)];
  }
  const extend = (value: Value) =>
    signed ? b.signExtend(value, doubleOf(width)) : b.zeroExtend(value, doubleOf(width));
  const product = b.mul(extend(left), extend(right));
  return [b.truncate(product, width), b.truncate(b.shr(product, width), width)];
}

/** MUL and one-operand IMUL: the accumulator times the operand, into AX or rDX:rAX. */
function multiplyAccumulator(b: Builder, src: OperandAccess, signed: boolean): void {
  const right = src.read();
  const [low, high] = multiplyWide(b, b.register(GPR.rAX, src.width), right, signed);
  if (src.width === 8) b.setRegister(GPR.rAX, join(b, high, low));
  else {
    b.setRegister(GPR.rAX, low);
    b.setRegister(GPR.rDX, high);
  }
  b.setFlags(multiplyFlags(b, low, signed ? b.ne(high, b.sar(low, low.width - 1)) : b.ne(high, 0)));
}

const mul = instruction({
  mnemonic: 'mul',
  summary: 'Unsigned multiply',
  manual: 'SDM Vol. 2B, "MUL—Unsigned Multiply"',
  operands: { src: 'r' },
  encodings: [
    ['F6 /4', 'rm8'],
    ['F7 /4', 'rmv'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ src }, b) {
    multiplyAccumulator(b, src, false);
  },
});

const imulAccumulator = instruction({
  mnemonic: 'imul',
  summary: 'Signed multiply',
  manual: 'SDM Vol. 2A, "IMUL—Signed Multiply"',
  operands: { src: 'r' },
  encodings: [
    ['F6 /5', 'rm8'],
    ['F7 /5', 'rmv'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ src }, b) {
    multiplyAccumulator(b, src, true);
  },
});

/** Two- and three-operand IMUL: the product cut to the operand size. */
function multiplySigned(b: Builder, dst: OperandAccess, left: Value, right: Value): void {
  const { width } = dst;
  let low: Value;
  let tooWide: Value;
  if (width === 64) {
    low = b.mul(left, right);
    tooWide = b.ne(b.mulHighSigned(left, right), b.sar(low, 63));
  } else {
    const product = b.mul(b.signExtend(left, doubleOf(width)), b.signExtend(right, doubleOf(width)));
    low = b.truncate(product, width);
    tooWide = b.ne(b.signExtend(low, product.width), product);
  }
  dst.write(low);
  b.setFlags(multiplyFlags(b, low, tooWide));
}

const imulRegister = instruction({
  mnemonic: 'imul',
  summary: 'Signed multiply of a register',
  manual: 'SDM Vol. 2A, "IMUL—Signed Multiply"',
  operands: { dst: 'rw', src: 'r' },
  encodings: [['0F AF /r', 'rv', 'rmv']],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src }, b) {
    const right = src.read();
    multiplySigned(b, dst, dst.read(), right);
  },
});

const imulImmediate = instruction({
  mnemonic: 'imul',
  summary: 'Signed multiply by an immediate',
  manual: 'SDM Vol. 2A, "IMUL—Signed Multiply"',
  operands: { dst: 'w', src: 'r', factor: 'r' },
  encodings: [
    ['69 /r iz', 'rv', 'rmv', 'immz'],
    ['6B /r ib', 'rv', 'rmv', 'imm8s'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ dst, src, factor }, b) {
    multiplySigned(b, dst, src.read(), factor.read());
  },
});

/** All six are undefined; AMD CPUs set AF and clear SF, ZF and PF. */
const divideFlags = (b: Builder) => ({
  CF: b.undefined(1, 0),
  OF: b.undefined(1, 0),
  SF: b.undefined(1, 0),
  ZF: b.undefined(1, 0),
  PF: b.undefined(1, 0),
  AF: b.undefined(1, 1),
});

/** DIV and IDIV: AX or rDX:rAX by the operand; the quotient to AL or rAX, the remainder to AH or rDX. */
function divideAccumulator(b: Builder, src: OperandAccess, signed: boolean): void {
  const divisor = src.read();
  const { width } = divisor;
  if (width === 64) {
    const dividend = [b.register(GPR.rDX, 64), b.register(GPR.rAX, 64)];
    const helper = signed ? 'divideSigned128' : 'divideUnsigned128';
    const [quotient, remainder] = b.call(helper, [...dividend, divisor], [64, 64]);
    b.setRegister(GPR.rAX, quotient!);
    b.setRegister(GPR.rDX, remainder!);
    b.setFlags(divideFlags(b));
    return;
  }
  const double = doubleOf(width);
  const dividend =
    width === 8 ? b.register(GPR.rAX, 16) : join(b, b.register(GPR.rDX, width), b.register(GPR.rAX, width));
  b.raise('#DE', 'the divisor is 0', b.isZero(divisor));
  let quotient: Value;
  let remainder: Value;
  if (signed) {
    // The most negative dividend never has a quotient that fits; by −1 the division itself would overflow.
    b.raise('#DE', 'the quotient does not fit', b.eq(dividend, 1n << BigInt(double - 1)));
    const wide = b.signExtend(divisor, double);
    quotient = b.sdiv(dividend, wide);
    remainder = b.srem(dividend, wide);
    b.raise('#DE', 'the quotient does not fit', b.ne(b.signExtend(b.truncate(quotient, width), double), quotient));
  } else {
    // It fits if and only if the upper half of the dividend is below the divisor.
    const wide = b.zeroExtend(divisor, double);
    b.raise('#DE', 'the quotient does not fit', b.ule(wide, b.shr(dividend, width)));
    quotient = b.udiv(dividend, wide);
    remainder = b.urem(dividend, wide);
  }
  const [low, high] = [b.truncate(quotient, width), b.truncate(remainder, width)];
  if (width === 8) b.setRegister(GPR.rAX, join(b, high, low));
  else {
    b.setRegister(GPR.rAX, low);
    b.setRegister(GPR.rDX, high);
  }
  b.setFlags(divideFlags(b));
}

const div = instruction({
  mnemonic: 'div',
  summary: 'Unsigned divide',
  manual: 'SDM Vol. 2A, "DIV—Unsigned Divide"',
  operands: { src: 'r' },
  encodings: [
    ['F6 /6', 'rm8'],
    ['F7 /6', 'rmv'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ src }, b) {
    divideAccumulator(b, src, false);
  },
});

const idiv = instruction({
  mnemonic: 'idiv',
  summary: 'Signed divide',
  manual: 'SDM Vol. 2A, "IDIV—Signed Divide"',
  operands: { src: 'r' },
  encodings: [
    ['F6 /7', 'rm8'],
    ['F7 /7', 'rmv'],
  ],
  flags: { writes: ['OF', 'SF', 'ZF', 'AF', 'PF', 'CF'] },
  execute({ src }, b) {
    divideAccumulator(b, src, true);
  },
});

export const MULTIPLY_DIVIDE: readonly InstructionRow[] = [
  mul,
  imulAccumulator,
  imulRegister,
  imulImmediate,
  div,
  idiv,
];
