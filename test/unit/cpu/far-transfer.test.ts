import { describe, expect, it } from 'vitest';
import { farReturn } from '../../../src/cpu/far-return.ts';
import { farCall, farJump } from '../../../src/cpu/far-transfer.ts';
import { DS, ES, FS, GS } from '../../../src/cpu/segmentation.ts';
import { NULL_SEGMENT } from '../../../src/cpu/state-layout.ts';
import {
  createProtectedCpu,
  enterVirtual8086,
  type ProtectedCpu,
  SEL,
  STACK_TOP,
  TSS_MAIN,
} from '../../support/protected-cpu.ts';

const FREE = SEL.free;
const GATE32 = 0x8c;
const GATE16 = 0x84;
const DPL3 = 0x60;

/** CS, the next instruction and ESP. */
const where = ({ cpu, selectors, esp }: ProtectedCpu) => ({
  cs: selectors().cs,
  ip: cpu.state.nextIp,
  esp,
  cpl: cpu.state.cpl,
});

const transfers = [
  ['JMP', farJump],
  ['CALL', farCall],
] as const;

describe.each(transfers)(
  'far %s to a code segment (SDM Vol. 3A, "Direct Calls or Jumps to Code Segments")',
  (_, transfer) => {
    it.each([
      ['#GP(0) if the selector is null', 3, '#GP(0)'],
      ['#GP(selector) if the index is beyond the table', 0xfff8, '#GP(fff8)'],
      ['#GP(selector) if it is a data segment', SEL.data0, '#GP(10)'],
      ['#GP(selector) if it is an LDT', SEL.ldt, '#GP(38)'],
      ['#GP(selector) if a nonconforming segment has DPL > CPL', 0x18, '#GP(18)'],
      ['#GP(selector) if RPL > CPL', SEL.code0 | 3, '#GP(8)'],
    ])('%s', (__, selector, expected) => {
      const machine = createProtectedCpu();
      expect(machine.fault(() => transfer(machine.cpu, selector, 0x100, 32))).toBe(expected);
    });

    it('#GP(selector) if a nonconforming segment has DPL < CPL', () => {
      const machine = createProtectedCpu(3);
      expect(machine.fault(() => transfer(machine.cpu, SEL.code0, 0x100, 32))).toBe('#GP(8)');
    });

    it('#NP(selector) if the segment is not present', () => {
      const machine = createProtectedCpu();
      machine.describe(FREE, { access: 0x1a });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0x100, 32))).toBe('#NP(80)');
    });

    it('#GP(0) if the offset is beyond the limit of the code segment', () => {
      const machine = createProtectedCpu();
      machine.describe(FREE, { access: 0x9a, limit: 0xfff, flags: 4 });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0x1000, 32))).toBe('#GP(0)');
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0xfff, 32))).toBe('none');
    });

    it('a conforming segment may be entered from a less privileged level; CPL does not change', () => {
      const machine = createProtectedCpu(3);
      transfer(machine.cpu, SEL.conforming0, 0x100, 32);
      expect(where(machine)).toMatchObject({ cs: SEL.conforming0 | 3, ip: 0x100, cpl: 3 });
      expect(machine.accessByte(SEL.conforming0)).toBe(0x9f);
    });

    it('#GP(selector) for a conforming segment with DPL > CPL', () => {
      const machine = createProtectedCpu(0);
      machine.describe(FREE, { access: 0xfe });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0x100, 32))).toBe('#GP(80)');
    });

    it('with a 16-bit operand size the offset has 16 bits', () => {
      const machine = createProtectedCpu();
      transfer(machine.cpu, SEL.code0, 0x1_2345, 16);
      expect(machine.cpu.state.nextIp).toBe(0x2345);
    });
  },
);

describe('far CALL: the return address', () => {
  it('CS and EIP are pushed with the operand size', () => {
    const machine = createProtectedCpu();
    farCall(machine.cpu, SEL.code16, 0x100, 32);
    expect(machine.stack(2)).toEqual([0x5005, SEL.code0]);
    expect(machine.esp).toBe(STACK_TOP[0] - 8);
    const narrow = createProtectedCpu();
    farCall(narrow.cpu, SEL.code16, 0x100, 16);
    expect(narrow.stack(2, 2)).toEqual([0x5005, SEL.code0]);
    expect(narrow.esp).toBe(STACK_TOP[0] - 4);
  });

  it('#SS(0) if the stack has no room', () => {
    const machine = createProtectedCpu();
    machine.esp = 6;
    machine.cpu.state.segments[2].limit = 0xffff;
    expect(machine.fault(() => farCall(machine.cpu, SEL.code0, 0x100, 32))).toBe('#SS(0)');
  });

  it('#PF of the stack leaves everything as it was', () => {
    const machine = createProtectedCpu();
    machine.missingPages.add(0x7000);
    expect(machine.fault(() => farCall(machine.cpu, SEL.code0, 0x100, 32))).toBe('#PF(2)');
  });

  it('on a 16-bit stack SP wraps and the upper half of ESP stays', () => {
    const machine = createProtectedCpu();
    Object.assign(machine.cpu.state.segments[2], { access: 0x9300, limit: 0xffff });
    machine.esp = 0xabcd_0000;
    farCall(machine.cpu, SEL.code0, 0x100, 32);
    expect(machine.esp).toBe(0xabcd_fff8);
    expect(machine.read32(0xfff8)).toBe(0x5005);
  });
});

