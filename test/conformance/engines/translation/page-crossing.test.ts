/** Hot loops over several pages of code, and other code under the same linear address. SDM Vol. 3A, "Invalidation of TLBs". */
import { describe, expect, it } from 'vitest';
import { FETCH_TLB } from '../../../../src/cpu/tlb-layout.ts';
import { assemble } from '../../../../src/isa/assemble.ts';
import { LAYOUT } from '../../../support/system-machine.ts';
import { enterUser, entryOf, leaveUserTo } from './hot-program.ts';
import { runHot } from './run-hot.ts';

/** Three pages of code, and another frame for the second of them. */
const FIRST = 0x20000;
const SECOND = 0x21000;
const THIRD = 0x22000;
const OTHER_FRAME = 0x60000;
const SECOND_ENTRY = entryOf(SECOND);
/** A page table that differs from the usual in the one entry. */
const OTHER_TABLE = 0x82000;
const ROUNDS = 600;

/** Ways to make the second page be the other frame. EAX is free. */
const map = (frame: number) => `mov dword [${SECOND_ENTRY}], ${frame | 7}`;
const RELOAD_CR3 = 'mov eax, cr3\nmov cr3, eax';
const SWITCHES: Readonly<Record<string, { readonly code: string; readonly isFlushed: boolean }>> = {
  INVLPG: { code: `${map(OTHER_FRAME)}\ninvlpg [${SECOND + 0x123}]`, isFlushed: true },
  'a write to CR3': { code: `${map(OTHER_FRAME)}\n${RELOAD_CR3}`, isFlushed: true },
  'paging off and on': {
    code: `${map(OTHER_FRAME)}\nmov eax, cr0\nbtr eax, 31\nmov cr0, eax\nbts eax, 31\nmov cr0, eax`,
    isFlushed: true,
  },
  'a change of CR4.PSE': { code: `${map(OTHER_FRAME)}\nmov eax, cr4\nxor eax, 0x10\nmov cr4, eax`, isFlushed: true },
  'another page table': {
    code: `mov dword [${LAYOUT.PAGE_DIRECTORY}], ${OTHER_TABLE | 7}\n${RELOAD_CR3}`,
    isFlushed: true,
  },
  'no invalidation': { code: map(OTHER_FRAME), isFlushed: false },
  'invalidation of other pages only': {
    code: `${map(OTHER_FRAME)}\ninvlpg [${FIRST}]\ninvlpg [${THIRD}]`,
    isFlushed: false,
  },
  'a visit to the page by another name': { code: `${map(OTHER_FRAME)}\nmov eax, [${OTHER_FRAME}]`, isFlushed: false },
};

/** The way through the pages; what it adds to EBX tells the frames of the second apart. */
const PATHS: Readonly<Record<string, (step: number) => string>> = {
  'a jump into the second page': (step) => `jmp there\nalign 4096\ntimes 64 nop\nthere: add ebx, ${step}\njmp tail`,
  'a call into the second page': (step) =>
    `call there\njmp tail\nalign 4096\ntimes 64 nop\nthere: add ebx, ${step}\nret`,
  'code that runs on into the second page': (step) => `${upTo(3)}lea esi, [esi + 4]\nadd ebx, ${step}\njmp tail`,
  'three pages': (step) => `${upTo(1)}inc esi\nadd ebx, ${step}\njmp third\nalign 4096, 0x90\nthird: inc esi\njmp tail`,
  'a whole page and what lies around it': (step) =>
    `${upTo(7)}times 586 lea esi, [esi + 0x11223344]\nadd ebx, ${step}\nadd ebx, 0x1000\njmp tail`,
  ...Object.fromEntries(
    [1, 2, 3, 4].map((before) => [
      `an instruction with ${before} bytes before the border`,
      (step: number) => `${upTo(before)}mov edx, ${step << 24}\nshr edx, 24\nadd ebx, edx\njmp tail`,
    ]),
  ),
};

/** To where so many bytes are left before the border. */
function upTo(bytes: number): string {
  return `jmp near_border\ntimes ${SECOND - bytes} - $ nop\nnear_border:\n`;
}

const image = (path: string, { step, body }: { step: number; body: string }): Uint8Array =>
  assemble(
    `bits 32
    start: ${body}
    jmp over
    tail: dec ebp
    jnz start
    ret
    over:
    ${PATHS[path](step)}`,
    { origin: FIRST },
  ).bytes;

/** Runs the path in rounds: `body` is executed at the beginning of each. */
function runPath(path: string, body: string, rounds = ROUNDS) {
  const usual = image(path, { step: 1, body });
  const other = image(path, { step: 5, body });
  return runHot({
    paging: true,
    source: `mov ebp, ${rounds}\ncall ${FIRST}`,
    prepare: (machine) => {
      machine.write(FIRST, usual);
      machine.write(OTHER_FRAME, other.subarray(0x1000, 0x2000));
      machine.write32(OTHER_TABLE, ...Array.from({ length: 1024 }, (_, page) => (page << 12) | 7));
      machine.write32(OTHER_TABLE + (SECOND >>> 12) * 4, OTHER_FRAME | 7);
    },
  });
}

