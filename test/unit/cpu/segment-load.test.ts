import { describe, expect, it } from 'vitest';
import {
  loadAccessRights,
  loadLdtr,
  loadSegment,
  loadSegmentLimit,
  loadTaskRegister,
  moveToSegment,
  verifyRead,
  verifyWrite,
} from '../../../src/cpu/segment-load.ts';
import { CS, DS, ES, FS, GS, SS } from '../../../src/cpu/segmentation.ts';
import { LDTR, NULL_SEGMENT, TR } from '../../../src/cpu/state-layout.ts';
import { createProtectedCpu, enterVirtual8086, LDT, SEL, TSS_OTHER } from '../../support/protected-cpu.ts';

const FREE = SEL.free;

describe('MOV to DS, ES, FS, GS (SDM Vol. 2B, "MOV—Move")', () => {
  it.each([ES, DS, FS, GS])(
    'segment register %i: selector and descriptor are loaded, the accessed bit is set',
    (segment) => {
      const machine = createProtectedCpu();
      machine.describe(FREE, { access: 0x92, base: 0x0123_4567, limit: 0x8_9abc, flags: 0xc });
      loadSegment(machine.cpu, segment, FREE);
      expect(machine.cpu.state.segments[segment]).toMatchObject({
        selector: FREE,
        base: 0x0123_4567,
        limit: 0x89ab_cfff,
        access: 0xc0_9300,
      });
      expect(machine.accessByte(FREE)).toBe(0x93);
      // FS and GS are no part of the mode key.
      expect(machine.cpu.calls).toEqual(segment < FS ? ['modeChanged'] : []);
    },
  );

  it('a null selector may be loaded; any access through it faults later', () => {
    const machine = createProtectedCpu();
    loadSegment(machine.cpu, DS, 3);
    expect(machine.cpu.state.segments[DS]).toMatchObject({ selector: 3, access: NULL_SEGMENT });
  });

  it('#GP(selector) if the index is outside the descriptor table limits', () => {
    const machine = createProtectedCpu();
    machine.cpu.state.gdtrLimit = FREE + 6;
    expect(machine.fault(() => loadSegment(machine.cpu, DS, FREE))).toBe('#GP(80)');
    expect(machine.fault(() => loadSegment(machine.cpu, DS, 0x84))).toBe('#GP(84)');
  });

  it('a selector with TI = 1 refers to the LDT', () => {
    const machine = createProtectedCpu();
    machine.describe(0x0c, { access: 0x92, base: 0x777 });
    loadSegment(machine.cpu, DS, 0x0c);
    expect(machine.cpu.state.segments[DS].base).toBe(0x777);
    expect(machine.read32(LDT + 12) & 0x100).toBe(0x100);
  });

  it('#GP(selector) with TI = 1 while LDTR holds a null selector', () => {
    const machine = createProtectedCpu();
    loadLdtr(machine.cpu, 0);
    expect(machine.fault(() => loadSegment(machine.cpu, DS, 0x0c))).toBe('#GP(c)');
  });

  it('#GP(selector) if the segment is not a data or readable code segment', () => {
    const machine = createProtectedCpu();
    machine.describe(FREE, { access: 0x98 });
    expect(machine.fault(() => loadSegment(machine.cpu, DS, FREE))).toBe('#GP(80)');
    expect(machine.fault(() => loadSegment(machine.cpu, DS, SEL.tssOther))).toBe('#GP(30)');
    expect(machine.fault(() => loadSegment(machine.cpu, DS, SEL.code0))).toBe('none');
  });

  it('#GP(selector) if RPL or CPL is greater than DPL of data or nonconforming code', () => {
    const inner = createProtectedCpu(0);
    expect(inner.fault(() => loadSegment(inner.cpu, DS, SEL.data0 | 3))).toBe('#GP(10)');
    const outer = createProtectedCpu(3);
    expect(outer.fault(() => loadSegment(outer.cpu, DS, SEL.data0))).toBe('#GP(10)');
    expect(outer.fault(() => loadSegment(outer.cpu, DS, SEL.code0))).toBe('#GP(8)');
    expect(outer.fault(() => loadSegment(outer.cpu, DS, SEL.data3))).toBe('none');
  });

  it('a readable conforming code segment can be loaded at any privilege level', () => {
    const machine = createProtectedCpu(3);
    expect(machine.fault(() => loadSegment(machine.cpu, DS, SEL.conforming0 | 3))).toBe('none');
  });

  it('#NP(selector) if the segment is marked not present, after the privilege checks', () => {
    const machine = createProtectedCpu(3);
    machine.describe(FREE, { access: 0x72 });
    expect(machine.fault(() => loadSegment(machine.cpu, DS, FREE | 3))).toBe('#NP(80)');
    machine.describe(FREE, { access: 0x12 });
    expect(machine.fault(() => loadSegment(machine.cpu, DS, FREE | 3))).toBe('#GP(80)');
  });

  it('#UD for a load of CS', () => {
    const machine = createProtectedCpu();
    expect(machine.fault(() => loadSegment(machine.cpu, CS, SEL.code0))).toBe('#UD');
  });

  it('#PF for a descriptor that cannot be marked as accessed leaves the register as it was', () => {
    const machine = createProtectedCpu();
    machine.missingPages.add(0x1000);
    expect(machine.fault(() => loadSegment(machine.cpu, DS, SEL.data0))).toBe('#PF(0)');
  });
});

