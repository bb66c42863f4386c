/**
 * Helpers that also exist as emitted code, written in place of the call: it leaves 0 on the stack, or 1 if it declines
 * and has changed nothing; then the helper is to be called as if there were no such code. The helper in `cpu` says what is right, and the reference evaluator uses it alone.
 */
import { type CodeWriter, I32 } from '../../wasm/code-writer.ts';
import type { Expression, Int64, Local } from '../../wasm/expression.ts';
import { writeInPlace } from '../../wasm/function-writer.ts';
import type { ModuleBuilder } from '../../wasm/module-builder.ts';
import type { PartialHelper } from './restartable.ts';
import { IMAGE_FUNCTIONS } from './system/image-functions.ts';
import { INTERRUPT_FUNCTIONS } from './system/interrupt-functions.ts';
import { REGISTER_FUNCTIONS } from './system/register-functions.ts';
import { SEGMENT_FUNCTIONS } from './system/segment-functions.ts';
import { SYSTEM_CALL_FUNCTIONS } from './system/system-call-functions.ts';
import type { WriteSystem } from './system/write-system.ts';
import { importNumberFunctions } from './x87/number-functions.ts';
import { buildX87Module, isX87Check, isX87Function, writeX87Function } from './x87/x87-module.ts';

export interface EmittedCallContext {
  /** Address of the state block. */
  readonly state: Local<typeof I32>;
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

const SYSTEM: Readonly<Record<string, WriteSystem>> = {
  ...REGISTER_FUNCTIONS,
  ...SEGMENT_FUNCTIONS,
  ...SYSTEM_CALL_FUNCTIONS,
  ...INTERRUPT_FUNCTIONS,
  ...IMAGE_FUNCTIONS,
};

/** Whether there is emitted code for a helper; the system's is for 32- and 16-bit code alone. */
export const isEmittedHelper = (helper: string, { wide }: { readonly wide: boolean }): boolean =>
  isX87Function(helper) || (!wide && Object.hasOwn(SYSTEM, helper));

/** Whether a helper's emitted code calls functions of the module below. */
export const needsEmittedModule = (helper: string): boolean => isX87Function(helper);

/** What emitted code does that can be part of a form in a region, of 32-bit code; undefined for all other helpers. */
export function partialHelper(helper: string): PartialHelper | undefined {
  if (!isX87Function(helper)) return undefined;
  return isX87Check(helper) ? 'checks' : 'changes';
}

/** What writes emitted code into a module. `imports`: it imports what that calls, exports of the module below. */
export function createEmittedCallWriter(
  module: ModuleBuilder,
  { imports }: { readonly imports: boolean },
): WriteEmittedCall {
  const functions = imports ? importNumberFunctions(module) : undefined;
  return (code, helper, context, args) => {
    const write = SYSTEM[helper] as ((...of: unknown[]) => void) | undefined;
    if (write) return writeInPlace(code, I32, (f) => write({ f, ...context }, ...args));
    if (!isX87Function(helper) || !functions) throw new TypeError(`no emitted code for ${helper}`);
    writeX87Function(code, helper, { ...context, functions }, args);
  };
}

/** Bytes of the module that emitted code calls. It imports `memory`. */
export const buildEmittedHelpers: (options: { wide: boolean; maximumPages: number }) => Uint8Array<ArrayBuffer> =
  buildX87Module;
