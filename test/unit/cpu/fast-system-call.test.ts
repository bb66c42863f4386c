import { beforeEach, describe, expect, it } from 'vitest';
import { swapGs, syscall, sysenter, sysexit, sysret } from '../../../src/cpu/fast-system-call.ts';
import { EFLAGS, writeEflags } from '../../../src/cpu/flags.ts';
import { createProtectedCpu, enterVirtual8086, type ProtectedCpu } from '../../support/protected-cpu.ts';

const setUp = (machine: ProtectedCpu) =>
  Object.assign(machine.cpu.state, { sysenterCs: 0x60, sysenterEsp: 0x7000, sysenterEip: 0xc010_0000 });

describe('SYSENTER', () => {
  let machine: ProtectedCpu;
  beforeEach(() => {
    machine = createProtectedCpu(3);
    setUp(machine);
  });

  it('loads flat segments of privilege level 0, ESP and EIP; clears VM, IF and RF', () => {
    writeEflags(machine.cpu.state, EFLAGS.IF | EFLAGS.RF | EFLAGS.CF);
    sysenter(machine.cpu);
    const { state } = machine.cpu;
    expect(state.segments[1]).toMatchObject({ selector: 0x60, base: 0, limit: 0xffff_ffff, access: 0xc0_9b00 });
    expect(state.segments[2]).toMatchObject({ selector: 0x68, base: 0, limit: 0xffff_ffff, access: 0xc0_9300 });
    expect(state).toMatchObject({ cpl: 0, nextIp: 0xc010_0000 });
    expect(machine.esp).toBe(0x7000);
    expect(machine.flags()).toBe(EFLAGS.CF | 2);
  });

  it('leaves virtual-8086 mode', () => {
    enterVirtual8086(machine, { iopl: 0 });
    sysenter(machine.cpu);
    expect(machine.flags() & EFLAGS.VM).toBe(0);
  });

  it('#GP(0) in real-address mode or with a null selector in IA32_SYSENTER_CS', () => {
    machine.cpu.state.sysenterCs = 3;
    expect(machine.fault(() => sysenter(machine.cpu))).toBe('#GP(0)');
    setUp(machine);
    machine.cpu.state.cr0 = 0x10;
    expect(machine.fault(() => sysenter(machine.cpu))).toBe('#GP(0)');
  });
});

describe('SYSEXIT', () => {
  it('loads flat segments of privilege level 3, ESP from ECX and EIP from EDX', () => {
    const machine = createProtectedCpu(0);
    setUp(machine);
    machine.cpu.state.setReg32(1, 0xb000);
    machine.cpu.state.setReg32(2, 0x1234);
    sysexit(machine.cpu);
    const { state } = machine.cpu;
    expect(state.segments[1]).toMatchObject({ selector: 0x73, limit: 0xffff_ffff, access: 0xc0_fb00 });
    expect(state.segments[2]).toMatchObject({ selector: 0x7b, limit: 0xffff_ffff, access: 0xc0_f300 });
    expect(state).toMatchObject({ cpl: 3, nextIp: 0x1234 });
    expect(machine.esp).toBe(0xb000);
  });

  it('#GP(0) if CPL ≠ 0', () => {
    const machine = createProtectedCpu(3);
    setUp(machine);
    expect(machine.fault(() => sysexit(machine.cpu))).toBe('#GP(0)');
  });
});

describe('SYSCALL, SYSRET, SWAPGS', () => {
  it('#UD while IA32_EFER.SCE = 0, and outside 64-bit mode', () => {
    const machine = createProtectedCpu(0);
    for (const helper of [syscall, sysret, swapGs]) expect(machine.fault(() => helper(machine.cpu))).toBe('#UD');
  });
});
