/**
 * The helpers that rows may call: functions of `cpu/` that all engines run alike. Widths of arguments and results in
 * bits; 'pointer' is 32, or 64 in 64-bit mode. Up to 32 bits travel as numbers, 64 bits as BigInts.
 */
import { type HelperSignature, signature } from './signature.ts';
import { X87_HELPER_SIGNATURES } from './x87-helper-signature.ts';

export const HELPER_SIGNATURES = {
  /** (segment register number, selector): MOV and POP; LDS and its kin */
  moveToSegment: signature([8, 16]),
  loadSegment: signature([8, 16]),
  /** (selector, offset, operand size in bits) */
  farJump: signature([16, 'pointer', 8]),
  farCall: signature([16, 'pointer', 8]),
  /** (bytes to release, operand size) */
  farReturn: signature([16, 8]),
  /** (operand size) */
  interruptReturn: signature([8]),
  /** INT n (vector) */
  softwareInterrupt: signature([8]),
  /** INT3, INTO (when OF = 1), INT1 */
  breakpoint: signature([]),
  overflowTrap: signature([]),
  debugTrap: signature([]),
  /** PUSHF: the virtual-8086 IOPL check */
  checkPushFlags: signature([]),
  /** (image popped, operand size): POPF in all its cases */
  popFlags: signature([32, 8]),
  clearInterruptFlag: signature([]),
  setInterruptFlag: signature([]),
  clearTaskSwitched: signature([]),
  loadMachineStatusWord: signature([16]),
  /** (register number) → value */
  readControl: signature([8], ['pointer']),
  writeControl: signature([8, 'pointer']),
  readDebug: signature([8], ['pointer']),
  writeDebug: signature([8, 'pointer']),
  /** (limit, base) */
  loadGdtr: signature([16, 'pointer']),
  loadIdtr: signature([16, 'pointer']),
  loadLdtr: signature([16]),
  loadTaskRegister: signature([16]),
  /** (selector) → ZF, access rights (LAR) or limit (LSL); VERR, VERW → ZF */
  loadAccessRights: signature([16], [1, 32]),
  loadSegmentLimit: signature([16], [1, 32]),
  verifyRead: signature([16], [1]),
  verifyWrite: signature([16], [1]),
  /** (segment register number, offset) */
  invalidatePage: signature([8, 'pointer']),
  invalidateCaches: signature([]),
  readTimeStampCounter: signature([], [64]),
  /** (ECX) → value */
  readPerformanceCounter: signature([32], [64]),
  readMsr: signature([32], [64]),
  writeMsr: signature([32, 64]),
  /** (EAX, ECX) → EAX, EBX, ECX, EDX */
  cpuid: signature([32, 32], [32, 32, 32, 32]),
  sysenter: signature([]),
  /** (operand size) */
  sysexit: signature([8]),
  syscall: signature([]),
  sysret: signature([8]),
  swapGs: signature([]),
  /** (segment register number, offset, size in bits): faults as a write there would, and writes nothing */
  checkWrite: signature([8, 'pointer', 8]),
  /** (port, size in bits): the I/O permission check, which precedes the accesses below */
  checkPort: signature([16, 8]),
  /** (port, size in bits) → value */
  portIn: signature([16, 8], [32]),
  /** (port, value, size in bits) */
  portOut: signature([16, 32, 8]),
  halt: signature([]),
  /** (bytes of locals, nesting level, operand size): ENTER */
  enterFrame: signature([16, 8, 8]),
  /** (high, low, divisor) → quotient, remainder; #DE */
  divideUnsigned128: signature([64, 64, 64], [64, 64]),
  divideSigned128: signature([64, 64, 64], [64, 64]),
  ...X87_HELPER_SIGNATURES,
} as const satisfies Record<string, HelperSignature>;
