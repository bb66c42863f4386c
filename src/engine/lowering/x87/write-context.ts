/** What the functions on the register stack are written with. */
import type { Int32, Int64, Local } from '../../../wasm/expression.ts';
import type { StatusWriter } from '../emitted-function.ts';
import type { NumberFunctions } from './number-functions.ts';
import { StateBlockX87, type X87State } from './x87-state.ts';

export interface WriteContext {
  readonly f: StatusWriter;
  /** Address of the state block. */
  readonly state: Int32;
  readonly functions: NumberFunctions;
  /** Pointers are 64 bits wide. */
  readonly wide: boolean;
  /** Offset of the instruction in its code segment, if it is not in `state.ip`. */
  readonly instructionPointer?: Int64 | undefined;
  /** Where results go, if not to `STATE.helperResults`. */
  readonly results?: readonly Local[] | undefined;
  /** See `RegisterStack.inPlace`. */
  readonly inPlace?: boolean | undefined;
  /** Where the x87's state is, if not in the state block. */
  readonly x87?: X87State | undefined;
}

export const x87StateOf = (context: Omit<WriteContext, 'functions'>): X87State =>
  context.x87 ?? new StateBlockX87(context.f, context);

/**
 * Writes a function (arguments of the helper → `DONE` or `DECLINED`), as one of a module or in place of a call.
 * Arguments are locals or constants.
 */
export type Write = (context: WriteContext, ...args: never[]) => void;
