import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { readMsr, writeMsr } from '../../../src/cpu/msr.ts';
import { CR0, EFER } from '../../../src/cpu/register-bits.ts';
import { createFakeCpu, faultOf } from '../../support/fake-cpu.ts';

const GP0 = { vector: VECTOR.GP, errorCode: 0 };
const TSC = 0x10;
const MISC_ENABLE = 0x1a0;
const PAT = 0x277;
const IA32_EFER = 0xc000_0080;

describe('RDMSR and WRMSR', () => {
  it('a register that does not exist is #GP(0), and the cause names it; C14: so is that of an APIC, which no model has', () => {
    const cpu = createFakeCpu();
    for (const address of [0, 0x1b, 0xfe, 0x1234_5678, 0xffff_ffff]) {
      expect(faultOf(() => readMsr(cpu, address))).toMatchObject({ ...GP0, cause: { on: { address } } });
      expect(faultOf(() => writeMsr(cpu, address, 0n))).toMatchObject(GP0);
    }
  });

  it('registers of features that the model has not do not exist', () => {
    const cpu = createFakeCpu();
    for (const address of [0xc000_0081, 0xc000_0082, 0xc000_0084, 0xc000_0100, 0xc000_0102]) {
      expect(faultOf(() => readMsr(cpu, address))).toMatchObject(GP0);
      expect(faultOf(() => readMsr(createFakeCpu({ model: 'x86-64' }), address))).toBeUndefined();
    }
  });

  it('a read-only register refuses to be written', () => {
    expect(faultOf(() => writeMsr(createFakeCpu(), 0x17, 0n))).toMatchObject(GP0);
  });

  it('a write to the time-stamp counter sets it, and it counts on from there', () => {
    const cpu = createFakeCpu();
    cpu.timeStampCount = 1000n;
    expect(readMsr(cpu, TSC)).toBe(1000n);
    writeMsr(cpu, TSC, 5n);
    expect(readMsr(cpu, TSC)).toBe(5n);
    cpu.timeStampCount = 1100n;
    expect(readMsr(cpu, TSC)).toBe(105n);
    writeMsr(cpu, TSC, 2n ** 64n - 1n);
    cpu.timeStampCount = 1102n;
    expect(readMsr(cpu, TSC)).toBe(1n);
  });

  it('SYSENTER registers hold 32 bits on a 32-bit processor', () => {
    const cpu = createFakeCpu();
    for (const address of [0x174, 0x175, 0x176]) {
      writeMsr(cpu, address, 0xffff_ffff_8765_4321n);
      expect(readMsr(cpu, address)).toBe(0x8765_4321n);
    }
  });

  it('addresses must be canonical on a 64-bit processor', () => {
    const cpu = createFakeCpu({ model: 'x86-64' });
    for (const address of [0x176, 0xc000_0082, 0xc000_0100, 0xc000_0102]) {
      expect(faultOf(() => writeMsr(cpu, address, 0x0000_8000_0000_0000n))).toMatchObject(GP0);
      writeMsr(cpu, address, 0x0000_7fff_ffff_f000n);
      expect(readMsr(cpu, address)).toBe(0x0000_7fff_ffff_f000n);
    }
  });

  it('IA32_PAT holds memory types 0, 1, 4, 5, 6, 7 in each byte', () => {
    const cpu = createFakeCpu();
    expect(readMsr(cpu, PAT)).toBe(0x0007_0406_0007_0406n);
    for (let entry = 0n; entry < 8n; entry++) {
      for (let type = 0n; type < 16n; type++) {
        const valid = [0n, 1n, 4n, 5n, 6n, 7n].includes(type);
        const value = type << (8n * entry);
        expect(faultOf(() => writeMsr(cpu, PAT, value)) === undefined).toBe(valid);
        if (valid) expect(readMsr(cpu, PAT)).toBe(value);
      }
    }
  });

  it('IA32_MISC_ENABLE: what was read can be written back; reserved bits are #GP(0)', () => {
    const cpu = createFakeCpu();
    const value = readMsr(cpu, MISC_ENABLE);
    writeMsr(cpu, MISC_ENABLE, value | (1n << 22n));
    expect(readMsr(cpu, MISC_ENABLE)).toBe(value | (1n << 22n));
    expect(faultOf(() => writeMsr(cpu, MISC_ENABLE, value | (1n << 63n)))).toMatchObject(GP0);
  });
});

describe('IA32_EFER', () => {
  it('bits of features that the model has not are reserved', () => {
    const cpu = createFakeCpu();
    writeMsr(cpu, IA32_EFER, BigInt(EFER.NXE));
    for (const bit of [EFER.SCE, EFER.LME, 2, 1 << 12]) {
      expect(faultOf(() => writeMsr(cpu, IA32_EFER, BigInt(bit)))).toMatchObject(GP0);
    }
    expect(readMsr(cpu, IA32_EFER)).toBe(BigInt(EFER.NXE));
  });

  it('a change of NXE drops all translations', () => {
    const cpu = createFakeCpu();
    writeMsr(cpu, IA32_EFER, BigInt(EFER.NXE));
    expect(cpu.calls).toEqual(['modeChanged', 'flush all']);
  });

  it('NXE is reserved while IA32_MISC_ENABLE disables XD', () => {
    const cpu = createFakeCpu();
    writeMsr(cpu, MISC_ENABLE, 1n << 34n);
    expect(faultOf(() => writeMsr(cpu, IA32_EFER, BigInt(EFER.NXE)))).toMatchObject(GP0);
  });

  it('LME cannot change while paging is on; LMA cannot be written', () => {
    const cpu = createFakeCpu({ model: 'x86-64' });
    writeMsr(cpu, IA32_EFER, BigInt(EFER.LME | EFER.LMA | EFER.SCE));
    expect(readMsr(cpu, IA32_EFER)).toBe(BigInt(EFER.LME | EFER.SCE));
    cpu.state.cr0 = (CR0.PE | CR0.PG) >>> 0;
    expect(faultOf(() => writeMsr(cpu, IA32_EFER, BigInt(EFER.SCE)))).toMatchObject(GP0);
  });
});
