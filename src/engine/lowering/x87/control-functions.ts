/** Emitted functions for the x87 helpers that leave the register stack and the instruction pointers alone. */
import { CR0 } from '../../../cpu/register-bits.ts';
import { STATE } from '../../../cpu/state-layout.ts';
import { CONTROL_FIXED, CONTROL_WRITABLE, EXCEPTIONS } from '../../../cpu/x87/control.ts';
import type { X87_HELPER_SIGNATURES } from '../../../isa/x87-helper-signature.ts';
import { type Int32, i32, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DECLINED, DONE, type StatusWriter } from '../emitted-function.ts';
import { STATUS } from './number.ts';
import { type Write, x87StateOf } from './write-context.ts';
import type { X87State } from './x87-state.ts';

/** What comes before an instruction that waits: nothing to do if no exception is pending and FERR# needs no change. */
function declinePending(f: StatusWriter, state: Int32, { status }: X87State): void {
  const pending = status.and(STATUS.ES);
  // With CR0.NE = 1 nothing drives FERR#.
  const native = load32(state, STATE.fields.cr0).and(CR0.NE);
  f.if(pending.or(load32(state, STATE.fields.ferr).and(native.isZero())), () => f.return(DECLINED));
}

const check: Write = (context, waits: Int32) => {
  const { f, state } = context;
  f.if(load32(state, STATE.fields.cr0).and(CR0.EM | CR0.TS), () => f.return(DECLINED));
  f.if(waits, () => declinePending(f, state, x87StateOf(context)));
  f.return(DONE);
};

const wait: Write = (context) => {
  const { f, state } = context;
  f.if(
    load32(state, STATE.fields.cr0)
      .and(CR0.MP | CR0.TS)
      .eq(CR0.MP | CR0.TS),
    () => f.return(DECLINED),
  );
  declinePending(f, state, x87StateOf(context));
  f.return(DONE);
};

/** Replaces the status word; ES and B follow from flags and masks. */
function writeStatus(f: StatusWriter, x87: X87State, status: Int32, control: Int32): void {
  const pending = status.and(control.xor(-1)).and(EXCEPTIONS);
  const summary = select(pending.isZero(), i32(0), STATUS.ES | STATUS.B);
  x87.writeStatus(status.and(~(STATUS.ES | STATUS.B)).or(summary));
  f.return(DONE);
}

const loadControl: Write = (context, value: Int32) => {
  const { f } = context;
  const x87 = x87StateOf(context);
  const control = f.local(value.and(CONTROL_WRITABLE).or(CONTROL_FIXED));
  const status = f.local(x87.status);
  x87.writeControl(control);
  writeStatus(f, x87, status, control);
};

const clearExceptions: Write = (context) => {
  const { f } = context;
  const x87 = x87StateOf(context);
  const status = f.local(x87.status.and(~(EXCEPTIONS | STATUS.SF)));
  writeStatus(f, x87, status, x87.control);
};

/** By the helper's name. */
export const CONTROL_FUNCTIONS = {
  x87Check: check,
  x87Wait: wait,
  x87LoadControl: loadControl,
  x87ClearExceptions: clearExceptions,
} as const satisfies Partial<Record<keyof typeof X87_HELPER_SIGNATURES, Write>>;
