import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../src/cpu/fault.ts';
import { faults, setSegment } from '../support/system-faults.ts';
import { ENABLE_PAGING, identityMap, LAYOUT, runSystem, SELECTOR, SYSTEM_ENGINES } from '../support/system-machine.ts';

const DATA = 0x20000;
const NUMERIC_ERROR = 0x20;
/** CR0.NE = 1, the FPU initialised. */
const SETUP = `
  mov eax, cr0
  or eax, ${NUMERIC_ERROR}
  mov cr0, eax
  fninit
`;
const NM = { vector: VECTOR.NM, atStart: true };
const MF = { vector: VECTOR.MF, atStart: true };

const float32 = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0];

describe.each(SYSTEM_ENGINES)('%s: x87', (engine) => {
  const run = (source: string, options: Parameters<typeof runSystem>[2] = {}) =>
    runSystem(engine, SETUP + source, options);

  it('computes on the stack: (3 + 4 × 5) / 2 − 1 and its square root', () => {
    const { read32 } = run(`
      mov dword [${DATA}], 3
      fild dword [${DATA}]
      mov dword [${DATA}], 4
      fild dword [${DATA}]
      mov dword [${DATA}], 5
      fimul dword [${DATA}]
      faddp st1, st0
      fld1
      fadd st0, st0
      fdivp st1, st0
      fld1
      fsubp st1, st0
      fst dword [${DATA}]
      fsqrt
      fstp qword [${DATA + 8}]
    `);
    expect(float32(read32(DATA))).toBe(10.5);
    const bits = (BigInt(read32(DATA + 12)) << 32n) | BigInt(read32(DATA + 8));
    expect(new Float64Array(BigUint64Array.of(bits).buffer)[0]).toBe(Math.sqrt(10.5));
  });

  it('FSTP m80 and FLD m80 keep all 80 bits; FBSTP gives decimal digits', () => {
    const { read32 } = run(`
      fldpi
      fstp tword [${DATA}]
      fld tword [${DATA}]
      fld st0
      fmulp st1, st0
      fstp tword [${DATA + 16}]
      mov dword [${DATA + 32}], 1234567
      fild dword [${DATA + 32}]
      fchs
      fbstp tword [${DATA + 32}]
    `);
    expect([read32(DATA), read32(DATA + 4), read32(DATA + 8) & 0xffff]).toEqual([0x2168_c235, 0xc90f_daa2, 0x4000]);
    expect([read32(DATA + 16), read32(DATA + 20), read32(DATA + 24) & 0xffff]).toEqual([
      0xf22e_f2d3, 0x9de9_e64d, 0x4002,
    ]);
    expect([read32(DATA + 32), read32(DATA + 36), read32(DATA + 40) & 0xffff]).toEqual([0x0123_4567, 0, 0x8000]);
  });

  it('FCOMI and FUCOMIP set ZF, PF and CF and clear OF, SF and AF; FCMOVcc follow them', () => {
    const { read32, ebx, ecx } = run(`
      fldz
      fld1
      xor eax, eax
      dec eax
      fcomi st0, st1
      pushfd
      pop ebx
      fcmovnb st0, st1
      fst dword [${DATA}]
      fld1
      fcomip st0, st1
      pushfd
      pop ecx
    `);
    expect([ebx & 0x8d5, ecx & 0x8d5]).toEqual([0, 0]);
    expect(read32(DATA)).toBe(0);
  });

  it('FNSTSW AX and FNSTSW m16 give the status word, TOP included', () => {
    const { eax, read32 } = run(`
      fldz
      fld1
      fcompp
      fld1
      mov eax, 0x12345678
      fnstsw ax
      fnstsw word [${DATA}]
    `);
    expect(eax).toBe(0x1234_3800);
    expect(read32(DATA)).toBe(0x3800);
  });

  it('CR0.EM or CR0.TS: x87 instructions are #NM; WAIT only with CR0.MP and CR0.TS', () => {
    const { exceptions, read32 } = run(`
      mov eax, cr0
      mov ebx, eax
      or eax, 4
      mov cr0, eax
      @try fld1
      @try fnstsw ax
      @try fwait
      mov eax, ebx
      or eax, 8
      mov cr0, eax
      @try fld1
      @try fxsave [${DATA}]
      @try fwait
      or eax, 2
      mov cr0, eax
      @try fwait
      clts
      @try fwait
      fnstcw word [${DATA}]
    `);
    expect(exceptions).toMatchObject([NM, NM, NM, NM, NM]);
    expect(read32(DATA)).toBe(0x037f);
  });

  it('an unmasked exception is #MF at the next waiting instruction; no-wait instructions pass', () => {
    const { exceptions, eax, ebx, read32 } = run(`
      mov word [${DATA}], 0x037b
      fldcw word [${DATA}]
      fldz
      fld1
      @try fdiv st0, st1
      fnstsw ax
      mov ebx, eax
      @try fld1
      @try fwait
      fnclex
      @try fstp dword [${DATA}]
      fnstsw ax
    `);
    expect(exceptions).toMatchObject([MF, MF]);
    expect([ebx & 0xffff, eax & 0xffff]).toEqual([0xb084, 0x3800]);
    expect(float32(read32(DATA))).toBe(1); // the division did not take place
  });

  it('#NM comes before #MF, and both before a page fault of the operand', () => {
    const { exceptions } = run(
      `
      ${ENABLE_PAGING}
      mov word [${DATA}], 0x037b
      fldcw word [${DATA}]
      fldz
      fld1
      fdiv st0, st1
      @try fld dword [0x400000]
      mov eax, cr0
      or eax, 8
      mov cr0, eax
      @try fld dword [0x400000]
      clts
      fnclex
      @try fld dword [0x400000]
    `,
      { prepare: identityMap },
    );
    expect(exceptions).toMatchObject([MF, NM, { vector: VECTOR.PF, errorCode: 0, cr2: 0x40_0000, atStart: true }]);
  });

  it('an operand beyond the segment limit is #GP(0), also in a page that was used just before', () => {
    const [up, down, base] = [SELECTOR.FREE, SELECTOR.FREE + 8, 0x20_0000];
    const result = run(
      `
      mov ax, ${up}
      mov fs, ax
      mov ax, ${down}
      mov gs, ax
      @try fild dword [fs:0x7fc]
      @try fist dword [fs:0x7fc]
      @try fild dword [fs:0x7fd]
      @try fist dword [fs:0x7fd]
      @try fild word [fs:0x800]
      @try fild dword [fs:0xffffffff]
      @try fild dword [gs:0x800]
      @try fild dword [gs:0x7ff]
      @try fist dword [gs:0x7ff]
    `,
      {
        prepare(machine) {
          setSegment(machine, up, { base, limit: 0x7ff, flags: 4, access: 0x92 });
          setSegment(machine, down, { base, limit: 0x7ff, flags: 4, access: 0x96 });
        },
      },
    );
    expect(faults(result)).toEqual(new Array(6).fill('#GP(0)'));
  });

  it('a store to a read-only or missing page faults before the FPU changes', () => {
    const { exceptions, eax, read32 } = run(
      `
      ${ENABLE_PAGING}
      fldpi
      fldz
      fld1
      @try fstp dword [0x400000]
      @try fstp tword [0x3ffffc]
      @try fbstp tword [0x3ffffc]
      @try fistp qword [0x3ffffc]
      @try fnsave [0x3fffc0]
      @try fnstenv [0x3ffff0]
      fnstsw ax
      fstp dword [${DATA}]
    `,
      { prepare: identityMap },
    );
    expect(exceptions.map(({ vector, errorCode, cr2 }) => [vector, errorCode, cr2])).toEqual(
      new Array(6).fill([VECTOR.PF, 2, 0x40_0000]),
    );
    expect(eax & 0xffff).toBe(0x2800);
    expect(float32(read32(DATA))).toBe(1);
  });

  it('FNSAVE and FRSTOR, FXSAVE and FXRSTOR carry the state; FNSTENV holds the address of the last instruction', () => {
    const { read32, labels, ebx } = run(`
      fldpi
      fld1
    last:
      fadd dword [${DATA + 0x100}]
      fnstenv [${DATA}]
      fnsave [${DATA + 0x40}]
      fnstsw ax
      mov ebx, eax
      frstor [${DATA + 0x40}]
      fxsave [${DATA + 0x200}]
      fninit
      fxrstor [${DATA + 0x200}]
      fstp dword [${DATA + 0x20}]
      fstp dword [${DATA + 0x24}]
    `);
    expect(ebx & 0xffff).toBe(0);
    expect(read32(DATA + 12)).toBe(labels.get('last'));
    expect(read32(DATA + 20)).toBe(DATA + 0x100);
    expect(float32(read32(DATA + 0x20))).toBe(1);
    expect(float32(read32(DATA + 0x24))).toBe(Math.fround(Math.PI));
    expect(read32(DATA + 0x200)).toBe(0x3000_037f);
  });

  it('FXSAVE of an image that is not aligned is #GP(0)', () => {
    const { exceptions } = run(`
      @try fxsave [${DATA + 8}]
      @try fxrstor [${DATA + 4}]
    `);
    expect(exceptions).toMatchObject(new Array(2).fill({ vector: VECTOR.GP, errorCode: 0, atStart: true }));
  });

  it('the FPU is usable at CPL 3', () => {
    const { exceptions, read32 } = run(`
      @user fld1 / fadd st0, st0 / fistp dword [${DATA}] / fwait
    `);
    expect(exceptions).toEqual([]);
    expect(read32(DATA)).toBe(2);
  });

  it('sums a series in a loop: the harmonic numbers', () => {
    const { read32 } = run(`
      mov ecx, 1000
      fldz
    next:
      fld1
      mov [${DATA}], ecx
      fidiv dword [${DATA}]
      faddp st1, st0
      loop next
      fstp qword [${DATA}]
    `);
    const bits = (BigInt(read32(DATA + 4)) << 32n) | BigInt(read32(DATA));
    expect(new Float64Array(BigUint64Array.of(bits).buffer)[0]).toBeCloseTo(7.485470860550345, 12);
  });
});

describe('x87 in system memory', () => {
  it('both engines leave the same FPU', () => {
    const source = `${SETUP}
      fldpi
      fldl2e
      fsin
      fyl2x
      fld1
      fpatan
      fldln2
      fprem
      f2xm1
      fsincos
      fnsave [${LAYOUT.PROGRAM + 0x8000}]
    `;
    const [first, second] = SYSTEM_ENGINES.map((engine) => {
      const { read32 } = runSystem(engine, source);
      return Array.from({ length: 27 }, (_, index) => read32(LAYOUT.PROGRAM + 0x8000 + 4 * index));
    });
    expect(first).toEqual(second);
  });
});
