import { describe, expect, it } from 'vitest';
import { readEflags } from '../../../src/cpu/flags.ts';
import { resetState } from '../../../src/cpu/reset.ts';
import { CS, DS, SS, translateLogical } from '../../../src/cpu/segmentation.ts';
import { readTagWord } from '../../../src/cpu/x87/x87-state.ts';
import { createFakeCpu } from '../../support/fake-cpu.ts';

describe('processor state after RESET (SDM Vol. 3A, "Processor State After Reset")', () => {
  const cpu = createFakeCpu();
  const { state } = cpu;
  state.setReg64(3, 0x1234n);
  state.pool.views.u8.fill(0xff, state.address, state.address + 64);
  resetState(state, cpu.model);

  it('the first instruction is fetched from physical address FFFFFFF0h', () => {
    expect(state.segments[CS]).toMatchObject({ selector: 0xf000, base: 0xffff_0000, limit: 0xffff });
    expect(state.ip).toBe(0xfff0);
    expect(translateLogical(cpu, CS, state.ip, 1, 'execute')).toBe(0xffff_fff0);
  });

  it('CR0 = 60000010h, EFLAGS = 2, EDX identifies the processor, other registers are 0', () => {
    expect(state.cr0).toBe(0x6000_0010);
    expect(readEflags(state)).toBe(2);
    expect(state.reg32(2)).toBe(0x106ca);
    expect([0, 1, 3, 4, 5, 6, 7].map((register) => state.reg64(register))).toEqual(Array(7).fill(0n));
  });

  it('data segments have base 0 and limit FFFFh, GDTR and IDTR likewise', () => {
    for (const segment of [DS, SS])
      expect(state.segments[segment]).toMatchObject({ selector: 0, base: 0, limit: 0xffff });
    expect(state).toMatchObject({ gdtrBase: 0, gdtrLimit: 0xffff, idtrBase: 0, idtrLimit: 0xffff });
  });

  it('debug registers: DR6 = FFFF0FF0h, DR7 = 400h', () => {
    expect(state).toMatchObject({ dr0: 0, dr6: 0xffff_0ff0, dr7: 0x400 });
  });

  it('x87: control word 40h, status 0, tag word 5555h', () => {
    expect(state).toMatchObject({ fcw: 0x40, fsw: 0 });
    expect(readTagWord(state)).toBe(0x5555);
  });
});
