import type { I32 } from '../../../wasm/code-writer.ts';
import type { Local } from '../../../wasm/expression.ts';
import type { StatusWriter } from '../emitted-function.ts';

/** Writes the code for a call of a system instruction's helper in place of it. Arguments are locals or constants. */
export type WriteSystem = (
  context: { readonly f: StatusWriter; readonly state: Local<typeof I32>; readonly results?: readonly Local[] },
  ...args: never[]
) => void;
