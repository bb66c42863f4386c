/** What functions on the register stack have in common. */
import type { ValueType } from '../../../wasm/code-writer.ts';
import type { Expression, Int32 } from '../../../wasm/expression.ts';
import { type FormatWidth, readFloat } from './conversion.ts';
import { FLAGS_SHIFT, type NumberParts } from './number.ts';
import type { NumberFunctions } from './number-functions.ts';
import { RegisterStack } from './register-stack.ts';
import type { Write } from './write-context.ts';

/** A helper's arguments, as they come. */
export type Arg = Expression<ValueType>;

/** A function on the register stack, which notes where the instruction was. */
export const onStack =
  <Args extends readonly Arg[]>(
    write: (x87: RegisterStack, functions: NumberFunctions, ...args: Args) => void,
  ): Write =>
  (context, ...args) => {
    const x87 = new RegisterStack(context);
    write(x87, context.functions, ...(args as unknown as Args));
    x87.finish();
  };

/** Exceptions and C1 of a head, at their places in the status word. */
export const flagsOf = (head: Int32): Int32 => head.shr(FLAGS_SHIFT);

/** A memory operand as a number: a float's bits, an integer. */
export const fromFloat =
  (width: FormatWidth) =>
  (functions: NumberFunctions, { f }: RegisterStack, value: Arg): NumberParts =>
    readFloat(f, functions[`fromFloat${width}`], width, value.widen());
export const fromInteger = (functions: NumberFunctions, { f }: RegisterStack, value: Arg): NumberParts =>
  f.call(functions.fromInteger, value.widenSigned());
