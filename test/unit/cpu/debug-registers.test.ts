import { describe, expect, it } from 'vitest';
import {
  hasBreakpoints,
  hasDataBreakpoints,
  hasExecuteBreakpoints,
  matchData,
  matchExecute,
  matchIo,
  readDebug,
  writeDebug,
} from '../../../src/cpu/debug-registers.ts';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { CR4, DR6, DR7 } from '../../../src/cpu/register-bits.ts';
import { createFakeCpu, faultOf } from '../../support/fake-cpu.ts';

const EXECUTE = 0;
const WRITE = 1;
const IO = 2;
const ACCESS = 3;

/** DR7 with breakpoint `index` enabled locally. `length` is the LEN field: 0 → 1, 1 → 2, 3 → 4 bytes. */
const enable = (index: number, condition: number, length = 0) => (1 << (2 * index)) | field(index, condition, length);
const field = (index: number, condition: number, length: number) =>
  (condition << (16 + 4 * index)) | (length << (18 + 4 * index));

function createCpu(breakpoints: { address: number; dr7: number }[]) {
  const cpu = createFakeCpu();
  for (const [index, { address }] of breakpoints.entries()) writeDebug(cpu, index, address);
  writeDebug(cpu, 7, breakpoints.reduce((dr7, breakpoint) => dr7 | breakpoint.dr7, 0) >>> 0);
  return cpu;
}

describe('access to debug registers', () => {
  it('DR6 is FFFF0FF0h and DR7 400h after reset; fixed bits cannot be changed', () => {
    const cpu = createFakeCpu();
    expect([readDebug(cpu, 6), readDebug(cpu, 7)]).toEqual([0xffff_0ff0, 0x400]);
    writeDebug(cpu, 6, 0);
    writeDebug(cpu, 7, 0xffff_dfff);
    expect([readDebug(cpu, 6), readDebug(cpu, 7)]).toEqual([0xffff_0ff0, 0xffff_07ff]);
    writeDebug(cpu, 7, 0);
    writeDebug(cpu, 6, 0xffff_ffff);
    expect([readDebug(cpu, 6), readDebug(cpu, 7)]).toEqual([0xffff_efff, 0x400]);
  });

  it('DR0–DR3 hold addresses', () => {
    const cpu = createFakeCpu();
    for (let index = 0; index < 4; index++) writeDebug(cpu, index, 0xf000_0001 + index);
    expect([0, 1, 2, 3].map((index) => readDebug(cpu, index))).toEqual([
      0xf000_0001, 0xf000_0002, 0xf000_0003, 0xf000_0004,
    ]);
  });

  it('DR4 and DR5 are DR6 and DR7 while CR4.DE = 0, and #UD while it is 1', () => {
    const cpu = createFakeCpu();
    writeDebug(cpu, 5, 0x401);
    expect(readDebug(cpu, 7)).toBe(0x401);
    expect(readDebug(cpu, 4)).toBe(0xffff_0ff0);
    cpu.state.cr4 = CR4.DE;
    for (const register of [4, 5]) {
      expect(faultOf(() => readDebug(cpu, register))).toMatchObject({ vector: VECTOR.UD });
      expect(faultOf(() => writeDebug(cpu, register, 0))).toMatchObject({ vector: VECTOR.UD });
    }
  });

  it('with DR7.GD = 1 any access is #DB, a fault, with DR6.BD set', () => {
    for (const register of [0, 1, 2, 3, 4, 5, 6, 7]) {
      for (const access of [readDebug, (cpu: ReturnType<typeof createFakeCpu>, n: number) => writeDebug(cpu, n, 0)]) {
        const cpu = createFakeCpu();
        writeDebug(cpu, 7, DR7.GD);
        expect(faultOf(() => access(cpu, register))).toMatchObject({ vector: VECTOR.DB, kind: 'fault' });
        expect(cpu.state.dr6 & DR6.BD).toBe(DR6.BD);
        expect(cpu.state.dr7).toBe(DR7.GD | 0x400);
      }
    }
  });

  it('a write that may enable breakpoints is announced', () => {
    const cpu = createFakeCpu();
    writeDebug(cpu, 7, 1);
    expect(cpu.calls).toEqual(['modeChanged']);
  });
});

