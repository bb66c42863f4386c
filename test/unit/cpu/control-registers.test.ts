import { describe, expect, it } from 'vitest';
import { loadMachineStatusWord, readControl, writeControl } from '../../../src/cpu/control-registers.ts';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { pagingState } from '../../../src/cpu/paging/paging-state.ts';
import { CR0, CR4, EFER } from '../../../src/cpu/register-bits.ts';
import { createFakeCpu, type FakeCpu, faultOf } from '../../support/fake-cpu.ts';

const PE_PG = (CR0.PE | CR0.PG | CR0.ET) >>> 0;
const GP0 = { vector: VECTOR.GP, errorCode: 0 };

/** PAE paging on, with a table at 1000h. */
function createPaeCpu(): FakeCpu {
  const cpu = createFakeCpu();
  for (let index = 0; index < 4; index++) cpu.memory.write64(0x1000 + 8 * index, BigInt(0x10000 * (index + 1) + 1));
  writeControl(cpu, 3, 0x1000);
  writeControl(cpu, 4, CR4.PAE);
  writeControl(cpu, 0, PE_PG);
  cpu.calls.length = 0;
  return cpu;
}

describe('CR0', () => {
  it('is 60000010h after reset', () => {
    expect(readControl(createFakeCpu(), 0)).toBe(0x6000_0010);
  });

  it('ET is hardwired to 1; reserved bits of the lower half stay 0', () => {
    const cpu = createFakeCpu();
    writeControl(cpu, 0, 0);
    expect(readControl(cpu, 0)).toBe(0x10);
    writeControl(cpu, 0, 0xffff_ffff);
    expect(readControl(cpu, 0)).toBe(0xe005_003f);
  });

  it('PG = 1 with PE = 0, and NW = 1 with CD = 0, are #GP(0), and nothing changes', () => {
    const cpu = createFakeCpu();
    for (const value of [CR0.PG >>> 0, CR0.NW, (CR0.PG | CR0.NW | CR0.PE) >>> 0]) {
      expect(faultOf(() => writeControl(cpu, 0, value))).toMatchObject(GP0);
    }
    expect(readControl(cpu, 0)).toBe(0x6000_0010);
    expect(cpu.calls).toEqual([]);
  });

  it('a change of PG or WP drops all translations, other changes drop none', () => {
    const cpu = createFakeCpu();
    const callsOf = (value: number) => {
      cpu.calls.length = 0;
      writeControl(cpu, 0, value);
      return cpu.calls;
    };
    expect(callsOf(CR0.PE)).toEqual(['modeChanged']);
    expect(callsOf(PE_PG)).toEqual(['modeChanged', 'flush all']);
    expect(callsOf((PE_PG | CR0.TS | CR0.MP | CR0.EM | CR0.NE | CR0.AM) >>> 0)).toEqual(['modeChanged']);
    expect(callsOf((PE_PG | CR0.WP) >>> 0)).toEqual(['modeChanged', 'flush all']);
    expect(callsOf(CR0.PE | CR0.WP)).toEqual(['modeChanged', 'flush all']);
  });

  it('LMSW writes PE, MP, EM and TS, and cannot clear PE', () => {
    const cpu = createFakeCpu();
    loadMachineStatusWord(cpu, 0xffff);
    expect(readControl(cpu, 0)).toBe(0x6000_001f);
    loadMachineStatusWord(cpu, 0);
    expect(readControl(cpu, 0)).toBe(0x6000_0011);
  });
});

describe('CR2, CR3 and registers that do not exist', () => {
  it('CR2 holds any value', () => {
    const cpu = createFakeCpu();
    writeControl(cpu, 2, 0xdead_beef);
    expect(readControl(cpu, 2)).toBe(0xdead_beef);
  });

  it('MOV to CR3 drops all translations but global ones, also with the same value', () => {
    const cpu = createFakeCpu();
    writeControl(cpu, 3, 0x5018);
    cpu.calls.length = 0;
    writeControl(cpu, 3, 0x5018);
    expect(readControl(cpu, 3)).toBe(0x5018);
    expect(cpu.calls).toEqual(['modeChanged', 'flush nonGlobal']);
  });

  it.each([1, 5, 6, 7, 8, 9, 15])('CR%d is #UD', (register) => {
    const cpu = createFakeCpu();
    expect(faultOf(() => readControl(cpu, register))).toMatchObject({ vector: VECTOR.UD });
    expect(faultOf(() => writeControl(cpu, register, 0))).toMatchObject({ vector: VECTOR.UD });
  });
});

