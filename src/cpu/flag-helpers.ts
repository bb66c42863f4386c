/** PUSHF, POPF, CLI, STI and ENTER. SDM Vol. 2A and 2B; Vol. 1, "System Flags and IOPL Field". */
import type { Cpu } from './cpu.ts';
import { raise } from './fault.ts';
import { EFLAGS, readEflags, STATUS_MASK, writeEflags } from './flags.ts';
import type { Helper } from './helpers.ts';
import { ioPrivilegeLevel, isLongMode, isVirtual8086 } from './processor-mode.ts';
import { SS, stackMask } from './segmentation.ts';

const RSP = 4;
const RBP = 5;

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

/** PUSHF: the image, RF and VM cleared. */
function pushFlags(cpu: Cpu): bigint {
  checkVirtual8086(cpu, 'PUSHF');
  return BigInt((readEflags(cpu.state) & ~(EFLAGS.VM | EFLAGS.RF)) >>> 0);
}

/** POPF. RF is cleared; VM, VIF and VIP keep their values. */
function popFlags(cpu: Cpu, value: bigint, operandSize: number): void {
  checkVirtual8086(cpu, 'POPF');
  const { state } = cpu;
  let mask: number = FREE_FLAGS;
  if (state.cpl <= ioPrivilegeLevel(state)) mask |= EFLAGS.IF;
  if (state.cpl === 0) mask |= EFLAGS.IOPL;
  if (operandSize === 16) mask &= ~UPPER_HALF;
  mergeEflags(cpu, Number(BigInt.asUintN(32, value)) & ~EFLAGS.RF, mask | EFLAGS.RF);
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
  if (isLongMode(state)) {
    throw raise.UD({ check: 'ENTER in 64-bit mode is not modelled yet', manual: 'SDM Vol. 2A, "ENTER"' });
  }
  const size = operandSize === 16 ? 2 : 4;
  const mask = stackMask(state);
  const wrap = (offset: number) => (offset & mask) >>> 0;
  const level = nesting & 31;
  let pointer = wrap(state.reg32(RSP));
  const push = (value: number) => {
    const next = wrap(pointer - size);
    mmu.writeSegment(SS, next, value, size);
    pointer = next;
  };
  let frame = state.reg32(RBP);
  push(size === 2 ? frame & 0xffff : frame);
  const frameTop = pointer;
  for (let i = 1; i < level; i++) {
    frame = wrap(frame - size);
    push(mmu.readSegment(SS, frame, size));
  }
  const topImage = (state.reg32(RSP) & ~mask) | frameTop;
  if (level > 0) push(size === 2 ? topImage & 0xffff : topImage >>> 0);
  pointer = wrap(pointer - localBytes);
  // The manual: a write at the final stack pointer must be possible.
  mmu.probeWriteSegment(SS, pointer, size);
  if (size === 2) state.setReg16(RBP, frameTop);
  else state.setReg32(RBP, topImage >>> 0);
  if (mask === 0xffff) state.setReg16(RSP, pointer);
  else state.setReg32(RSP, pointer);
}

export const FLAG_HELPERS = {
  pushFlags,
  popFlags,
  clearInterruptFlag,
  setInterruptFlag,
  enterFrame,
} as const satisfies Record<string, Helper>;
