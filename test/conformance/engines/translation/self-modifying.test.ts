/** Hot code that is written: every way to write, every place in a loop. SDM Vol. 3A, "Handling Self- and Cross-Modifying Code". */
import { describe, expect, it } from 'vitest';
import { LAYOUT } from '../../../support/system-machine.ts';
import { ALIAS, loadSegment } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const INC_EBX = 0x43;
const DEC_EBX = 0x4b;

/** Each writes EDX to [target]; EBX and EBP stay. `bytes`: how many of them. */
const WRITES: Readonly<Record<string, { readonly code: string; readonly bytes: number }>> = {
  'a byte store': { code: 'mov [target], dl', bytes: 1 },
  'a word store': { code: 'mov [target], dx', bytes: 2 },
  'a doubleword store': { code: 'mov [target], edx', bytes: 4 },
  PUSH: { code: `mov esp, target + 4\npush edx\nmov esp, ${LAYOUT.KERNEL_STACK}`, bytes: 4 },
  POP: { code: 'push edx\npop dword [target]', bytes: 4 },
  'REP STOSB': { code: 'mov eax, edx\nmov edi, target\nmov ecx, 4\nrep stosb', bytes: 4 },
  STOSD: { code: 'mov eax, edx\nmov edi, target\nstosd', bytes: 4 },
  'REP MOVSB': { code: 'mov [scratch], edx\nmov esi, scratch\nmov edi, target\nmov ecx, 4\nrep movsb', bytes: 4 },
  'REP MOVSD, downwards': {
    code: 'mov [scratch], edx\nmov esi, scratch\nmov edi, target\nmov ecx, 1\nstd\nrep movsd\ncld',
    bytes: 4,
  },
  XCHG: { code: 'mov eax, edx\nxchg [target], eax', bytes: 4 },
  'LOCK CMPXCHG': { code: 'mov eax, [target]\nlock cmpxchg [target], edx', bytes: 4 },
  CMPXCHG8B: {
    code: `push ebx\nmov ebx, edx\nmov ecx, [target + 4]\nmov eax, [target]\nmov edx, ecx\ncmpxchg8b [target]\npop ebx`,
    bytes: 4,
  },
  'XOR to memory': { code: 'mov eax, [target]\nxor eax, edx\nxor [target], eax', bytes: 4 },
  'INC of a byte': { code: 'mov al, dl\nsub al, [target]\nadd [target], al', bytes: 1 },
  'an x87 store': { code: 'mov [scratch], edx\nfld dword [scratch]\nfstp dword [target]', bytes: 4 },
  'an x87 integer store': { code: 'mov [scratch], edx\nfild dword [scratch]\nfistp dword [target]', bytes: 4 },
  'an alias of the page': { code: `mov [target + ${ALIAS}], edx`, bytes: 4 },
  'a segment with a base': { code: 'mov [fs:target - 0x8000], edx', bytes: 4 },
  'four byte stores': { code: [0, 1, 2, 3].map((at) => `mov [target + ${at}], dl`).join('\n'), bytes: 4 },
  'an unaligned store': {
    code: 'mov byte [target + 3], dl\nmov ax, dx\nmov [target + 1], ax\nmov [target], al',
    bytes: 4,
  },
};

const TARGET = `target: times 4 db ${INC_EBX}\n`;
const FILL = (count: number) => Array.from({ length: count }, (_, index) => `lea esi, [esi + ${index}]`).join('\n');

interface Place {
  /** First in the loop. */
  readonly head?: string;
  readonly loop: (write: string) => string;
  /** It is executed behind the write in each round. */
  readonly ahead: boolean;
}

