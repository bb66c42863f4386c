import { describe, expect, it } from 'vitest';
import { GuestFault, raise } from '../../../src/cpu/fault.ts';
import { EFLAGS, writeEflags } from '../../../src/cpu/flags.ts';
import {
  breakpoint,
  debugTrap,
  enterHandler,
  overflowTrap,
  softwareInterrupt,
} from '../../../src/cpu/interrupt-delivery.ts';
import { interruptToTheEnd, raiseToTheEnd } from '../../support/deliver-to-the-end.ts';
import {
  createProtectedCpu,
  enterVirtual8086,
  IDT,
  type ProtectedCpu,
  SEL,
  STACK_TOP,
  TSS_MAIN,
} from '../../support/protected-cpu.ts';

const FREE = SEL.free;
const INTERRUPT32 = 0x8e;
const TRAP32 = 0x8f;
const INTERRUPT16 = 0x86;
const DPL3 = 0x60;
const HANDLER = 0x1234;
const IF = EFLAGS.IF;

const external = (machine: ProtectedCpu, vector: number) =>
  enterHandler(machine.cpu, { vector, kind: 'external' }, machine.cpu.state.ip);
const cause = { check: 'a test' };

/** One gate in the IDT. */
function gated(cpl: 0 | 1 | 3, vector: number, access: number, selector: number = SEL.code0): ProtectedCpu {
  const machine = createProtectedCpu(cpl);
  machine.interruptGate(vector, { selector, offset: HANDLER, access });
  return machine;
}

describe('interrupt and trap gates at the same level (INTRA-PRIVILEGE-LEVEL-INTERRUPT-OR-TRAP)', () => {
  it('EFLAGS, CS and EIP are pushed; an interrupt gate clears IF', () => {
    const machine = gated(0, 0x30, INTERRUPT32);
    external(machine, 0x30);
    expect(machine.stack(3)).toEqual([0x5000, SEL.code0, IF | 2]);
    expect(machine.esp).toBe(STACK_TOP[0] - 12);
    expect(machine.cpu.state.nextIp).toBe(HANDLER);
    expect(machine.flags()).toBe(2);
  });

  it('a trap gate leaves IF as it is; TF, NT, RF are cleared by both', () => {
    const machine = gated(0, 0x30, TRAP32);
    writeEflags(machine.cpu.state, IF | EFLAGS.TF | EFLAGS.NT | EFLAGS.RF | EFLAGS.CF | EFLAGS.DF);
    external(machine, 0x30);
    expect(machine.flags()).toBe(IF | EFLAGS.CF | EFLAGS.DF | 2);
  });

  it('through a 16-bit gate words are pushed', () => {
    const machine = gated(0, 0x30, INTERRUPT16);
    external(machine, 0x30);
    expect(machine.stack(3, 2)).toEqual([0x5000, SEL.code0, IF | 2]);
    expect(machine.esp).toBe(STACK_TOP[0] - 6);
  });

  it('a handler in a conforming segment runs at the level of the interrupted program', () => {
    const machine = gated(3, 0x30, INTERRUPT32, SEL.conforming0);
    external(machine, 0x30);
    expect(machine.selectors().cs).toBe(SEL.conforming0 | 3);
    expect(machine.esp).toBe(STACK_TOP[3] - 12);
  });
});

