/** What all x87 instructions have in common: operand pointers, stack faults, and when a result counts. */

import { SEGMENT } from '../../isa/semantics.ts';
import type { Cpu } from '../cpu.ts';
import type { Helper, HelperValue } from '../helper.ts';
import type { CpuState } from '../state-layout.ts';
import { EXCEPTION, STATUS, unmasked } from './control.ts';
import { DEFAULT_NAN } from './float80.ts';
import type { Outcome } from './round.ts';
import { isEmpty, pop, setC1, setExceptions, stackFault, writeStack } from './x87-state.ts';

/**
 * A non-control instruction: it leaves its address in FCS:FIP and, if an exception is pending after it, its opcode in
 * FOP. (CPUs before the Pentium 4 write FOP always; later ones as here. SDM Vol. 1, "Fopcode Compatibility Sub-mode".)
 */
export const operation =
  <Args extends readonly HelperValue[]>(body: (state: CpuState, ...args: Args) => ReturnType<Helper>) =>
  (cpu: Cpu, ...args: Args): ReturnType<Helper> => {
    const { state } = cpu;
    state.fip = state.ip;
    state.fcs = state.segments[SEGMENT.CS].selector;
    const result = body(state, ...args);
    if (state.fsw & STATUS.ES) state.fop = readOpcode(cpu);
    return result;
  };

/** Records the memory operand in FDS:FDP. */
export function notePointer(state: CpuState, segment: number, offset: HelperValue): void {
  state.fdp = typeof offset === 'number' ? offset >>> 0 : Number(BigInt.asUintN(64, offset));
  state.fds = state.segments[segment].selector;
}

const PREFIXES: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const isRex = (byte: number): boolean => (byte & 0xf0) === 0x40;

/** Low three bits of the first opcode byte and the second, of the running instruction (which has just been fetched). */
function readOpcode({ state, mmu }: Cpu): number {
  const start = state.segments[SEGMENT.CS].base + state.ip;
  for (let at = start; at < start + 14; at++) {
    const byte = mmu.read(at, 1, 'supervisor');
    if ((byte & 0xf8) === 0xd8) return ((byte & 7) << 8) | mmu.read(at + 1, 1, 'supervisor');
    if (!PREFIXES.has(byte) && !isRex(byte)) break;
  }
  return 0;
}

/** Exceptions that are found before the result is: unmasked, they leave the operands as they are. */
const BEFORE_RESULT = EXCEPTION.IE | EXCEPTION.DE | EXCEPTION.ZE;

/** Takes over flags and C1. @returns whether the result is to be written */
export function report(state: CpuState, outcome: Outcome<unknown>): boolean {
  setC1(state, outcome.roundedUp);
  if (outcome.flags === 0) return true;
  setExceptions(state, outcome.flags);
  return unmasked(outcome.flags & BEFORE_RESULT, state.fcw) === 0;
}

/** Writes an outcome to ST(destination), then pops. */
export function complete(state: CpuState, outcome: Outcome, destination = 0, pops = 0): void {
  if (!report(state, outcome)) return;
  writeStack(state, destination, outcome.value);
  pop(state, pops);
}

/**
 * Whether all of these registers hold something. If not, that is a stack underflow, and masked, the answer in
 * ST(destination) is the real indefinite.
 */
export function haveOperands(state: CpuState, registers: readonly number[], destination = 0, pops = 0): boolean {
  if (!registers.some((register) => isEmpty(state, register))) return true;
  if (stackFault(state, 'underflow')) {
    writeStack(state, destination, DEFAULT_NAN);
    pop(state, pops);
  }
  return false;
}