/** Where the target is, as seen from the write. */
const PLACES: Readonly<Record<string, Place>> = {
  'at the head of the loop': { head: TARGET, loop: (write) => write, ahead: false },
  ...Object.fromEntries(
    [0, 1, 2, 3, 7].flatMap((distance) => [
      [`${distance} instructions ahead`, { loop: (write) => `${write}\n${FILL(distance)}\n${TARGET}`, ahead: true }],
      [`${distance} instructions behind`, { loop: (write) => `${TARGET}${FILL(distance)}\n${write}`, ahead: false }],
    ]),
  ),
  'in the next block': { loop: (write) => `${write}\njmp there\nnop\nthere:\n${TARGET}`, ahead: true },
  'in a callee': {
    loop: (write) => `${write}\ncall callee\njmp after\ncallee: nop\n${TARGET}ret\nafter:`,
    ahead: true,
  },
  'in a callee of another page': {
    loop: (write) => `${write}\ncall callee\njmp after\nalign 4096\ncallee: nop\n${TARGET}ret\nafter:`,
    ahead: true,
  },
  'in its caller': {
    loop: (write) => `call callee\n${TARGET}jmp after\ncallee: ${write}\nret\nafter:`,
    ahead: true,
  },
  'in the next page, into which it runs': {
    loop: (write) =>
      `jmp near_end\nalign 4096\ntimes 4000 nop\nnear_end: ${write}\njmp over\nalign 4096\nover:\n${TARGET}`,
    ahead: true,
  },
};

/** When the target changes: what EDX is in round EBP, which counts down. */
const SCHEDULES: Readonly<Record<string, { readonly choose: string; readonly isInc: (round: number) => boolean }>> = {
  'in every round': { choose: 'mov edx, ebp\nand edx, 1', isInc: (round) => round % 2 === 0 },
  'once, and the same before and after': {
    choose: `xor edx, edx\ncmp ebp, 250\nsetb dl`,
    isInc: (round) => round >= 250,
  },
};

/** EBX at the end. */
function simulate(
  bytes: number,
  { rounds, ahead, isInc }: { rounds: number; ahead: boolean; isInc: (round: number) => boolean },
): number {
  let ebx = 0;
  let incs = 4;
  for (let round = rounds; round > 0; round--) {
    const before = incs;
    incs = isInc(round) ? 4 : 4 - bytes;
    const now = ahead ? incs : before;
    ebx += now - (4 - now);
  }
  return ebx;
}

const START = `fninit\n${loadSegment('fs', 0x8000)}`;
const SETTINGS = { handlers: 'align 4096\nscratch: dd 0', paging: true } as const;

function expectSelfModifying(write: string, place: string, { schedule, rounds }: { schedule: string; rounds: number }) {
  const { code, bytes } = WRITES[write];
  const { head = '', loop, ahead } = PLACES[place];
  const { choose, isInc } = SCHEDULES[schedule];
  const source = `${START}
    mov ebp, ${rounds}
    again:
    ${head}
    ${choose}
    lea edx, [edx * 8 + ${INC_EBX}]
    imul edx, edx, 0x01010101
    ${loop(code)}
    dec ebp
    jnz again`;
  const { ebx } = runHot({ source, ...SETTINGS });
  expect({ place, ebx: ebx | 0 }).toEqual({ place, ebx: simulate(bytes, { rounds, ahead, isInc }) });
}

describe.each(Object.keys(SCHEDULES))('a store into a hot loop, %s', (schedule) => {
  it.each(Object.keys(PLACES))('%s', (place) => {
    expectSelfModifying('a doubleword store', place, { schedule, rounds: 500 });
  });
});

describe('a store into a hot loop', () => {
  it.each(Object.keys(WRITES))('by %s', (write) => {
    expectSelfModifying(write, '1 instructions ahead', { schedule: 'in every round', rounds: 400 });
    expectSelfModifying(write, 'in a callee', { schedule: 'in every round', rounds: 400 });
  });
});

describe('hot code is changed by a store that was never executed before', () => {
  const rounds = 2000;

  function expectChangedOnce(write: string, place: string): void {
    const { code, bytes } = WRITES[write];
    const { head = '', loop, ahead } = PLACES[place];
    const once = `cmp ebp, 700\njne unchanged\nmov edx, ${Math.imul(DEC_EBX, 0x0101_0101)}\n${code}\nunchanged:`;
    const { ebx } = runHot({
      source: `${START}\nmov ebp, ${rounds}\nagain:\n${head}\n${loop(once)}\ndec ebp\njnz again`,
      ...SETTINGS,
    });
    expect({ place, ebx: ebx | 0 }).toEqual({
      place,
      ebx: simulate(bytes, { rounds, ahead, isInc: (round) => round > 700 }),
    });
  }

  it.each(Object.keys(PLACES))('%s', (place) => expectChangedOnce('a doubleword store', place));

  it.each(Object.keys(WRITES))('by %s', (write) => {
    expectChangedOnce(write, '0 instructions ahead');
    expectChangedOnce(write, '1 instructions behind');
  });
});