describe('MOV to SS (SDM Vol. 2B, "MOV—Move")', () => {
  it('interrupts and debug traps are held off until after the next instruction', () => {
    const machine = createProtectedCpu();
    moveToSegment(machine.cpu, SS, SEL.data0);
    expect(machine.cpu.calls).toContain('shadow all');
  });

  it.each([
    ['#GP(0) if the selector is null', 0, '#GP(0)'],
    ['#GP(0) if the selector is null, whatever its RPL', 3, '#GP(0)'],
    ['#GP(selector) if RPL ≠ CPL', SEL.data0 | 1, '#GP(10)'],
    ['#GP(selector) if the segment is not writable data', SEL.code0, '#GP(8)'],
    ['#GP(selector) if DPL ≠ CPL', 0x20, '#GP(20)'],
    ['#GP(selector) beyond the table', 0xfff8, '#GP(fff8)'],
  ])('%s', (_, selector, expected) => {
    const machine = createProtectedCpu();
    expect(machine.fault(() => loadSegment(machine.cpu, SS, selector))).toBe(expected);
  });

  it('#GP(selector) for a read-only data segment', () => {
    const machine = createProtectedCpu();
    machine.describe(FREE, { access: 0x90 });
    expect(machine.fault(() => loadSegment(machine.cpu, SS, FREE))).toBe('#GP(80)');
  });

  it('#SS(selector) if the segment is marked not present', () => {
    const machine = createProtectedCpu();
    machine.describe(FREE, { access: 0x12 });
    expect(machine.fault(() => loadSegment(machine.cpu, SS, FREE))).toBe('#SS(80)');
  });

  it('in virtual-8086 mode no check is made', () => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 0 });
    loadSegment(machine.cpu, SS, 0);
    expect(machine.cpu.state.segments[SS]).toMatchObject({ selector: 0, base: 0, limit: 0xffff, access: 0xf300 });
  });
});

describe('LLDT', () => {
  it('loads the LDT; a null selector leaves the processor without one', () => {
    const machine = createProtectedCpu();
    loadLdtr(machine.cpu, SEL.ldt);
    expect(machine.cpu.state.segments[LDTR]).toMatchObject({ selector: SEL.ldt, base: LDT, limit: 0x7f });
    loadLdtr(machine.cpu, 0);
    expect(machine.cpu.state.segments[LDTR]).toMatchObject({ selector: 0, access: NULL_SEGMENT });
  });

  it('#GP(selector) if the selector does not point into the GDT or the entry is not an LDT', () => {
    const machine = createProtectedCpu();
    expect(machine.fault(() => loadLdtr(machine.cpu, 0x0c))).toBe('#GP(c)');
    expect(machine.fault(() => loadLdtr(machine.cpu, SEL.data0))).toBe('#GP(10)');
    expect(machine.fault(() => loadLdtr(machine.cpu, 0x7f8 + 8))).toBe('#GP(800)');
  });

  it('#NP(selector) if the LDT descriptor is not present', () => {
    const machine = createProtectedCpu();
    machine.describe(FREE, { access: 0x02 });
    expect(machine.fault(() => loadLdtr(machine.cpu, FREE))).toBe('#NP(80)');
  });
});

