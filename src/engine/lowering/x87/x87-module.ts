/**
 * The x87's emitted functions as a module: `(state, arguments of the helper) → 0 done, 1 declined`, exported by the
 * helper's name. They know nothing but the state block, so whatever emits code can call them.
 *
 * From the bottom: `number` (the format between functions), `wide-arithmetic`, `rounding`, `nan`; `arithmetic`,
 * `conversion`, `comparison` (functions on numbers); `register-stack`, `stack-functions` (on registers),
 * `control-functions`. What they have to mean is what the helpers in `cpu/x87` do.
 */
import { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { I32, I64, type ValueType } from '../../../wasm/code-writer.ts';
import { defineFunction } from '../../../wasm/function-writer.ts';
import { ModuleBuilder } from '../../../wasm/module-builder.ts';
import { defineArithmetic } from './arithmetic.ts';
import { defineCompare } from './comparison.ts';
import { CONTROL_FUNCTIONS } from './control-functions.ts';
import { defineConversions } from './conversion.ts';
import { STACK_FUNCTIONS, type Write } from './stack-functions.ts';

const FUNCTIONS: Readonly<Record<string, Write>> = { ...CONTROL_FUNCTIONS, ...STACK_FUNCTIONS };

export type X87FunctionName = keyof typeof CONTROL_FUNCTIONS | keyof typeof STACK_FUNCTIONS;
export const isX87Function = (helper: string): helper is X87FunctionName => Object.hasOwn(FUNCTIONS, helper);
/** Whether a function notes where the instruction is, and so reads `state.ip`. */
export const readsInstructionPointer = (helper: X87FunctionName): boolean => Object.hasOwn(STACK_FUNCTIONS, helper);

/** Types of the parameters. @param options.wide pointers are 64 bits wide, as in 64-bit mode */
export function x87FunctionParameters(name: X87FunctionName, options: { readonly wide: boolean }): ValueType[] {
  const pointer = options.wide ? I64 : I32;
  const { args } = X87_HELPER_SIGNATURES[name];
  return [I32, ...args.map((width) => (width === 'pointer' ? pointer : width === 64 ? I64 : I32))];
}

/** Bytes of the module. It imports `memory`. */
export function buildX87Module(options: { wide: boolean; maximumPages: number }): Uint8Array<ArrayBuffer> {
  const { wide } = options;
  const module = new ModuleBuilder();
  module.importMemory('memory', { minimumPages: 1, maximumPages: options.maximumPages });
  const arithmetic = defineArithmetic(module);
  const functions = {
    ...arithmetic,
    ...defineConversions(module, arithmetic.round),
    compare: defineCompare(module),
  };
  for (const [name, write] of Object.entries(FUNCTIONS)) {
    const parameters = x87FunctionParameters(name as X87FunctionName, { wide });
    const { index } = defineFunction(module, parameters, [I32] as const, (f, state, ...args) =>
      (write as (...all: unknown[]) => void)({ f, state, wide, functions }, ...args),
    );
    module.export(name, index);
  }
  return module.finish();
}
