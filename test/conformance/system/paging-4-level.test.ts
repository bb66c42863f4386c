import { describe, expect, it } from 'vitest';
import { descriptor, LAYOUT, runSystem, SELECTOR, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const PML4 = 0x90000;
const PDPT = 0x91000;
const DIRECTORY = 0x92000;
const TABLE = 0x93000;
/** From 2^40 on: 2 MiB at 200000h are physical 400000h. */
const OTHER_PDPT = 0x94000;
const OTHER_DIRECTORY = 0x95000;
const PAGE = 0x300000;
const ALL = 7n;
const PS = 0x80n;
const A = 0x20;
const D = 0x40;
/** PML4 entry 1, PDPT entry 2, directory entry 3, table entry 4. */
const LINEAR = 2 ** 39 + 2 * 2 ** 30 + 3 * 2 ** 21 + 4 * 2 ** 12;

const ENTER_64_BIT_MODE = `
  mov eax, 0x20
  mov cr4, eax
  mov eax, ${PML4}
  mov cr3, eax
  mov ecx, 0xc0000080
  mov eax, 0x900
  xor edx, edx
  wrmsr
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  rdmsr
  mov [0x20000], eax
  jmp ${SELECTOR.FREE}:long_mode
  bits 64
long_mode:
`;

const run = (engine: (typeof SYSTEM_ENGINES)[number], source: string) =>
  runSystem(engine, ENTER_64_BIT_MODE + source, {
    model: 'x86-64',
    prepare({ memory, write32 }) {
      write32(LAYOUT.GDT + SELECTOR.FREE, ...descriptor({ access: 0x9a, flags: 0xa }));
      memory.write64(PML4, BigInt(PDPT) | ALL);
      memory.write64(PML4 + 8, BigInt(PDPT) | ALL);
      memory.write64(PML4 + 16, BigInt(OTHER_PDPT) | ALL);
      memory.write64(OTHER_PDPT, BigInt(OTHER_DIRECTORY) | ALL);
      memory.write64(OTHER_DIRECTORY + 8, 0x400000n | ALL | PS);
      memory.write64(PDPT, BigInt(DIRECTORY) | ALL);
      memory.write64(PDPT + 16, BigInt(DIRECTORY) | ALL);
      memory.write64(DIRECTORY, ALL | PS);
      memory.write64(DIRECTORY + 8, 0x200000n | ALL | PS);
      memory.write64(DIRECTORY + 24, BigInt(TABLE) | ALL);
      memory.write64(TABLE + 32, BigInt(PAGE) | ALL);
    },
  });

describe.each(SYSTEM_ENGINES)('%s: 4-level paging', (engine) => {
  it('EFER.LME = 1 and CR4.PAE = 1 when paging is turned on: IA-32e mode, EFER.LMA = 1', () => {
    expect(run(engine, '').read32(0x20000)).toBe(0xd00);
  });

  it('a 48-bit linear address is mapped by four levels', () => {
    const result = run(
      engine,
      `
      mov rbx, ${LINEAR}
      mov dword [rbx + 0x123], 0x11223344
      mov rax, [rbx + 0x123]
      mov rcx, ${2 ** 39 + 0x200000}
      mov dword [rcx + 0x100200], 0x55667788
    `,
    );
    expect(result.read32(PAGE + 0x123)).toBe(0x1122_3344);
    expect(result.eax).toBe(0x1122_3344);
    expect(result.read32(0x300200)).toBe(0x5566_7788);
  });

  it('accessed and dirty flags are set on the way', () => {
    const { read32 } = run(engine, `mov rbx, ${LINEAR}\nmov [rbx], eax\nmov rax, [rbx]`);
    const flags = (at: number) => read32(at) & (A | D);
    expect([PML4 + 8, PDPT + 16, DIRECTORY + 24, TABLE + 32].map(flags)).toEqual([A, A, A, A | D]);
  });

  it('addresses that are equal in their low 32 bits are told apart', () => {
    const result = run(
      engine,
      `
      mov rbx, 0x300000
      mov rcx, ${2 ** 40 + 0x300000}
      mov dword [rbx], 1
      mov dword [rcx], 2
      mov esi, [rbx]
      mov edi, [rcx]
    `,
    );
    expect([result.esi, result.edi]).toEqual([1, 2]);
    expect(result.read32(0x500000)).toBe(2);
  });

  it('INVLPG and MOV to CR3 work as in other modes', () => {
    const result = run(
      engine,
      `
      mov dword [0x301000], 7
      mov dword [0x302000], 8
      mov rbx, ${LINEAR}
      mov eax, [rbx]
      mov dword [${TABLE + 32}], 0x301007
      invlpg [rbx]
      mov esi, [rbx]
      mov dword [${TABLE + 32}], 0x302007
      mov rax, cr3
      mov cr3, rax
      mov edi, [rbx]
    `,
    );
    expect([result.esi, result.edi]).toEqual([7, 8]);
  });
});
