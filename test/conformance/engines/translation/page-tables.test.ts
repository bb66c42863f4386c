/** Page tables that change under the data of a hot loop. SDM Vol. 3A, "Invalidation of TLBs" and "Accessed and Dirty Flags". */
import { describe, expect, it } from 'vitest';
import { TLB } from '../../../../src/cpu/tlb-layout.ts';
import { LAYOUT } from '../../../support/system-machine.ts';
import { enterUser, entryOf, interruptEvery, leaveUserTo } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const PAGE = 0x70000;
const ENTRY = entryOf(PAGE);
/** Takes the place of the page; its doublewords are 1000 times as large. */
const OTHER = 0x74000;
const ROUNDS = 3000;
const CHANGED_AT = 1000;

const LOOPS = {
  'a load': { code: `add ebx, [${PAGE + 0x10}]`, reads: true },
  'a load through a register': { code: 'add ebx, [edi + edx * 4 + 0x10]', reads: true },
  'a fused compare': { code: `cmp dword [${PAGE + 0x10}], 1000\njne small\nadd ebx, 999\nsmall: inc ebx`, reads: true },
  'a store': { code: `mov [${PAGE + 0x20}], ebp`, reads: false },
  'a read-modify-write': { code: `inc dword [${PAGE + 0x20}]`, reads: false },
  'a push': { code: `mov esp, ${PAGE + 0x24}\npush ebp\nmov esp, ${LAYOUT.KERNEL_STACK}`, reads: false },
  'a string store': {
    code: `mov eax, ebp\nmov edi, ${PAGE + 0x20}\nmov ecx, 3\nrep stosd\nmov edi, ${PAGE}`,
    reads: false,
  },
} as const;

const toOther = `mov dword [${ENTRY}], ${OTHER | 7}`;
const CHANGES: Readonly<Record<string, { readonly code: string; readonly isFlushed: boolean }>> = {
  INVLPG: { code: `${toOther}\ninvlpg [${PAGE + 0xfff}]`, isFlushed: true },
  'a write to CR3': { code: `${toOther}\nmov eax, cr3\nmov cr3, eax`, isFlushed: true },
  'a change of CR4.PGE': { code: `${toOther}\nmov eax, cr4\nxor eax, 0x80\nmov cr4, eax`, isFlushed: true },
  'no invalidation': { code: toOther, isFlushed: false },
  'no invalidation, and a global entry under CR3': {
    code: `mov eax, cr4\nor eax, 0x80\nmov cr4, eax\nor dword [${ENTRY}], 0x100\nmov eax, [${PAGE}]\n${toOther}\nmov eax, cr3\nmov cr3, eax`,
    isFlushed: false,
  },
};

describe.each(Object.entries(LOOPS))('%s of a hot loop', (_, { code, reads }) => {
  it.each(Object.entries(CHANGES))('gets another page by %s', (__, { code: change, isFlushed }) => {
    const { ebx, read32 } = runHot({
      paging: true,
      prepare: (machine) => {
        machine.write32(PAGE + 0x10, 1);
        machine.write32(OTHER + 0x10, 1000);
        machine.write32(PAGE + 0x20, 0);
        machine.write32(OTHER + 0x20, 0);
      },
      source: `mov ebp, ${ROUNDS}
        mov edi, ${PAGE}
        xor edx, edx
        again:
        ${code}
        cmp ebp, ${CHANGED_AT}
        jne as_before
        ${change}
        as_before:
        dec ebp
        jnz again`,
    });
    const before = ROUNDS - CHANGED_AT + 1;
    const after = CHANGED_AT - 1;
    if (reads && isFlushed) expect(ebx).toBe(before + 1000 * after);
    else if (reads) expect((ebx - ROUNDS) % 999).toBe(0);
    else if (isFlushed && code.startsWith('inc'))
      expect([read32(PAGE + 0x20), read32(OTHER + 0x20)]).toEqual([before, after]);
    else if (isFlushed) expect([read32(PAGE + 0x20), read32(OTHER + 0x20)]).toEqual([CHANGED_AT, 1]);
    else expect(read32(PAGE + 0x20)).toBeGreaterThan(0);
  });
});

describe('an interrupt takes the page of a hot user loop away', () => {
  it.each([
    ['absent', 6, 'mov eax, [edi]\nadd ebx, eax', ROUNDS],
    ['read-only', 5, 'add dword [edi], 1\nmov ebx, [edi]', ROUNDS],
    ['read-only, under a read', 5, 'mov eax, [edi]\nadd ebx, eax', ROUNDS],
    ['the supervisor’s', 3, 'mov eax, [edi]\nadd ebx, eax\nmov [edi + 8], ebx', ROUNDS],
    ['another page, and absent', OTHER | 6, 'mov eax, [edi]\nadd ebx, eax', ROUNDS],
  ])('%s', (_, bits, code, rounds) => {
    const { ebx, read32, label } = runHot({
      paging: true,
      prepare: (machine) => {
        interruptEvery(machine, 331);
        machine.write32(PAGE, code.startsWith('add') ? 0 : 1);
        machine.write32(OTHER, 1);
      },
      source: `mov ebp, ${rounds}
        mov edi, ${PAGE}
        ${enterUser('user', 0x202)}
        user:
        again: ${code}
        dec ebp
        jnz again
        int 0x80
        done: nop`,
      handlers: `${leaveUserTo('done')}
        vector_9: mov dword [${ENTRY}], ${bits > 7 ? bits : PAGE | bits}
        invlpg [${PAGE}]
        inc dword [taken]
        iretd
        vector_14: push eax
        mov eax, cr2
        add [addresses], eax
        mov eax, [esp + 4]
        add [codes], eax
        or dword [${ENTRY}], 7
        inc dword [faults]
        pop eax
        add esp, 4
        iretd
        faults: dd 0
        taken: dd 0
        codes: dd 0
        addresses: dd 0`,
    });
    expect(ebx).toBe(rounds);
    const [faults, taken] = [read32(label('faults')), read32(label('taken'))];
    expect(taken).toBeGreaterThan(30);
    if (_ === 'read-only, under a read') expect(faults).toBe(0);
    // The last one may come when the loop is done, two may come between two accesses.
    else expect(taken - faults).toBeLessThan(3);
  });
});