describe('to more privilege (INTER-PRIVILEGE-LEVEL-INTERRUPT)', () => {
  it('the stack is switched; SS, ESP, EFLAGS, CS, EIP are pushed', () => {
    const machine = gated(3, 0x30, INTERRUPT32);
    external(machine, 0x30);
    expect(machine.stack(5)).toEqual([0x5000, SEL.code3, IF | 2, STACK_TOP[3], SEL.data3]);
    expect(machine.selectors()).toMatchObject({ cs: SEL.code0, ss: SEL.data0, ds: SEL.data3 });
    expect(machine.cpu.state.cpl).toBe(0);
    expect(machine.esp).toBe(STACK_TOP[0] - 20);
  });

  it('an error code is pushed last', () => {
    const machine = gated(3, 14, INTERRUPT32);
    raiseToTheEnd(machine.cpu, raise.PF(0xdead_b000, 7, cause));
    expect(machine.stack(2)).toEqual([7, 0x5000]);
    expect(machine.cpu.state.cr2).toBe(0xdead_b000);
  });

  it.each([
    ['#TS(EXT) if the stack selector is null', 0, '#TS(1)'],
    ['#TS(selector) beyond its table', 0xfff8, '#TS(fff9)'],
    ['#TS(selector) if RPL ≠ DPL of the code segment', SEL.data0 | 1, '#TS(11)'],
    ['#TS(selector) if it is not writable data', SEL.code0, '#TS(9)'],
  ])('%s', (_, selector, expected) => {
    const machine = gated(3, 0x30, INTERRUPT32);
    machine.write32(TSS_MAIN + 8, selector);
    expect(machine.fault(() => external(machine, 0x30))).toBe(expected);
  });

  it('#SS(selector) if the stack segment is not present', () => {
    const machine = gated(3, 0x30, INTERRUPT32);
    machine.describe(FREE, { access: 0x12 });
    machine.write32(TSS_MAIN + 8, FREE);
    expect(machine.fault(() => external(machine, 0x30))).toBe('#SS(81)');
  });

  it.each([
    ['20 bytes without an error code', undefined, 20],
    ['24 bytes with one', 0, 24],
  ])('#SS(selector) if the new stack has no room for %s', (_, errorCode, bytes) => {
    const machine = gated(3, 0x30, INTERRUPT32);
    machine.describe(FREE, { access: 0x92, limit: 0xffff, flags: 4 });
    const enter = () => enterHandler(machine.cpu, { vector: 0x30, kind: 'exception', errorCode }, 0);
    machine.write32(TSS_MAIN + 4, bytes - 1, FREE);
    expect(machine.fault(enter)).toBe('#SS(81)');
    machine.write32(TSS_MAIN + 4, bytes);
    expect(machine.fault(enter)).toBe('none');
  });

  it('a page fault on the new stack leaves everything as it was', () => {
    const machine = gated(3, 0x30, INTERRUPT32);
    machine.missingPages.add(0x7000);
    expect(machine.fault(() => external(machine, 0x30))).toBe('#PF(2)');
  });
});

describe('checks on the gate (SDM Vol. 3A, "Protection of Exception- and Interrupt-Handler Procedures")', () => {
  it('#GP(vector × 8 + 2 + EXT) if the vector is beyond the limit of the IDT', () => {
    const machine = gated(0, 0x30, INTERRUPT32);
    machine.cpu.state.idtrLimit = 0x30 * 8 + 6;
    expect(machine.fault(() => external(machine, 0x30))).toBe('#GP(183)');
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x30))).toBe('#GP(182)');
  });

  it.each([0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13])('#GP for system type %i', (type) => {
    const machine = gated(0, 0x30, 0x80 | type);
    expect(machine.fault(() => external(machine, 0x30))).toBe('#GP(183)');
  });

  it('#GP for a code segment descriptor in the IDT', () => {
    const machine = gated(0, 0x30, 0x9e);
    expect(machine.fault(() => external(machine, 0x30))).toBe('#GP(183)');
  });

  it('INT n, INT3 and INTO: #GP if the DPL of the gate is less than CPL', () => {
    const machine = gated(3, 0x30, INTERRUPT32);
    machine.interruptGate(3, { selector: SEL.code0, access: INTERRUPT32 });
    machine.interruptGate(4, { selector: SEL.code0, access: INTERRUPT32 });
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x30))).toBe('#GP(182)');
    expect(machine.fault(() => breakpoint(machine.cpu))).toBe('#GP(1a)');
    expect(machine.fault(() => overflowTrap(machine.cpu))).toBe('#GP(22)');
  });

  it('INT1 and hardware interrupts are not subject to the DPL check', () => {
    const machine = gated(3, 1, INTERRUPT32);
    expect(machine.fault(() => debugTrap(machine.cpu))).toBe('none');
    const other = gated(3, 0x30, INTERRUPT32);
    expect(other.fault(() => external(other, 0x30))).toBe('none');
  });

  it('#NP(vector × 8 + 2 + EXT) if the gate is not present, after the DPL check', () => {
    const machine = gated(3, 0x30, 0x0e);
    expect(machine.fault(() => external(machine, 0x30))).toBe('#NP(183)');
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x30))).toBe('#GP(182)');
  });

  it.each([
    ['#GP(EXT) if the code selector is null', 0, '#GP(1)'],
    ['#GP(selector + EXT) beyond its table', 0xfff8, '#GP(fff9)'],
    ['#GP(selector + EXT) if it is no code segment', SEL.data0, '#GP(11)'],
    ['#GP(selector + EXT) if DPL > CPL', SEL.code3, '#GP(19)'],
  ])('%s', (_, selector, expected) => {
    const machine = gated(0, 0x30, INTERRUPT32, selector);
    expect(machine.fault(() => external(machine, 0x30))).toBe(expected);
  });

  it('#NP(selector + EXT) if the code segment is not present', () => {
    const machine = gated(0, 0x30, INTERRUPT32, FREE);
    machine.describe(FREE, { access: 0x1a });
    expect(machine.fault(() => external(machine, 0x30))).toBe('#NP(81)');
  });

  it('#GP(EXT) if the entry point is beyond the limit of the code segment', () => {
    const machine = createProtectedCpu();
    machine.interruptGate(0x30, { selector: SEL.code16, offset: 0x1_0000, access: INTERRUPT32 });
    expect(machine.fault(() => external(machine, 0x30))).toBe('#GP(1)');
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x30))).toBe('#GP(0)');
  });

  it('#SS(EXT) if the current stack has no room', () => {
    const machine = gated(0, 0x30, INTERRUPT32);
    machine.cpu.state.segments[2].limit = 0xffff;
    machine.esp = 8;
    expect(machine.fault(() => external(machine, 0x30))).toBe('#SS(1)');
  });
});

