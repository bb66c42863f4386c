import { beforeEach, describe, expect, it } from 'vitest';
import { farCall, farJump } from '../../../src/cpu/far-transfer.ts';
import { raise } from '../../../src/cpu/fault.ts';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { interruptReturn } from '../../../src/cpu/interrupt-return.ts';
import { NULL_SEGMENT, TR } from '../../../src/cpu/state-layout.ts';
import { interruptToTheEnd, raiseToTheEnd } from '../../support/deliver-to-the-end.ts';
import { faultOf } from '../../support/fake-cpu.ts';
import {
  createProtectedCpu,
  LDT,
  type ProtectedCpu,
  SEL,
  showFault,
  TSS_MAIN,
  TSS_OTHER,
} from '../../support/protected-cpu.ts';

const FREE = SEL.free;
const TASK_GATE = 0x85;
const BUSY = 0x8b;
const AVAILABLE = 0x89;
const { NT, IF, VM } = EFLAGS;

/** Offsets in a 32-bit TSS. */
const AT = {
  link: 0,
  cr3: 28,
  eip: 32,
  eflags: 36,
  eax: 40,
  esp: 56,
  edi: 68,
  es: 72,
  cs: 76,
  ss: 80,
  ds: 84,
  fs: 88,
  gs: 92,
  ldt: 96,
  trap: 100,
};

let machine: ProtectedCpu;

function fillTask(address: number, fields: Partial<Record<keyof typeof AT, number>>): void {
  for (const [name, value] of Object.entries(fields)) machine.write32(address + AT[name as keyof typeof AT], value);
}

beforeEach(() => {
  machine = createProtectedCpu(0);
  const data = { es: SEL.data0, ss: SEL.data0, ds: SEL.data0, fs: SEL.data3, gs: 0 };
  fillTask(TSS_OTHER, {
    eip: 0x4000,
    eflags: 2,
    eax: 0x1111,
    esp: 0x6000,
    edi: 0x7777,
    cs: SEL.code0,
    ...data,
    ldt: SEL.ldt,
  });
});

const jump = (selector: number = SEL.tssOther) => farJump(machine.cpu, selector, 0, 32);
const call = (selector: number = SEL.tssOther) => farCall(machine.cpu, selector, 0, 32);
const outcome = (action: () => unknown) => showFault(faultOf(action));

