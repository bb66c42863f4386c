/**
 * Emitted code for SYSENTER and SYSEXIT between flat 32-bit code of both levels, while nothing has to be looked at. (SYSEXIT does not change IF: of an interrupt that waits with IF set,
 * the dispatcher knows already.) `cpu/fast-system-call` says what is right,
 * and does all that is declined here.
 */
import { FLAT_CODE, FLAT_DATA, FLAT_DPL3 } from '../../../cpu/fast-system-call.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { CR0 } from '../../../cpu/register-bits.ts';
import { GPR_SLOT, STATE } from '../../../cpu/state-layout.ts';
import { GPR, SEGMENT } from '../../../isa/semantics.ts';
import { type Int32, i32 } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { declineUnlessPlain, enterLevel, goTo, loadFlat } from './level-change.ts';
import type { WriteSystem } from './write-system.ts';

function declineUnusual(f: StatusWriter, state: Int32): void {
  declineUnlessPlain(f, state);
  declineIf(f, field(state, 'sysenterCs').and(0xfffc).isZero());
}

const sysenter: WriteSystem = ({ f, state }) => {
  declineUnusual(f, state);
  const selector = f.local(field(state, 'sysenterCs').and(0xfffc));
  const flags = field(state, 'flagsOther').and(~EFLAGS.IF);
  f.store('i32.store', state, STATE.fields.flagsOther, flags);
  loadFlat(f, state, SEGMENT.CS, { selector, access: i32(FLAT_CODE) });
  loadFlat(f, state, SEGMENT.SS, { selector: selector.add(8).and(0xffff), access: i32(FLAT_DATA) });
  enterLevel(f, state, 'supervisor');
  goTo(f, state, field(state, 'sysenterEip'), field(state, 'sysenterEsp'));
  f.return(DONE);
};

const sysexit: WriteSystem = ({ f, state }) => {
  declineUnusual(f, state);
  declineIf(f, field(state, 'cpl'));
  const checksAlignment = field(state, 'cr0')
    .and(CR0.AM)
    .isNotZero()
    .and(field(state, 'flagsOther').and(EFLAGS.AC).isNotZero());
  declineIf(f, checksAlignment);
  const selector = f.local(field(state, 'sysenterCs').and(0xfffc));
  const user = (offset: number) => selector.add(offset).and(0xffff).or(3);
  loadFlat(f, state, SEGMENT.CS, { selector: user(16), access: i32(FLAT_CODE | FLAT_DPL3) });
  loadFlat(f, state, SEGMENT.SS, { selector: user(24), access: i32(FLAT_DATA | FLAT_DPL3) });
  enterLevel(f, state, 'user');
  const register = (number: number) => f.local(load32(state, number * GPR_SLOT));
  goTo(f, state, register(GPR.rDX), register(GPR.rCX));
  f.return(DONE);
};

/** By the helper's name. */
export const SYSTEM_CALL_FUNCTIONS = { sysenter, sysexit } as const;
