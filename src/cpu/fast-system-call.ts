/** SYSENTER and SYSEXIT; SYSCALL, SYSRET and SWAPGS as far as CPU models without 64-bit mode know them. */

import { GPR } from '../isa/semantics.ts';
import type { Cpu } from './cpu.ts';
import { type Cause, raise } from './fault.ts';
import { EFLAGS } from './flags.ts';
import { hasSystemCallExtensions, isIa32e, isRealMode } from './processor-mode.ts';
import { CS, loadFlatSegment, SS } from './segmentation.ts';

/** Flat 4 GiB segments, present, accessed, 32-bit, granular: code to execute and read, data to read and write. */
export const FLAT_CODE = 0x00c0_9b00;
export const FLAT_DATA = 0x00c0_9300;
/** Added to them. */
export const FLAT_DPL3 = 3 << 13;
/** What a descriptor of such a segment has besides, in its two doublewords. */
export const FLAT_LIMIT = { LOW: 0x0000_ffff, HIGH: 0x000f_0000 } as const;

const ENTER = 'SDM Vol. 2B, "SYSENTER—Fast System Call"';
const EXIT = 'SDM Vol. 2B, "SYSEXIT—Fast Return from Fast System Call"';

function checkTarget(cpu: Cpu, manual: string): void {
  const { state } = cpu;
  const on = { sysenterCs: state.sysenterCs };
  if (isRealMode(state)) throw raise.GP(0, { check: 'CR0.PE = 0', manual });
  if ((state.sysenterCs & 0xfffc) === 0) throw raise.GP(0, { check: 'IA32_SYSENTER_CS names no segment', manual, on });
  if (isIa32e(state)) throw raise.UD({ check: 'not modelled yet in IA-32e mode', manual });
}

export function sysenter(cpu: Cpu): void {
  const { state } = cpu;
  checkTarget(cpu, ENTER);
  const selector = state.sysenterCs & 0xfffc;
  state.flagsOther &= ~(EFLAGS.VM | EFLAGS.IF | EFLAGS.RF);
  loadFlatSegment(state.segments[CS], selector, FLAT_CODE);
  loadFlatSegment(state.segments[SS], (selector + 8) & 0xffff, FLAT_DATA);
  state.cpl = 0;
  state.setReg32(GPR.rSP, state.sysenterEsp);
  state.nextIp = state.sysenterEip;
  cpu.modeChanged();
}

export function sysexit(cpu: Cpu): void {
  const { state } = cpu;
  checkTarget(cpu, EXIT);
  if (state.cpl !== 0) throw raise.GP(0, { check: 'CPL is not 0', manual: EXIT, on: { cpl: state.cpl } });
  const selector = state.sysenterCs & 0xfffc;
  loadFlatSegment(state.segments[CS], ((selector + 16) & 0xffff) | 3, FLAT_CODE | FLAT_DPL3);
  loadFlatSegment(state.segments[SS], ((selector + 24) & 0xffff) | 3, FLAT_DATA | FLAT_DPL3);
  state.cpl = 3;
  state.setReg32(GPR.rSP, state.reg32(GPR.rCX));
  state.nextIp = state.reg32(GPR.rDX);
  cpu.modeChanged();
}

/** IA32_EFER.SCE is 0 on every model without 64-bit mode. */
const noSystemCall = (cpu: Cpu, manual: string): Cause => ({
  check: hasSystemCallExtensions(cpu.state) ? 'not modelled yet' : 'IA32_EFER.SCE = 0',
  manual,
});

export function syscall(cpu: Cpu): void {
  throw raise.UD(noSystemCall(cpu, 'SDM Vol. 2B, "SYSCALL—Fast System Call"'));
}

export function sysret(cpu: Cpu): void {
  throw raise.UD(noSystemCall(cpu, 'SDM Vol. 2B, "SYSRET—Return From Fast System Call"'));
}

export function swapGs(): void {
  throw raise.UD({ check: 'not in 64-bit mode', manual: 'SDM Vol. 2B, "SWAPGS—Swap GS Base Register"' });
}
