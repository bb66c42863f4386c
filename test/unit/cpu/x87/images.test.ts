import { beforeEach, describe, expect, it } from 'vitest';
import { DS, loadVirtual8086Segment } from '../../../../src/cpu/segmentation.ts';
import type { Float80 } from '../../../../src/cpu/x87/float80.ts';
import { faultOf } from '../../../support/fake-cpu.ts';
import { enterVirtual8086, showFault } from '../../../support/protected-cpu.ts';
import { OPERAND, X87Machine } from './x87-machine.ts';

const FNSTENV = Uint8Array.of(0xd9, 0x36);
const FLDENV = Uint8Array.of(0xd9, 0x26);
const FNSAVE = Uint8Array.of(0xdd, 0x36);
const FRSTOR = Uint8Array.of(0xdd, 0x26);
const FXSAVE = Uint8Array.of(0x0f, 0xae, 0x06);
const FXRSTOR = Uint8Array.of(0x0f, 0xae, 0x0e);
const otherSize = (code: Uint8Array) => Uint8Array.of(0x66, ...code);
const ESI = 6;
const INTEGER = 1n << 63n;

const VALUES: readonly Float80[] = Array.from({ length: 8 }, (_, index) => ({
  sign: (index & 1) as 0 | 1,
  exponent: 0x3fff + index,
  significand: INTEGER | BigInt(index),
}));