describe('what is pushed', () => {
  it('INT n returns to the next instruction', () => {
    const machine = gated(3, 0x80, TRAP32 | DPL3);
    softwareInterrupt(machine.cpu, 0x80);
    expect(machine.stack(1)).toEqual([0x5005]);
  });

  it('for a fault the value pushed for RF is 1, except for an instruction breakpoint', () => {
    const machine = gated(0, 13, INTERRUPT32);
    machine.interruptGate(1, { selector: SEL.code0, access: INTERRUPT32 });
    raiseToTheEnd(machine.cpu, raise.GP(0, cause));
    expect(machine.stack(4)).toEqual([0, 0x5000, SEL.code0, EFLAGS.RF | IF | 2]);
    const breakpointed = gated(0, 1, INTERRUPT32);
    raiseToTheEnd(breakpointed.cpu, new GuestFault({ vector: 1, cause }));
    expect(breakpointed.stack(3)).toEqual([0x5000, SEL.code0, IF | 2]);
  });

  it('a trap returns to the next instruction, with RF as it is', () => {
    const machine = gated(0, 1, INTERRUPT32);
    raiseToTheEnd(machine.cpu, new GuestFault({ vector: 1, kind: 'trap', cause }));
    expect(machine.stack(3)).toEqual([0x5005, SEL.code0, IF | 2]);
  });

  it('an interrupt in the middle of a repeated string instruction pushes RF = 1', () => {
    const machine = gated(0, 0x30, INTERRUPT32);
    interruptToTheEnd(machine.cpu, { vector: 0x30, kind: 'external', resume: true });
    expect(machine.stack(3)[2] & EFLAGS.RF).toBe(EFLAGS.RF);
  });

  it('the processor clears DR7.GD on entering the debug handler', () => {
    const machine = gated(0, 1, INTERRUPT32);
    machine.cpu.state.dr7 = 0x2400;
    raiseToTheEnd(machine.cpu, new GuestFault({ vector: 1, kind: 'trap', cause }));
    expect(machine.cpu.state.dr7).toBe(0x400);
  });

  it('an NMI blocks further NMIs; a halted processor wakes', () => {
    const machine = gated(0, 2, INTERRUPT32);
    machine.cpu.state.halted = 1;
    interruptToTheEnd(machine.cpu, { vector: 2, kind: 'nmi' });
    expect(machine.cpu.state).toMatchObject({ nmiBlocked: 1, halted: 0, ip: HANDLER });
  });
});