describe('task switch by JMP (SDM Vol. 3A, "Task Switching")', () => {
  it('saves the state of the old task in its TSS', () => {
    const { state } = machine.cpu;
    for (let i = 0; i < 8; i++) state.setReg32(i, 0x100 + i);
    jump();
    const saved = Array.from({ length: 8 }, (_, i) => machine.read32(TSS_MAIN + AT.eax + 4 * i));
    expect(saved).toEqual([0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107]);
    expect(machine.read32(TSS_MAIN + AT.eip)).toBe(0x5005);
    expect(machine.read32(TSS_MAIN + AT.eflags)).toBe(IF | 2);
    expect([AT.cs, AT.ss, AT.es].map((at) => machine.read16(TSS_MAIN + at))).toEqual([SEL.code0, SEL.data0, SEL.data0]);
  });

  it('loads the state of the new task', () => {
    jump();
    const { state } = machine.cpu;
    expect([state.reg32(0), machine.esp, state.reg32(7)]).toEqual([0x1111, 0x6000, 0x7777]);
    expect(machine.selectors()).toEqual({
      cs: SEL.code0,
      ss: SEL.data0,
      ds: SEL.data0,
      es: SEL.data0,
      fs: SEL.data3,
      gs: 0,
    });
    expect(state.segments[5].access).toBe(NULL_SEGMENT);
    expect(machine.flags()).toBe(2);
    expect(state.nextIp).toBe(0x4000);
    expect(state.segments[TR]).toMatchObject({ selector: SEL.tssOther, base: TSS_OTHER, access: 0x8b00 });
  });

  it('clears the busy flag of the old task and sets that of the new one; sets CR0.TS', () => {
    jump();
    expect(machine.accessByte(SEL.tssMain)).toBe(AVAILABLE);
    expect(machine.accessByte(SEL.tssOther)).toBe(BUSY);
    expect(machine.cpu.state.cr0 & 8).toBe(8);
  });

  it('by IRET to the task itself finds what was just saved, not what the TSS held before', () => {
    const { state } = machine.cpu;
    fillTask(TSS_MAIN, { link: SEL.tssMain, eax: 0xdead, eip: 0xbad });
    state.flagsOther |= NT;
    state.setReg32(0, 0x1234);
    const next = state.nextIp;
    interruptReturn(machine.cpu, 32);
    expect([state.reg32(0), state.nextIp, machine.flags() & NT]).toEqual([0x1234, next, 0]);
    expect(machine.read32(TSS_MAIN + AT.eax)).toBe(0x1234);
  });

  it('clears the local enable flags of DR7', () => {
    machine.cpu.state.dr7 = 0x7ff;
    jump();
    expect(machine.cpu.state.dr7).toBe(0x6aa);
  });

  it('loads CR3 when paging is on', () => {
    fillTask(TSS_OTHER, { cr3: 0x9000 });
    jump();
    expect(machine.cpu.state.cr3).toBe(0);
    machine.cpu.state.cr0 |= 0x8000_0000;
    fillTask(TSS_MAIN, { cr3: 0xa000 });
    jump(SEL.tssMain);
    expect(machine.cpu.state.cr3).toBe(0xa000);
    expect(machine.cpu.calls).toContain('flush nonGlobal');
  });

  it('through a task gate', () => {
    machine.gate(FREE, { selector: SEL.tssOther, access: TASK_GATE });
    jump(FREE);
    expect(machine.cpu.state.nextIp).toBe(0x4000);
  });

  it('into virtual-8086 mode when VM is set in the EFLAGS of the TSS', () => {
    fillTask(TSS_OTHER, { eflags: VM | 2, cs: 0x1000, ss: 0x2000, ds: 0x3000 });
    jump();
    expect(machine.cpu.state.cpl).toBe(3);
    expect(machine.cpu.state.segments[1]).toMatchObject({ base: 0x10000, limit: 0xffff, access: 0xf300 });
  });

  it('to a 16-bit TSS', () => {
    machine.describe(SEL.tssOther, { access: 0x81, base: TSS_OTHER, limit: 0x2b, flags: 0 });
    machine.write16(
      TSS_OTHER + 14,
      0x4321,
      2,
      0xaaaa,
      1,
      2,
      3,
      0x6000,
      5,
      6,
      7,
      SEL.data0,
      SEL.code0,
      SEL.data0,
      SEL.data0,
      0,
    );
    jump();
    expect(machine.cpu.state.nextIp).toBe(0x4321);
    expect(machine.cpu.state.reg16(0)).toBe(0xaaaa);
    expect(machine.accessByte(SEL.tssOther)).toBe(0x83);
    jump(SEL.tssMain);
    expect(machine.read16(TSS_OTHER + 14)).toBe(0x4321);
    expect(machine.read16(TSS_OTHER + 18)).toBe(0xaaaa);
  });

  it('a set T flag in the new TSS raises a debug exception after the switch', () => {
    fillTask(TSS_OTHER, { trap: 1 });
    const fault = faultOf(jump)!;
    expect([fault.vector, fault.kind]).toEqual([1, 'trap']);
    expect(machine.cpu.state.dr6 & 0x8000).toBe(0x8000);
    expect(machine.cpu.state).toMatchObject({ ip: 0x4000, nextIp: 0x4000 });
  });
});

