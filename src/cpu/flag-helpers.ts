/** PUSHF, POPF, CLI, STI and ENTER. SDM Vol. 2A and 2B; Vol. 1, "System Flags and IOPL Field". */

import { GPR } from '../isa/semantics.ts';
import type { Cpu } from './cpu.ts';
import { raise } from './fault.ts';
import { EFLAGS, readEflags, STATUS_MASK, writeEflags } from './flags.ts';
import type { Helper } from './helper.ts';
import { ioPrivilegeLevel, isLongMode, isVirtual8086 } from './processor-mode.ts';
import { SS, stackMask } from './segmentation.ts';
import type { CpuState } from './state-layout.ts';

/** Flags that any program may write. */
const FREE_FLAGS = STATUS_MASK | EFLAGS.TF | EFLAGS.DF | EFLAGS.NT | EFLAGS.AC | EFLAGS.ID;
const UPPER_HALF = 0xffff_0000;

/** Replaces the flags in `mask` by those of `image`. */
export function mergeEflags(cpu: Cpu, image: number, mask: number): void {
  writeEflags(cpu.state, (readEflags(cpu.state) & ~mask) | (image & mask));
}

function checkVirtual8086(cpu: Cpu, instruction: string): void {
  if (!isVirtual8086(cpu.state) || ioPrivilegeLevel(cpu.state) === 3) return;
  throw raise.GP(0, {
    check: `${instruction} in virtual-8086 mode with IOPL < 3`,
    manual: 'SDM Vol. 3B, "Sensitive Instructions"',
    on: { iopl: ioPrivilegeLevel(cpu.state) },
  });
}

/** PUSHF in virtual-8086 mode needs IOPL 3. */
const checkPushFlags = (cpu: Cpu): void => checkVirtual8086(cpu, 'PUSHF');

/** POPF. RF is cleared; VM, VIF and VIP keep their values. */
function popFlags(cpu: Cpu, image: number, operandSize: number): void {
  checkVirtual8086(cpu, 'POPF');
  const { state } = cpu;
  let mask: number = FREE_FLAGS;
  if (state.cpl <= ioPrivilegeLevel(state)) mask |= EFLAGS.IF;
  if (state.cpl === 0) mask |= EFLAGS.IOPL;
  if (operandSize === 16) mask &= ~UPPER_HALF;
  mergeEflags(cpu, image & ~EFLAGS.RF, mask | EFLAGS.RF);
  cpu.modeChanged();
}

/** CLI and STI: CPL ≤ IOPL. Real-address mode is CPL 0, virtual-8086 mode CPL 3. */
function checkInterruptPrivilege(cpu: Cpu, instruction: string): void {
  const { state } = cpu;
  if (state.cpl <= ioPrivilegeLevel(state)) return;
  throw raise.GP(0, {
    check: `${instruction} with CPL > IOPL`,
    manual: 'SDM Vol. 2, "CLI—Clear Interrupt Flag" and "STI—Set Interrupt Flag"',
    on: { cpl: state.cpl, iopl: ioPrivilegeLevel(state) },
  });
}

function clearInterruptFlag(cpu: Cpu): void {
  checkInterruptPrivilege(cpu, 'CLI');
  const { state } = cpu;
  if (!(state.flagsOther & EFLAGS.IF)) return;
  state.flagsOther &= ~EFLAGS.IF;
  cpu.modeChanged();
}

function setInterruptFlag(cpu: Cpu): void {
  checkInterruptPrivilege(cpu, 'STI');
  const { state } = cpu;
  if (state.flagsOther & EFLAGS.IF) return;
  state.flagsOther |= EFLAGS.IF;
  cpu.shadow('interrupts');
  cpu.modeChanged();
}

/**
 * ENTER: pushes the frame pointer and, for nested procedures, the display; then makes room for locals. rSP and rBP
 * change at the end only, so a fault can be restarted.
 */
function enterFrame(cpu: Cpu, localBytes: number, nesting: number, operandSize: number): void {
  const { state, mmu } = cpu;
  const longMode = isLongMode(state);
  const size = operandSize / 8;
  const stackBits = longMode ? 64 : stackMask(state) === 0xffff ? 16 : 32;
  const wrap = (offset: bigint) => BigInt.asUintN(stackBits, offset);
  const step = BigInt(size);
  const level = nesting & 31;
  let pointer = wrap(state.reg64(GPR.rSP));
  const push = (value: bigint) => {
    const next = wrap(pointer - step);
    if (size === 8) mmu.writeSegment64(SS, Number(next), value);
    else mmu.writeSegment(SS, Number(next), Number(BigInt.asUintN(operandSize, value)), size as 2 | 4);
    pointer = next;
  };
  const read = (offset: bigint): bigint =>
    size === 8 ? mmu.readSegment64(SS, Number(offset)) : BigInt(mmu.readSegment(SS, Number(offset), size as 2 | 4));
  let frame = state.reg64(GPR.rBP);
  push(frame);
  const frameTop = pointer;
  for (let i = 1; i < level; i++) {
    frame = wrap(frame - step);
    push(read(frame));
  }
  // Above the stack size, the image has the upper bits of rSP.
  const topImage = (state.reg64(GPR.rSP) & ~wrap(-1n)) | frameTop;
  if (level > 0) push(topImage);
  pointer = wrap(pointer - BigInt(localBytes));
  // The manual: a write at the final stack pointer must be possible.
  mmu.probeWriteSegment(SS, Number(pointer), size);
  writeRegister(state, GPR.rBP, operandSize, topImage);
  writeRegister(state, GPR.rSP, stackBits, pointer);
}

function writeRegister(state: CpuState, register: number, width: number, value: bigint): void {
  if (width === 64) state.setReg64(register, value);
  else if (width === 32) state.setReg32(register, Number(BigInt.asUintN(32, value)));
  else state.setReg16(register, Number(BigInt.asUintN(16, value)));
}

export const FLAG_HELPERS = {
  checkPushFlags,
  popFlags,
  clearInterruptFlag,
  setInterruptFlag,
  enterFrame,
} as const satisfies Record<string, Helper>;
