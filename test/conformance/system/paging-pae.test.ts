import { describe, expect, it } from 'vitest';
import { VECTOR } from '../../../src/cpu/fault.ts';
import { runSystem, SYSTEM_ENGINES, type SystemMachine } from '../../support/system-machine.ts';

const PDPT = 0x84020;
const DIRECTORY = 0x85000;
/** Linear addresses from 400000h on are mapped by a table, from 40000000h on by a directory of their own. */
const TABLE = 0x86000;
const HIGH_DIRECTORY = 0x87000;
const PAGE = 0x300000;
const OTHER_PAGE = 0x301000;
const LINEAR = 0x400000;
const HIGH = 0x4000_0000;

const ALL = 7n;
const PS = 0x80n;
const XD = 1n << 63n;

const ENABLE_NX = 'mov ecx, 0xc0000080\nmov eax, 0x800\nxor edx, edx\nwrmsr\n';
const DISABLE_NX = 'mov ecx, 0xc0000080\nxor eax, eax\nxor edx, edx\nwrmsr\n';
const ENABLE_PAE = `
  mov eax, 0x20
  mov cr4, eax
  mov eax, ${PDPT}
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
`;
const RELOAD_CR3 = 'mov eax, cr3\nmov cr3, eax\n';

interface Tables {
  pde?: bigint;
  ptes?: bigint[];
  pdptes?: bigint[];
  high?: bigint;
}

function prepareTables(machine: SystemMachine, tables: Tables): void {
  const { memory } = machine;
  const pdptes = [BigInt(DIRECTORY) | 1n, BigInt(HIGH_DIRECTORY) | 1n, 0n, 0n];
  (tables.pdptes ?? pdptes).forEach((entry, index) => {
    memory.write64(PDPT + 8 * index, entry);
  });
  memory.write64(DIRECTORY, ALL | PS);
  memory.write64(DIRECTORY + 8, 0x200000n | ALL | PS);
  memory.write64(DIRECTORY + 16, tables.pde ?? BigInt(TABLE) | ALL);
  memory.write64(HIGH_DIRECTORY, tables.high ?? 0x200000n | ALL | PS);
  (tables.ptes ?? [BigInt(PAGE) | ALL]).forEach((entry, index) => {
    memory.write64(TABLE + 8 * index, entry);
  });
}

const run = (engine: (typeof SYSTEM_ENGINES)[number], source: string, tables: Tables = {}, before = ENABLE_NX) =>
  runSystem(engine, before + ENABLE_PAE + source, { prepare: (machine) => prepareTables(machine, tables) });

const pageFault = (errorCode: number, cr2: number) => ({ vector: VECTOR.PF, errorCode, cr2 });

