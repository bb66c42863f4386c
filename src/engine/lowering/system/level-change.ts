/**
 * What transfers of control between flat 32-bit code of levels 0 and 3 have in common, as emitted code does them. What a
 * change of the level means for the mode, `Cpu.modeChanged` says: the base and limit of CS, and all that makes the mode
 * flat, stay as they are.
 */
import { EFLAGS } from '../../../cpu/flags.ts';
import { MODE } from '../../../cpu/mode-key.ts';
import { CR0, EFER } from '../../../cpu/register-bits.ts';
import { GPR_SLOT, SEGMENT_FIELDS, SEGMENT_STRIDE, STATE } from '../../../cpu/state-layout.ts';
import { FETCH_TLB, JUMP_TAG, TLB } from '../../../cpu/tlb-layout.ts';
import { GPR, SEGMENT } from '../../../isa/semantics.ts';
import type { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, i32, type Local, select } from '../../../wasm/expression.ts';
import { load32 } from '../../../wasm/function-writer.ts';
import { declineIf, field, type StatusWriter } from '../emitted-function.ts';
import type { Through } from './descriptor-read.ts';
import { storeContents } from './segment-functions.ts';

const FLAT_MODE = MODE.CODE32 | MODE.STACK32 | MODE.FLAT;
const DEBUG_ENABLES = 0xff;

/** Declines unless code and data are flat and nothing has to be looked at: no single step, no breakpoints, no alignment checks. */
export function declineUnlessPlain(f: StatusWriter, state: Int32): void {
  declineIf(f, field(state, 'cr0').and(CR0.PE).isZero().or(field(state, 'efer').and(EFER.LMA)));
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

/** Declines if an interrupt waits that these flags would let through. */
export const declineIfInterrupted = (f: StatusWriter, state: Int32, flags: Int32): void =>
  declineIf(f, select(flags.and(EFLAGS.IF), field(state, 'interruptRequest'), 0));

/** Host address of one of the TLB's tables. */
const tlbTable = (state: Int32, name: (typeof TLB.TABLES)[number]): Int32 =>
  field(state, 'tlbTables').add(TLB.TABLES.indexOf(name) * TLB.TABLE_SIZE);

/** What level 0 may access, whatever CPL is. */
export const supervisorTable = (f: StatusWriter, state: Local<typeof I32>, access: 'Read' | 'Write'): Through => ({
  state,
  table: f.local(tlbTable(state, `supervisor${access}`)),
});

/** A segment register's cache. */
export const segmentCache = (state: Int32, segment: number): Int32 =>
  state.add(STATE.segments + segment * SEGMENT_STRIDE);

/** Loads CS or SS with a flat segment, as a descriptor with this access word would. */
export function loadFlat(
  f: StatusWriter,
  state: Int32,
  segment: typeof SEGMENT.CS | typeof SEGMENT.SS,
  { selector, access }: { readonly selector: Int32; readonly access: Int32 },
): void {
  const cache = segmentCache(state, segment);
  const writes = segment === SEGMENT.SS;
  storeContents(f, cache, {
    base: i32(0),
    limit: i32(-1),
    access,
    low: i32(writes ? 0 : 1),
    highRead: i32(-1),
    highWrite: i32(writes ? -1 : 0),
  });
  f.store('i32.store', cache, SEGMENT_FIELDS.selector, selector);
}

/** CPL, and all that is chosen by it. */
export function enterLevel(f: StatusWriter, state: Int32, to: 'user' | 'supervisor'): void {
  const user = to === 'user';
  const key = FLAT_MODE | (user ? MODE.USER : 0);
  const store = (name: Parameters<typeof field>[1], value: Int32) =>
    f.store('i32.store', state, STATE.fields[name], value);
  store('cpl', i32(user ? 3 : 0));
  store('modeKey', i32(key));
  const generation = field(state, user ? 'userGeneration' : 'supervisorGeneration');
  store('jumpTag', generation.shl(JUMP_TAG.KEY_BITS).or(key));
  store('tlbRead', tlbTable(state, user ? 'userRead' : 'supervisorRead'));
  store('tlbWrite', tlbTable(state, user ? 'userWrite' : 'supervisorWrite'));
  store('tlbFetch', field(state, 'fetchTables').add(user ? 0 : FETCH_TLB.ENTRIES << FETCH_TLB.ENTRY_SHIFT));
}

export const stackPointer = (state: Int32): Int32 => load32(state, GPR.rSP * GPR_SLOT);

export function goTo(f: StatusWriter, state: Int32, target: Int32, stackPointer: Int32): void {
  f.store('i64.store', state, GPR.rSP * GPR_SLOT, stackPointer.widen());
  f.store('i64.store', state, STATE.fields.nextIp, target.widen());
}
