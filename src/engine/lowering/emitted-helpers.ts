/**
 * Helpers that also exist as emitted functions: `(state, arguments) → 0`, or 1 if the function declines and has changed
 * nothing that the helper would not change too; then the helper is called as if there were no function. Results are in
 * `STATE.helperResults` either way. The helper in `cpu` says what is right, and the reference evaluator uses it alone.
 */
import { I32 } from '../../wasm/code-writer.ts';
import type { FunctionType } from '../../wasm/module-builder.ts';
import { buildX87Module, isX87Function, readsInstructionPointer, x87FunctionParameters } from './x87/x87-module.ts';

export interface EmittedHelper {
  readonly type: FunctionType;
  /** It wants the address of the instruction in `state.ip`. */
  readonly readsInstructionPointer: boolean;
}

/** What is emitted for a helper, if anything. @param options.wide pointers are 64 bits wide */
export function emittedHelper(name: string, options: { readonly wide: boolean }): EmittedHelper | undefined {
  if (!isX87Function(name)) return undefined;
  return {
    type: { parameters: x87FunctionParameters(name, options), results: [I32] },
    readsInstructionPointer: readsInstructionPointer(name),
  };
}

/** Bytes of the module that exports all of them by the helpers' names. It imports `memory`. */
export const buildEmittedHelpers: (options: { wide: boolean; maximumPages: number }) => Uint8Array<ArrayBuffer> =
  buildX87Module;