describe('nested tasks (SDM Vol. 3A, "Task Linking")', () => {
  it('CALL sets NT in the new task, stores the old TSS selector in its link, and leaves the old one busy', () => {
    call();
    expect(machine.flags()).toBe(NT | 2);
    expect(machine.read16(TSS_OTHER)).toBe(SEL.tssMain);
    expect([SEL.tssMain, SEL.tssOther].map(machine.accessByte)).toEqual([BUSY, BUSY]);
  });

  it('IRET with NT = 1 returns to the linked task; the abandoned one is available, its saved NT is clear', () => {
    call();
    interruptReturn(machine.cpu, 32);
    expect(machine.cpu.state.nextIp).toBe(0x5005);
    expect([SEL.tssMain, SEL.tssOther].map(machine.accessByte)).toEqual([BUSY, AVAILABLE]);
    expect(machine.read32(TSS_OTHER + AT.eflags)).toBe(2);
    expect(machine.flags()).toBe(IF | 2);
  });

  it.each([
    ['#TS(selector) if the link is not within the GDT', 0xfff8, '#TS(fff8)'],
    ['#TS(selector) if the link names the LDT', 0x2c, '#TS(2c)'],
    ['#TS(selector) if it does not lead to a busy TSS', SEL.data0, '#TS(10)'],
  ])('IRET: %s', (_, link, expected) => {
    call();
    machine.write16(TSS_OTHER, link);
    expect(machine.fault(() => interruptReturn(machine.cpu, 32))).toBe(expected);
  });

  it('an interrupt through a task gate does not change IF of the old task, and NT links back', () => {
    machine.interruptGate(0x30, { selector: SEL.tssOther, access: TASK_GATE });
    interruptToTheEnd(machine.cpu, { vector: 0x30, kind: 'external' });
    expect(machine.cpu.state.ip).toBe(0x4000);
    expect(machine.read32(TSS_MAIN + AT.eip)).toBe(0x5000);
    expect(machine.read32(TSS_MAIN + AT.eflags)).toBe(IF | 2);
    interruptReturn(machine.cpu, 32);
    expect(machine.cpu.state.nextIp).toBe(0x5000);
  });

  it('an exception through a task gate pushes its error code onto the stack of the new task; RF is saved', () => {
    machine.interruptGate(13, { selector: SEL.tssOther, access: TASK_GATE });
    raiseToTheEnd(machine.cpu, raise.GP(0x1230, { check: 'a test' }));
    expect(machine.esp).toBe(0x5ffc);
    expect(machine.stack(1)).toEqual([0x1230]);
    expect(machine.read32(TSS_MAIN + AT.eflags) & EFLAGS.RF).toBe(EFLAGS.RF);
  });
});

describe('exceptions before the switch leave the old task as it was', () => {
  it.each([
    ['#GP(selector) if CPL > DPL of the TSS', 3, SEL.tssOther, '#GP(30)'],
    ['#GP(selector) if RPL > DPL of the TSS', 0, SEL.tssOther | 3, '#GP(30)'],
    ['#GP(selector) if the TSS is busy', 0, SEL.tssMain, '#GP(28)'],
  ] as const)('%s', (_, cpl, selector, expected) => {
    const at = createProtectedCpu(cpl);
    expect(at.fault(() => farJump(at.cpu, selector, 0, 32))).toBe(expected);
  });

  it('#NP(selector) if the TSS is not present', () => {
    machine.describe(FREE, { access: 0x09, limit: 0x67 });
    expect(machine.fault(() => jump(FREE))).toBe('#NP(80)');
  });

  it('#TS(selector) if the limit of the TSS is less than 67h', () => {
    machine.describe(SEL.tssOther, { access: AVAILABLE, base: TSS_OTHER, limit: 0x66, flags: 0 });
    expect(machine.fault(() => jump())).toBe('#TS(30)');
    machine.describe(SEL.tssOther, { access: 0x81, base: TSS_OTHER, limit: 0x2a, flags: 0 });
    expect(machine.fault(() => jump())).toBe('#TS(30)');
  });

  it.each([
    ['names the LDT', 0x34, '#GP(34)'],
    ['is beyond the GDT', 0xfff8, '#GP(fff8)'],
    ['names a busy TSS', SEL.tssMain, '#GP(28)'],
    ['names no TSS', SEL.data0, '#GP(10)'],
  ])('through a gate whose TSS selector %s: #GP(TSS selector)', (_, selector, expected) => {
    machine.gate(FREE, { selector, access: TASK_GATE });
    expect(machine.fault(() => jump(FREE))).toBe(expected);
  });

  it('through a gate: #NP(gate) if it is not present, #GP(gate) if its DPL is too small', () => {
    machine.gate(FREE, { selector: SEL.tssOther, access: 0x05 });
    expect(machine.fault(() => jump(FREE))).toBe('#NP(80)');
    machine.gate(FREE, { selector: SEL.tssOther, access: TASK_GATE });
    expect(machine.fault(() => jump(FREE | 1))).toBe('#GP(80)');
  });

  it('a page fault of the new TSS or of the old one', () => {
    machine.describe(SEL.tssOther, { access: AVAILABLE, base: 0x2_0fc0, limit: 0x67, flags: 0 });
    machine.missingPages.add(0x2_1000);
    expect(machine.fault(() => jump())).toBe('#PF(0)');
    expect(machine.accessByte(SEL.tssOther)).toBe(AVAILABLE);
    expect(machine.accessByte(SEL.tssMain)).toBe(BUSY);
  });
});