describe.each(transfers)(
  'far %s through a call gate (SDM Vol. 3A, "Accessing a Code Segment Through a Call Gate")',
  (name, transfer) => {
    it('the offset of the instruction is ignored, the gate gives the entry point', () => {
      const machine = createProtectedCpu();
      machine.gate(FREE, { selector: SEL.code0, offset: 0x12_3456, access: GATE32 });
      transfer(machine.cpu, FREE, 0xffff_ffff, 32);
      expect(where(machine)).toMatchObject({ cs: SEL.code0, ip: 0x12_3456, cpl: 0 });
    });

    it('a 16-bit gate has a 16-bit entry point', () => {
      const machine = createProtectedCpu();
      machine.gate(FREE, { selector: SEL.code0, offset: 0x12_3456, access: GATE16 });
      transfer(machine.cpu, FREE, 0, 32);
      expect(machine.cpu.state.nextIp).toBe(0x3456);
      if (name === 'CALL') expect(machine.esp).toBe(STACK_TOP[0] - 4);
    });

    it('#GP(gate) if CPL or RPL is greater than the DPL of the gate', () => {
      const machine = createProtectedCpu(3);
      machine.gate(FREE, { selector: SEL.code0, access: GATE32 });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0, 32))).toBe('#GP(80)');
      const inner = createProtectedCpu(0);
      inner.gate(FREE, { selector: SEL.code0, access: GATE32 });
      expect(inner.fault(() => transfer(inner.cpu, FREE | 1, 0, 32))).toBe('#GP(80)');
    });

    it('#NP(gate) if the gate is not present', () => {
      const machine = createProtectedCpu();
      machine.gate(FREE, { selector: SEL.code0, access: 0x0c });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0, 32))).toBe('#NP(80)');
    });

    it.each([
      ['#GP(0) if the code selector in the gate is null', 0, '#GP(0)'],
      ['#GP(code selector) beyond the table', 0xfff8, '#GP(fff8)'],
      ['#GP(code selector) if it is no code segment', SEL.data0, '#GP(10)'],
      ['#GP(code selector) if its DPL is greater than CPL', SEL.code3, '#GP(18)'],
    ])('%s', (_, selector, expected) => {
      const machine = createProtectedCpu();
      machine.gate(FREE, { selector, access: GATE32 });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0, 32))).toBe(expected);
    });

    it('#NP(code selector) if the code segment is not present', () => {
      const machine = createProtectedCpu();
      machine.describe(FREE + 8, { access: 0x1a });
      machine.gate(FREE, { selector: FREE + 8, access: GATE32 });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0, 32))).toBe('#NP(88)');
    });

    it('#GP(0) if the entry point is beyond the limit of the code segment', () => {
      const machine = createProtectedCpu();
      machine.gate(FREE, { selector: SEL.code16, offset: 0x1_0000, access: GATE32 });
      expect(machine.fault(() => transfer(machine.cpu, FREE, 0, 32))).toBe('#GP(0)');
    });
  },
);

describe('far JMP through a call gate', () => {
  it('#GP(code selector) for a nonconforming segment with DPL < CPL', () => {
    const machine = createProtectedCpu(3);
    machine.gate(FREE, { selector: SEL.code0, access: GATE32 | DPL3 });
    expect(machine.fault(() => farJump(machine.cpu, FREE, 0, 32))).toBe('#GP(8)');
  });
});

