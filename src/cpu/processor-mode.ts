/** Which of the operating modes the processor is in. SDM Vol. 3A, "Modes of Operation". */

import { SEGMENT } from '../isa/semantics.ts';
import { ACCESS } from './descriptor.ts';
import { EFLAGS } from './flags.ts';
import { CR0, EFER } from './register-bits.ts';
import type { CpuState } from './state-layout.ts';

export const isRealMode = (state: CpuState): boolean => (state.cr0 & CR0.PE) === 0;
export const isVirtual8086 = (state: CpuState): boolean => (state.flagsOther & EFLAGS.VM) !== 0;
/** Selectors mean descriptors: protected mode without virtual-8086 mode. */
export const usesDescriptors = (state: CpuState): boolean => !isRealMode(state) && !isVirtual8086(state);
export const isIa32e = (state: CpuState): boolean => (state.efer & EFER.LMA) !== 0;
export const isLongMode = (state: CpuState): boolean =>
  isIa32e(state) && (state.segments[SEGMENT.CS].access & ACCESS.LONG) !== 0;
export const hasSystemCallExtensions = (state: CpuState): boolean => (state.efer & EFER.SCE) !== 0;
export const ioPrivilegeLevel = (state: CpuState): number => (state.flagsOther & EFLAGS.IOPL) >>> 12;
