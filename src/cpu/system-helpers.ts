/** Helpers of the system instructions: control and debug registers, descriptor-table registers, MSRs, ports, HLT, and division of 128-bit numbers. */

import { SEGMENT } from '../isa/semantics.ts';
import { clearTaskSwitched, loadMachineStatusWord, readControl, writeControl } from './control-registers.ts';
import type { Cpu } from './cpu.ts';
import { cpuid } from './cpuid.ts';
import { matchIo, readDebug, writeDebug } from './debug-registers.ts';
import { type Cause, raise } from './fault.ts';
import { EFLAGS } from './flags.ts';
import type { Helper, HelperValue } from './helper.ts';
import { MSR_RESET, readMsr, readTimeStamp, writeMsr } from './msr.ts';
import { checkPortPermission } from './port-permission.ts';
import { isLongMode } from './processor-mode.ts';
import { CR0, CR4, DR6_FIXED, DR7_FIXED } from './register-bits.ts';
import type { CpuState } from './state-layout.ts';

/** A value of pointer width: 32 bits as a number, 64 bits (64-bit mode) as a BigInt. */
type PointerValue = number | bigint;

export const SYSTEM_HELPERS = {
  readControl: (cpu: Cpu, register: number): PointerValue => pointerResult(cpu, readControl(cpu, register)),
  writeControl: (cpu: Cpu, register: number, value: PointerValue): void =>
    writeControl(cpu, register, pointerArgument(value)),
  loadMachineStatusWord,
  clearTaskSwitched,
  readDebug: (cpu: Cpu, register: number): PointerValue => pointerResult(cpu, readDebug(cpu, register)),
  writeDebug: (cpu: Cpu, register: number, value: PointerValue): void =>
    writeDebug(cpu, register, pointerArgument(value)),

  loadGdtr(cpu: Cpu, limit: number, base: PointerValue): void {
    cpu.state.gdtrLimit = limit;
    cpu.state.gdtrBase = pointerArgument(base);
  },
  loadIdtr(cpu: Cpu, limit: number, base: PointerValue): void {
    cpu.state.idtrLimit = limit;
    cpu.state.idtrBase = pointerArgument(base);
  },

  /** INVLPG looks neither at the segment's type nor at its limit. */
  invalidatePage(cpu: Cpu, segment: number, offset: PointerValue): void {
    const address = pointerArgument(offset);
    const { base } = cpu.state.segments[segment];
    if (isLongMode(cpu.state)) cpu.mmu.flushPage(segment >= SEGMENT.FS ? base + address : address);
    else cpu.mmu.flushPage((base + address) >>> 0);
  },
  /** INVD and WBINVD: no cache can be seen here. */
  invalidateCaches(_cpu: Cpu): void {},

  readTimeStampCounter(cpu: Cpu): bigint {
    if (cpu.state.cpl > 0 && (cpu.state.cr4 & CR4.TSD) !== 0) {
      throw raise.GP(0, { check: 'RDTSC with CR4.TSD = 1 and CPL > 0', on: { cpl: cpu.state.cpl } });
    }
    return readTimeStamp(cpu);
  },
  /** No model has performance counters: any number is out of range. */
  readPerformanceCounter(_cpu: Cpu, counter: number): bigint {
    throw raise.GP(0, {
      check: 'no such performance-monitoring counter',
      manual: 'SDM Vol. 2B, "RDPMC"',
      on: { counter },
    });
  },
  readMsr: (cpu: Cpu, address: number): bigint => readMsr(cpu, address >>> 0),
  writeMsr: (cpu: Cpu, address: number, value: bigint): void => writeMsr(cpu, address >>> 0, BigInt.asUintN(64, value)),
  cpuid: (cpu: Cpu, leaf: number, subleaf: number): readonly number[] => cpuid(cpu, leaf >>> 0, subleaf >>> 0),

  checkWrite: (cpu: Cpu, segment: number, offset: PointerValue, bits: number): void =>
    cpu.mmu.probeWriteSegment(segment, pointerArgument(offset), bits >>> 3),
  checkPort: (cpu: Cpu, port: number, bits: number): void => checkPortPermission(cpu, port, (bits >>> 3) as 1 | 2 | 4),
  portIn(cpu: Cpu, port: number, bits: number): number {
    const size = (bits >>> 3) as 1 | 2 | 4;
    const before = cpu.clock.nextAlarm;
    const value = cpu.ports.read(port, size);
    afterPortAccess(cpu, port, size, before);
    return value;
  },
  portOut(cpu: Cpu, port: number, value: number, bits: number): void {
    const size = (bits >>> 3) as 1 | 2 | 4;
    const before = cpu.clock.nextAlarm;
    cpu.ports.write(port, value >>> 0, size);
    afterPortAccess(cpu, port, size, before);
  },

  halt(cpu: Cpu): void {
    cpu.state.halted = 1;
    cpu.attend();
  },

  /** (high, low, divisor) → quotient, remainder; all 64 bits wide. */
  divideUnsigned128(_cpu: Cpu, high: bigint, low: bigint, divisor: bigint): readonly [bigint, bigint] {
    const dividend = (BigInt.asUintN(64, high) << 64n) | BigInt.asUintN(64, low);
    const by = BigInt.asUintN(64, divisor);
    if (by === 0n) throw raise.DE(divideCause('divisor is 0', dividend, by));
    const quotient = dividend / by;
    if (quotient >> 64n !== 0n) throw raise.DE(divideCause('quotient too large', dividend, by));
    return [quotient, dividend % by];
  },
  divideSigned128(_cpu: Cpu, high: bigint, low: bigint, divisor: bigint): readonly [bigint, bigint] {
    const dividend = (BigInt.asIntN(64, high) << 64n) | BigInt.asUintN(64, low);
    const by = BigInt.asIntN(64, divisor);
    if (by === 0n) throw raise.DE(divideCause('divisor is 0', dividend, by));
    const quotient = dividend / by;
    if (BigInt.asIntN(64, quotient) !== quotient) throw raise.DE(divideCause('quotient too large', dividend, by));
    return [BigInt.asUintN(64, quotient), BigInt.asUintN(64, dividend % by)];
  },
} as const satisfies Record<string, Helper>;