describe('far CALL to more privilege (SDM Vol. 3A, "Stack Switching")', () => {
  const gated = (access = GATE32 | DPL3, count = 0): ProtectedCpu => {
    const machine = createProtectedCpu(3);
    machine.gate(FREE, { selector: SEL.code0, offset: 0x4444, access, count });
    return machine;
  };
  const call = (machine: ProtectedCpu) => farCall(machine.cpu, FREE | 3, 0, 32);

  it('the stack is switched; old SS, ESP, the parameters, CS and EIP are pushed', () => {
    const machine = gated(GATE32 | DPL3, 3);
    machine.push(4, 0x33, 0x22, 0x11);
    const oldEsp = machine.esp;
    call(machine);
    expect(where(machine)).toEqual({ cs: SEL.code0, ip: 0x4444, esp: STACK_TOP[0] - 28, cpl: 0 });
    expect(machine.selectors().ss).toBe(SEL.data0);
    expect(machine.stack(7)).toEqual([0x5005, SEL.code3, 0x11, 0x22, 0x33, oldEsp, SEL.data3]);
  });

  it('through a 16-bit gate words are pushed', () => {
    const machine = gated(GATE16 | DPL3, 2);
    machine.push(2, 0x22, 0x11);
    const oldEsp = machine.esp;
    call(machine);
    expect(machine.stack(6, 2)).toEqual([0x5005, SEL.code3, 0x11, 0x22, oldEsp, SEL.data3]);
  });

  it('a 16-bit TSS holds 16-bit stack pointers', () => {
    const machine = gated();
    machine.cpu.state.segments[7].access = 0x8300;
    machine.write16(TSS_MAIN + 2, 0x7000, SEL.data0);
    call(machine);
    expect(machine.esp).toBe(0x7000 - 16);
  });

  it.each([
    ['#TS(0) if the selector in the TSS is null', 0, '#TS(0)'],
    ['#TS(selector) beyond its table', 0xfff8, '#TS(fff8)'],
    ['#TS(selector) if its RPL differs from the DPL of the code segment', SEL.data0 | 1, '#TS(10)'],
    ['#TS(selector) if the DPL of the stack segment differs', 0x20, '#TS(20)'],
    ['#TS(selector) if it is not writable data', SEL.code0, '#TS(8)'],
  ])('%s', (_, selector, expected) => {
    const machine = gated();
    machine.write32(TSS_MAIN + 8, selector);
    expect(machine.fault(() => call(machine))).toBe(expected);
  });

  it('#SS(selector) if the stack segment is not present', () => {
    const machine = gated();
    machine.describe(FREE + 8, { access: 0x12 });
    machine.write32(TSS_MAIN + 8, FREE + 8);
    expect(machine.fault(() => call(machine))).toBe('#SS(88)');
  });

  it('#TS(TSS selector) if the stack pointer lies beyond the limit of the TSS', () => {
    const machine = gated();
    machine.cpu.state.segments[7].limit = 8;
    expect(machine.fault(() => call(machine))).toBe('#TS(28)');
    machine.cpu.state.segments[7].limit = 9;
    expect(machine.fault(() => call(machine))).toBe('none');
  });

  it('#SS(selector) if the new stack has no room for the parameters plus 16 bytes', () => {
    const machine = gated(GATE32 | DPL3, 1);
    machine.describe(FREE + 8, { access: 0x92, limit: 0xffff, flags: 4 });
    machine.write32(TSS_MAIN + 4, 19, FREE + 8);
    expect(machine.fault(() => call(machine))).toBe('#SS(88)');
    machine.write32(TSS_MAIN + 4, 20);
    expect(machine.fault(() => call(machine))).toBe('none');
  });

  it('a page fault on the new stack leaves everything as it was', () => {
    const machine = gated();
    machine.missingPages.add(0x7000);
    expect(machine.fault(() => call(machine))).toBe('#PF(2)');
  });

  it('through a gate to conforming code neither CPL nor stack change', () => {
    const machine = createProtectedCpu(3);
    machine.gate(FREE, { selector: SEL.conforming0, offset: 0x10, access: GATE32 | DPL3 });
    call(machine);
    expect(where(machine)).toEqual({ cs: SEL.conforming0 | 3, ip: 0x10, esp: STACK_TOP[3] - 8, cpl: 3 });
  });
});