describe('from virtual-8086 mode (INTERRUPT-FROM-VIRTUAL-8086-MODE)', () => {
  const virtual = (access = INTERRUPT32, selector: number = SEL.code0, iopl = 3) => {
    const machine = gated(0, 0x30, access, selector);
    enterVirtual8086(machine, { iopl });
    const [es, , , ds, fs, gs] = machine.cpu.state.segments;
    for (const [segment, value] of [
      [es, 0x111],
      [ds, 0x222],
      [fs, 0x333],
      [gs, 0x444],
    ] as const)
      segment!.selector = value;
    return machine;
  };

  it('GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP are pushed on the stack of level 0; the data segments become null', () => {
    const machine = virtual();
    external(machine, 0x30);
    expect(machine.stack(9)).toEqual([
      0x5000,
      0xc00,
      EFLAGS.VM | EFLAGS.IOPL | IF | 2,
      0x1000,
      0xc00,
      0x111,
      0x222,
      0x333,
      0x444,
    ]);
    expect(machine.selectors()).toEqual({ cs: SEL.code0, ss: SEL.data0, ds: 0, es: 0, fs: 0, gs: 0 });
    expect(machine.flags()).toBe(EFLAGS.IOPL | 2);
    expect(machine.cpu.state.cpl).toBe(0);
    expect(machine.fault(() => machine.cpu.mmu.readSegment(3, 0, 1))).toBe('#GP(0)');
  });

  it('through a 16-bit gate words are pushed', () => {
    const machine = virtual(INTERRUPT16);
    external(machine, 0x30);
    expect(machine.stack(9, 2)).toEqual([
      0x5000,
      0xc00,
      EFLAGS.IOPL | IF | 2,
      0x1000,
      0xc00,
      0x111,
      0x222,
      0x333,
      0x444,
    ]);
  });

  it('#GP(selector) if the handler does not run at level 0', () => {
    for (const selector of [SEL.code1, SEL.code3, SEL.conforming0]) {
      const machine = virtual(INTERRUPT32, selector);
      expect(machine.fault(() => external(machine, 0x30))).toBe(`#GP(${((selector & 0xfffc) | 1).toString(16)})`);
    }
  });

  it('INT n with IOPL < 3: #GP(0)', () => {
    const machine = virtual(INTERRUPT32 | DPL3, SEL.code0, 2);
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x30))).toBe('#GP(0)');
    const allowed = virtual(INTERRUPT32 | DPL3);
    expect(allowed.fault(() => softwareInterrupt(allowed.cpu, 0x30))).toBe('none');
  });

  it('INT n with IOPL = 3 and a gate whose DPL < 3: #GP(vector × 8 + 2)', () => {
    const machine = virtual();
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x30))).toBe('#GP(182)');
  });

  it('INT3 and INTO are not sensitive to IOPL', () => {
    const machine = virtual(INTERRUPT32, SEL.code0, 0);
    machine.interruptGate(3, { selector: SEL.code0, access: INTERRUPT32 | DPL3 });
    expect(machine.fault(() => breakpoint(machine.cpu))).toBe('none');
  });
});

describe('real-address mode', () => {
  const real = () => {
    const machine = createProtectedCpu();
    const { state } = machine.cpu;
    enterVirtual8086(machine, { iopl: 0 });
    state.cr0 = 0x10;
    state.cpl = 0;
    state.idtrBase = 0;
    state.idtrLimit = 0x3ff;
    writeEflags(state, IF | EFLAGS.TF | EFLAGS.AC);
    return machine;
  };

  it('FLAGS, CS and IP are pushed; IF, TF and AC are cleared; the vector gives IP and CS', () => {
    const machine = real();
    machine.write16(0x21 * 4, 0x5678, 0x1234);
    softwareInterrupt(machine.cpu, 0x21);
    expect(machine.stack(3, 2)).toEqual([0x5005, 0xc00, IF | EFLAGS.TF | 2]);
    expect(machine.selectors().cs).toBe(0x1234);
    expect(machine.cpu.state.nextIp).toBe(0x5678);
    expect(machine.flags()).toBe(2);
  });

  it('no error code is pushed', () => {
    const machine = real();
    raiseToTheEnd(machine.cpu, raise.GP(0, cause));
    expect(machine.cpu.state.reg16(4)).toBe(0x1000 - 6);
  });

  it('#GP if the vector is beyond the limit of the IDT', () => {
    const machine = real();
    machine.cpu.state.idtrLimit = 0x21 * 4 + 2;
    expect(machine.fault(() => softwareInterrupt(machine.cpu, 0x21))).toBe('#GP(0)');
  });

  it('a stack pointer of 1 ends in shutdown: #SS, double fault, triple fault', () => {
    const machine = real();
    machine.cpu.state.setReg32(4, 1);
    expect(raiseToTheEnd(machine.cpu, raise.GP(0, cause))).toBe('shutdown');
  });
});