describe('instruction breakpoints', () => {
  it('match the first byte of an instruction, exactly', () => {
    const { state } = createCpu([{ address: 0x1000, dr7: enable(0, EXECUTE) }]);
    expect(matchExecute(state, 0x1000)).toBe(DR6.B0);
    expect(matchExecute(state, 0x1001)).toBe(0);
    expect(matchExecute(state, 0x0fff)).toBe(0);
    expect(matchData(state, 0x1000, 1, 'write')).toBe(0);
  });

  it('are off when neither L nor G is set, and on when one is', () => {
    for (const [enables, expected] of [
      [0, 0],
      [1, 1],
      [2, 1],
      [3, 1],
    ] as const) {
      expect(matchExecute(createCpu([{ address: 0x1000, dr7: enables }]).state, 0x1000)).toBe(expected);
    }
  });

  it('an exception shows every breakpoint whose condition holds, enabled or not', () => {
    const { state } = createCpu([
      { address: 0x1000, dr7: field(0, EXECUTE, 0) },
      { address: 0x2000, dr7: enable(1, EXECUTE) },
      { address: 0x1000, dr7: enable(2, EXECUTE) },
      { address: 0x1000, dr7: enable(3, WRITE) },
    ]);
    expect(matchExecute(state, 0x1000)).toBe(DR6.B0 | DR6.B2);
  });
});

describe('data breakpoints', () => {
  it('R/W = 1 matches writes, R/W = 3 reads and writes', () => {
    const write = createCpu([{ address: 0x1000, dr7: enable(0, WRITE) }]).state;
    expect([matchData(write, 0x1000, 1, 'write'), matchData(write, 0x1000, 1, 'read')]).toEqual([1, 0]);
    const access = createCpu([{ address: 0x1000, dr7: enable(0, ACCESS) }]).state;
    expect([matchData(access, 0x1000, 1, 'write'), matchData(access, 0x1000, 1, 'read')]).toEqual([1, 1]);
  });

  it.each([
    [0, 1],
    [1, 2],
    [3, 4],
  ])('LEN = %d covers %d bytes: an access that touches one of them matches', (field, bytes) => {
    const { state } = createCpu([{ address: 0x1004, dr7: enable(0, WRITE, field) }]);
    for (const size of [1, 2, 4]) {
      for (let address = 0xff8; address < 0x1010; address++) {
        const touches = address < 0x1004 + bytes && address + size > 0x1004;
        expect(matchData(state, address, size, 'write')).toBe(touches ? 1 : 0);
      }
    }
  });

  it('the low bits of an address do not count when LEN is 2 or 4', () => {
    const { state } = createCpu([{ address: 0x1007, dr7: enable(0, WRITE, 3) }]);
    expect(matchData(state, 0x1004, 1, 'write')).toBe(1);
    expect(matchData(state, 0x1008, 1, 'write')).toBe(0);
  });

  it('each register counts for itself', () => {
    const { state } = createCpu([0, 1, 2, 3].map((index) => ({ address: 0x1000 * index, dr7: enable(index, ACCESS) })));
    expect([0, 1, 2, 3].map((index) => matchData(state, 0x1000 * index, 1, 'read'))).toEqual([1, 2, 4, 8]);
  });
});

describe('I/O breakpoints', () => {
  it('exist with CR4.DE = 1', () => {
    const { state } = createCpu([{ address: 0x60, dr7: enable(0, IO, 1) }]);
    expect(matchIo(state, 0x60, 1)).toBe(0);
    state.cr4 = CR4.DE;
    expect([0x5f, 0x60, 0x61, 0x62].map((port) => matchIo(state, port, 1))).toEqual([0, 1, 1, 0]);
    expect(matchIo(state, 0x5e, 4)).toBe(1);
    expect(matchData(state, 0x60, 1, 'write')).toBe(0);
  });
});

describe('what must be looked at', () => {
  it('follows the enabled breakpoints', () => {
    const look = (dr7: number) => {
      const { state } = createCpu([{ address: 0, dr7 }]);
      return [hasBreakpoints(state), hasExecuteBreakpoints(state), hasDataBreakpoints(state)];
    };
    expect(look(field(0, WRITE, 0))).toEqual([false, false, false]);
    expect(look(enable(0, EXECUTE))).toEqual([true, true, false]);
    expect(look(enable(0, WRITE))).toEqual([true, false, true]);
    expect(look(enable(0, ACCESS))).toEqual([true, false, true]);
    expect(look(enable(0, IO))).toEqual([true, false, false]);
  });
});
