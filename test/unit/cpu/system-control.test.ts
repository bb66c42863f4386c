import { describe, expect, it } from 'vitest';
import { writeDebug } from '../../../src/cpu/debug-registers.ts';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { CR4 } from '../../../src/cpu/register-bits.ts';
import { SYSTEM_HELPERS } from '../../../src/cpu/system-helpers.ts';
import { createFakeCpu, faultOf } from '../../support/fake-cpu.ts';

const LARGEST = 2n ** 64n - 1n;

describe('system helpers', () => {
  it('LGDT and LIDT load limit and base', () => {
    const cpu = createFakeCpu();
    SYSTEM_HELPERS.loadGdtr(cpu, 0x27, 0xf000_0000);
    SYSTEM_HELPERS.loadIdtr(cpu, 0x7ff, 0x1000n);
    const { gdtrLimit, gdtrBase, idtrLimit, idtrBase } = cpu.state;
    expect([gdtrLimit, gdtrBase, idtrLimit, idtrBase]).toEqual([0x27, 0xf000_0000, 0x7ff, 0x1000]);
  });

  it('INVLPG drops the page at segment base + offset, without a limit check', () => {
    const cpu = createFakeCpu();
    cpu.state.segments[3].base = 0xffff_f000;
    cpu.state.segments[3].limit = 0;
    SYSTEM_HELPERS.invalidatePage(cpu, 3, 0x3000);
    expect(cpu.calls).toEqual(['flushPage 2000']);
  });

  it('CLTS clears TS', () => {
    const cpu = createFakeCpu();
    SYSTEM_HELPERS.loadMachineStatusWord(cpu, 8);
    expect(cpu.state.cr0 & 8).toBe(8);
    SYSTEM_HELPERS.clearTaskSwitched(cpu);
    expect(cpu.state.cr0 & 8).toBe(0);
  });

  it('RDTSC with CR4.TSD = 1 is for CPL 0 only', () => {
    const cpu = createFakeCpu();
    cpu.timeStampCount = 77n;
    for (const [cpl, cr4, refused] of [
      [0, CR4.TSD, false],
      [3, 0, false],
      [1, CR4.TSD, true],
      [3, CR4.TSD, true],
    ] as const) {
      cpu.state.cpl = cpl;
      cpu.state.cr4 = cr4;
      if (refused) {
        expect(faultOf(() => SYSTEM_HELPERS.readTimeStampCounter(cpu))).toMatchObject({
          vector: VECTOR.GP,
          errorCode: 0,
        });
      } else expect(SYSTEM_HELPERS.readTimeStampCounter(cpu)).toBe(77n);
    }
  });

  it('RDPMC: there are no performance counters', () => {
    expect(faultOf(() => SYSTEM_HELPERS.readPerformanceCounter(createFakeCpu(), 0))).toMatchObject({
      vector: VECTOR.GP,
    });
  });

  it('HLT halts and asks the dispatcher to look', () => {
    const cpu = createFakeCpu();
    SYSTEM_HELPERS.halt(cpu);
    expect(cpu.state.halted).toBe(1);
    expect(cpu.calls).toEqual(['attend']);
  });
});

describe('IN and OUT', () => {
  it('reach the port space with their width', () => {
    const cpu = createFakeCpu();
    cpu.inputs.set(0x60, 0x1c);
    expect(SYSTEM_HELPERS.portIn(cpu, 0x60, 8)).toBe(0x1c);
    SYSTEM_HELPERS.portOut(cpu, 0xcf8, 0x8000_0000 | 0, 32);
    expect(cpu.outputs).toEqual([{ port: 0xcf8, value: 0x8000_0000, size: 4 }]);
    expect(cpu.calls).toEqual([]);
  });

  it('a device that sets an alarm gets the attention of the dispatcher', () => {
    const cpu = createFakeCpu();
    cpu.ports.write = () => void cpu.clock.setAlarm(5, () => {});
    SYSTEM_HELPERS.portOut(cpu, 0x40, 0, 8);
    expect(cpu.calls).toEqual(['attend']);
  });

  it('a device that asks for an interrupt gets it when IF = 1', () => {
    const cpu = createFakeCpu();
    cpu.interruptRequested = true;
    SYSTEM_HELPERS.portIn(cpu, 0x60, 8);
    expect(cpu.calls).toEqual([]);
    cpu.state.flagsOther = EFLAGS.IF;
    SYSTEM_HELPERS.portIn(cpu, 0x60, 8);
    expect(cpu.calls).toEqual(['attend']);
  });

  it('an I/O breakpoint is left pending until the instruction has retired', () => {
    const cpu = createFakeCpu();
    cpu.state.cr4 = CR4.DE;
    writeDebug(cpu, 1, 0x60);
    writeDebug(cpu, 7, (1 << 2) | (2 << 20));
    cpu.calls.length = 0;
    SYSTEM_HELPERS.portIn(cpu, 0x61, 8);
    expect(cpu.state.pendingDebug).toBe(0);
    SYSTEM_HELPERS.portOut(cpu, 0x60, 1, 8);
    expect(cpu.state.pendingDebug).toBe(2);
    expect(cpu.calls).toEqual(['attend']);
  });
});

describe('division of 128-bit numbers', () => {
  const cpu = createFakeCpu();
  const { divideUnsigned128, divideSigned128 } = SYSTEM_HELPERS;
  const DE = { vector: VECTOR.DE };

  it('unsigned: quotient and remainder', () => {
    expect(divideUnsigned128(cpu, 1n, 0n, 3n)).toEqual([0x5555_5555_5555_5555n, 1n]);
    expect(divideUnsigned128(cpu, LARGEST - 1n, LARGEST, LARGEST)).toEqual([LARGEST, LARGEST - 1n]);
  });

  it('unsigned: a zero divisor or a quotient of more than 64 bits is #DE', () => {
    expect(faultOf(() => divideUnsigned128(cpu, 0n, 1n, 0n))).toMatchObject(DE);
    expect(faultOf(() => divideUnsigned128(cpu, 3n, 0n, 3n))).toMatchObject(DE);
  });

  it('signed: the quotient is truncated towards 0, the remainder has the sign of the dividend', () => {
    const divide = (dividend: bigint, divisor: bigint) =>
      divideSigned128(
        cpu,
        BigInt.asUintN(64, dividend >> 64n),
        BigInt.asUintN(64, dividend),
        BigInt.asUintN(64, divisor),
      ).map((value) => BigInt.asIntN(64, value));
    expect(divide(7n, 2n)).toEqual([3n, 1n]);
    expect(divide(-7n, 2n)).toEqual([-3n, -1n]);
    expect(divide(7n, -2n)).toEqual([-3n, 1n]);
    expect(divide(-7n, -2n)).toEqual([3n, -1n]);
    expect(divide(-(2n ** 63n), 1n)).toEqual([-(2n ** 63n), 0n]);
  });

  it('signed: a zero divisor or a quotient out of range is #DE', () => {
    expect(faultOf(() => divideSigned128(cpu, 0n, 1n, 0n))).toMatchObject(DE);
    expect(faultOf(() => divideSigned128(cpu, LARGEST, 2n ** 63n, LARGEST))).toMatchObject(DE);
    expect(faultOf(() => divideSigned128(cpu, 0n, 2n ** 63n, 1n))).toMatchObject(DE);
  });
});