describe('CR4', () => {
  it('a bit of a feature that the processor has not is #GP(0)', () => {
    const cpu = createFakeCpu();
    const there = CR4.TSD | CR4.DE | CR4.PSE | CR4.PAE | CR4.PGE | CR4.PCE | CR4.OSFXSR;
    writeControl(cpu, 4, there);
    expect(readControl(cpu, 4)).toBe(there);
    for (let bit = 0; bit < 32; bit++) {
      const value = (1 << bit) >>> 0;
      if ((there & value) !== 0) continue;
      expect(faultOf(() => writeControl(cpu, 4, value))).toMatchObject(GP0);
    }
    expect(readControl(cpu, 4)).toBe(there);
  });

  it('a change of PSE, PAE or PGE drops all translations, global ones too', () => {
    for (const bit of [CR4.PSE, CR4.PAE, CR4.PGE]) {
      const cpu = createFakeCpu();
      writeControl(cpu, 4, bit);
      writeControl(cpu, 4, bit);
      writeControl(cpu, 4, 0);
      expect(cpu.calls).toEqual(['modeChanged', 'flush all', 'modeChanged', 'modeChanged', 'flush all']);
    }
    const cpu = createFakeCpu();
    writeControl(cpu, 4, CR4.TSD | CR4.DE);
    expect(cpu.calls).toEqual(['modeChanged']);
  });
});

describe('PDPTE registers', () => {
  const pdptes = (cpu: FakeCpu) => pagingState(cpu.state, cpu.model)!.pdptes;

  it('are loaded when paging is turned on with PAE', () => {
    expect(pdptes(createPaeCpu())).toEqual([0x10001, 0x20001, 0x30001, 0x40001]);
  });

  it('do not follow a change of the table in memory until CR3 is written', () => {
    const cpu = createPaeCpu();
    cpu.memory.write64(0x1000, 0x9_9999_9001n);
    expect(pdptes(cpu)[0]).toBe(0x10001);
    writeControl(cpu, 3, 0x1000);
    expect(pdptes(cpu)[0]).toBe(0x9_9999_9001);
  });

  it.each([
    ['CR0.CD', (cpu: FakeCpu) => writeControl(cpu, 0, (PE_PG | CR0.CD) >>> 0)],
    ['CR4.PGE', (cpu: FakeCpu) => writeControl(cpu, 4, CR4.PAE | CR4.PGE)],
    ['CR4.PSE', (cpu: FakeCpu) => writeControl(cpu, 4, CR4.PAE | CR4.PSE)],
  ])('a change of %s loads them again', (_, change) => {
    const cpu = createPaeCpu();
    cpu.memory.write64(0x1008, 0x77001n);
    change(cpu);
    expect(pdptes(cpu)[1]).toBe(0x77001);
  });

  it('a change of CR0.TS or CR4.TSD does not', () => {
    const cpu = createPaeCpu();
    cpu.memory.write64(0x1008, 0x77001n);
    writeControl(cpu, 0, (PE_PG | CR0.TS) >>> 0);
    writeControl(cpu, 4, CR4.PAE | CR4.TSD);
    expect(pdptes(cpu)[1]).toBe(0x20001);
  });

  it('the table is 32-byte aligned: CR3 bits 31:5 give its address', () => {
    const cpu = createPaeCpu();
    cpu.memory.write64(0x2fe0, 0x55001n);
    writeControl(cpu, 3, 0x2ff8);
    expect(pdptes(cpu)[0]).toBe(0x55001);
  });

  it('a reserved bit in a present entry is #GP(0), and the old CR3 stays', () => {
    for (const bit of [1n, 2n, 5n, 6n, 7n, 8n, 36n, 40n, 62n, 63n]) {
      const cpu = createPaeCpu();
      cpu.memory.write64(0x3018, 1n | (1n << bit));
      expect(faultOf(() => writeControl(cpu, 3, 0x3000))).toMatchObject(GP0);
      expect(readControl(cpu, 3)).toBe(0x1000);
      expect(pdptes(cpu)[3]).toBe(0x40001);
      expect(cpu.calls).toEqual([]);
    }
  });

  it('an entry that is not present may hold anything', () => {
    const cpu = createPaeCpu();
    cpu.memory.write64(0x3018, 0xffff_ffff_ffff_fffen);
    writeControl(cpu, 3, 0x3000);
    expect(pdptes(cpu)[3] & 1).toBe(0);
  });

  it('PWT, PCD and the bits for software may be set', () => {
    const cpu = createPaeCpu();
    cpu.memory.write64(0x3000, 0xe19n | 0x5000n);
    writeControl(cpu, 3, 0x3000);
    expect(pdptes(cpu)[0]).toBe(0x5e19);
  });

  it('without PAE paging CR3 is loaded unseen', () => {
    const cpu = createFakeCpu();
    cpu.memory.write64(0x3000, 0xffff_ffff_ffff_ffffn);
    writeControl(cpu, 3, 0x3000);
    writeControl(cpu, 4, CR4.PAE);
    expect(faultOf(() => writeControl(cpu, 0, PE_PG))).toMatchObject(GP0);
    expect(readControl(cpu, 0)).toBe(0x6000_0010);
  });
});