describe('far RET (SDM Vol. 2B, "RET—Return From Procedure")', () => {
  const returning = (cpl: 0 | 3, ...pushed: number[]) => {
    const machine = createProtectedCpu(cpl);
    machine.push(4, ...pushed);
    return machine;
  };

  it('at the same level: pops EIP and CS and releases the parameters', () => {
    const machine = returning(0, 0xaa, SEL.code0, 0x777);
    farReturn(machine.cpu, 4, 32);
    expect(where(machine)).toEqual({ cs: SEL.code0, ip: 0x777, esp: STACK_TOP[0], cpl: 0 });
  });

  it.each([
    ['#GP(0) if the return selector is null', 0, '#GP(0)'],
    ['#GP(selector) beyond its table', 0xfff8, '#GP(fff8)'],
    ['#GP(selector) if it is no code segment', SEL.data0, '#GP(10)'],
    ['#GP(selector) if a nonconforming segment has DPL ≠ RPL', SEL.code0 | 3, '#GP(8)'],
  ])('%s', (_, selector, expected) => {
    const machine = returning(0, selector, 0x777);
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe(expected);
  });

  it('#GP(selector) if RPL < CPL', () => {
    const machine = returning(3, SEL.code0, 0x777);
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe('#GP(8)');
  });

  it('#NP(selector) if the segment is not present', () => {
    const machine = returning(0, FREE, 0x777);
    machine.describe(FREE, { access: 0x1a });
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe('#NP(80)');
  });

  it('#SS(0) if the stack ends', () => {
    const machine = createProtectedCpu();
    machine.cpu.state.segments[2].limit = STACK_TOP[0] + 6;
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe('#SS(0)');
  });

  it('#GP(0) if EIP is beyond the limit of the code segment', () => {
    const machine = returning(0, SEL.code16, 0x1_0000);
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe('#GP(0)');
  });

  it('to an outer level: SS and ESP are popped, the parameters are released from both stacks', () => {
    const machine = returning(0, SEL.data3, 0xb000, 0xaa, SEL.code3, 0x777);
    farReturn(machine.cpu, 4, 32);
    expect(where(machine)).toEqual({ cs: SEL.code3, ip: 0x777, esp: 0xb004, cpl: 3 });
    expect(machine.selectors().ss).toBe(SEL.data3);
  });

  it('to an outer level: data segments that it may not use become null', () => {
    const machine = returning(0, SEL.data3, 0xb000, SEL.code3, 0x777);
    const { segments } = machine.cpu.state;
    Object.assign(segments[ES], { selector: SEL.data3, access: 0xc0f300 });
    Object.assign(segments[FS], { selector: SEL.conforming0, access: 0xc09f00 });
    Object.assign(segments[GS], { selector: SEL.code0, access: 0xc09b00 });
    farReturn(machine.cpu, 0, 32);
    expect(machine.selectors()).toMatchObject({ ds: 0, es: SEL.data3, fs: SEL.conforming0, gs: 0 });
    expect(segments[DS].access).toBe(NULL_SEGMENT);
  });

  it.each([
    ['#GP(0) if the stack selector is null', 0, '#GP(0)'],
    ['#GP(selector) if its RPL differs from that of the code selector', 0x20, '#GP(20)'],
    ['#GP(selector) if the stack segment is not writable data', SEL.code3, '#GP(18)'],
    ['#GP(selector) if its DPL differs', SEL.data0 | 3, '#GP(10)'],
  ])('to an outer level: %s', (_, selector, expected) => {
    const machine = returning(0, selector, 0xb000, SEL.code3, 0x777);
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe(expected);
  });

  it('to an outer level: #SS(selector) if the stack segment is not present', () => {
    const machine = returning(0, FREE | 3, 0xb000, SEL.code3, 0x777);
    machine.describe(FREE, { access: 0x72 });
    expect(machine.fault(() => farReturn(machine.cpu, 0, 32))).toBe('#SS(80)');
  });

  it('to a 16-bit stack: SP alone is written, the upper half of ESP stays', () => {
    const machine = returning(0, FREE | 3, 0x1234_5678, SEL.code3, 0x777);
    machine.describe(FREE, { access: 0xf2, limit: 0xffff, flags: 0 });
    machine.cpu.state.setReg32(4, machine.esp);
    farReturn(machine.cpu, 0, 32);
    expect(machine.esp).toBe(0x5678);
  });
});

describe('real-address and virtual-8086 mode', () => {
  const machineIn = (mode: 'real' | 'virtual-8086'): ProtectedCpu => {
    const machine = createProtectedCpu();
    enterVirtual8086(machine, { iopl: 0 });
    if (mode === 'real') {
      machine.cpu.state.cr0 = 0x10;
      machine.cpu.state.flagsOther = 0;
      machine.cpu.state.cpl = 0;
    }
    return machine;
  };

  it.each(['real', 'virtual-8086'] as const)('%s: CALL pushes CS and IP; RET comes back', (mode) => {
    const machine = machineIn(mode);
    farCall(machine.cpu, 0x1234, 0x10, 16);
    expect(machine.cpu.state.segments[1]).toMatchObject({ selector: 0x1234, base: 0x12340 });
    expect(machine.stack(2, 2)).toEqual([0x5005, 0x0c00]);
    farReturn(machine.cpu, 0, 16);
    expect(where(machine)).toMatchObject({ cs: 0x0c00, ip: 0x5005, esp: 0x1000 });
  });

  it.each(['real', 'virtual-8086'] as const)('%s: #GP(0) if the offset is beyond the limit of CS', (mode) => {
    const machine = machineIn(mode);
    expect(machine.fault(() => farJump(machine.cpu, 0x1234, 0x1_0000, 32))).toBe('#GP(0)');
  });
});
