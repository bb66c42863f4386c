import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { ENABLE_PAGING, identityMap, LAYOUT, runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const TABLE = 0x82000;
const PDE = LAYOUT.PAGE_DIRECTORY + 4;
const PAGE = 0x300000;
const OTHER_PAGE = 0x301000;
const LINEAR = 0x400000;
const G = 0x100;

/** Physical PAGE holds 1, OTHER_PAGE holds 2; linear 400000h is PAGE. */
const run = (
  engine: (typeof SYSTEM_ENGINES)[number],
  source: string,
  { pte = PAGE | 7, before = '', pde = TABLE | 7 } = {},
) =>
  runSystem(engine, before + ENABLE_PAGING + source, {
    prepare(machine) {
      identityMap(machine);
      machine.write32(PDE, pde);
      machine.write32(TABLE, pte);
      machine.write32(PAGE, 1);
      machine.write32(OTHER_PAGE, 2);
    },
  });

const REMAP = `mov dword [${TABLE}], ${OTHER_PAGE | 7}\n`;
const RELOAD_CR3 = 'mov eax, cr3\nmov cr3, eax\n';
const setCr4 = (value: number) => `mov eax, ${value}\nmov cr4, eax\n`;
const PSE = 0x10;
const PGE = 0x80;

describe.each(SYSTEM_ENGINES)('%s: INVLPG and MOV to CR3', (engine) => {
  it('after INVLPG the page is translated anew', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}invlpg [${LINEAR + 0xfff}]\nmov ecx, [${LINEAR}]`);
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
  });

  it('an instruction in two pages is fetched anew after INVLPG of the second alone', () => {
    // MOV EAX, imm32 whose last two bytes are in the second page, then RET.
    const second = 0x302000;
    const code = (high: number) => high | 0xc3_0000;
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov edx, ${LINEAR + 0xffd}
      call edx
      mov ebx, eax
      call edx
      mov dword [${TABLE + 4}], ${second | 7}
      invlpg [${LINEAR + 0x1000}]
      call edx
      mov ecx, eax`,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(PDE, TABLE | 7);
          machine.write32(TABLE, PAGE | 7, OTHER_PAGE | 7);
          machine.write32(PAGE + 0xffc, 0x2211_b890); // behind a NOP
          machine.write32(OTHER_PAGE, code(0x4433));
          machine.write32(second, code(0x6655));
        },
      },
    );
    expect([result.ebx, result.ecx].map((value) => value.toString(16))).toEqual(['44332211', '66552211']);
  });

  it('INVLPG leaves the other pages as they are', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}invlpg [${LINEAR + 0x1000}]\nmov ecx, [${LINEAR}]`);
    expect([result.ebx, result.ecx]).toEqual([1, 1]);
  });

  it('after MOV to CR3 every page is translated anew, also when the value is the same', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}${RELOAD_CR3}mov ecx, [${LINEAR}]`);
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
  });

  it('translations for reads, writes and fetches go together', () => {
    // RET in both pages, behind a MOV that tells them apart.
    const result = runSystem(
      engine,
      `
      ${ENABLE_PAGING}
      mov edx, ${LINEAR}
      call edx
      mov ebx, eax
      mov dword [${LINEAR + 0x100}], 5
      mov dword [${TABLE}], ${OTHER_PAGE | 7}
      invlpg [edx]
      call edx
      mov dword [${LINEAR + 0x100}], 6
    `,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(PDE, TABLE | 7);
          machine.write32(TABLE, PAGE | 7);
          machine.memory.copyIn(PAGE, Uint8Array.of(0xb8, 1, 0, 0, 0, 0xc3));
          machine.memory.copyIn(OTHER_PAGE, Uint8Array.of(0xb8, 2, 0, 0, 0, 0xc3));
        },
      },
    );
    expect([result.ebx, result.eax]).toEqual([1, 2]);
    expect([result.read32(PAGE + 0x100), result.read32(OTHER_PAGE + 0x100)]).toEqual([5, 6]);
  });

  it('INVLPG of any address in a 4 MiB page drops all of it', () => {
    const result = run(
      engine,
      `
      mov ebx, [${LINEAR + PAGE}]
      mov ecx, [${LINEAR + OTHER_PAGE}]
      mov dword [${PDE}], ${TABLE | 7}
      mov dword [${TABLE + (PAGE >>> 10)}], ${OTHER_PAGE | 7}
      mov dword [${TABLE + (OTHER_PAGE >>> 10)}], ${PAGE | 7}
      invlpg [${LINEAR + 0x5000}]
      mov esi, [${LINEAR + PAGE}]
      mov edi, [${LINEAR + OTHER_PAGE}]
    `,
      { before: setCr4(PSE), pde: 0x87 },
    );
    expect([result.ebx, result.ecx, result.esi, result.edi]).toEqual([1, 2, 2, 1]);
  });

  it('INVLPG is #GP(0) above CPL 0 and #UD with a register', () => {
    const { exceptions } = run(engine, `@user invlpg [${LINEAR}]\n@try db 0x0f, 0x01, 0xf8`);
    expect(exceptions).toMatchObject([
      { vector: VECTOR.GP, errorCode: 0, atStart: true },
      { vector: VECTOR.UD, atStart: true },
    ]);
  });

  it('INVLPG looks neither at the segment limit nor at the page', () => {
    const { exceptions } = run(
      engine,
      'xor eax, eax\nmov fs, ax\n@try invlpg [fs:0x12345678]\n@try invlpg [0xfffffff0]',
    );
    expect(exceptions).toEqual([]);
  });

  it('an entry that was not present may become present without invalidation', () => {
    const result = run(engine, `@try mov ebx, [${LINEAR}]\nmov dword [${TABLE}], ${PAGE | 7}\nmov ebx, [${LINEAR}]`, {
      pte: 0,
    });
    expect(result.exceptions).toHaveLength(1);
    expect(result.ebx).toBe(1);
  });

  it('a page fault leads to a new walk: rights that were raised hold at the next access', () => {
    const result = run(
      engine,
      `
      @user mov ebx, [${LINEAR}]
      @user mov dword [${LINEAR}], 9
      mov dword [${TABLE}], ${PAGE | 7}
      @user mov dword [${LINEAR}], 9
    `,
      { pte: PAGE | 5 },
    );
    expect(result.exceptions).toMatchObject([{ vector: VECTOR.PF, errorCode: 7 }]);
    expect(result.read32(PAGE)).toBe(9);
  });

  it('turning paging off and on drops everything', () => {
    const result = run(
      engine,
      `
      mov ebx, [${LINEAR}]
      ${REMAP}
      mov eax, cr0
      and eax, 0x7fffffff
      mov cr0, eax
      mov dword [${LINEAR}], 3
      or eax, 0x80000000
      mov cr0, eax
      mov ecx, [${LINEAR}]
    `,
    );
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
    expect(result.read32(LINEAR)).toBe(3);
  });
});

