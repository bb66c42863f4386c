/**
 * Debug registers: access rules, and whether a breakpoint matches. SDM Vol. 3B, "Debug Registers".
 *
 * The match functions give the DR6 bits B0–B3 of an exception to be raised, or 0. When one enabled breakpoint is met, the
 * bits of all whose condition holds are set, enabled or not.
 */
import type { Cpu } from './cpu.ts';
import { GuestFault, raise, VECTOR } from './fault.ts';
import { CR4, DR6, DR6_FIXED, DR7, DR7_FIXED } from './register-bits.ts';
import type { CpuState } from './state-layout.ts';

const DR6_WRITABLE = DR6.B0 | DR6.B1 | DR6.B2 | DR6.B3 | DR6.BD | DR6.BS | DR6.BT;
const DR7_WRITABLE = 0xffff_23ff;
/** L0 G0 … L3 G3. */
const DR7_ENABLES = 0xff;
/** R/Wn: on what the breakpoint is. */
const CONDITION = { EXECUTE: 0, WRITE: 1, IO: 2, ACCESS: 3 } as const;
/** LENn to bytes. 2 stands for 8 where 64-bit mode exists; elsewhere it is undefined. */
const LENGTHS = [1, 2, 8, 4] as const;

/** Value of DR0–DR3, DR6 or DR7; DR4 and DR5 stand for DR6 and DR7 while CR4.DE = 0. */
export function readDebug(cpu: Cpu, register: number): number {
  switch (resolve(cpu, register)) {
    case 0:
      return cpu.state.dr0;
    case 1:
      return cpu.state.dr1;
    case 2:
      return cpu.state.dr2;
    case 3:
      return cpu.state.dr3;
    case 6:
      return cpu.state.dr6;
    default:
      return cpu.state.dr7;
  }
}

export function writeDebug(cpu: Cpu, register: number, value: number): void {
  const { state } = cpu;
  const target = resolve(cpu, register);
  if (target >= 6 && value >= 2 ** 32) {
    throw raise.GP(0, { check: `DR${target}: bits 63:32 not zero`, on: { value } });
  }
  switch (target) {
    case 0:
      state.dr0 = value;
      break;
    case 1:
      state.dr1 = value;
      break;
    case 2:
      state.dr2 = value;
      break;
    case 3:
      state.dr3 = value;
      break;
    case 6:
      state.dr6 = ((value & DR6_WRITABLE) | DR6_FIXED) >>> 0;
      return;
    default:
      state.dr7 = ((value & DR7_WRITABLE) | DR7_FIXED) >>> 0;
  }
  cpu.modeChanged();
}

/** The register meant; raises #UD for one that does not exist and #DB while DR7.GD guards them all. */
function resolve(cpu: Cpu, register: number): number {
  const { state } = cpu;
  const alias = register === 4 || register === 5;
  if (register > 7 || (alias && (state.cr4 & CR4.DE) !== 0)) {
    throw raise.UD({ check: alias ? 'DR4 or DR5 with CR4.DE = 1' : 'no such debug register', on: { register } });
  }
  if ((state.dr7 & DR7.GD) !== 0) {
    recordDebug(state, DR6.BD);
    const cause = {
      check: 'access to a debug register with DR7.GD = 1',
      manual: 'SDM Vol. 3B, "General-Detect Exception Condition"',
      on: { register },
    };
    throw new GuestFault({ vector: VECTOR.DB, cause });
  }
  return alias ? register + 2 : register;
}

/**
 * DR6 takes the reasons of a #DB. The processor never clears its other bits, but B0–B3 always say what this one met.
 * SDM Vol. 3B, "Debug Status Register (DR6)": "certain debug exceptions may clear" them; CPUs do at each.
 */
export function recordDebug(state: CpuState, reasons: number): void {
  state.dr6 = ((state.dr6 & ~(DR6.B0 | DR6.B1 | DR6.B2 | DR6.B3)) | reasons) >>> 0;
}

/** Is any breakpoint enabled? */
export const hasBreakpoints = (state: CpuState): boolean => (state.dr7 & DR7_ENABLES) !== 0;

/** Is an instruction breakpoint enabled? Then each instruction must be asked about. */
export const hasExecuteBreakpoints = (state: CpuState): boolean =>
  anyEnabled(state, (condition) => condition === CONDITION.EXECUTE);

/** Is a data breakpoint enabled? Then each data access must be asked about. */
export const hasDataBreakpoints = (state: CpuState): boolean =>
  anyEnabled(state, (condition) => condition === CONDITION.WRITE || condition === CONDITION.ACCESS);

/** An instruction whose first byte is at this linear address (a fault, before it executes; RF suppresses it). */
export function matchExecute(state: CpuState, address: number): number {
  return match(state, (condition, at) => condition === CONDITION.EXECUTE && at === address);
}

/** A data access of `size` bytes at a linear address (a trap, after the instruction). */
export function matchData(state: CpuState, address: number, size: number, access: 'read' | 'write'): number {
  return match(
    state,
    (condition, at, length) =>
      (condition === CONDITION.ACCESS || (condition === CONDITION.WRITE && access === 'write')) &&
      overlap(at, length, address, size),
  );
}

/** An access to `size` ports (a trap). I/O breakpoints exist with CR4.DE = 1. */
export function matchIo(state: CpuState, port: number, size: number): number {
  if ((state.cr4 & CR4.DE) === 0) return 0;
  return match(state, (condition, at, length) => condition === CONDITION.IO && overlap(at, length, port, size));
}

type Test = (condition: number, address: number, length: number) => boolean;

function match(state: CpuState, test: Test): number {
  const { dr7 } = state;
  if ((dr7 & DR7_ENABLES) === 0) return 0;
  let met = 0;
  let enabled = false;
  for (let index = 0; index < 4; index++) {
    if (!test(conditionOf(dr7, index), breakpointAddress(state, index), LENGTHS[(dr7 >>> (18 + 4 * index)) & 3]))
      continue;
    met |= 1 << index;
    enabled ||= isEnabled(dr7, index);
  }
  return enabled ? met : 0;
}

function anyEnabled({ dr7 }: CpuState, test: (condition: number) => boolean): boolean {
  if ((dr7 & DR7_ENABLES) === 0) return false;
  return [0, 1, 2, 3].some((index) => isEnabled(dr7, index) && test(conditionOf(dr7, index)));
}

const isEnabled = (dr7: number, index: number): boolean => ((dr7 >>> (2 * index)) & 3) !== 0;
const conditionOf = (dr7: number, index: number): number => (dr7 >>> (16 + 4 * index)) & 3;

const breakpointAddress = (state: CpuState, index: number): number =>
  index === 0 ? state.dr0 : index === 1 ? state.dr1 : index === 2 ? state.dr2 : state.dr3;

/** LENn aligns the breakpoint: the low bits of its address do not count. */
function overlap(at: number, length: number, address: number, size: number): boolean {
  const first = at - (at % length);
  return address < first + length && first < address + size;
}
