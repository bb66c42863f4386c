/** The processor after RESET. SDM Vol. 3A, "Processor State After Reset". */
import type { CpuModel } from './cpu-model.ts';
import { signature } from './cpuid.ts';
import { EFLAGS_FIXED, writeEflags } from './flags.ts';
import { CS, refreshSegmentBounds } from './segmentation.ts';
import { type CpuState, LDTR, STATE, TR } from './state-layout.ts';
import { resetSystemRegisters } from './system-helpers.ts';

const RDX = 2;
/** Data, writable, accessed, present; likewise for the LDT and a busy TSS. */
const ACCESS = { DATA: 0x9300, LDT: 0x8200, TSS: 0x8b00 } as const;
const RESET_LIMIT = 0xffff;
const FCW_RESET = 0x0040;
const MXCSR_RESET = 0x1f80;

/** Power-on state: real-address mode, the next instruction at physical FFFFFFF0h. `Cpu.modeChanged` must follow. */
export function resetState(state: CpuState, model: CpuModel): void {
  resetSystemRegisters(state);
  for (let register = 0; register < 16; register++) state.setReg64(register, 0n);
  state.setReg32(RDX, signature(model));
  writeEflags(state, EFLAGS_FIXED);
  state.cpl = 0;
  state.ip = 0xfff0;
  state.nextIp = 0xfff0;
  state.segments.forEach((segment, index) => {
    segment.selector = index === CS ? 0xf000 : 0;
    segment.base = index === CS ? 0xffff_0000 : 0;
    segment.limit = RESET_LIMIT;
    segment.access = index === LDTR ? ACCESS.LDT : index === TR ? ACCESS.TSS : ACCESS.DATA;
    refreshSegmentBounds(segment);
  });
  state.gdtrBase = 0;
  state.gdtrLimit = RESET_LIMIT;
  state.idtrBase = 0;
  state.idtrLimit = RESET_LIMIT;
  state.apicBase = 0n;
  state.halted = 0;
  state.nmiBlocked = 0;
  state.faulted = 0;
  state.suspended = 0;
  state.a20Mask = 0xffff_ffff;
  resetFloatingPoint(state);
}

/** RESET, not FNINIT: all registers +0.0 with tag "zero", all exceptions unmasked, single precision. */
function resetFloatingPoint(state: CpuState): void {
  state.fcw = FCW_RESET;
  for (const field of ['fsw', 'ftw', 'fop', 'fip', 'fdp', 'fcs', 'fds', 'ferr'] as const) state[field] = 0;
  state.mxcsr = MXCSR_RESET;
  const { u8 } = state.pool.views;
  u8.fill(0, state.address + STATE.x87, state.address + STATE.x87 + 8 * 16);
  u8.fill(0, state.address + STATE.xmm, state.address + STATE.xmm + 16 * 16);
}
