/**
 * Emitted code for SYSENTER and SYSEXIT between flat 32-bit code of both levels, while nothing has to be looked at: no
 * single step, no breakpoints, no alignment checks. (SYSEXIT does not change IF: of an interrupt that waits with IF set,
 * the dispatcher knows already.) `cpu/fast-system-call` says what is right,
 * and does all that is declined here; what a change of the privilege level means for the mode, `Cpu.modeChanged` does.
 */
import { FLAT_CODE, FLAT_DATA, FLAT_DPL3 } from '../../../cpu/fast-system-call.ts';
import { EFLAGS } from '../../../cpu/flags.ts';
import { MODE } from '../../../cpu/mode-key.ts';
import { CR0, EFER } from '../../../cpu/register-bits.ts';
import { GPR_SLOT, SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { FETCH_TLB, JUMP_TAG, TLB } from '../../../cpu/tlb-layout.ts';
import { GPR, SEGMENT } from '../../../isa/semantics.ts';
import { type Int32, i32 } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { DONE, declineIf, field, type StatusWriter } from '../emitted-function.ts';
import { storeContents } from './segment-functions.ts';
import type { WriteSystem } from './write-system.ts';

const FLAT_MODE = MODE.CODE32 | MODE.STACK32 | MODE.FLAT;
const DEBUG_ENABLES = 0xff;

function declineUnusual(f: StatusWriter, state: Int32): void {
  declineIf(f, field(state, 'cr0').and(CR0.PE).isZero().or(field(state, 'efer').and(EFER.LMA)));
  declineIf(f, field(state, 'sysenterCs').and(0xfffc).isZero());
  declineIf(
    f,
    field(state, 'modeKey')
      .and(FLAT_MODE | MODE.CODE64)
      .ne(FLAT_MODE),
  );
  const watched = field(state, 'dr7').and(DEBUG_ENABLES).or(field(state, 'pendingDebug'));
  declineIf(
    f,
    field(state, 'flagsOther')
      .and(EFLAGS.TF | EFLAGS.RF | EFLAGS.VM)
      .or(watched),
  );
  declineIf(f, field(state, 'tlbLog').isZero());
}

/** A flat segment, as a descriptor of its type would load it. */
function loadFlat(f: StatusWriter, state: Int32, segment: number, selector: Int32, access: number): void {
  const cache = state.add(STATE.segments + segment * SEGMENT_STRIDE);
  const writes = segment === SEGMENT.SS;
  storeContents(f, cache, {
    base: i32(0),
    limit: i32(-1),
    access: i32(access),
    low: i32(writes ? 0 : 1),
    highRead: i32(-1),
    highWrite: i32(writes ? -1 : 0),
  });
  f.store('i32.store', cache, SEGMENT_FIELDS.selector, selector);
}

/** CPL, and all that is chosen by it. */
function enterLevel(f: StatusWriter, state: Int32, to: 'user' | 'supervisor'): void {
  const user = to === 'user';
  const key = FLAT_MODE | (user ? MODE.USER : 0);
  const store = (name: Parameters<typeof field>[1], value: Int32) =>
    f.store('i32.store', state, STATE.fields[name], value);
  store('cpl', i32(user ? 3 : 0));
  store('modeKey', i32(key));
  const generation = field(state, user ? 'userGeneration' : 'supervisorGeneration');
  store('jumpTag', generation.shl(JUMP_TAG.KEY_BITS).or(key));
  const table = (name: (typeof TLB.TABLES)[number]) =>
    field(state, 'tlbTables').add(TLB.TABLES.indexOf(name) * TLB.TABLE_SIZE);
  store('tlbRead', table(user ? 'userRead' : 'supervisorRead'));
  store('tlbWrite', table(user ? 'userWrite' : 'supervisorWrite'));
  store('tlbFetch', field(state, 'fetchTables').add(user ? 0 : FETCH_TLB.ENTRIES << FETCH_TLB.ENTRY_SHIFT));
}

function goTo(f: StatusWriter, state: Int32, target: Int32, stackPointer: Int32): void {
  f.store('i64.store', state, GPR.rSP * GPR_SLOT, stackPointer.widen());
  f.store('i64.store', state, STATE.fields.nextIp, target.widen());
}

const sysenter: WriteSystem = ({ f, state }) => {
  declineUnusual(f, state);
  const selector = f.local(field(state, 'sysenterCs').and(0xfffc));
  const flags = field(state, 'flagsOther').and(~EFLAGS.IF);
  f.store('i32.store', state, STATE.fields.flagsOther, flags);
  loadFlat(f, state, SEGMENT.CS, selector, FLAT_CODE);
  loadFlat(f, state, SEGMENT.SS, selector.add(8).and(0xffff), FLAT_DATA);
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
  loadFlat(f, state, SEGMENT.CS, selector.add(16).and(0xffff).or(3), FLAT_CODE | FLAT_DPL3);
  loadFlat(f, state, SEGMENT.SS, selector.add(24).and(0xffff).or(3), FLAT_DATA | FLAT_DPL3);
  enterLevel(f, state, 'user');
  const register = (number: number) => f.local(load32(state, number * GPR_SLOT));
  goTo(f, state, register(GPR.rDX), register(GPR.rCX));
  f.return(DONE);
};

/** By the helper's name. */
export const SYSTEM_CALL_FUNCTIONS = { sysenter, sysexit } as const;