describe('conditions for a double fault (SDM Vol. 3A, "Interrupt 8—Double Fault Exception (#DF)")', () => {
  const raiseVector = {
    benign: (): GuestFault => raise.UD(cause),
    contributory: (): GuestFault => raise.GP(0, cause),
    'page fault': (): GuestFault => raise.PF(0x1000, 0, cause),
  };
  type Class = keyof typeof raiseVector;

  /** Delivers a first exception whose gate leads to the second one, and tells which handler runs. */
  function deliver(first: Class, second: Class): number | 'shutdown' {
    const machine = createProtectedCpu();
    // Handlers of all exceptions, at offset 100h × vector; that of the first one provokes the second.
    for (let vector = 0; vector < 32; vector++)
      machine.interruptGate(vector, { selector: SEL.code0, offset: vector * 0x100, access: INTERRUPT32 });
    const fault = raiseVector[first]();
    if (second === 'contributory') machine.interruptGate(fault.vector, { selector: SEL.code0, access: 0x0e });
    if (second === 'page fault') {
      machine.interruptGate(fault.vector, { selector: 0x100c, access: INTERRUPT32 });
      Object.assign(machine.cpu.state.segments[6], { base: 0x2_0000, limit: 0xffff });
      machine.missingPages.add(0x2_1000);
    }
    const result = raiseToTheEnd(machine.cpu, fault);
    return result === 'shutdown' ? result : machine.cpu.state.ip / 0x100;
  }

  it.each([
    ['benign', 'contributory', 11],
    ['benign', 'page fault', 14],
    ['contributory', 'contributory', 8],
    ['contributory', 'page fault', 14],
    ['page fault', 'contributory', 8],
    ['page fault', 'page fault', 8],
  ] as const)('%s, then %s: vector %i', (first, second, vector) => {
    expect(deliver(first, second)).toBe(vector);
  });

  it('the error code of a double fault is 0, and CR2 holds the address of the second page fault', () => {
    const machine = createProtectedCpu();
    machine.interruptGate(8, { selector: SEL.code0, offset: HANDLER, access: INTERRUPT32 });
    machine.interruptGate(14, { selector: 0x100c, access: INTERRUPT32 });
    Object.assign(machine.cpu.state.segments[6], { base: 0x2_0000, limit: 0xffff });
    machine.missingPages.add(0x2_1000);
    raiseToTheEnd(machine.cpu, raise.PF(0x7777_7000, 4, cause));
    expect(machine.stack(2)).toEqual([0, 0x5000]);
    expect(machine.cpu.state.cr2).toBe(0x2_1008);
    expect(machine.cpu.lastFault!.cause.check).toContain('while vector 14 was being delivered');
  });

  it('a contributory exception or a page fault while a double fault is delivered: shutdown', () => {
    const machine = createProtectedCpu();
    machine.cpu.state.idtrLimit = 0;
    expect(raiseToTheEnd(machine.cpu, raise.GP(0, cause))).toBe('shutdown');
    const paged = createProtectedCpu();
    paged.missingPages.add(IDT);
    expect(raiseToTheEnd(paged.cpu, raise.PF(0x1000, 0, cause))).toBe('shutdown');
  });

  it('a fault while an external interrupt is delivered is delivered on its own, with EXT = 1', () => {
    const machine = gated(0, 13, INTERRUPT32);
    expect(interruptToTheEnd(machine.cpu, { vector: 0x30, kind: 'external' })).toBe('delivered');
    expect(machine.stack(2)).toEqual([0x30 * 8 + 3, 0x5000]);
  });
});
