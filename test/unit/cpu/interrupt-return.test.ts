import { describe, expect, it } from 'vitest';
import { EFLAGS, writeEflags } from '../../../src/cpu/flags.ts';
import { interruptReturn } from '../../../src/cpu/interrupt-return.ts';
import { NULL_SEGMENT } from '../../../src/cpu/state-layout.ts';
import {
  createProtectedCpu,
  enterVirtual8086,
  type ProtectedCpu,
  SEL,
  STACK_TOP,
} from '../../support/protected-cpu.ts';

const FREE = SEL.free;
const IF = EFLAGS.IF;
const ALL = 0x003f_7fd7;

const returning = (cpl: 0 | 1 | 3, ...pushed: number[]): ProtectedCpu => {
  const machine = createProtectedCpu(cpl);
  machine.push(4, ...pushed);
  return machine;
};
const iret = (machine: ProtectedCpu, size = 32) => machine.fault(() => interruptReturn(machine.cpu, size));

describe('IRET to the same privilege level', () => {
  it('pops EIP, CS and EFLAGS', () => {
    const machine = returning(0, EFLAGS.CF, SEL.code0, 0x777);
    expect(iret(machine)).toBe('none');
    expect(machine.cpu.state.nextIp).toBe(0x777);
    expect(machine.esp).toBe(STACK_TOP[0]);
    expect(machine.flags()).toBe(EFLAGS.CF | 2);
  });

  it('at CPL 0 all flags but VM are loaded', () => {
    const machine = returning(0, ALL & ~EFLAGS.VM, SEL.code0, 0x777);
    iret(machine);
    expect(machine.flags()).toBe(ALL & ~EFLAGS.VM);
  });

  it('with CPL > IOPL neither IF nor IOPL, VIF, VIP change; VM is ignored', () => {
    const machine = returning(3, ALL, SEL.code3, 0x777);
    iret(machine);
    expect(machine.flags()).toBe(ALL & ~(EFLAGS.VM | EFLAGS.IOPL | EFLAGS.VIF | EFLAGS.VIP));
    writeEflags(machine.cpu.state, 0);
    machine.push(4, ALL, SEL.code3, 0x777);
    iret(machine);
    expect(machine.flags() & IF).toBe(0);
  });

  it('with CPL ≤ IOPL IF changes', () => {
    const machine = returning(3, 0, SEL.code3, 0x777);
    writeEflags(machine.cpu.state, IF | EFLAGS.IOPL);
    iret(machine);
    expect(machine.flags()).toBe(EFLAGS.IOPL | 2);
  });

  it('a 16-bit IRET leaves the upper half of EFLAGS', () => {
    const machine = createProtectedCpu(0);
    machine.push(2, IF | EFLAGS.CF, SEL.code0, 0x777);
    writeEflags(machine.cpu.state, EFLAGS.AC | EFLAGS.ID);
    iret(machine, 16);
    expect(machine.flags()).toBe(EFLAGS.AC | EFLAGS.ID | IF | EFLAGS.CF | 2);
    expect(machine.esp).toBe(STACK_TOP[0]);
  });

  it.each([
    ['#GP(0) if the return selector is null', 0, '#GP(0)'],
    ['#GP(selector) beyond its table', 0xfff8, '#GP(fff8)'],
    ['#GP(selector) if it is no code segment', SEL.data0, '#GP(10)'],
    ['#GP(selector) if DPL ≠ RPL', SEL.code0 | 3, '#GP(8)'],
  ])('%s', (_, selector, expected) => {
    expect(iret(returning(0, 2, selector, 0x777))).toBe(expected);
  });

  it('#GP(selector) if RPL < CPL', () => {
    expect(iret(returning(3, 2, SEL.code0, 0x777))).toBe('#GP(8)');
  });

  it('#NP(selector) if the code segment is not present', () => {
    const machine = returning(0, 2, FREE, 0x777);
    machine.describe(FREE, { access: 0x1a });
    expect(iret(machine)).toBe('#NP(80)');
  });

  it('#GP(0) if EIP is beyond the limit of the code segment', () => {
    expect(iret(returning(0, 2, SEL.code16, 0x1_0000))).toBe('#GP(0)');
  });

  it('#SS(0) if the top 12 bytes of the stack are not within its limits', () => {
    const machine = returning(0, 2, SEL.code0, 0x777);
    machine.cpu.state.segments[2].limit = STACK_TOP[0] - 2;
    expect(iret(machine)).toBe('#SS(0)');
  });

  it('NMIs are no longer blocked, also when IRET faults', () => {
    const machine = returning(0, 2, 0, 0x777);
    machine.cpu.state.nmiBlocked = 1;
    expect(iret(machine)).toBe('#GP(0)');
    expect(machine.cpu.state.nmiBlocked).toBe(0);
  });
});

