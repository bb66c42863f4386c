import { describe, expect, it } from 'vitest';
import { ENABLE_PAGING, identityMap, LAYOUT, runSystem, SYSTEM_ENGINES } from '../../support/system-machine.ts';

const TABLE = 0x82000;
const PDE = LAYOUT.PAGE_DIRECTORY + 4;
const PAGE = 0x300000;
const LINEAR = 0x400000;
const A = 0x20;
const D = 0x40;

const run = (engine: (typeof SYSTEM_ENGINES)[number], source: string, rights = 7, before = '') =>
  runSystem(engine, before + ENABLE_PAGING + source, {
    prepare(machine) {
      identityMap(machine);
      machine.write32(PDE, TABLE | 7);
      machine.write32(TABLE, PAGE | rights, (PAGE + 0x1000) | rights, (PAGE + 0x2000) | rights);
    },
  });

/** Flags A and D of the directory entry and of the first table entries. */
const flags = ({ read32 }: ReturnType<typeof run>) => ({
  pde: read32(PDE) & (A | D),
  ptes: [0, 1, 2].map((index) => read32(TABLE + 4 * index) & (A | D)),
});

describe.each(SYSTEM_ENGINES)('%s: accessed and dirty flags', (engine) => {
  it('a read sets A at every level', () => {
    expect(flags(run(engine, `mov eax, [${LINEAR}]`))).toEqual({ pde: A, ptes: [A, 0, 0] });
  });

  it('a write also sets D, in the entry that maps the page', () => {
    expect(flags(run(engine, `mov [${LINEAR}], eax`))).toEqual({ pde: A, ptes: [A | D, 0, 0] });
  });

  it('a write to a page that was only read before sets D', () => {
    expect(flags(run(engine, `mov eax, [${LINEAR}]\nmov [${LINEAR}], eax`))).toEqual({ pde: A, ptes: [A | D, 0, 0] });
  });

  it('a fetch sets A', () => {
    // RET is there from the start.
    const result = runSystem(engine, `${ENABLE_PAGING}mov eax, ${LINEAR}\ncall eax`, {
      prepare(machine) {
        identityMap(machine);
        machine.write32(PDE, TABLE | 7);
        machine.write32(TABLE, PAGE | 7);
        machine.memory.write(PAGE, 0xc3, 1);
      },
    });
    expect(flags(result)).toEqual({ pde: A, ptes: [A, 0, 0] });
  });

  it('an access that crosses a page sets the flags of both', () => {
    expect(flags(run(engine, `mov eax, [${LINEAR + 0xffe}]`)).ptes).toEqual([A, A, 0]);
    expect(flags(run(engine, `mov [${LINEAR + 0x1fff}], ax`)).ptes).toEqual([0, A | D, A | D]);
  });

  it.each([
    ['add dword [X], 1', A | D],
    ['xchg [X], eax', A | D],
    ['cmp dword [X], 1', A],
    ['cmpxchg [X], ebx', A | D],
    ['bts dword [X], 3', A | D],
    ['bt dword [X], 3', A],
    ['push dword [X]', A],
    ['pop dword [X]', A | D],
    ['movzx eax, byte [X]', A],
    ['sete [X]', A | D],
    ['lea eax, [X]', 0],
    ['fild dword [X]', A],
    ['fst qword [X]', A | D],
  ])('%s', (text, expected) => {
    const result = run(engine, `push dword 0\n${text.replace('X', `${LINEAR + 8}`)}`);
    expect(flags(result).ptes).toEqual([expected, 0, 0]);
  });

  it('string instructions set A for what they read and D for what they write', () => {
    const result = run(engine, `mov esi, ${LINEAR}\nmov edi, ${LINEAR + 0x1000}\nmov ecx, 3\nrep movsd`);
    expect(flags(result).ptes).toEqual([A, A | D, 0]);
  });

  it('the stack pages of CALL, PUSH and exceptions become dirty', () => {
    const result = run(
      engine,
      `
      mov ebx, esp
      mov esp, ${LINEAR + 0x1000}
      push eax
      mov esp, ${LINEAR + 0x2000}
      call next
      next: mov esp, ${LINEAR + 0x3000}
      @try ud2
      mov esp, ebx
    `,
    );
    expect(flags(result).ptes).toEqual([A | D, A | D, A | D]);
  });

  it('with 4 MiB pages they are in the PDE', () => {
    const result = runSystem(
      engine,
      `
      mov eax, 0x10
      mov cr4, eax
      ${ENABLE_PAGING}
      mov eax, [${LINEAR}]
      mov [${2 * LINEAR}], eax
    `,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(PDE, 0x87, 0x87);
        },
      },
    );
    expect([result.read32(PDE) & (A | D), result.read32(PDE + 4) & (A | D)]).toEqual([A, A | D]);
  });

  it('a write that is refused does not set D', () => {
    const result = run(engine, `mov eax, cr0\nor eax, 0x10000\nmov cr0, eax\n@try mov [${LINEAR}], eax`, 5);
    expect(result.exceptions).toHaveLength(1);
    expect(flags(result).ptes[0] & D).toBe(0);
  });

  it('a write that crosses into a missing page faults before it writes', () => {
    const result = run(engine, `mov dword [${TABLE + 4}], 0\n@try mov dword [${LINEAR + 0xffe}], -1`);
    expect(result.exceptions).toHaveLength(1);
    expect(result.read32(PAGE + 0xffc)).toBe(0);
  });

  it('flags that software clears are set again after INVLPG', () => {
    const result = run(
      engine,
      `
      mov [${LINEAR}], eax
      and dword [${TABLE}], ${~(A | D)}
      and dword [${PDE}], ${~A}
      invlpg [${LINEAR}]
      mov [${LINEAR}], eax
    `,
    );
    expect(flags(result)).toEqual({ pde: A, ptes: [A | D, 0, 0] });
  });

  it('the descriptor tables are accessed through paging: their pages get A', () => {
    const result = run(
      engine,
      `and dword [${LAYOUT.PAGE_TABLE + 4}], ${~(A | D)}\nmov eax, cr3\nmov cr3, eax\nmov ax, 0x10\nmov fs, ax`,
    );
    expect(result.read32(LAYOUT.PAGE_TABLE + 4) & A).toBe(A);
  });
});