describe('IA-32e mode', () => {
  const createLongCpu = () => {
    const cpu = createFakeCpu({ model: 'x86-64' });
    cpu.state.efer = EFER.LME;
    return cpu;
  };

  it('begins when paging is turned on with EFER.LME = 1 and CR4.PAE = 1, and ends with it', () => {
    const cpu = createLongCpu();
    writeControl(cpu, 4, CR4.PAE);
    writeControl(cpu, 0, PE_PG);
    expect(cpu.state.efer).toBe(EFER.LME | EFER.LMA);
    expect(pagingState(cpu.state, cpu.model)?.mode).toBe('4-level');
    writeControl(cpu, 0, CR0.PE);
    expect(cpu.state.efer).toBe(EFER.LME);
  });

  it('without CR4.PAE turning paging on is #GP(0); clearing PAE in it is #GP(0)', () => {
    const cpu = createLongCpu();
    expect(faultOf(() => writeControl(cpu, 0, PE_PG))).toMatchObject(GP0);
    writeControl(cpu, 4, CR4.PAE);
    writeControl(cpu, 0, PE_PG);
    expect(faultOf(() => writeControl(cpu, 4, 0))).toMatchObject(GP0);
  });

  it('CR3 bits from MAXPHYADDR on are reserved', () => {
    const cpu = createLongCpu();
    writeControl(cpu, 4, CR4.PAE);
    writeControl(cpu, 0, PE_PG);
    expect(faultOf(() => writeControl(cpu, 3, 2 ** 36))).toMatchObject(GP0);
    writeControl(cpu, 3, 0xf_ffff_f000);
    expect(pagingState(cpu.state, cpu.model)?.root).toBe(0xf_ffff_f000);
  });

  it('CR8 holds four bits', () => {
    const cpu = createLongCpu();
    writeControl(cpu, 8, 15);
    expect(readControl(cpu, 8)).toBe(15);
    expect(faultOf(() => writeControl(cpu, 8, 16))).toMatchObject(GP0);
  });
});

describe('the paging mode', () => {
  it('follows CR0.PG, CR4.PAE, EFER and the other bits', () => {
    const cpu = createFakeCpu();
    const mode = () => pagingState(cpu.state, cpu.model);
    expect(mode()).toBeUndefined();
    writeControl(cpu, 3, 0x7fff);
    writeControl(cpu, 0, (PE_PG | CR0.WP) >>> 0);
    expect(mode()).toMatchObject({ mode: '32-bit', root: 0x7000, writeProtect: true, pageSizeExtensions: false });
    expect(mode()).toMatchObject({ globalPages: false, noExecute: false, reservedHigh: 0 });
    writeControl(cpu, 4, CR4.PSE | CR4.PGE);
    expect(mode()).toMatchObject({ pageSizeExtensions: true, globalPages: true });
    cpu.state.efer = EFER.NXE;
    expect(mode()).toMatchObject({ noExecute: false });
    writeControl(cpu, 4, CR4.PAE);
    expect(mode()).toMatchObject({ mode: 'PAE', noExecute: true, addressMaskHigh: 0xf, reservedHigh: 0x7fff_fff0 });
    cpu.state.efer = 0;
    expect(mode()).toMatchObject({ noExecute: false, reservedHigh: 0xffff_fff0 | 0 });
  });
});
