/** Emitted functions for the helpers that load, store and exchange, and turn the stack. */
import { constant } from '../../../cpu/x87/transfer-helpers.ts';
import type { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { type Expression, type Int32, type Int64, i32, i64, select } from '../../../wasm/expression.ts';
import { encodeFloat, type FormatWidth, fitsInteger, readFloat } from './conversion.ts';
import { isNan, isQuiet } from './nan.ts';
import { EXCEPTION, exponentOf, FLAGS_SHIFT, MAX_EXPONENT, type NumberParts, QUIET_BIT, signOf } from './number.ts';
import type { NumberFunctions } from './number-functions.ts';
import { type Arg, flagsOf, fromInteger, onStack } from './on-stack.ts';
import type { RegisterStack } from './register-stack.ts';
import type { Write } from './write-context.ts';

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

/** By the helper's name. The decimal formats are for helpers only. */
export const TRANSFER_FUNCTIONS = {
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

  x87Rotate: onStack((x87, _functions, distance: Int32) => {
    x87.report(0);
    x87.rotate(distance);
  }),
  x87Nop: onStack(() => {}),
} as const satisfies Partial<Record<keyof typeof X87_HELPER_SIGNATURES, Write>>;
