import { describe, expect, it } from 'vitest';
import { FLAG_HELPERS } from '../../../src/cpu/flag-helpers.ts';
import { EFLAGS, readEflags, writeEflags } from '../../../src/cpu/flags.ts';
import { createProtectedCpu, enterVirtual8086, type ProtectedCpu, STACK_TOP } from '../../support/protected-cpu.ts';

const { checkPushFlags, popFlags, clearInterruptFlag, setInterruptFlag, enterFrame } = FLAG_HELPERS;
const { IF, IOPL, VM, RF, VIF, VIP, AC, ID, NT, TF, DF, CF } = EFLAGS;
const ALL = 0x003f_7fd7;

/** At a privilege level, with these flags. */
function at(cpl: 0 | 1 | 3, flags: number): ProtectedCpu {
  const machine = createProtectedCpu(cpl);
  writeEflags(machine.cpu.state, flags);
  return machine;
}

function virtual8086(iopl: number): ProtectedCpu {
  const machine = createProtectedCpu();
  enterVirtual8086(machine, { iopl });
  return machine;
}

describe('EFLAGS in two words', () => {
  it('any combination that is written is read back', () => {
    const { state } = createProtectedCpu().cpu;
    const bits = [EFLAGS.CF, EFLAGS.PF, EFLAGS.AF, EFLAGS.ZF, EFLAGS.SF, EFLAGS.OF];
    for (let choice = 0; choice < 64; choice++) {
      const flags = bits.reduce((sum, bit, i) => (choice & (1 << i) ? sum | bit : sum), IF | 2);
      writeEflags(state, flags);
      expect(readEflags(state)).toBe(flags);
    }
  });
});

describe('PUSHF', () => {
  it('in virtual-8086 mode with IOPL < 3: #GP(0)', () => {
    const machine = virtual8086(2);
    expect(machine.fault(() => checkPushFlags(machine.cpu))).toBe('#GP(0)');
  });
});

describe('POPF (SDM Vol. 2B, table "Effect of POPF/POPFD on the EFLAGS Register")', () => {
  const pop = (machine: ProtectedCpu, value: number, size = 32) => {
    popFlags(machine.cpu, value, size);
    return machine.flags();
  };

  it('at CPL 0 all flags but VM, VIF, VIP change, and RF is cleared', () => {
    expect(pop(at(0, 0), ALL)).toBe(ALL & ~(VM | RF | VIF | VIP));
    expect(pop(at(0, ALL & ~VM), 0)).toBe(VIF | VIP | 2);
  });

  it('at CPL > 0 IOPL stays; IF changes with CPL ≤ IOPL only', () => {
    expect(pop(at(3, 0), ALL) & (IF | IOPL)).toBe(0);
    expect(pop(at(3, IF), 0)).toBe(IF | 2);
    expect(pop(at(3, IF | IOPL), 0)).toBe(IOPL | 2);
    expect(pop(at(1, 1 << 12), IF) & (IF | IOPL)).toBe(IF | (1 << 12));
  });

  it('with a 16-bit operand size the upper half stays', () => {
    expect(pop(at(0, AC | ID), 0xffff, 16)).toBe(AC | ID | (ALL & 0xffff));
  });

  it('in virtual-8086 mode with IOPL < 3: #GP(0)', () => {
    const machine = virtual8086(2);
    expect(machine.fault(() => popFlags(machine.cpu, 0, 16))).toBe('#GP(0)');
  });

  it('in virtual-8086 mode with IOPL = 3: IF changes, IOPL and VM stay', () => {
    expect(pop(virtual8086(3), TF | NT | DF | CF)).toBe(VM | IOPL | TF | NT | DF | CF | 2);
  });
});

describe('CLI and STI', () => {
  it('STI: interrupts are enabled after the next instruction, if they were disabled', () => {
    const machine = at(0, 0);
    setInterruptFlag(machine.cpu);
    expect(machine.flags()).toBe(IF | 2);
    expect(machine.cpu.calls).toEqual(['shadow interrupts', 'modeChanged']);
    setInterruptFlag(machine.cpu);
    expect(machine.cpu.calls).toHaveLength(2);
  });

  it('with CPL > IOPL: #GP(0)', () => {
    for (const helper of [clearInterruptFlag, setInterruptFlag]) {
      const machine = at(3, 2 << 12);
      expect(machine.fault(() => helper(machine.cpu))).toBe('#GP(0)');
    }
    const machine = at(3, IOPL | IF);
    clearInterruptFlag(machine.cpu);
    expect(machine.flags()).toBe(IOPL | 2);
  });

  it('in virtual-8086 mode they need IOPL = 3', () => {
    const machine = virtual8086(2);
    expect(machine.fault(() => clearInterruptFlag(machine.cpu))).toBe('#GP(0)');
    const allowed = virtual8086(3);
    expect(allowed.fault(() => clearInterruptFlag(allowed.cpu))).toBe('none');
  });
});

describe('ENTER (SDM Vol. 2A, "ENTER—Make Stack Frame for Procedure Parameters")', () => {
  const RBP = 5;
  const top = STACK_TOP[0];

  it('nesting level 0: pushes EBP, sets it to the frame, makes room for the locals', () => {
    const machine = at(0, 2);
    machine.cpu.state.setReg32(RBP, 0x1234);
    enterFrame(machine.cpu, 0x20, 0, 32);
    expect(machine.read32(top - 4)).toBe(0x1234);
    expect(machine.cpu.state.reg32(RBP)).toBe(top - 4);
    expect(machine.esp).toBe(top - 4 - 0x20);
  });

  it('nesting level 3: copies two frame pointers and adds its own', () => {
    const machine = at(0, 2);
    machine.cpu.state.setReg32(RBP, 0x6000);
    machine.write32(0x6000 - 8, 0xbbbb, 0xaaaa);
    enterFrame(machine.cpu, 0, 3, 32);
    expect(machine.stack(4)).toEqual([top - 4, 0xbbbb, 0xaaaa, 0x6000]);
  });

  it('the nesting level is taken modulo 32', () => {
    const machine = at(0, 2);
    enterFrame(machine.cpu, 0, 32, 32);
    expect(machine.esp).toBe(top - 4);
  });

  it('with a 16-bit operand size words are pushed and BP alone is written', () => {
    const machine = at(0, 2);
    machine.cpu.state.setReg32(RBP, 0xabcd_6000);
    enterFrame(machine.cpu, 4, 1, 16);
    expect(machine.stack(4, 2).slice(2)).toEqual([top - 2, 0x6000]);
    expect(machine.cpu.state.reg32(RBP)).toBe(0xabcd_0000 + top - 2);
    expect(machine.esp).toBe(top - 4 - 4);
  });

  it('on a 16-bit stack SP and BP are used', () => {
    const machine = at(0, 2);
    Object.assign(machine.cpu.state.segments[2], { access: 0x9300, limit: 0xffff });
    machine.esp = 0x1234_7000;
    enterFrame(machine.cpu, 0x10, 0, 32);
    expect(machine.esp).toBe(0x1234_6fec);
    expect(machine.cpu.state.reg32(RBP)).toBe(0x1234_6ffc);
  });

  it('faults when a write at the final stack pointer would, and changes no register', () => {
    const machine = at(0, 2);
    machine.missingPages.add(0x6000);
    expect(machine.fault(() => enterFrame(machine.cpu, 0x1800, 0, 32))).toBe('#PF(2)');
  });
});