describe('images of the FPU', () => {
  let machine: X87Machine;
  const words = (count: number, size: 2 | 4) =>
    Array.from({ length: count }, (_, index) => machine.protected.cpu.memory.read(OPERAND + index * size, size));
  const fill = (size: number, value = 0xcc) => {
    for (let index = 0; index < size; index++) machine.protected.cpu.memory.write(OPERAND + index, value, 1);
  };
  const fault = (code: Uint8Array) => showFault(faultOf(() => machine.execute(code)));

  beforeEach(() => {
    machine = new X87Machine();
    const { state } = machine;
    state.setReg32(ESI, OPERAND);
    // TOP = 5; R5 and R6 in use, R6 zero.
    machine.load({ control: 0x127f, status: 0x6900, tags: 0xc3ff, stack: VALUES });
    state.fip = 0x1234_5678;
    state.fcs = 0x1b;
    state.fdp = 0x9abc_def0;
    state.fds = 0x23;
    state.fop = 0x5a5;
    fill(128);
  });

  it('FSTENV, 32-bit format, protected mode: FCW, FSW, FTW, FIP, FCS with the opcode, FDP, FDS', () => {
    machine.execute(FNSTENV);
    expect(words(8, 4)).toEqual([
      0xffff_127f, 0xffff_6900, 0xffff_c3ff, 0x1234_5678, 0x05a5_001b, 0x9abc_def0, 0xffff_0023, 0xcccc_cccc,
    ]);
  });

  it('FSTENV, 16-bit format, protected mode: no opcode, offsets cut to 16 bits', () => {
    machine.execute(otherSize(FNSTENV));
    expect(words(8, 2)).toEqual([0x127f, 0x6900, 0xc3ff, 0x5678, 0x1b, 0xdef0, 0x23, 0xcccc]);
  });

  it('FSTENV in virtual-8086 mode stores linear addresses, the upper bits beside the opcode', () => {
    enterVirtual8086(machine.protected, { iopl: 3, selector: 0 });
    const { state } = machine;
    Object.assign(state, { fcs: 0xf000, fip: 0x1234, fds: 0x2000, fdp: 0xabcd });
    machine.execute(FNSTENV);
    expect(words(7, 4)).toEqual([0xffff_127f, 0xffff_6900, 0xffff_c3ff, 0xffff_1234, 0xf5a5, 0xffff_abcd, 0x2000]);
    machine.load({ control: 0x127f, status: 0x6900, tags: 0xc3ff, stack: VALUES });
    Object.assign(state, { fcs: 0xf000, fip: 0x1234, fds: 0x2000, fdp: 0xabcd, fop: 0x5a5 });
    machine.execute(otherSize(FNSTENV));
    expect(words(7, 2)).toEqual([0x127f, 0x6900, 0xc3ff, 0x1234, 0xf5a5, 0xabcd, 0x2000]);
  });

  it('FSTENV masks all exceptions after the image is stored, so nothing is pending any more', () => {
    machine.load({ control: 0x340, status: 0x0001, tags: 0xffff, stack: VALUES });
    expect(machine.state.fsw).toBe(0x8081);
    machine.execute(FNSTENV);
    expect(words(2, 4)).toEqual([0xffff_0340, 0xffff_8081]);
    expect([machine.state.fcw, machine.state.fsw]).toEqual([0x37f, 0x0001]);
  });

  it.each([FNSTENV, otherSize(FNSTENV)])('FLDENV loads what FSTENV stored (%#)', (store) => {
    machine.execute(store);
    const { state } = machine;
    const fields = () => [
      state.fcw,
      state.fsw,
      state.ftw,
      state.fip & 0xffff,
      state.fcs,
      state.fdp & 0xffff,
      state.fds,
    ];
    const before = fields();
    machine.load({ control: 0x37f, status: 0, tags: 0xffff, stack: VALUES });
    machine.execute(store.length === 3 ? otherSize(FLDENV) : FLDENV);
    expect(fields()).toEqual(before);
  });

  it('FLDENV of an image with an unmasked exception leaves it pending', () => {
    machine.execute(FNSTENV);
    machine.protected.cpu.memory.write(OPERAND, 0x340, 2);
    machine.protected.cpu.memory.write(OPERAND + 4, 0x0004, 2);
    machine.execute(FLDENV);
    expect(machine.state.fsw).toBe(0x8084);
  });

  it('FSAVE stores the environment and ST(0) to ST(7), then initialises; FRSTOR brings it all back', () => {
    machine.execute(FNSAVE);
    const { memory } = machine.protected.cpu;
    VALUES.forEach(({ sign, exponent, significand }, index) => {
      expect(memory.read64(OPERAND + 28 + 10 * index)).toBe(significand);
      expect(memory.read(OPERAND + 36 + 10 * index, 2)).toBe((sign << 15) | exponent);
    });
    expect(memory.read(OPERAND + 108, 1)).toBe(0xcc);
    expect(machine.save()).toMatchObject({ control: 0x37f, status: 0, tags: 0xffff });
    machine.load({ control: 0x37f, status: 0, tags: 0xffff, stack: [...VALUES].reverse() });
    machine.execute(FRSTOR);
    expect(machine.save()).toEqual({ control: 0x127f, status: 0x6900, tags: 0xc3ff, stack: VALUES });
  });

  it('a fault in the middle of an image changes neither memory nor the FPU', () => {
    const { state, protected: outer } = machine;
    state.setReg32(ESI, 0x7000 - 60);
    outer.missingPages.add(0x7000);
    const before = machine.save();
    for (const code of [FNSTENV, FNSAVE]) {
      state.setReg32(ESI, 0x7000 - (code === FNSTENV ? 20 : 60));
      expect(fault(code)).toBe('#PF(2)');
      expect(outer.cpu.memory.read(state.reg32(ESI), 4)).toBe(0);
    }
    state.setReg32(ESI, 0x7000 - 20);
    for (const code of [FLDENV, FRSTOR]) expect(fault(code)).toBe('#PF(0)');
    expect(machine.save()).toEqual(before);
  });

  it('tags are found anew from the contents; of a loaded tag word only the empty ones count', () => {
    const stack = [
      { sign: 0, exponent: 0, significand: 0n },
      { sign: 0, exponent: 0, significand: 1n },
      { sign: 0, exponent: 0x7fff, significand: INTEGER },
      { sign: 0, exponent: 0x3fff, significand: INTEGER },
      { sign: 0, exponent: 0x3fff, significand: 1n },
      ...VALUES.slice(5),
    ] as Float80[];
    machine.load({ control: 0x37f, status: 0, tags: 0b11_01_10_00_01_00_01_00, stack });
    // R4 unnormal: special; R3 valid; R2 infinity: special; R1 denormal: special; R0 zero.
    machine.execute(FNSTENV);
    expect(words(3, 4)[2] & 0xffff).toBe(0b11_00_00_10_00_10_10_01);
  });

  describe('FXSAVE', () => {
    beforeEach(() => fill(512));

    it('stores FCW, FSW, abridged FTW, FOP, FIP, FCS, FDP, FDS, then ST(0) to ST(7) every 16 bytes', () => {
      machine.execute(FXSAVE);
      expect(words(12, 2)).toEqual([
        0x127f, 0x6900, 0x0060, 0x05a5, 0x5678, 0x1234, 0x001b, 0x0000, 0xdef0, 0x9abc, 0x0023, 0x0000,
      ]);
      VALUES.forEach(({ sign, exponent, significand }, index) => {
        expect(machine.protected.cpu.memory.read64(OPERAND + 32 + 16 * index)).toBe(significand);
        expect(machine.protected.cpu.memory.read(OPERAND + 40 + 16 * index, 4)).toBe((sign << 15) | exponent);
      });
    });

    it('leaves MXCSR and the XMM registers out while CR4.OSFXSR = 0, and stores them when it is 1', () => {
      machine.state.mxcsr = 0x1f80;
      machine.execute(FXSAVE);
      expect(words(129, 4).slice(6, 8)).toEqual([0xcccc_cccc, 0xcccc_cccc]);
      machine.state.cr4 |= 1 << 9;
      machine.execute(FXSAVE);
      expect(words(129, 4).slice(6, 8)).toEqual([0x1f80, 0xffff]);
      expect(words(128, 4).slice(40, 72)).toEqual(new Array(32).fill(0));
      expect(words(128, 4).slice(72)).toEqual(new Array(56).fill(0xcccc_cccc));
    });

    it('does not change the FPU; FXRSTOR brings the state back', () => {
      const before = machine.save();
      machine.execute(FXSAVE);
      expect(machine.save()).toEqual(before);
      const { state } = machine;
      const pointers = [state.fip, state.fcs, state.fdp, state.fds, state.fop];
      machine.load({ control: 0x37f, status: 0, tags: 0xffff, stack: [...VALUES].reverse() });
      machine.execute(FXRSTOR);
      expect(machine.save()).toEqual(before);
      expect([state.fip, state.fcs, state.fdp, state.fds, state.fop]).toEqual(pointers);
    });

    it('#GP(0) if the image is not aligned to 16 bytes', () => {
      machine.state.setReg32(ESI, OPERAND + 8);
      expect(fault(FXSAVE)).toBe('#GP(0)');
      expect(fault(FXRSTOR)).toBe('#GP(0)');
    });

    it('alignment is that of the linear address', () => {
      loadVirtual8086Segment(machine.state, DS, 0);
      machine.state.segments[DS].base = 8;
      machine.state.setReg32(ESI, OPERAND - 8);
      expect(fault(FXSAVE)).toBe('none');
    });

    it('FXRSTOR of an MXCSR with reserved bits is #GP(0) and changes nothing', () => {
      machine.state.cr4 |= 1 << 9;
      machine.execute(FXSAVE);
      machine.protected.cpu.memory.write(OPERAND + 24, 0x1_0000, 4);
      machine.load({ control: 0x37f, status: 0, tags: 0xffff, stack: [...VALUES].reverse() });
      const before = machine.save();
      expect(fault(FXRSTOR)).toBe('#GP(0)');
      expect(machine.save()).toEqual(before);
    });
  });
});