describe.each(SYSTEM_ENGINES)('%s: global pages', (engine) => {
  const GLOBAL = { pte: PAGE | 7 | G, before: setCr4(PGE) };

  it('survive MOV to CR3 with CR4.PGE = 1', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}${RELOAD_CR3}mov ecx, [${LINEAR}]`, GLOBAL);
    expect([result.ebx, result.ecx]).toEqual([1, 1]);
  });

  it('do not with CR4.PGE = 0', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}${RELOAD_CR3}mov ecx, [${LINEAR}]`, {
      pte: PAGE | 7 | G,
    });
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
  });

  it('go with INVLPG', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}invlpg [${LINEAR}]\nmov ecx, [${LINEAR}]`, GLOBAL);
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
  });

  it('go when CR4.PGE changes', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}${setCr4(0)}mov ecx, [${LINEAR}]`, GLOBAL);
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
  });

  it('G in a PDE that points to a table means nothing', () => {
    const result = run(engine, `mov ebx, [${LINEAR}]\n${REMAP}${RELOAD_CR3}mov ecx, [${LINEAR}]`, {
      before: setCr4(PGE),
      pde: TABLE | 7 | G,
    });
    expect([result.ebx, result.ecx]).toEqual([1, 2]);
  });

  it('of 4 MiB survive as well', () => {
    const result = run(
      engine,
      `
      mov ebx, [${LINEAR + PAGE}]
      mov dword [${PDE}], ${TABLE | 7}
      ${RELOAD_CR3}
      mov ecx, [${LINEAR + PAGE}]
    `,
      { before: setCr4(PGE | PSE), pde: 0x87 | G },
    );
    expect([result.ebx, result.ecx]).toEqual([1, 1]);
  });
});

describe.each(SYSTEM_ENGINES)('%s: code and aliases', (engine) => {
  it('a write through another linear address changes the code', () => {
    const result = runSystem(
      engine,
      `
      ${ENABLE_PAGING}
      mov edx, ${LINEAR}
      call edx
      mov ebx, eax
      mov byte [${PAGE + 1}], 2
      call edx
      mov ecx, eax
      mov byte [${LINEAR + 0x1001}], 3
      call edx
    `,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(PDE, TABLE | 7);
          machine.write32(TABLE, PAGE | 7, PAGE | 7);
          machine.memory.copyIn(PAGE, Uint8Array.of(0xb8, 1, 0, 0, 0, 0xc3));
        },
      },
    );
    expect([result.ebx, result.ecx, result.eax]).toEqual([1, 2, 3]);
  });

  it('one physical page runs at several linear addresses', () => {
    // CALL to the next instruction and POP give the instruction pointer.
    const result = runSystem(
      engine,
      `
      ${ENABLE_PAGING}
      mov edx, ${LINEAR}
      call edx
      mov ebx, eax
      add edx, 0x1000
      call edx
    `,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(PDE, TABLE | 7);
          machine.write32(TABLE, PAGE | 7, PAGE | 7);
          machine.memory.copyIn(PAGE, Uint8Array.of(0xe8, 0, 0, 0, 0, 0x58, 0xc3));
        },
      },
    );
    expect([result.ebx, result.eax]).toEqual([LINEAR + 5, LINEAR + 0x1005]);
  });

  it('an instruction that crosses into a page that is mapped anew has the new bytes', () => {
    // MOV EAX, imm32 whose last byte and RET are in the second page.
    const result = runSystem(
      engine,
      `
      ${ENABLE_PAGING}
      mov edx, ${LINEAR + 0xffc}
      call edx
      mov ebx, eax
      mov dword [${TABLE + 4}], ${(OTHER_PAGE + 0x1000) | 7}
      invlpg [${LINEAR + 0x1000}]
      call edx
    `,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(PDE, TABLE | 7);
          machine.write32(TABLE, PAGE | 7, OTHER_PAGE | 7);
          machine.memory.copyIn(PAGE + 0xffc, Uint8Array.of(0xb8, 1, 0, 0));
          machine.memory.copyIn(OTHER_PAGE, Uint8Array.of(0x11, 0xc3));
          machine.memory.copyIn(OTHER_PAGE + 0x1000, Uint8Array.of(0x22, 0xc3));
        },
      },
    );
    expect([result.ebx, result.eax]).toEqual([0x1100_0001, 0x2200_0001]);
  });
});