/** Control, debug and model-specific registers after RESET. SDM Vol. 3A, "Processor State After Reset". */
export function resetSystemRegisters(state: CpuState): void {
  state.cr0 = (CR0.CD | CR0.NW | CR0.ET) >>> 0;
  state.dr6 = DR6_FIXED;
  state.dr7 = DR7_FIXED;
  state.pat = MSR_RESET.pat;
  state.miscEnable = MSR_RESET.miscEnable;
  for (const field of ['cr2', 'cr3', 'cr4', 'cr8', 'efer', 'dr0', 'dr1', 'dr2', 'dr3'] as const) state[field] = 0;
  for (const field of ['pdpte0', 'pdpte1', 'pdpte2', 'pdpte3'] as const) state[field] = 0;
  for (const field of ['sysenterCs', 'sysenterEsp', 'sysenterEip'] as const) state[field] = 0;
  for (const field of ['star', 'lstar', 'cstar', 'sfmask', 'kernelGsBase', 'tscOffset'] as const) state[field] = 0n;
  state.pendingDebug = 0;
}

/** A device may have set an alarm or asked for an interrupt; an I/O breakpoint may have been met. */
function afterPortAccess(cpu: Cpu, port: number, size: 1 | 2 | 4, alarmBefore: number): void {
  const { state } = cpu;
  state.pendingDebug |= matchIo(state, port, size);
  const interrupt = cpu.interruptRequested && (state.flagsOther & EFLAGS.IF) !== 0;
  if (interrupt || state.pendingDebug !== 0 || cpu.clock.nextAlarm !== alarmBefore) cpu.attend();
}

const pointerResult = (cpu: Cpu, value: number): HelperValue => (isLongMode(cpu.state) ? BigInt(value) : value);
const pointerArgument = (value: PointerValue): number =>
  typeof value === 'bigint' ? Number(BigInt.asUintN(64, value)) : value >>> 0;

const divideCause = (check: string, dividend: bigint, divisor: bigint): Cause => ({
  check,
  manual: 'SDM Vol. 2A, "DIV—Unsigned Divide"',
  on: { dividend, divisor },
});
