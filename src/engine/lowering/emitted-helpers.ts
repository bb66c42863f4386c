/**
 * Helpers that also exist as emitted code, written in place of the call: it leaves 0 on the stack, or 1 if it declines
 * and has changed nothing; then the helper is to be called as if there were no such code. The helper in `cpu` says what is right, and the reference evaluator uses it alone.
 */
import type { CodeWriter } from '../../wasm/code-writer.ts';
import type { Expression, Int32, Int64, Local } from '../../wasm/expression.ts';
import type { ModuleBuilder } from '../../wasm/module-builder.ts';
import { importNumberFunctions } from './x87/number-functions.ts';
import { buildX87Module, isX87Function, writeX87Function } from './x87/x87-module.ts';

export interface EmittedCallContext {
  /** Address of the state block. */
  readonly state: Int32;
  /** Offset of the running instruction in its code segment. */
  readonly instructionPointer: Int64;
  /** Pointers are 64 bits wide, as in 64-bit mode. */
  readonly wide: boolean;
  /** Where results go. */
  readonly results: readonly Local[];
}

/** Writes the code for a helper that has some. Arguments are locals or constants. */
export type WriteEmittedCall = (
  code: CodeWriter,
  helper: string,
  context: EmittedCallContext,
  args: readonly Expression[],
) => void;

export const isEmittedHelper = (helper: string): boolean => isX87Function(helper);

/** Makes a module import what emitted code calls: exports of the module below. */
export function importForEmittedHelpers(module: ModuleBuilder): WriteEmittedCall {
  const functions = importNumberFunctions(module);
  return (code, helper, context, args) => {
    if (!isX87Function(helper)) throw new TypeError(`no emitted code for ${helper}`);
    writeX87Function(code, helper, { ...context, functions }, args);
  };
}

/** Bytes of the module that emitted code calls. It imports `memory`. */
export const buildEmittedHelpers: (options: { wide: boolean; maximumPages: number }) => Uint8Array<ArrayBuffer> =
  buildX87Module;
