import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { ENABLE_PAGING, identityMap, LAYOUT, runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const GP0 = { vector: VECTOR.GP, errorCode: 0, atStart: true };
const UD = { vector: VECTOR.UD, atStart: true };
const NM = { vector: VECTOR.NM, atStart: true };
const SAVED = 0x20000;

describe.each(SYSTEM_ENGINES)('%s: control registers', (engine) => {
  it('MOV to and from CR0, CR2, CR3 and CR4 keep what exists', () => {
    const result = runSystem(
      engine,
      `
      mov eax, 0x12345678
      mov cr2, eax
      mov ebx, cr2
      mov eax, 0x00ff5018
      mov cr3, eax
      mov ecx, cr3
      mov eax, 0x29c
      mov cr4, eax
      mov edx, cr4
      mov eax, 0x7ffaffff
      mov cr0, eax
      mov esi, cr0
      mov eax, 0x11
      mov cr0, eax
    `,
    );
    expect([result.ebx, result.ecx, result.edx]).toEqual([0x1234_5678, 0x00ff_5018, 0x29c]);
    expect(result.esi).toBe(0x6000_003f);
  });

  it('invalid combinations in CR0 are #GP(0) and change nothing', () => {
    const result = runSystem(
      engine,
      `
      mov ebx, cr0
      mov eax, 0x80000010  ; PG without PE
      @try mov cr0, eax
      mov eax, 0x20000011  ; NW without CD
      @try mov cr0, eax
      mov ecx, cr0
      sub ebx, ecx
    `,
    );
    expect(result.exceptions).toMatchObject([GP0, GP0]);
    expect(result.ebx).toBe(0);
  });

  it('reserved bits of CR4 are #GP(0)', () => {
    const bits = [0, 1, 6, 10, 11, 13, 20, 31];
    const result = runSystem(
      engine,
      `${bits.map((bit) => `mov eax, ${2 ** bit}\n@try mov cr4, eax`).join('\n')}\nmov ebx, cr4`,
    );
    expect(result.exceptions).toMatchObject(bits.map(() => GP0));
    expect(result.ebx).toBe(0);
  });

  it('CR1, CR5, CR6 and CR7 do not exist: #UD', () => {
    // 0F 20 /r reads, 0F 22 /r writes; the register number is in ModR/M bits 5:3.
    const attempts = [1, 5, 6, 7].flatMap((n) => [
      `@try db 0x0f, 0x20, ${0xc0 | (n << 3)}`,
      `@try db 0x0f, 0x22, ${0xc0 | (n << 3)}`,
    ]);
    const { exceptions } = runSystem(engine, attempts.join('\n'));
    expect(exceptions).toMatchObject(attempts.map(() => UD));
  });

  it('above CPL 0 all of them are #GP(0), SMSW is not', () => {
    const attempts = [
      'mov eax, cr0',
      'mov cr0, eax',
      'mov eax, cr2',
      'mov cr3, eax',
      'mov cr4, eax',
      'lmsw ax',
      'clts',
      'mov eax, dr0',
      'mov dr7, eax',
      'hlt',
      'wbinvd',
      'invd',
      'lgdt [0]',
      'lidt [0]',
      'lldt ax',
      'ltr ax',
    ];
    const { exceptions, ebx } = runSystem(
      engine,
      `${attempts.map((text) => `@user ${text}`).join('\n')}\n@user smsw ebx`,
    );
    expect(exceptions).toMatchObject(attempts.map(() => GP0));
    expect(ebx & 0xffff).toBe(0x11);
  });

  it('LMSW sets PE, MP, EM and TS, and clears all but PE', () => {
    const result = runSystem(engine, 'mov ax, 0xfffe\nlmsw ax\nsmsw ebx\nxor ax, ax\nlmsw ax\nsmsw ecx');
    expect([result.ebx & 0xffff, result.ecx & 0xffff]).toEqual([0x1f, 0x11]);
  });

  it('CR0.TS and CR0.EM make x87 instructions #NM; CLTS clears TS', () => {
    const { exceptions } = runSystem(
      engine,
      `
      fninit
      mov ax, 9
      lmsw ax
      @try fld1
      @try fwait
      clts
      @try fld1
      mov ax, 5
      lmsw ax
      @try fld1
      @try fwait
      mov ax, 0xb
      lmsw ax
      @try fwait
      clts
    `,
    );
    // WAIT looks at TS only when MP is set.
    expect(exceptions).toMatchObject([NM, NM, NM]);
    expect(exceptions).toHaveLength(3);
  });

  it('SGDT and SIDT give back what LGDT and LIDT loaded', () => {
    const result = runSystem(
      engine,
      `
      sgdt [${SAVED}]
      sidt [${SAVED + 8}]
      lidt [idtr]
      sidt [${SAVED + 16}]
      jmp done
      idtr: dw 0x1234
      dd 0x89abcdef
      done:
    `,
    );
    const table = (at: number) => [result.memory.read(SAVED + at, 2), result.read32(SAVED + at + 2)];
    expect(table(0)).toEqual([0xfff, LAYOUT.GDT]);
    expect(table(8)).toEqual([0x7ff, LAYOUT.IDT]);
    expect(table(16)).toEqual([0x1234, 0x89ab_cdef]);
  });

  it('LGDT with an operand size of 16 loads 24 bits of the base', () => {
    const result = runSystem(
      engine,
      `
      sgdt [${SAVED}]
      o16 lidt [idtr]
      sidt [${SAVED + 8}]
      jmp done
      idtr: dw 0x7ff
      dd 0x89abcdef
      done:
    `,
    );
    expect(result.read32(SAVED + 10)).toBe(0x00ab_cdef);
  });

  it('the instruction after MOV to CR0 already runs with paging on', () => {
    const result = runSystem(engine, `${ENABLE_PAGING}mov ebx, [0x400000]`, {
      prepare(machine) {
        identityMap(machine);
        machine.write32(LAYOUT.PAGE_DIRECTORY + 4, LAYOUT.PAGE_TABLE | 7);
        machine.write32(0, 0x1234_5678);
      },
    });
    expect(result.ebx).toBe(0x1234_5678);
  });
});
