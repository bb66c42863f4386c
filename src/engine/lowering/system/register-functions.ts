/**
 * Emitted code for what a boot loader or a BIOS does with system registers whenever it changes the mode or looks at a
 * port. `cpu/system-helpers` says what is right, and does all that is declined here.
 */
import { EFLAGS } from '../../../cpu/flags.ts';
import { CR0 } from '../../../cpu/register-bits.ts';
import { STATE } from '../../../cpu/state-layout.ts';
import { I32 } from '../../../wasm/code-writer.ts';
import { type Int32, Local } from '../../../wasm/expression.ts';
import { DONE, declineIf, field } from '../emitted-function.ts';
import type { WriteSystem } from './write-system.ts';

const loadTable =
  (name: 'gdtr' | 'idtr'): WriteSystem =>
  ({ f, state }, limit: Int32, base: Int32) => {
    f.store('i32.store', state, STATE.fields[`${name}Limit`], limit);
    f.store('i64.store', state, STATE.fields[`${name}Base`], base.widen());
    f.return(DONE);
  };

/** CR0 alone: the one that is read to be changed. */
const readControl: WriteSystem = ({ f, state, results }, register: Int32) => {
  declineIf(f, register);
  f.set(new Local(I32, results![0]!.index), field(state, 'cr0'));
  f.return(DONE);
};

/** Real-address mode may use all ports, and so may who has the level that IOPL asks for. */
const checkPort: WriteSystem = ({ f, state }) => {
  const flags = f.local(field(state, 'flagsOther'));
  const level = flags.and(EFLAGS.IOPL).shr(Math.log2(EFLAGS.IOPL & -EFLAGS.IOPL));
  const asks = flags.and(EFLAGS.VM).isNotZero().or(field(state, 'cpl').aboveU(level));
  declineIf(f, field(state, 'cr0').and(CR0.PE).isNotZero().and(asks));
  f.return(DONE);
};

/** By the helper's name. */
export const REGISTER_FUNCTIONS = {
  loadGdtr: loadTable('gdtr'),
  loadIdtr: loadTable('idtr'),
  readControl,
  checkPort,
} as const;