/** EBX says how many rounds went through the first frame and how many through the other. */
function expectRounds(path: string, ebx: number, { rounds, changed }: { rounds: number; changed: number | undefined }) {
  const sum = path.startsWith('a whole page') ? ebx - 0x1000 * rounds : ebx;
  if (changed !== undefined) return expect({ path, sum }).toEqual({ path, sum: rounds - changed + 5 * changed });
  expect((sum - rounds) % 4).toBe(0);
  expect(sum).toBeGreaterThanOrEqual(rounds);
  expect(sum).toBeLessThanOrEqual(5 * rounds);
}

describe.each(Object.keys(PATHS))('%s', (path) => {
  const rounds = path.startsWith('a whole page') ? 40 : ROUNDS;

  it.each(Object.entries(SWITCHES))('in another frame, by %s', (_, { code, isFlushed }) => {
    const from = rounds / 2;
    const { ebx } = runPath(path, `cmp ebp, ${from}\njne as_before\n${code}\nas_before:`, rounds);
    expectRounds(path, ebx, { rounds, changed: isFlushed ? from : undefined });
  });

  it('in two frames in turn', () => {
    const swap = `xor dword [${SECOND_ENTRY}], ${SECOND ^ OTHER_FRAME}\ninvlpg [${SECOND}]`;
    const { ebx } = runPath(path, swap, rounds);
    expectRounds(path, ebx, { rounds, changed: rounds / 2 });
  });

  it('in two frames, and the processor is told late', () => {
    const swap = `xor dword [${SECOND_ENTRY}], ${SECOND ^ OTHER_FRAME}\ntest ebp, 7\njnz later\ninvlpg [${SECOND}]\nlater:`;
    expectRounds(path, runPath(path, swap, rounds).ebx, { rounds, changed: undefined });
  });

  it('with the second page absent in every fourth round', () => {
    const remove = `test ebp, 3\njnz stays\nand dword [${SECOND_ENTRY}], ~1\ninvlpg [${SECOND}]\nstays:`;
    const code = image(path, { step: 1, body: remove });
    const { ebx, read32, label } = runHot({
      paging: true,
      source: `mov ebp, ${rounds}\ncall ${FIRST}`,
      prepare: (machine) => machine.write(FIRST, code),
      handlers: `vector_14: push eax
        mov eax, cr2
        add [addresses], eax
        inc dword [faults]
        or dword [${SECOND_ENTRY}], 1
        pop eax
        add esp, 4
        iretd
        faults: dd 0
        addresses: dd 0`,
    });
    expectRounds(path, ebx, { rounds, changed: 0 });
    expect(read32(label('faults'))).toBe(rounds / 4);
    // Of an instruction that crosses, the address is the page's, not the instruction's.
    const offset = path.startsWith('a jump') || path.startsWith('a call') ? 64 : 0;
    expect(read32(label('addresses'))).toBe(((SECOND + offset) * rounds) / 4);
  });
});

it('user code runs into a page that becomes the supervisor’s at every turn', () => {
  const path = 'an instruction with 2 bytes before the border';
  const { ebx, read32, label } = runHot({
    paging: true,
    source: `mov ebp, ${ROUNDS}\n${enterUser('user')}\nuser: call ${FIRST}\nint 0x80\ndone: nop`,
    prepare: (machine) => machine.write(FIRST, image(path, { step: 1, body: 'int 0x81' })),
    handlers: `${leaveUserTo('done')}
      vector_129: and dword [${SECOND_ENTRY}], ~4
      invlpg [${SECOND}]
      iretd
      vector_14: inc dword [faults]
      or dword [${SECOND_ENTRY}], 4
      pop dword [code]
      push edx
      mov edx, [code]
      add [codes], edx
      pop edx
      iretd
      faults: dd 0
      codes: dd 0
      code: dd 0`,
  });
  expectRounds(path, ebx, { rounds: ROUNDS, changed: 0 });
  expect(read32(label('faults'))).toBe(ROUNDS);
  // Present, user, a read: no more is said where there is no execute-disable.
  expect(read32(label('codes'))).toBe(ROUNDS * 5);
});

it('two names of code share a slot of the fetch TLB, so that each drops the other, and its entry changes unannounced', () => {
  const { ebx, edx } = runHot({
    paging: true,
    needsReference: true,
    prepare: (machine) => {
      machine.place(SECOND, 'add ebx, 1\nret');
      machine.place(OTHER_FRAME, 'add ebx, 5\nret');
      machine.write32(LAYOUT.PAGE_DIRECTORY + FETCH_TLB.ENTRIES / 256, LAYOUT.PAGE_TABLE | 7);
    },
    source: `mov ebp, 1200
      mov esi, ${SECOND}
      mov edi, ${SECOND + FETCH_TLB.ENTRIES * 0x1000}
      again: call esi
      test ebp, 7
      jnz same
      xor dword [${SECOND_ENTRY}], ${SECOND ^ OTHER_FRAME}
      same: test ebp, 3
      jnz usual
      call edi
      inc edx
      usual: dec ebp
      jnz again`,
  });
  expect(edx).toBe(300);
  // What is called after the other name is called anew is what the entry says by then.
  expect((ebx - 1500) % 4).toBe(0);
  expect(ebx).toBeGreaterThan(1500 + 4 * 500);
});
