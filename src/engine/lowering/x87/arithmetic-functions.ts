/** Emitted functions for the helpers that compute. */
import { EXCEPTIONS } from '../../../cpu/x87/control.ts';
import type { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { I32, I64 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { addInPlace, type InPlace, multiplyInPlace } from './arithmetic.ts';
import { C1, exponentOf, type NumberParts, SIGN, STATUS } from './number.ts';
import type { NumberFunctions } from './number-functions.ts';
import { type Arg, flagsOf, fromFloat, fromInteger, onStack } from './on-stack.ts';
import { NO_CODES } from './partial.ts';
import type { RegisterStack } from './register-stack.ts';
import type { Write } from './write-context.ts';

/** Numbered as in ModR/M.reg of D8: those from 4 on come in pairs, of which the second is reversed. */
const OPERATION = { MULTIPLY: 1, SUBTRACT: 4, DIVIDE: 6 } as const;

/** left op right; decided while code is written if the operation is a constant. */
function compute(
  { f, control, inPlace }: RegisterStack,
  functions: NumberFunctions,
  operation: Int32,
  operands: { left: NumberParts; right: NumberParts },
): NumberParts {
  const [significand, head] = [f.variable(I64), f.variable(I32)];
  const take = (result: NumberParts) => {
    f.set(significand, result[0]);
    f.set(head, result[1]);
  };
  /** Ordinary numbers in place, or all of them by the function. */
  const either = (write: (giveUpIf: InPlace['giveUpIf']) => NumberParts, call: () => NumberParts) => {
    if (!inPlace) return take(call());
    f.attempt(
      (giveUpIf) => take(write(giveUpIf)),
      () => take(call()),
    );
  };
  const apply = (left: NumberParts, right: NumberParts) =>
    f.if(
      operation.eq(OPERATION.MULTIPLY),
      () =>
        either(
          (giveUpIf) => multiplyInPlace(f, { left, right, control, giveUpIf }),
          () => f.call(functions.multiply, ...left, ...right, control),
        ),
      () =>
        f.if(
          operation.belowU(OPERATION.DIVIDE),
          () => {
            const changed = select(operation.isZero(), i32(0), SIGN);
            either(
              (giveUpIf) => addInPlace(f, { left, right, control, giveUpIf }, changed),
              () => f.call(functions.add, ...left, ...right, control, changed),
            );
          },
          () => take(f.call(functions.divide, ...left, ...right, control)),
        ),
    );
  const { left, right } = operands;
  const reversed = operation.aboveU(OPERATION.SUBTRACT).and(operation.and(1));
  f.if(
    reversed,
    () => apply(right, left),
    () => apply(left, right),
  );
  return [significand, head];
}

/** Writes a result to a place. */
function complete(x87: RegisterStack, place: Int32, [significand, head]: NumberParts): void {
  x87.report(flagsOf(head));
  x87.write(place, significand, head);
}

const arithmetic = onStack((x87, functions, operation: Int32, destination: Int32, source: Int32, pops: Int32) => {
  x87.require(destination, source);
  const [to, from] = [x87.place(destination), x87.place(source)];
  const result = compute(x87, functions, operation, { left: x87.read(to), right: x87.read(from) });
  x87.requireMasked(flagsOf(result[1]));
  complete(x87, to, result);
  x87.pop(pops);
});

/** ST(0) with a value in memory. */
const arithmeticWith = (from: (functions: NumberFunctions, x87: RegisterStack, value: Arg) => NumberParts) =>
  onStack((x87, functions, operation: Int32, value: Arg, segment: Int32, offset: Arg) => {
    x87.require(0);
    const top = x87.place(0);
    const operand = from(functions, x87, value);
    const result = compute(x87, functions, operation, { left: x87.read(top), right: operand });
    x87.requireMasked(flagsOf(result[1]));
    x87.notePointer(segment, offset);
    complete(x87, top, result);
  });

/** ST(0) ← f(ST(0)) */
const unary = (name: 'squareRoot' | 'roundToInteger') =>
  onStack((x87, functions) => {
    x87.require(0);
    const top = x87.place(0);
    const result = x87.f.call(functions[name], ...x87.read(top), x87.control);
    x87.requireMasked(flagsOf(result[1]));
    complete(x87, top, result);
  });

const onSign = (change: (head: Int32) => Int32) =>
  onStack((x87) => {
    x87.require(0);
    const top = x87.place(0);
    const [significand, head] = x87.read(top);
    complete(x87, top, [significand, change(head)]);
  });

const scale = onStack((x87, functions) => {
  x87.require(0, 1);
  const top = x87.place(0);
  const result = x87.f.call(functions.scale, ...x87.read(top), ...x87.read(x87.place(1)), x87.control);
  x87.requireMasked(flagsOf(result[1]));
  complete(x87, top, result);
});

/** C0, C3 and C1 carry the quotient's last bits. Without a quotient C0 and C3 stay as they were. */
const remainder = onStack((x87, functions, ieee: Int32) => {
  const { f } = x87;
  x87.require(0, 1);
  const top = x87.place(0);
  const operands = [...x87.read(top), ...x87.read(x87.place(1))] as const;
  const [rest, head, codes] = f.call(functions.remainder, ...operands, x87.control, ieee);
  const exceptions = flagsOf(head).and(EXCEPTIONS);
  x87.requireMasked(exceptions);
  f.if(
    codes.eq(NO_CODES),
    () => x87.report(exceptions, C1 | STATUS.C2),
    () => x87.reportCodes(exceptions.or(codes)),
  );
  x87.write(top, rest, head);
});

/** Replaces ST(0) by the exponent and pushes the significand. */
const extract = onStack((x87, functions) => {
  x87.require(0);
  x87.requireRoom();
  const top = x87.place(0);
  const [exponent, exponentHead, significand, head] = x87.f.call(functions.extract, ...x87.read(top));
  x87.requireMasked(flagsOf(head));
  complete(x87, top, [exponent, exponentHead]);
  x87.reportExceptions(flagsOf(head));
  x87.push(significand, head);
});

/** By the helper's name. Transcendental functions are helpers only. */
export const ARITHMETIC_FUNCTIONS = {
  x87Arithmetic: arithmetic,
  x87ArithmeticFloat32: arithmeticWith(fromFloat(32)),
  x87ArithmeticFloat64: arithmeticWith(fromFloat(64)),
  x87ArithmeticInteger: arithmeticWith(fromInteger),
  x87SquareRoot: unary('squareRoot'),
  x87RoundToInteger: unary('roundToInteger'),
  x87Scale: scale,
  x87Remainder: remainder,
  x87Extract: extract,
  x87ChangeSign: onSign((head) => head.xor(SIGN)),
  x87Absolute: onSign(exponentOf),
} as const satisfies Partial<Record<keyof typeof X87_HELPER_SIGNATURES, Write>>;
