import { beforeEach, describe, expect, it } from 'vitest';
import type { Float80 } from '../../../../src/cpu/x87/float80.ts';
import { roundToRegister } from '../../../../src/cpu/x87/round.ts';
import { X87_HELPERS } from '../../../../src/cpu/x87/x87-helpers.ts';
import { faultOf } from '../../../support/fake-cpu.ts';
import { showFault } from '../../../support/protected-cpu.ts';
import { OPERAND, X87Machine } from './x87-machine.ts';

const CR0 = { MP: 2, EM: 4, TS: 8, NE: 0x20 };
const ES = 0x80;
const ESI = 6;
const INTEGER = 1n << 63n;
const ONE: Float80 = { sign: 0, exponent: 0x3fff, significand: INTEGER };
const ZERO: Float80 = { sign: 0, exponent: 0, significand: 0n };
const stackOf = (...values: Float80[]): Float80[] => Array.from({ length: 8 }, (_, index) => values[index] ?? ZERO);

const FDIV_ST1 = Uint8Array.of(0xd8, 0xf1);
const FADD_M32 = Uint8Array.of(0xd8, 0x06);

describe('x87 exceptions', () => {
  let machine: X87Machine;
  const fault = (code: Uint8Array) => showFault(faultOf(() => machine.execute(code)));
  const check = (waits: 0 | 1) =>
    showFault(
      faultOf(() => (X87_HELPERS.x87Check as (cpu: unknown, waits: number) => void)(machine.protected.cpu, waits)),
    );
  const setCr0 = (bits: number) => {
    machine.state.cr0 = 0x11 | bits;
  };

  beforeEach(() => {
    machine = new X87Machine();
    machine.state.setReg32(ESI, OPERAND);
    machine.load({ control: 0x37f, status: 0, tags: 0xfff0, stack: stackOf(ONE, ZERO) });
  });

  describe('device not available (#NM)', () => {
    it.each([
      [0, 'none'],
      [CR0.EM, '#NM'],
      [CR0.TS, '#NM'],
      [CR0.EM | CR0.MP, '#NM'],
      [CR0.MP, 'none'],
    ])('x87 instructions with CR0 bits %i: %s', (bits, expected) => {
      setCr0(bits | CR0.NE);
      expect([check(0), check(1)]).toEqual([expected, expected]);
    });

    it.each([
      [CR0.EM, 'none'],
      [CR0.TS, 'none'],
      [CR0.MP, 'none'],
      [CR0.MP | CR0.TS, '#NM'],
      [CR0.EM | CR0.MP | CR0.TS, '#NM'],
    ])('WAIT with CR0 bits %i: %s', (bits, expected) => {
      setCr0(bits | CR0.NE);
      expect(fault(Uint8Array.of(0x9b))).toBe(expected);
    });
  });

  describe('floating-point error (#MF)', () => {
    const divideByZero = () => {
      machine.load({ control: 0x340, status: 0, tags: 0xfff0, stack: stackOf(ONE, ZERO) });
      machine.execute(FDIV_ST1);
    };

    it('is raised before the next waiting instruction, and before WAIT, not at the instruction that failed', () => {
      divideByZero();
      expect(machine.state.fsw & ES).toBe(ES);
      expect(check(1)).toBe('#vector 16');
      expect(fault(Uint8Array.of(0x9b))).toBe('#vector 16');
    });

    it('is not raised before a no-wait instruction', () => {
      divideByZero();
      expect(check(0)).toBe('none');
      expect(fault(Uint8Array.of(0xdb, 0xe2))).toBe('none'); // FNCLEX
      expect(check(1)).toBe('none');
    });

    it('with CR0.NE = 0 FERR# is asserted instead', () => {
      divideByZero();
      setCr0(0);
      const levels: number[] = [];
      machine.protected.cpu.x87Error = (level) => {
        levels.push(level);
        return true;
      };
      expect(check(1)).toBe('none');
      expect(fault(Uint8Array.of(0x9b))).toBe('none');
      fault(Uint8Array.of(0xdb, 0xe2)); // FNCLEX
      expect(check(1)).toBe('none');
      expect(levels).toEqual([1, 1, 0]);
    });

    it('FLDCW that unmasks an exception whose flag is set makes it pending', () => {
      machine.execute(FDIV_ST1);
      expect(machine.state.fsw & (ES | 4)).toBe(4);
      machine.protected.cpu.memory.write(OPERAND, 0x37b, 2);
      machine.execute(Uint8Array.of(0xd9, 0x2e));
      expect(machine.state.fsw & 0x8080).toBe(0x8080);
    });
  });

  describe('instruction and operand pointers', () => {
    it('follow non-control instructions; FDP and FDS those with a memory operand', () => {
      const { state } = machine;
      machine.execute(FADD_M32);
      expect([state.fip, state.fcs, state.fdp, state.fds]).toEqual([0x5000, 0x1b, OPERAND, 0x23]);
      state.fip = 0;
      machine.execute(Uint8Array.of(0xd9, 0xe0)); // FCHS
      expect([state.fip, state.fdp]).toEqual([0x5000, OPERAND]);
    });

    it('stay as they are through control instructions', () => {
      const { state } = machine;
      machine.execute(FADD_M32);
      state.fip = 0x1111;
      for (const code of [[0xd9, 0x2e], [0xd9, 0x3e], [0xdd, 0x3e], [0xdf, 0xe0], [0xdb, 0xe2], [0x9b], [0xd9, 0x36]]) {
        machine.execute(Uint8Array.from(code));
      }
      expect(state.fip).toBe(0x1111);
    });

    it('FOP is the opcode of the instruction with an unmasked exception, prefixes left out', () => {
      machine.load({ control: 0x340, status: 0, tags: 0xfff0, stack: stackOf(ONE, ZERO) });
      machine.execute(Uint8Array.of(0x2e, 0x66, 0xdc, 0xf9)); // FDIV ST(1), ST(0): 0/1
      expect(machine.state.fop).toBe(0);
      machine.load({ control: 0x340, status: 0, tags: 0xfff0, stack: stackOf(ZERO, ONE) });
      machine.execute(Uint8Array.of(0x2e, 0x66, 0xdc, 0xf9));
      expect(machine.state.fop).toBe(0x4f9);
    });
  });

  describe('stores', () => {
    it.each([
      ['FSTP m32', [0xd9, 0x1e]],
      ['FSTP m64', [0xdd, 0x1e]],
      ['FSTP m80', [0xdb, 0x3e]],
      ['FISTP m64', [0xdf, 0x3e]],
      ['FBSTP', [0xdf, 0x36]],
    ])('%s that faults leaves the FPU as it was', (_, code) => {
      const third = { ...ONE, exponent: 0x3ffd, significand: (1n << 64n) - 1n };
      machine.load({ control: 0x37f, status: 0, tags: 0xfff0, stack: stackOf(third, ONE) });
      machine.protected.missingPages.add(0x7000);
      machine.state.setReg32(ESI, 0x6ffe);
      const before = machine.save();
      expect(fault(Uint8Array.from(code))).toBe('#PF(2)');
      expect(machine.save()).toEqual(before);
    });

    it('an unmasked overflow stores nothing and does not pop', () => {
      const large = { ...ONE, exponent: 0x7000 };
      machine.load({ control: 0x340, status: 0, tags: 0xfff0, stack: stackOf(large) });
      machine.protected.cpu.memory.write(OPERAND, 0x1234_5678, 4);
      machine.execute(Uint8Array.of(0xd9, 0x1e));
      expect(machine.protected.cpu.memory.read(OPERAND, 4)).toBe(0x1234_5678);
      expect(machine.state.fsw).toBe(0x8088);
    });
  });

  describe('results in registers', () => {
    it('of unmasked overflow are scaled by 2^-24576, of unmasked underflow by 2^24576', () => {
      const large = { sign: 0, significand: 1n, exponent: 20000 } as const;
      const small = { sign: 1, significand: 1n, exponent: -20000 } as const;
      expect(roundToRegister(large, 0x340)).toMatchObject({ value: { exponent: 0x3fff + 20000 - 24576 }, flags: 8 });
      expect(roundToRegister(small, 0x340)).toMatchObject({ value: { exponent: 0x3fff - 20000 + 24576 }, flags: 16 });
    });

    it('of masked overflow are infinity or the largest number of the precision, as rounding control says', () => {
      const large = { sign: 0, significand: 1n, exponent: 20000 } as const;
      expect(roundToRegister(large, 0x37f).value).toMatchObject({ exponent: 0x7fff });
      expect(roundToRegister(large, 0x0c7f).value).toEqual({
        sign: 0,
        exponent: 0x7ffe,
        significand: 0xffff_ff00_0000_0000n,
      });
    });

    it('an exact denormal is no underflow while that is masked', () => {
      const small = { sign: 0, significand: 1n, exponent: -16440 } as const;
      expect(roundToRegister(small, 0x37f).flags).toBe(0);
    });
  });
});
