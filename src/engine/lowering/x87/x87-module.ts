/**
 * The x87's emitted functions as a module: `(state, arguments of the helper) → 0 done, 1 declined`, exported by the
 * helper's name, and below them the functions on numbers. They know nothing but the state block, so whatever emits code
 * can call them, or have those on the stack written in place.
 *
 * From the bottom: `number` (the format between functions), `wide-arithmetic`, `rounding`, `nan`; `arithmetic`,
 * `conversion`, `comparison`, `partial`, together `number-functions`; `register-stack`, `on-stack`, and the functions by
 * kind, as the helpers in `cpu/x87`, which say what they have to do.
 */
import { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { type CodeWriter, I32, I64 } from '../../../wasm/code-writer.ts';
import type { Expression } from '../../../wasm/expression.ts';
import { defineFunction, writeInPlace } from '../../../wasm/function-writer.ts';
import { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { ARITHMETIC_FUNCTIONS } from './arithmetic-functions.ts';
import { COMPARISON_FUNCTIONS } from './comparison-functions.ts';
import { CONTROL_FUNCTIONS } from './control-functions.ts';
import { defineNumberFunctions } from './number-functions.ts';
import { TRANSFER_FUNCTIONS } from './transfer-functions.ts';
import type { Write, WriteContext } from './write-context.ts';

const EMITTED = {
  ...CONTROL_FUNCTIONS,
  ...TRANSFER_FUNCTIONS,
  ...ARITHMETIC_FUNCTIONS,
  ...COMPARISON_FUNCTIONS,
};
const FUNCTIONS: Readonly<Record<string, Write>> = EMITTED;

export type X87FunctionName = keyof typeof EMITTED;
export const isX87Function = (helper: string): helper is X87FunctionName => Object.hasOwn(FUNCTIONS, helper);

const CHECKS: ReadonlySet<X87FunctionName> = new Set(['x87Check', 'x87Wait']);
/** Whether a function, where it does not decline, leaves everything as it was. */
export const isX87Check = (name: X87FunctionName): boolean => CHECKS.has(name);

/** Writes a function in place of its call: `DONE` or `DECLINED` is left on the stack. Arguments are locals or constants. */
export function writeX87Function(
  code: CodeWriter,
  name: X87FunctionName,
  context: Omit<WriteContext, 'f'>,
  args: readonly Expression[],
): void {
  writeInPlace(code, I32, (f) => writeX87With(name, { ...context, f }, args));
}
type WriteAny = (context: WriteContext, ...args: readonly Expression[]) => void;

/** Writes a function in place of its call, with a writer for which returning is what the caller wants. */
export const writeX87With = (name: X87FunctionName, context: WriteContext, args: readonly Expression[]): void =>
  (FUNCTIONS[name] as WriteAny)(context, ...args);

/** Bytes of the module. It imports `memory`. `inPlace`: as its functions are written where calls are to be avoided. */
export function buildX87Module(options: {
  wide: boolean;
  maximumPages: number;
  inPlace?: boolean;
}): Uint8Array<ArrayBuffer> {
  const { wide, inPlace } = options;
  const pointer = wide ? I64 : I32;
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  const functions = defineNumberFunctions(module);
  for (const [name, write] of Object.entries(FUNCTIONS)) {
    const { args } = X87_HELPER_SIGNATURES[name as X87FunctionName];
    const types = args.map((width) => (width === 'pointer' ? pointer : width === 64 ? I64 : I32));
    const { index } = defineFunction(module, name, [I32, ...types], [I32] as const, (f, state, ...rest) =>
      (write as WriteAny)({ f, state, wide, functions, inPlace }, ...rest),
    );
    module.export(name, index);
  }
  return module.finish();
}
