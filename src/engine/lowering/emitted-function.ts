/** What emitted code for helpers is written with. */
import { type FieldName, STATE } from '../../cpu/state-layout.ts';
import type { I32 } from '../../wasm/code-writer.ts';
import type { Int32 } from '../../wasm/expression.ts';
import { type FunctionWriter, load32 } from '../../wasm/function-writer.ts';

/** What it leaves. */
export const DONE = 0;
/** Nothing has changed; the helper is to be called. */
export const DECLINED = 1;

export type StatusWriter = FunctionWriter<readonly [typeof I32]>;

/** The lower half of a field of the state. */
export const field = (state: Int32, name: FieldName): Int32 => load32(state, STATE.fields[name]);

export const declineIf = (f: StatusWriter, condition: Int32): void => f.if(condition, () => f.return(DECLINED));
