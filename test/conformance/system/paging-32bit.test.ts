import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
} from '../../support/system-machine.ts';

/** A second page table, for linear addresses from 400000h on. */
const TABLE = 0x82000;
const PDE = LAYOUT.PAGE_DIRECTORY + 4;
/** Physical pages that tests map. */
const PAGE = 0x300000;
const OTHER_PAGE = 0x301000;
const LINEAR = 0x400000;

const P = 1;
const RW = 2;
const US = 4;
const PS = 0x80;

/** Runs with paging on: 400000h is mapped by `pde` (default: the table, with all rights) and `ptes`. */
const run = (
  engine: (typeof SYSTEM_ENGINES)[number],
  source: string,
  { pde = TABLE | P | RW | US, ptes = [PAGE | P | RW | US] }: { pde?: number; ptes?: number[] } = {},
  before = '',
) =>
  runSystem(engine, `${before}${ENABLE_PAGING}${source}`, {
    prepare(machine) {
      identityMap(machine);
      machine.write32(PDE, pde);
      machine.write32(TABLE, ...ptes);
    },
  });

const pageFault = (errorCode: number, cr2: number, more: object = {}) => ({
  vector: VECTOR.PF,
  errorCode,
  cr2,
  atStart: true,
  ...more,
});
const SET_WP = 'mov eax, cr0\nor eax, 0x10000\nmov cr0, eax\n';
const SET_PSE = 'mov eax, 0x10\nmov cr4, eax\n';

describe.each(SYSTEM_ENGINES)('%s: 32-bit paging', (engine) => {
  it('a linear address is mapped by the directory and a table', () => {
    const result = run(
      engine,
      `
      mov dword [${LINEAR + 0x123}], 0x11223344
      mov dword [${LINEAR + 0x1ffc}], 0x55667788
      mov eax, [${PAGE + 0x123}]
    `,
      { ptes: [PAGE | 7, OTHER_PAGE | 7] },
    );
    expect(result.eax).toBe(0x1122_3344);
    expect(result.read32(PAGE + 0x123)).toBe(0x1122_3344);
    expect(result.read32(OTHER_PAGE + 0xffc)).toBe(0x5566_7788);
  });

  it('an access that crosses a page goes to both frames, in whatever order they lie', () => {
    const result = run(
      engine,
      `
      mov dword [${LINEAR + 0xffe}], 0xaabbccdd
      mov eax, [${LINEAR + 0xffe}]
      mov bx, [${LINEAR + 0xfff}]
    `,
      { ptes: [OTHER_PAGE | 7, PAGE | 7] },
    );
    expect(result.eax).toBe(0xaabb_ccdd);
    expect(result.ebx & 0xffff).toBe(0xbbcc);
    expect(result.read32(OTHER_PAGE + 0xffc) >>> 16).toBe(0xccdd);
    expect(result.read32(PAGE) & 0xffff).toBe(0xaabb);
  });

  it('code is fetched through the tables, also across a page border', () => {
    // MOV EAX, imm32 with the border within the immediate; then RET.
    const result = run(
      engine,
      `
      mov dword [${LINEAR + 0xffd}], 0x223344b8
      mov word [${LINEAR + 0x1001}], 0xc311
      mov eax, ${LINEAR + 0xffd}
      call eax
    `,
      { ptes: [OTHER_PAGE | 7, PAGE | 7] },
    );
    expect(result.eax).toBe(0x1122_3344);
  });

  it('with CR4.PSE = 1 a PDE with PS = 1 maps 4 MiB', () => {
    const result = run(engine, `mov dword [${LINEAR + 0x301234}], 77\n`, { pde: PS | P | RW }, SET_PSE);
    expect(result.read32(0x301234)).toBe(77);
  });

  it('with CR4.PSE = 0 PS is ignored', () => {
    const result = run(engine, `mov dword [${LINEAR + 0x234}], 77`, { pde: TABLE | PS | P | RW });
    expect(result.read32(PAGE + 0x234)).toBe(77);
  });
});