describe('exceptions in the new task (SDM Vol. 3A, Table "Exception Conditions Checked During a Task Switch")', () => {
  it.each([
    ['#TS if the LDT selector is not valid', { ldt: SEL.data0 }, '#TS(10)'],
    ['#TS if the LDT selector names the LDT', { ldt: 0x3c }, '#TS(3c)'],
    ['#TS if CS is null', { cs: 0 }, '#TS(0)'],
    ['#TS if CS is no code segment', { cs: SEL.data0 }, '#TS(10)'],
    ['#TS if DPL of nonconforming code ≠ RPL', { cs: SEL.code0 | 3 }, '#TS(8)'],
    ['#TS if SS is null', { ss: 0 }, '#TS(0)'],
    ['#TS if SS is not writable data', { ss: SEL.code0 }, '#TS(8)'],
    ['#TS if DPL of SS ≠ CPL', { ss: 0x20 }, '#TS(20)'],
    ['#TS if RPL of SS ≠ CPL', { ss: SEL.data0 | 3 }, '#TS(10)'],
    ['#TS if DS is not readable', { ds: SEL.tssMain }, '#TS(28)'],
    ['#TS if RPL of ES > DPL', { es: SEL.data0 | 3 }, '#TS(10)'],
    ['#TS if FS is beyond its table', { fs: 0xfff8 }, '#TS(fff8)'],
    ['#GP(0) if EIP is beyond the limit of CS', { cs: SEL.code16, eip: 0x1_0000 }, '#GP(0)'],
  ])('%s', (_, fields, expected) => {
    fillTask(TSS_OTHER, fields);
    expect(outcome(jump)).toBe(expected);
    expect(machine.cpu.state.segments[TR].selector).toBe(SEL.tssOther);
    expect(machine.cpu.state.ip).toBe('eip' in fields ? fields.eip : 0x4000);
  });

  it.each([
    ['#TS for the LDT', 0x02, 'ldt', '#TS(80)'],
    ['#NP for CS', 0x1a, 'cs', '#NP(80)'],
    ['#SS for SS', 0x12, 'ss', '#SS(80)'],
    ['#NP for DS', 0x12, 'ds', '#NP(80)'],
  ] as const)('not present: %s', (_, access, field, expected) => {
    machine.describe(FREE, { access });
    fillTask(TSS_OTHER, { [field]: FREE });
    expect(outcome(jump)).toBe(expected);
  });

  it('segments that were not reached are unusable, with their new selectors', () => {
    fillTask(TSS_OTHER, { ss: 0 });
    outcome(jump);
    expect(machine.cpu.state.segments[3]).toMatchObject({ selector: SEL.data0, access: NULL_SEGMENT });
    expect(machine.cpu.state.segments[1]).toMatchObject({ selector: SEL.code0, access: NULL_SEGMENT });
  });

  it('the error code carries EXT when an interrupt began the switch', () => {
    machine.interruptGate(0x30, { selector: SEL.tssOther, access: TASK_GATE });
    machine.interruptGate(10, { selector: SEL.code0, offset: 0x1010, access: 0x8e });
    fillTask(TSS_OTHER, { ds: SEL.tssMain });
    expect(interruptToTheEnd(machine.cpu, { vector: 0x30, kind: 'external' })).toBe('delivered');
    expect(machine.cpu.state.ip).toBe(0x1010);
    expect(machine.stack(2)).toEqual([SEL.tssMain | 1, 0x4000]);
  });

  it('the LDT of the new task serves its own segments', () => {
    machine.describe(0x0c, { access: 0x92, base: 0x1234 });
    fillTask(TSS_OTHER, { ds: 0x0c });
    jump();
    expect(machine.cpu.state.segments[3].base).toBe(0x1234);
    expect(machine.read32(LDT + 12) & 0x100).toBe(0x100);
  });
});