describe('LTR', () => {
  it('the TSS is marked busy', () => {
    const machine = createProtectedCpu();
    loadTaskRegister(machine.cpu, SEL.tssOther);
    expect(machine.accessByte(SEL.tssOther)).toBe(0x8b);
    expect(machine.cpu.state.segments[TR]).toMatchObject({ selector: SEL.tssOther, base: TSS_OTHER, access: 0x8b00 });
  });

  it.each([
    ['#GP(0) if the selector is null', 0, '#GP(0)'],
    ['#GP(selector) if it names the LDT', 0x0c, '#GP(c)'],
    ['#GP(selector) if the TSS is busy', SEL.tssMain, '#GP(28)'],
    ['#GP(selector) if it is not a TSS', SEL.data0, '#GP(10)'],
  ])('%s', (_, selector, expected) => {
    const machine = createProtectedCpu();
    expect(machine.fault(() => loadTaskRegister(machine.cpu, selector))).toBe(expected);
  });

  it('#NP(selector) if the TSS is marked not present', () => {
    const machine = createProtectedCpu();
    machine.describe(FREE, { access: 0x09, limit: 0x67 });
    expect(machine.fault(() => loadTaskRegister(machine.cpu, FREE))).toBe('#NP(80)');
  });
});

describe('LAR, LSL, VERR, VERW', () => {
  it('LAR gives the access rights and sets ZF', () => {
    const machine = createProtectedCpu();
    expect(loadAccessRights(machine.cpu, SEL.data0)).toEqual([1, 0x00cf_9200]);
  });

  it('LAR clears ZF for null, beyond the table, and when CPL or RPL is greater than DPL', () => {
    const machine = createProtectedCpu(3);
    for (const selector of [0, 0xfff8, SEL.data0, 0x0fff]) expect(loadAccessRights(machine.cpu, selector)[0]).toBe(0);
    expect(loadAccessRights(machine.cpu, SEL.conforming0)[0]).toBe(1);
    const inner = createProtectedCpu(0);
    expect(loadAccessRights(inner.cpu, SEL.data0 | 3)[0]).toBe(0);
  });

  it('LAR and LSL accept the system types of the manual and no others', () => {
    const machine = createProtectedCpu();
    const accepted = (ask: typeof loadAccessRights) =>
      Array.from({ length: 16 }, (_, type) => type).filter((type) => {
        machine.describe(FREE, { access: 0x80 | type });
        return ask(machine.cpu, FREE)[0] === 1;
      });
    expect(accepted(loadAccessRights)).toEqual([1, 2, 3, 4, 5, 9, 11, 12]);
    expect(accepted(loadSegmentLimit)).toEqual([1, 2, 3, 9, 11]);
  });

  it('LSL gives the limit in bytes, with G applied', () => {
    const machine = createProtectedCpu();
    expect(loadSegmentLimit(machine.cpu, SEL.data0)).toEqual([1, 0xffff_ffff]);
    expect(loadSegmentLimit(machine.cpu, SEL.tssMain)).toEqual([1, 0x67]);
  });

  it('VERR: readable segments, at a sufficient privilege level; conforming code always', () => {
    const machine = createProtectedCpu(3);
    machine.describe(FREE, { access: 0xf8 });
    const readable = [SEL.data3, SEL.code3, SEL.conforming0, SEL.data0, FREE, SEL.tssMain, 0].map((selector) =>
      verifyRead(machine.cpu, selector),
    );
    expect(readable).toEqual([1, 1, 1, 0, 0, 0, 0]);
  });

  it('VERW: writable data segments only', () => {
    const machine = createProtectedCpu(3);
    machine.describe(FREE, { access: 0xf0 });
    const writable = [SEL.data3, SEL.code3, SEL.conforming0, SEL.data0, FREE, 0].map((selector) =>
      verifyWrite(machine.cpu, selector),
    );
    expect(writable).toEqual([1, 0, 0, 0, 0, 0]);
  });
});
