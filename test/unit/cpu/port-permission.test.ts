import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { checkPortPermission } from '../../../src/cpu/port-permission.ts';
import { CR0 } from '../../../src/cpu/register-bits.ts';
import { TR } from '../../../src/cpu/state-layout.ts';
import { createFakeCpu, faultOf } from '../../support/fake-cpu.ts';

const TSS = 0x8000;
const MAP = 0x68;
const TSS32_BUSY = 0x8b00;
const TSS16_BUSY = 0x8300;

/** CPL 3 in protected mode, IOPL 0, a 32-bit TSS whose bit map covers all ports (and denies none). */
function createCpu(options: { limit?: number; access?: number; cpl?: number; flags?: number } = {}) {
  const cpu = createFakeCpu();
  cpu.state.cr0 = CR0.PE;
  cpu.state.cpl = options.cpl ?? 3;
  cpu.state.flagsOther = options.flags ?? 0;
  const tss = cpu.state.segments[TR];
  tss.base = TSS;
  tss.limit = options.limit ?? MAP + 0x2000;
  tss.access = options.access ?? TSS32_BUSY;
  cpu.memory.write(TSS + 102, MAP, 2);
  cpu.memory.write(TSS + MAP + 0x2000, 0xff, 1);
  return cpu;
}
const denyPort = (cpu: ReturnType<typeof createCpu>, port: number) =>
  cpu.memory.write(TSS + MAP + (port >> 3), cpu.memory.read(TSS + MAP + (port >> 3), 1) | (1 << (port & 7)), 1);

const allowed = (cpu: ReturnType<typeof createCpu>, port: number, size: 1 | 2 | 4 = 1) => {
  const fault = faultOf(() => checkPortPermission(cpu, port, size));
  if (fault !== undefined) expect(fault).toMatchObject({ vector: VECTOR.GP, errorCode: 0 });
  return fault === undefined;
};

describe('I/O permission', () => {
  it('real-address mode may use all ports', () => {
    const cpu = createCpu({ limit: 0 });
    cpu.state.cr0 = 0;
    expect(allowed(cpu, 0x60)).toBe(true);
  });

  it('CPL ≤ IOPL may use all ports, whatever the bit map says', () => {
    for (let cpl = 0; cpl < 4; cpl++) {
      for (let iopl = 0; iopl < 4; iopl++) {
        const cpu = createCpu({ cpl, flags: iopl << 12, limit: 0x67 });
        expect(allowed(cpu, 0x60)).toBe(cpl <= iopl);
      }
    }
  });

  it('else a clear bit in the bit map allows its port', () => {
    const cpu = createCpu();
    denyPort(cpu, 0x61);
    expect([0x60, 0x61, 0x62].map((port) => allowed(cpu, port))).toEqual([true, false, true]);
  });

  it('the bits of all ports of the access must be clear, also across a byte border', () => {
    const cpu = createCpu();
    denyPort(cpu, 0x68);
    expect([0x65, 0x64, 0x68, 0x69].map((port) => allowed(cpu, port, 4))).toEqual([false, true, false, true]);
    expect([0x66, 0x67].map((port) => allowed(cpu, port, 2))).toEqual([true, false]);
  });

  it('virtual-8086 mode looks at the bit map only, whatever IOPL is', () => {
    const cpu = createCpu({ flags: EFLAGS.VM | EFLAGS.IOPL });
    denyPort(cpu, 0x60);
    expect([0x60, 0x61].map((port) => allowed(cpu, port))).toEqual([false, true]);
  });

  it('ports beyond the end of the bit map are denied; two bytes are read, so one must follow the last', () => {
    const cpu = createCpu({ limit: MAP + 4 });
    expect([0, 31].map((port) => allowed(cpu, port))).toEqual([true, true]);
    expect(allowed(cpu, 32)).toBe(false);
  });

  it('a TSS that ends before its I/O map base field allows nothing', () => {
    expect(allowed(createCpu({ limit: 102 }), 0)).toBe(false);
  });

  it('an I/O map base beyond the limit allows nothing', () => {
    const cpu = createCpu({ limit: 0x67 });
    expect(allowed(cpu, 0)).toBe(false);
  });

  it('a 16-bit TSS has no bit map: nothing is allowed', () => {
    expect(allowed(createCpu({ access: TSS16_BUSY }), 0x80)).toBe(false);
  });

  it('port FFFFh may be allowed', () => {
    expect(allowed(createCpu(), 0xffff)).toBe(true);
  });

  it('the cause says which check failed', () => {
    const cpu = createCpu();
    denyPort(cpu, 0x61);
    expect(faultOf(() => checkPortPermission(cpu, 0x60, 2))?.cause).toMatchObject({
      check: 'the I/O permission bit map denies the port',
      on: { port: 0x60, size: 2, cpl: 3, iopl: 0 },
    });
  });
});