describe('accessed and dirty bits', () => {
  it.each([
    ['a loop that reads', 'add ebx, [edi]', 0x20],
    ['a loop that writes', 'mov [edi], ebp', 0x60],
    [
      'a loop that reads, and writes now and then',
      'add ebx, [edi]\ntest ebp, 63\njnz seldom\nmov [edi], ebp\nseldom:',
      undefined,
    ],
  ])('%s, cleared and collected by interrupts', (_, code, found) => {
    const { read32, label } = runHot({
      paging: true,
      prepare: (machine) => interruptEvery(machine, 257),
      source: `mov ebp, ${ROUNDS}
        mov edi, ${PAGE}
        mov [edi], edi
        sti
        again: ${code}
        dec ebp
        jnz again
        cli`,
      handlers: `vector_9: push eax
        mov eax, [${ENTRY}]
        and eax, 0x60
        add [seen], eax
        inc dword [times]
        mov dword [${ENTRY}], ${PAGE | 7}
        invlpg [${PAGE}]
        pop eax
        iretd
        seen: dd 0
        times: dd 0`,
    });
    const [seen, times] = [read32(label('seen')), read32(label('times'))];
    expect(times).toBeGreaterThan(20);
    // The first interrupt sees what was before the loop, too.
    if (found !== undefined) expect(seen - times * found).toBeLessThanOrEqual(0x40);
    else expect(seen).toBeGreaterThan(times * 0x20);
  });

  it('are set anew, or are not, when they are cleared without invalidation', () => {
    const { read32 } = runHot({
      paging: true,
      needsReference: true,
      source: `mov ebp, 2000
        mov edi, ${PAGE}
        again: inc dword [edi]
        test ebp, 255
        jnz seldom
        and dword [${ENTRY}], ~0x60
        seldom: test ebp, 511
        jnz seldomer
        invlpg [edi]
        seldomer: dec ebp
        jnz again`,
    });
    expect(read32(PAGE)).toBe(2000);
  });
});

it('pages that drop each other from the TLB, whose entries change without invalidation', () => {
  const { ebx } = runHot({
    paging: true,
    prepare: (machine) => {
      machine.write32(LAYOUT.PAGE_DIRECTORY + TLB.ENTRIES / 256, LAYOUT.PAGE_TABLE | 7);
      for (let page = 0x100; page < 0x400; page++) machine.write32(page << 12, page);
    },
    // Every page of 1 MiB to 4 MiB by both its names; the entries of the lower ones are swapped by and by.
    source: `mov ebp, 8
      rounds: mov edi, 0x100000
      again: add ebx, [edi]
      add ebx, [edi + ${TLB.ENTRIES * 0x1000}]
      inc dword [edi + 8]
      mov edx, edi
      shr edx, 12
      and edx, 0x3ff
      test edx, 31
      jnz unchanged
      xor dword [edx * 4 + ${LAYOUT.PAGE_TABLE}], 0x3000
      unchanged:
      add edi, 0x1000
      cmp edi, 0x400000
      jb again
      dec ebp
      jnz rounds`,
  });
  expect(ebx).toBeGreaterThan(8 * 2 * 0x300 * 0x100);
});

describe('CR0.WP', () => {
  it('is turned off and on around a store of the supervisor to a read-only page', () => {
    const { ebx, read32, label } = runHot({
      paging: true,
      source: `mov dword [${ENTRY}], ${PAGE | 5}
        invlpg [${PAGE}]
        mov ebp, 1200
        again:
        mov eax, cr0
        mov edx, ebp
        and edx, 3
        jnz protected
        btr eax, 16
        mov cr0, eax
        protected: inc dword [${PAGE}] ; three times of four it faults, and is left out
        there: bts eax, 16
        mov cr0, eax
        dec ebp
        jnz again
        mov ebx, [${PAGE}]`,
      handlers: `vector_14: add esp, 4
        mov dword [esp], there
        inc dword [faults]
        iretd
        faults: dd 0`,
    });
    expect([ebx, read32(label('faults'))]).toEqual([300, 900]);
  });
});

describe('a large page', () => {
  it('is split into small ones, and put together again, under a hot loop', () => {
    const large = 0x80_0000;
    const directory = LAYOUT.PAGE_DIRECTORY + 8;
    const { ebx } = runHot({
      paging: true,
      prepare: (machine) => {
        machine.write32(PAGE, 1);
        machine.write32(OTHER, 100);
        machine.write32(0x82000, ...Array.from({ length: 1024 }, (_, page) => (page << 12) | 7));
        machine.write32(0x82000 + (PAGE >>> 12) * 4, OTHER | 7);
      },
      source: `mov eax, cr4
        or eax, 0x10
        mov cr4, eax
        mov dword [${directory}], 0x87
        mov ebp, 2400
        again: add ebx, [${large + PAGE}]
        test ebp, 3
        jnz unchanged
        xor dword [${directory}], 0x87 ^ 0x82007
        test ebp, 4
        jnz by_cr3
        invlpg [${large + PAGE}]
        jmp unchanged
        by_cr3: mov eax, cr3
        mov cr3, eax
        unchanged: dec ebp
        jnz again`,
    });
    expect(ebx).toBe(1200 + 1200 * 100);
  });
});