describe.each(SYSTEM_ENGINES)('%s: page faults', (engine) => {
  it('a PDE or PTE that is not present: P = 0, with W/R and U/S of the access; CR2 is the address', () => {
    for (const entries of [{ pde: TABLE | RW | US }, { ptes: [PAGE | RW | US] }]) {
      const { exceptions } = run(
        engine,
        `
        @try mov eax, [${LINEAR + 0x123}]
        @try mov [${LINEAR + 0x124}], eax
        @user mov eax, [${LINEAR + 0x125}]
        @user mov [${LINEAR + 0xffc}], eax
        @try add [${LINEAR + 0x10}], eax
      `,
        entries,
      );
      expect(exceptions).toEqual([
        expect.objectContaining(pageFault(0, LINEAR + 0x123)),
        expect.objectContaining(pageFault(2, LINEAR + 0x124)),
        expect.objectContaining(pageFault(4, LINEAR + 0x125)),
        expect.objectContaining(pageFault(6, LINEAR + 0xffc)),
        expect.objectContaining(pageFault(2, LINEAR + 0x10)),
      ]);
    }
  });

  it('rights are those of directory and table together', () => {
    // Four directory entries with all combinations of rights, each with a table of its own with all combinations.
    const rights = [0, RW, US, RW | US];
    const cases = rights.flatMap((pde, i) => rights.map((pte, j) => ({ pde, pte, at: LINEAR * (i + 1) + 0x1000 * j })));
    const { exceptions } = runSystem(
      engine,
      ENABLE_PAGING +
        cases
          .map(
            ({ at }) => `
              @try mov eax, [${at}]
              @try mov [${at + 4}], eax
              @user mov eax, [${at + 8}]
              @user mov [${at + 12}], eax
              @user add [${at + 16}], eax`,
          )
          .join('\n'),
      {
        prepare(machine) {
          identityMap(machine);
          for (const [i, pde] of rights.entries()) {
            const table = TABLE + 0x1000 * i;
            machine.write32(PDE + 4 * i, table | P | pde);
            machine.write32(table, ...rights.map((pte) => PAGE | P | pte));
          }
        },
      },
    );
    const expected = cases.flatMap(({ pde, pte, at }) => [
      ...((pde & pte & US) !== 0 ? [] : [pageFault(5, at + 8)]),
      ...((pde & pte) === (RW | US) ? [] : [pageFault(7, at + 12), pageFault(7, at + 16)]),
    ]);
    expect(exceptions).toMatchObject(expected);
    expect(exceptions).toHaveLength(expected.length);
  });

  it('CR0.WP = 1 holds the supervisor to R/W too', () => {
    for (const entries of [{ pde: TABLE | P | US }, { ptes: [PAGE | P] }]) {
      const source = `
        @try mov eax, [${LINEAR}]
        @try mov dword [${LINEAR + 4}], 5
        ${SET_WP}
        @try mov eax, [${LINEAR}]
        @try mov dword [${LINEAR + 8}], 5
        mov eax, cr0
        and eax, 0xfffeffff
        mov cr0, eax
        @try mov dword [${LINEAR + 12}], 5
      `;
      const result = run(engine, source, entries);
      expect(result.exceptions).toMatchObject([pageFault(3, LINEAR + 8)]);
      expect([4, 8, 12].map((offset) => result.read32(PAGE + offset))).toEqual([5, 0, 5]);
    }
  });

  it('a fetch faults at the instruction, with W/R = 0; without PAE and NX, I/D = 0', () => {
    const { exceptions, labels } = run(
      engine,
      `
      mov eax, ${LINEAR + 0x40}
      @try jmp eax
      @user mov eax, ${LINEAR + 0x80} / jmp eax
    `,
      { ptes: [0] },
    );
    expect(exceptions).toMatchObject([
      { vector: VECTOR.PF, errorCode: 0, cr2: LINEAR + 0x40, eip: LINEAR + 0x40 },
      { vector: VECTOR.PF, errorCode: 4, cr2: LINEAR + 0x80, eip: LINEAR + 0x80 },
    ]);
    expect(labels.size).toBeGreaterThan(0);
  });

  it('an instruction that crosses into a missing page faults with CR2 at the border and its own EIP', () => {
    const { exceptions } = run(
      engine,
      `
      mov word [${LINEAR + 0xffe}], 0x05c7  ; MOV dword [imm32], imm32, the rest in the next page
      mov eax, ${LINEAR + 0xffe}
      @try jmp eax
    `,
      { ptes: [PAGE | 7, 0] },
    );
    expect(exceptions).toMatchObject([{ vector: VECTOR.PF, errorCode: 0, cr2: LINEAR + 0x1000, eip: LINEAR + 0xffe }]);
  });

  it('an access that crosses into a missing page faults with CR2 at the border, and writes nothing', () => {
    const result = run(
      engine,
      `
      mov dword [${LINEAR + 0xffc}], 0x11111111
      @try mov dword [${LINEAR + 0xffe}], -1
      @try mov eax, [${LINEAR + 0xffd}]
      @try mov [${LINEAR + 0xfff}], ax
      @user mov dword [${LINEAR + 0xffd}], -1
    `,
      { ptes: [PAGE | 7, 0] },
    );
    const border = LINEAR + 0x1000;
    expect(result.exceptions).toMatchObject([
      pageFault(2, border),
      pageFault(0, border),
      pageFault(2, border),
      pageFault(6, border),
    ]);
    expect(result.read32(PAGE + 0xffc)).toBe(0x1111_1111);
  });

  it('an access that crosses out of a missing page faults with CR2 at its first byte', () => {
    const { exceptions } = run(engine, `@try mov dword [${LINEAR + 0xffe}], -1`, { ptes: [0, PAGE | 7] });
    expect(exceptions).toMatchObject([pageFault(2, LINEAR + 0xffe)]);
  });

  it('a faulting instruction changes no register', () => {
    const result = run(
      engine,
      `
      mov esi, ${LINEAR + 0xffc}
      mov edi, 0x20000
      mov eax, 0x12345678
      mov ebx, esp
      @try lodsd
      @try push dword [${LINEAR}]
      @try pop dword [${LINEAR}]
      @try xchg [${LINEAR}], eax
      @try xadd [${LINEAR}], eax
      sub ebx, esp
    `,
      { ptes: [0] },
    );
    expect(result.exceptions.map(({ vector }) => vector)).toEqual(Array(5).fill(VECTOR.PF));
    expect(new Set(result.exceptions.map(({ esp }) => esp)).size).toBe(1);
    expect([result.eax, result.ebx, result.esi, result.edi]).toEqual([0x1234_5678, 0, LINEAR + 0xffc, 0x20000]);
  });

  it('a repeated string instruction stops at the faulting iteration and can go on', () => {
    const result = run(
      engine,
      `
      mov esi, 0x20000
      mov edi, ${LINEAR + 0xff0}
      mov ecx, 8
      mov dword [0x20010], 0x77
      @try rep movsd
      mov [0x21000], ecx
      mov [0x21004], esi
      mov [0x21008], edi
      mov dword [${TABLE + 4}], ${OTHER_PAGE | 7}
      @try rep movsd
    `,
      { ptes: [PAGE | 7, 0] },
    );
    expect(result.exceptions).toMatchObject([pageFault(2, LINEAR + 0x1000)]);
    expect([0, 4, 8].map((offset) => result.read32(0x21000 + offset))).toEqual([4, 0x20010, LINEAR + 0x1000]);
    expect([result.ecx, result.esi, result.edi]).toEqual([0, 0x20020, LINEAR + 0x1010]);
    expect(result.read32(OTHER_PAGE)).toBe(0x77);
  });

  it('reserved bits 21:13 of a 4 MiB PDE: RSVD = 1 and P = 1', () => {
    const { exceptions } = run(
      engine,
      `
      @try mov eax, [${LINEAR}]
      @user mov [${LINEAR + 4}], eax
    `,
      { pde: PS | P | RW | US | (1 << 13) },
      SET_PSE,
    );
    expect(exceptions).toMatchObject([pageFault(9, LINEAR), pageFault(15, LINEAR + 4)]);
  });

  it('system tables are read with supervisor rights, whatever CPL is', () => {
    // GDT in a supervisor page: loading a segment register at CPL 3 reads it.
    const result = runSystem(engine, `${ENABLE_PAGING}@user mov ax, 0x23 / mov fs, ax / mov ebx, fs`, {
      prepare(machine) {
        identityMap(machine);
        machine.write32(LAYOUT.PAGE_TABLE + 4, LAYOUT.GDT | P | RW);
      },
    });
    expect(result.exceptions).toEqual([]);
    expect(result.ebx).toBe(0x23);
  });

  it('a fault in reading a descriptor at CPL 3 is a supervisor access: U/S = 0', () => {
    // The GDT ends at 400000h, and the page there is missing.
    const base = LINEAR - SELECTOR.FREE;
    const { exceptions } = runSystem(
      engine,
      `
      ${ENABLE_PAGING}
      lgdt [gdtr]
      @user mov ax, ${SELECTOR.FREE + 3} / mov fs, ax
      jmp done
      gdtr: dw 0xfff
      dd ${base}
      done:
    `,
      {
        prepare(machine) {
          identityMap(machine);
          machine.memory.copyIn(PAGE + 0x1000 - SELECTOR.FREE, machine.memory.copyOut(LAYOUT.GDT, SELECTOR.FREE));
          machine.write32(LAYOUT.PAGE_TABLE + 4 * 0x3ff, PAGE | 7);
        },
      },
    );
    expect(exceptions).toMatchObject([{ vector: VECTOR.PF, errorCode: 0, cr2: LINEAR, cs: SELECTOR.USER_CODE }]);
  });
});