describe.each(SYSTEM_ENGINES)('%s: PAE paging', (engine) => {
  it('a linear address is mapped by PDPTE register, directory and table', () => {
    const result = run(
      engine,
      `
      mov dword [${LINEAR + 0x123}], 0x11223344
      mov dword [${LINEAR + 0xffe + 0x1000}], 0x55667788
    `,
      { ptes: [BigInt(PAGE) | ALL, BigInt(OTHER_PAGE) | ALL, BigInt(PAGE) | ALL] },
    );
    expect(result.read32(PAGE + 0x123)).toBe(0x1122_3344);
    expect(result.read32(OTHER_PAGE + 0xffe) & 0xffff).toBe(0x7788);
    expect(result.read32(PAGE) & 0xffff).toBe(0x5566);
  });

  it('an access to two pages goes to both, also where both have been written before', () => {
    const result = run(
      engine,
      `
      mov dword [${HIGH + 0x100000}], 0
      mov dword [${HIGH + 0x101ffc}], 0
      mov dword [${HIGH + 0x102000}], 0
      mov dword [${LINEAR + 0x1ffe}], 0x55667788
      mov ebx, [${LINEAR + 0x1ffe}]
    `,
      { ptes: [BigInt(PAGE) | ALL, BigInt(OTHER_PAGE) | ALL, BigInt(PAGE) | ALL] },
    );
    expect(result.read32(OTHER_PAGE + 0xffc)).toBe(0x7788_0000);
    expect(result.read32(PAGE)).toBe(0x5566);
    expect(result.read32(OTHER_PAGE + 0x1000)).toBe(0);
    expect(result.ebx).toBe(0x5566_7788);
  });

  it('a PDE with PS = 1 maps 2 MiB, whatever CR4.PSE is', () => {
    const result = run(engine, `mov dword [${HIGH + 0x101234}], 77`);
    expect(result.read32(0x301234)).toBe(77);
  });

  it('physical addresses may lie above 4 GiB, where nothing answers here', () => {
    const result = run(engine, `mov dword [${LINEAR}], 5\nmov ebx, [${LINEAR}]`, { ptes: [0xf_0000_0000n | ALL] });
    expect(result.ebx).toBe(0xffff_ffff);
  });

  it('a PDPTE that is not present faults with P = 0', () => {
    const { exceptions } = run(engine, '@try mov eax, [0x80000004]\n@user mov [0xfffffffc], eax');
    expect(exceptions).toMatchObject([pageFault(0, 0x8000_0004), pageFault(6, 0xffff_fffc)]);
  });

  it('rights are checked in directory and table', () => {
    const source = `
      mov eax, cr0
      or eax, 0x10000
      mov cr0, eax
      @user mov eax, [${LINEAR}]
      @try mov [${LINEAR + 4}], eax
      @user mov [${LINEAR + 8}], eax
    `;
    for (const entries of [{ pde: BigInt(TABLE) | 1n }, { ptes: [BigInt(PAGE) | 1n] }]) {
      const { exceptions } = run(engine, source, entries);
      expect(exceptions).toMatchObject([pageFault(5, LINEAR), pageFault(3, LINEAR + 4), pageFault(7, LINEAR + 8)]);
    }
  });

  it('bits 62:36 of a PDE or PTE are reserved, as are bits 20:13 of a PDE that maps 2 MiB', () => {
    for (const bit of [36n, 40n, 51n, 52n, 62n]) {
      const { exceptions } = run(
        engine,
        `
        @try mov eax, [${LINEAR}]
        @user mov [${LINEAR + 4}], eax
        @try mov eax, [${HIGH}]
      `,
        { ptes: [BigInt(PAGE) | ALL | (1n << bit)], high: 0x200000n | ALL | PS | (1n << bit) },
      );
      expect(exceptions).toMatchObject([pageFault(9, LINEAR), pageFault(15, LINEAR + 4), pageFault(9, HIGH)]);
    }
    for (const bit of [13n, 20n]) {
      const { exceptions } = run(engine, `@try mov eax, [${HIGH}]`, { high: 0x200000n | ALL | PS | (1n << bit) });
      expect(exceptions).toMatchObject([pageFault(9, HIGH)]);
    }
  });
});

