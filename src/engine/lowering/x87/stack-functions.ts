/** One emitted function for each x87 helper that has one: what the helpers in `cpu/x87` do, wherever no exception is unmasked and the stack neither over- nor underflows. */
import { EXAMINED } from '../../../cpu/x87/compare.ts';
import { EXCEPTIONS } from '../../../cpu/x87/control.ts';
import { constant } from '../../../cpu/x87/transfer-helpers.ts';
import type { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { I32, I64, type ValueType } from '../../../wasm/code-writer.ts';
import { type Expression, type Int32, type Int64, i32, i64, select } from '../../../wasm/expression.ts';
import { examined } from './comparison.ts';
import { encodeFloat, type FormatWidth, fitsInteger, readFloat } from './conversion.ts';
import { isNan, isQuiet } from './nan.ts';
import {
  C1,
  EXCEPTION,
  exponentOf,
  FLAGS_SHIFT,
  MAX_EXPONENT,
  type NumberParts,
  QUIET_BIT,
  SIGN,
  STATUS,
  signOf,
} from './number.ts';
import type { NumberFunctions } from './number-functions.ts';
import { NO_CODES } from './partial.ts';
import { RegisterStack } from './register-stack.ts';
import type { Write } from './write-context.ts';

/** A helper's arguments, as they come. */
type Arg = Expression<ValueType>;

/** A function on the register stack, which notes where the instruction was. */
const onStack =
  <Args extends readonly Arg[]>(
    write: (x87: RegisterStack, functions: NumberFunctions, ...args: Args) => void,
  ): Write =>
  (context, ...args) => {
    const x87 = new RegisterStack(context);
    write(x87, context.functions, ...(args as unknown as Args));
    x87.finish();
  };

const flagsOf = (head: Int32): Int32 => head.shr(FLAGS_SHIFT);

// Loads and stores -------------------------------------------------------------------------------------------------

/** Pushes what memory held. */
const loadNumber = (from: (functions: NumberFunctions, x87: RegisterStack, value: Arg) => NumberParts) =>
  onStack((x87, functions, value: Arg, segment: Int32, offset: Arg) => {
    x87.requireRoom();
    const [significand, head] = from(functions, x87, value);
    x87.requireMasked(flagsOf(head));
    x87.notePointer(segment, offset);
    x87.report(flagsOf(head));
    x87.push(significand, head);
  });

const loadFloat = (width: FormatWidth) =>
  loadNumber((functions, { f }, value) => {
    const [significand, head] = readFloat(f, functions[`fromFloat${width}`], width, value.widen());
    const number = [significand, head] as const;
    f.if(isNan(number), () => {
      f.set(head, head.or(isQuiet(number).xor(1).shl(FLAGS_SHIFT))); // EXCEPTION.IE is bit 0
      f.set(significand, significand.or(QUIET_BIT));
    });
    return number;
  });

/** A store to memory of what `convert` makes of ST(0): its bits, the exceptions and C1. */
const storeTop = (
  convert: (x87: RegisterStack, functions: NumberFunctions, number: NumberParts) => { bits: Expression; flags: Int32 },
) =>
  onStack((x87, functions, pops: Int32, segment: Int32, offset: Arg) => {
    x87.require(0);
    const { bits, flags } = convert(x87, functions, x87.read(x87.place(0)));
    const raised = x87.f.local(flags);
    x87.requireMasked(raised);
    x87.notePointer(segment, offset);
    x87.answer(i32(1), bits);
    x87.report(raised);
    x87.pop(pops);
  });

const storeFloat = (width: FormatWidth) =>
  storeTop(({ f, control }, functions, number) => {
    const [significand, head] = f.call(functions[`toFloat${width}`], ...number, control);
    const bits = encodeFloat(width, significand, head);
    return { bits: width === 32 ? bits.narrow() : bits, flags: flagsOf(head) };
  });

const storeFloat80 = onStack((x87, _functions, segment: Int32, offset: Arg) => {
  x87.require(0);
  const [significand, head] = x87.read(x87.place(0));
  x87.notePointer(segment, offset);
  x87.answer(i32(1), significand, head);
  x87.report(0);
  x87.pop(i32(1));
});

const storeInteger = onStack((x87, functions, width: Int32, pops: Int32, segment: Int32, offset: Arg) => {
  const { f, control } = x87;
  x87.require(0);
  const number = x87.read(x87.place(0));
  const [magnitude, head] = f.call(functions.toMagnitude, ...number, control);
  const fits = fitsInteger(magnitude, signOf(head), width);
  // NaNs, infinities and what is unsupported have no integer either.
  const special = exponentOf(number[1])
    .eq(MAX_EXPONENT)
    .or(exponentOf(number[1]).isNotZero().and(number[0].shr(63).isZero()));
  const valid = f.local(fits.and(special.xor(1)));
  const flags = f.local(select(valid, flagsOf(head), EXCEPTION.IE));
  x87.requireMasked(flags);
  x87.notePointer(segment, offset);
  const signed = select(signOf(head).isZero(), magnitude, i64(0).sub(magnitude));
  const mask = i64(-1).shr(i32(64).sub(width).widen());
  x87.answer(i32(1), select(valid, signed, i64(1).shl(width.sub(1).widen())).and(mask));
  x87.report(flags);
  x87.pop(pops);
});

const loadConstant = onStack((x87, _functions, number: Int32) => {
  const { f, control } = x87;
  x87.requireRoom();
  const [significand, head] = [f.local(i64(0)), f.local(i32(0))];
  // By rounding control; there are four answers to each.
  const mode = control.and(0xc00);
  for (let which = 0; which < CONSTANTS; which++) {
    f.if(number.eq(which), () => {
      const answers = [0x000, 0x400, 0x800, 0xc00].map((bits) => ({ bits, value: constant(which, bits) }));
      f.set(head, answers[0].value.exponent);
      const nearest: Int64 = i64(answers[0].value.significand);
      f.set(
        significand,
        answers.reduce((rest, { bits, value }) => select(mode.eq(bits), i64(value.significand), rest), nearest),
      );
    });
  }
  x87.report(0);
  x87.push(significand, head);
});
/** FLD1 to FLDLN2; the one behind is zero. */
const CONSTANTS = 6;

const loadRegister = onStack((x87, _functions, register: Int32) => {
  x87.require(register);
  x87.requireRoom();
  const source = x87.place(register);
  x87.report(0);
  x87.push(...x87.read(source));
});

const storeRegister = onStack((x87, _functions, register: Int32, pops: Int32) => {
  x87.require(0);
  x87.report(0);
  x87.write(x87.place(register), ...x87.read(x87.place(0)));
  x87.markFull(register);
  x87.pop(pops);
});

const exchange = onStack((x87, _functions, register: Int32) => {
  x87.require(0, register);
  const { f } = x87;
  const [top, other] = [x87.place(0), x87.place(register)];
  const before = x87.read(top);
  const [significand, head] = [f.local(before[0]), f.local(before[1])];
  x87.report(0);
  x87.write(top, ...x87.read(other));
  x87.write(other, significand, head);
});

const conditionalMove = onStack((x87, _functions, register: Int32, condition: Int32) => {
  x87.require(0, register);
  x87.f.if(condition, () => x87.write(x87.place(0), ...x87.read(x87.place(register))));
});

// Arithmetic -------------------------------------------------------------------------------------------------------

/** Numbered as in ModR/M.reg of D8: those from 4 on come in pairs, of which the second is reversed. */
const OPERATION = { MULTIPLY: 1, SUBTRACT: 4, DIVIDE: 6 } as const;

/** left op right; decided while code is written if the operation is a constant. */
function compute(
  { f, control }: RegisterStack,
  functions: NumberFunctions,
  operation: Int32,
  operands: { left: NumberParts; right: NumberParts },
): NumberParts {
  const [significand, head] = [f.variable(I64), f.variable(I32)];
  const take = (result: NumberParts) => {
    f.set(significand, result[0]);
    f.set(head, result[1]);
  };
  const apply = (left: NumberParts, right: NumberParts) =>
    f.if(
      operation.eq(OPERATION.MULTIPLY),
      () => take(f.call(functions.multiply, ...left, ...right, control)),
      () =>
        f.if(
          operation.belowU(OPERATION.DIVIDE),
          () => {
            const changed = select(operation.isZero(), i32(0), SIGN);
            take(f.call(functions.add, ...left, ...right, control, changed));
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

const fromFloat =
  (width: FormatWidth) =>
  (functions: NumberFunctions, { f }: RegisterStack, value: Arg): NumberParts =>
    readFloat(f, functions[`fromFloat${width}`], width, value.widen());
const fromInteger = (functions: NumberFunctions, { f }: RegisterStack, value: Arg): NumberParts =>
  f.call(functions.fromInteger, value.widenSigned());

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

// Comparison -------------------------------------------------------------------------------------------------------

const compareRegister = onStack((x87, functions, register: Int32, unordered: Int32, pops: Int32) => {
  x87.require(0, register);
  const [top, other] = [x87.read(x87.place(0)), x87.read(x87.place(register))];
  const [codes] = x87.f.call(functions.compare, ...top, ...other, unordered);
  x87.requireMasked(codes);
  x87.reportCodes(codes);
  x87.pop(pops);
});

const compareWith = (from: (functions: NumberFunctions, x87: RegisterStack, value: Arg) => NumberParts) =>
  onStack((x87, functions, pops: Int32, value: Arg, segment: Int32, offset: Arg) => {
    x87.require(0);
    const operand = from(functions, x87, value);
    const [codes] = x87.f.call(functions.compare, ...x87.read(x87.place(0)), ...operand, 0);
    x87.requireMasked(codes);
    x87.notePointer(segment, offset);
    x87.reportCodes(codes);
    x87.pop(pops);
  });

const bit = (codes: Int32, which: number): Int32 => codes.shr(Math.log2(which)).and(1);

const compareFlags = onStack((x87, functions, register: Int32, unordered: Int32, pops: Int32) => {
  x87.require(0, register);
  const [top, other] = [x87.read(x87.place(0)), x87.read(x87.place(register))];
  const [codes] = x87.f.call(functions.compare, ...top, ...other, unordered);
  x87.requireMasked(codes);
  x87.answer(i32(1), bit(codes, STATUS.C3), bit(codes, STATUS.C2), bit(codes, STATUS.C0));
  x87.reportExceptions(codes.and(EXCEPTIONS));
  x87.pop(pops);
});

const test = onStack((x87, functions) => {
  x87.require(0);
  const [codes] = x87.f.call(functions.compare, ...x87.read(x87.place(0)), 0, 0, 0);
  x87.requireMasked(codes);
  x87.reportCodes(codes);
});

/** An empty register is looked at, too: C1 is its sign. */
const examine = onStack((x87) => {
  const number = x87.read(x87.place(0));
  const codes = select(x87.isEmpty(0), i32(EXAMINED.empty), examined(number));
  x87.reportCodes(codes.or(select(signOf(number[1]).isZero(), i32(0), STATUS.C1)));
});

/** By the helper's name. Those that are not here (transcendental functions, decimal numbers, images) are helpers only. */
export const STACK_FUNCTIONS = {
  x87LoadFloat32: loadFloat(32),
  x87LoadFloat64: loadFloat(64),
  x87LoadFloat80: onStack((x87, _functions, low: Int64, high: Int32, segment: Int32, offset: Arg) => {
    x87.requireRoom();
    x87.notePointer(segment, offset);
    x87.report(0);
    x87.push(low, high);
  }),
  x87LoadInteger: loadNumber(fromInteger),
  x87LoadRegister: loadRegister,
  x87LoadConstant: loadConstant,
  x87StoreFloat32: storeFloat(32),
  x87StoreFloat64: storeFloat(64),
  x87StoreFloat80: storeFloat80,
  x87StoreInteger: storeInteger,
  x87StoreRegister: storeRegister,
  x87Exchange: exchange,
  x87ConditionalMove: conditionalMove,
  x87Free: onStack((x87, _functions, register: Int32, pops: Int32) => {
    x87.report(0);
    x87.markEmpty(register);
    x87.pop(pops);
  }),

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

  x87Compare: compareRegister,
  x87CompareFloat32: compareWith(fromFloat(32)),
  x87CompareFloat64: compareWith(fromFloat(64)),
  x87CompareInteger: compareWith(fromInteger),
  x87CompareFlags: compareFlags,
  x87Test: test,
  x87Examine: examine,

  x87Rotate: onStack((x87, _functions, distance: Int32) => {
    x87.report(0);
    x87.rotate(distance);
  }),
  x87Nop: onStack(() => {}),
} as const satisfies Partial<Record<keyof typeof X87_HELPER_SIGNATURES, Write>>;
