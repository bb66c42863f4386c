/** Helpers that rows of far transfers, interrupts and system calls call. */
import { farReturn } from './far-return.ts';
import { farCall, farJump } from './far-transfer.ts';
import { swapGs, syscall, sysenter, sysexit, sysret } from './fast-system-call.ts';
import type { Helper } from './helper.ts';
import { breakpoint, debugTrap, overflowTrap, softwareInterrupt } from './interrupt-delivery.ts';
import { interruptReturn } from './interrupt-return.ts';

export const TRANSFER_HELPERS = {
  farJump,
  farCall,
  farReturn,
  interruptReturn,
  softwareInterrupt,
  breakpoint,
  overflowTrap,
  debugTrap,
  sysenter,
  sysexit,
  syscall,
  sysret,
  swapGs,
} as const satisfies Record<string, Helper>;