describe.each(SYSTEM_ENGINES)('%s: execute-disable', (engine) => {
  const FETCH = `
    mov byte [${LINEAR}], 0xc3
    mov eax, ${LINEAR}
    @try call eax
    @user mov eax, ${LINEAR} / call eax
  `;

  it('XD in the PDE or the PTE forbids fetches with I/D = 1, and allows reads and writes', () => {
    for (const entries of [{ pde: BigInt(TABLE) | ALL | XD }, { ptes: [BigInt(PAGE) | ALL | XD] }]) {
      const result = run(engine, FETCH, entries);
      expect(result.exceptions).toMatchObject([
        { ...pageFault(0x11, LINEAR), eip: LINEAR },
        { ...pageFault(0x15, LINEAR), eip: LINEAR },
      ]);
      expect(result.read32(PAGE) & 0xff).toBe(0xc3);
    }
  });

  it('a fetch from a missing page has I/D = 1 too', () => {
    const { exceptions } = run(engine, `mov eax, ${LINEAR + 5}\n@try jmp eax`, { ptes: [0n] });
    expect(exceptions).toMatchObject([pageFault(0x10, LINEAR + 5)]);
  });

  it('an instruction that crosses into an XD page faults with CR2 at the border', () => {
    const { exceptions } = run(
      engine,
      `
      mov byte [${LINEAR + 0xfff}], 0xb8
      mov eax, ${LINEAR + 0xfff}
      @try jmp eax
    `,
      { ptes: [BigInt(PAGE) | ALL, BigInt(OTHER_PAGE) | ALL | XD] },
    );
    expect(exceptions).toMatchObject([{ ...pageFault(0x11, LINEAR + 0x1000), eip: LINEAR + 0xfff }]);
  });

  it('while EFER.NXE = 0 XD is a reserved bit, and fetches are not told apart', () => {
    const { exceptions } = run(
      engine,
      `
      mov eax, ${LINEAR}
      @try mov ebx, [${LINEAR}]
      @try jmp eax
      mov eax, ${LINEAR + 0x1000}
      @try jmp eax
    `,
      { ptes: [BigInt(PAGE) | ALL | XD, 0n] },
      '',
    );
    expect(exceptions).toMatchObject([pageFault(9, LINEAR), pageFault(9, LINEAR), pageFault(0, LINEAR + 0x1000)]);
  });

  it('a change of EFER.NXE holds at once, also for pages in use', () => {
    const result = run(
      engine,
      `
      mov ebx, [${LINEAR}]
      ${DISABLE_NX}
      @try mov ebx, [${LINEAR}]
      ${ENABLE_NX}
      mov ebx, [${LINEAR}]
    `,
      { ptes: [BigInt(PAGE) | ALL | XD] },
    );
    expect(result.exceptions).toMatchObject([pageFault(9, LINEAR)]);
  });
});

describe.each(SYSTEM_ENGINES)('%s: PDPTE registers', (engine) => {
  it('a change of the table in memory holds from the next MOV to CR3 on, not from INVLPG', () => {
    const result = run(
      engine,
      `
      mov dword [${PDPT + 8}], 0
      invlpg [${HIGH}]
      mov dword [${HIGH + 0x100000}], 1
      ${RELOAD_CR3}
      @try mov dword [${HIGH + 0x100000}], 2
      mov dword [${PDPT + 8}], ${HIGH_DIRECTORY | 1}
      @try mov dword [${HIGH + 0x100000}], 3
      ${RELOAD_CR3}
      mov dword [${HIGH + 0x100004}], 4
    `,
    );
    expect(result.exceptions).toMatchObject([pageFault(2, HIGH + 0x100000), pageFault(2, HIGH + 0x100000)]);
    expect([result.read32(PAGE), result.read32(PAGE + 4)]).toEqual([1, 4]);
  });

  it('MOV to CR3 is #GP(0) when a present PDPTE has a reserved bit set, and CR3 stays', () => {
    for (const bit of [1, 2, 5, 8, 36, 63]) {
      const result = run(
        engine,
        `
        mov eax, 0x84100
        @try mov cr3, eax
        mov ebx, cr3
        mov dword [${HIGH + 0x100000}], 1
      `,
        {
          pdptes: [
            BigInt(DIRECTORY) | 1n,
            BigInt(HIGH_DIRECTORY) | 1n,
            0n,
            0n,
            ...Array(24).fill(0n),
            1n | (1n << BigInt(bit)),
          ],
        },
      );
      expect(result.exceptions).toMatchObject([{ vector: VECTOR.GP, errorCode: 0, atStart: true }]);
      expect(result.ebx).toBe(PDPT);
      expect(result.read32(PAGE)).toBe(1);
    }
  });

  it('turning paging on loads and checks them as well', () => {
    const { exceptions } = runSystem(
      engine,
      `
      mov eax, 0x20
      mov cr4, eax
      mov eax, ${PDPT}
      mov cr3, eax
      mov eax, 0x80000011
      @try mov cr0, eax
      mov ebx, cr0
    `,
      { prepare: (machine) => prepareTables(machine, { pdptes: [BigInt(DIRECTORY) | 3n] }) },
    );
    expect(exceptions).toMatchObject([{ vector: VECTOR.GP, errorCode: 0, atStart: true }]);
  });
});
