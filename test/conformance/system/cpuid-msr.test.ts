import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const GP0 = { vector: VECTOR.GP, errorCode: 0, atStart: true };

describe.each(SYSTEM_ENGINES)('%s: CPUID', (engine) => {
  it('may be executed at any privilege level and writes EAX, EBX, ECX and EDX', () => {
    const result = runSystem(
      engine,
      `
      mov eax, 0
      cpuid
      mov [0x20000], ebx
      mov [0x20004], edx
      mov [0x20008], ecx
      @user mov eax, 1 / cpuid / mov [0x20010], eax / mov [0x20014], edx
    `,
    );
    expect(result.exceptions).toEqual([]);
    expect(String.fromCharCode(...result.memory.copyOut(0x20000, 12))).toBe('GenuineIntel');
    expect((result.read32(0x20010) >>> 8) & 15).toBe(6);
    expect(result.read32(0x20014) & 1).toBe(1);
  });
});

describe.each(SYSTEM_ENGINES)('%s: RDMSR and WRMSR', (engine) => {
  it('move EDX:EAX from and to the register that ECX names', () => {
    const result = runSystem(
      engine,
      `
      mov ecx, 0x277
      mov eax, 0x00010406
      mov edx, 0x04050607
      wrmsr
      xor eax, eax
      xor edx, edx
      rdmsr
    `,
    );
    expect([result.eax, result.edx]).toEqual([0x0001_0406, 0x0405_0607]);
  });

  it('are #GP(0) for a register that does not exist, a reserved bit, and above CPL 0', () => {
    const { exceptions } = runSystem(
      engine,
      `
      mov ecx, 0x12345678
      @try rdmsr
      @try wrmsr
      mov ecx, 0x277
      mov eax, 2
      mov edx, 0
      @try wrmsr
      mov ecx, 0xc0000080
      mov eax, 1
      @try wrmsr
      @user mov ecx, 0x10 / rdmsr
      @user wrmsr
    `,
    );
    expect(exceptions).toMatchObject([GP0, GP0, GP0, GP0, { ...GP0, atStart: false, cs: 0x1b }, { ...GP0, cs: 0x1b }]);
  });
});

describe.each(SYSTEM_ENGINES)('%s: RDTSC', (engine) => {
  it('counts on, and starts where WRMSR put it', () => {
    const result = runSystem(
      engine,
      `
      mov ecx, 0x10
      mov eax, 0xffffffff
      mov edx, 5
      wrmsr
      times 100 nop
      rdtsc
    `,
    );
    expect(result.edx).toBe(6);
    expect(result.eax).toBeGreaterThan(0);
    expect(result.eax).toBeLessThan(10_000);
  });

  it('with CR4.TSD = 1 it is for CPL 0 only', () => {
    const { exceptions } = runSystem(
      engine,
      `
      @user rdtsc
      mov eax, 4
      mov cr4, eax
      @try rdtsc
      @user rdtsc
    `,
    );
    expect(exceptions).toMatchObject([{ ...GP0, cs: 0x1b }]);
  });

  it('RDPMC is #GP(0): there are no counters', () => {
    const { exceptions } = runSystem(engine, '@try rdpmc');
    expect(exceptions).toMatchObject([GP0]);
  });
});