describe('IRET to an outer level', () => {
  it('pops ESP and SS as well, and data segments of the inner level become null', () => {
    const machine = returning(0, SEL.data3, 0xb000, IF | EFLAGS.IOPL, SEL.code3, 0x777);
    expect(iret(machine)).toBe('none');
    expect(machine.selectors()).toEqual({ cs: SEL.code3, ss: SEL.data3, ds: 0, es: 0, fs: 0, gs: 0 });
    expect(machine.cpu.state.segments[3].access).toBe(NULL_SEGMENT);
    expect(machine.esp).toBe(0xb000);
    expect(machine.cpu.state.cpl).toBe(3);
  });

  it('flags are loaded by the privilege that IRET had', () => {
    const machine = returning(0, SEL.data3, 0xb000, IF | EFLAGS.IOPL, SEL.code3, 0x777);
    writeEflags(machine.cpu.state, 0);
    iret(machine);
    expect(machine.flags()).toBe(IF | EFLAGS.IOPL | 2);
    const middle = returning(1, SEL.data3, 0xb000, IF | EFLAGS.IOPL, SEL.code3, 0x777);
    writeEflags(middle.cpu.state, 0);
    iret(middle);
    expect(middle.flags()).toBe(2);
  });

  it.each([
    ['#GP(0) if the stack selector is null', 0, '#GP(0)'],
    ['#GP(selector) if its RPL differs from that of the code selector', 0x20, '#GP(20)'],
    ['#GP(selector) if the stack segment is not writable data', SEL.code3, '#GP(18)'],
    ['#GP(selector) if its DPL differs', SEL.data0 | 3, '#GP(10)'],
  ])('%s', (_, selector, expected) => {
    expect(iret(returning(0, selector, 0xb000, 2, SEL.code3, 0x777))).toBe(expected);
  });

  it('#NP(selector) if the stack segment is not present', () => {
    const machine = returning(0, FREE | 3, 0xb000, 2, SEL.code3, 0x777);
    machine.describe(FREE, { access: 0x72 });
    expect(iret(machine)).toBe('#NP(80)');
  });

  it('to a 16-bit stack the upper half of ESP stays, as on real processors', () => {
    const machine = returning(0, FREE | 3, 0x1234_5678, 2, SEL.code3, 0x777);
    machine.describe(FREE, { access: 0xf2, limit: 0xffff, flags: 0 });
    iret(machine);
    expect(machine.esp).toBe(0x5678);
  });
});

describe('IRET to virtual-8086 mode', () => {
  const frame = [0x444, 0x333, 0x222, 0x111, 0x5000, 0xfffe, EFLAGS.VM | IF | EFLAGS.IOPL | EFLAGS.VIP, 0x1000, 0x777];

  it('pops ESP, SS, ES, DS, FS, GS and all of EFLAGS', () => {
    const machine = returning(0, ...frame);
    expect(iret(machine)).toBe('none');
    expect(machine.selectors()).toEqual({ cs: 0x1000, ss: 0x5000, es: 0x111, ds: 0x222, fs: 0x333, gs: 0x444 });
    expect(machine.flags()).toBe(EFLAGS.VM | IF | EFLAGS.IOPL | EFLAGS.VIP | 2);
    expect(machine.cpu.state).toMatchObject({ cpl: 3, nextIp: 0x777 });
    expect(machine.cpu.state.segments[1]).toMatchObject({ base: 0x10000, limit: 0xffff, access: 0xf300 });
    expect(machine.esp).toBe(0xfffe);
  });

  it('#GP(0) if EIP is beyond FFFFh', () => {
    const machine = returning(0, ...frame.slice(0, -1), 0x1_0000);
    expect(iret(machine)).toBe('#GP(0)');
  });

  it('#SS(0) if the top 36 bytes of the stack are not within its limits', () => {
    const machine = returning(0, ...frame);
    machine.cpu.state.segments[2].limit = STACK_TOP[0] - 2;
    expect(iret(machine)).toBe('#SS(0)');
  });

  it('only at CPL 0', () => {
    const machine = returning(1, ...frame);
    expect(iret(machine)).toBe('#GP(1000)');
  });
});

describe('IRET in virtual-8086 and real-address mode', () => {
  it('with IOPL < 3: #GP(0)', () => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 2 });
    expect(iret(machine, 16)).toBe('#GP(0)');
  });

  it('with IOPL = 3: VM, IOPL, VIP and VIF are not modified', () => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 3 });
    machine.push(4, EFLAGS.CF | EFLAGS.VIP | EFLAGS.AC, 0x2000, 0x777);
    expect(iret(machine)).toBe('none');
    expect(machine.flags()).toBe(EFLAGS.VM | EFLAGS.IOPL | EFLAGS.CF | EFLAGS.AC | 2);
    expect(machine.selectors().cs).toBe(0x2000);
  });

  it('in real-address mode IOPL and IF are loaded; VM, VIF and VIP stay', () => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 3 });
    machine.cpu.state.cr0 = 0x10;
    machine.cpu.state.cpl = 0;
    writeEflags(machine.cpu.state, EFLAGS.VIP);
    machine.push(4, ALL & ~EFLAGS.VIP, 0x2000, 0x777);
    iret(machine);
    expect(machine.flags()).toBe(ALL & ~(EFLAGS.VM | EFLAGS.VIF));
  });

  it('a 16-bit IRET in real-address mode loads FLAGS', () => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 0 });
    machine.cpu.state.cr0 = 0x10;
    machine.cpu.state.cpl = 0;
    writeEflags(machine.cpu.state, EFLAGS.AC);
    machine.push(2, 0xffff, 0x2000, 0x777);
    iret(machine, 16);
    expect(machine.flags()).toBe(EFLAGS.AC | (ALL & 0xffff));
    expect(machine.cpu.state.reg16(4)).toBe(0x1000);
  });
});
