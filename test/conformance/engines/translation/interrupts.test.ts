/** Interrupts at every instruction boundary of hot loops; what hides them; and clocks that a loop reads. */
import { describe, expect, it } from 'vitest';
import { LAYOUT, SELECTOR } from '../../../support/system-machine.ts';
import { type HotMachine, interruptEvery } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const DATA = 0x50000;
/** A handler notes EIP, EFLAGS and ECX of each interrupt here, and in the doubleword before it how many there were. */
const NOTES = 0x60000;
const COUNT = NOTES - 4;
/** So many are kept. */
const NOTED = 1024;

const noting = (vector: number): string => `
  vector_${vector}: push eax
  push edx
  mov edx, [${COUNT}]
  inc dword [${COUNT}]
  and edx, ${NOTED - 1}
  shl edx, 4
  mov eax, [esp + 8]
  mov [${NOTES} + edx], eax
  mov eax, [esp + 16]
  mov [${NOTES + 4} + edx], eax
  mov [${NOTES + 8} + edx], ecx
  pop edx
  pop eax
  iretd`;

/** Bodies of loops; EBP counts, ESP and DF must be as before at the end. */
const LOOPS: Readonly<Record<string, string>> = {
  nothing: '',
  arithmetic: 'add ebx, ebp\nadc edx, 7\nrcl esi, 1\nlea edi, [ebx + edx * 2]',
  'two ways': 'test bl, 5\njz even\nadd ebx, 3\njmp joined\neven: add ebx, 8\nadd edx, ebx\njoined: xor esi, edx',
  'an inner loop': `mov ecx, 5\ninner: add ebx, ecx\nloop inner`,
  memory: `inc dword [${DATA}]\nadd ebx, [${DATA}]\nmov [${DATA + 4}], ebx\nxchg ebx, [${DATA + 8}]\ncmp dword [${DATA}], 5\nja above\ninc esi\nabove:`,
  calls: 'call one\ncall one\njmp over\none: inc ebx\ncall two\nret\ntwo: add edx, ebx\nret\nover:',
  strings: `mov edi, ${DATA}\nmov esi, ${DATA + 64}\nmov ecx, 9\nrep movsb\nmov ecx, 3\nrep stosd\nmov ecx, 4\nmov edi, ${DATA}\nrepe cmpsb`,
  'a computed jump':
    'mov eax, ebp\nand eax, 1\njmp [ways + eax * 4]\nalign 4\nways: dd way_0, way_1\nway_0: inc ebx\nway_1: inc edx',
  'the x87': `fld1\nfadd st0, st0\nfimul dword [${DATA}]\nfistp dword [${DATA + 4}]`,
  'a shadow of MOV SS': `mov ax, ss\nmov ss, ax\ninc ebx\ninc edx\npush ss\npop ss\ninc esi`,
  'two MOV SS in a row': `mov ax, ss\nmov ss, ax\nmov ss, ax\nmov ss, ax\ninc ebx`,
  'CLI and STI': 'cli\ninc ebx\ninc ebx\nsti\ninc edx\ninc esi',
  'STI and CLI': 'cli\nnop\nsti\ncli\nnop\nsti\nnop\nnop\ncli\nsti',
  'PUSHF and POPF':
    'pushfd\ncli\ninc ebx\npopfd\ninc edx\npushfd\nand dword [esp], ~0x200\npopfd\ninc edx\nor dword [esp - 4], 0x200\nsub esp, 4\npopfd',
  IRET: 'pushfd\npush cs\npush returned\ncli\niretd\nreturned: inc ebx',
  INT: 'int 0x82\ninc ebx',
  ports: 'in al, 0x60\nadd bl, al\nout 0x61, al\ninc edx',
};

const START = `fninit\nmov dword [${DATA}], 0\nmov dword [${COUNT}], 0\n`;

describe.each(Object.entries(LOOPS))('a hot loop of %s', (_, body) => {
  const source = (rounds: number) => `${START}mov ebp, ${rounds}\nsti\nagain:\n${body}\ndec ebp\njnz again\ncli`;
  const handlers = `${noting(9)}\n${noting(2)}\nvector_130: inc esi\niretd`;

  it('is interrupted at every boundary, by an alarm', () => {
    // Prime, so that the place in the loop is another each time; at first the loop gets hot.
    const { read32 } = runHot({ source: source(1800), handlers, prepare: (machine) => interruptEvery(machine, 101) });
    expect(read32(COUNT)).toBeGreaterThan(40);
  });

  it('is interrupted at every boundary, from outside, by INTR and NMI, also by both at once', () => {
    const events = Array.from({ length: 120 }, (_, index) => ({
      at: 900 + index * 13,
      act: ({ processor }: HotMachine) => {
        if (index % 3 !== 1) processor.intr.set(1);
        if (index % 3 !== 0) {
          processor.nmi.set(1);
          processor.nmi.set(0);
        }
      },
    }));
    const { read32 } = runHot({ source: source(1200), handlers, events });
    expect(read32(COUNT)).toBeGreaterThan(60);
  });
});

it('one interrupt at each of 120 counts in a row, each in a run of its own', () => {
  const body = [LOOPS['two ways'], LOOPS.calls, LOOPS.memory, LOOPS['CLI and STI'], LOOPS['a shadow of MOV SS']].join(
    '\n',
  );
  const source = `${START}mov ebp, 25\nsti\nagain:\n${body}\ndec ebp\njnz again\ncli`;
  const counts = Array.from({ length: 120 }, (_, index) => 400 + index);
  const places = counts.map((count) => {
    const { read32 } = runHot({
      source,
      handlers: noting(9),
      prepare: ({ clock, processor }) => clock.setAlarm(count, () => processor.intr.set(1)),
    });
    expect(read32(COUNT)).toBe(1);
    return read32(NOTES);
  });
  // Rounds and more are covered, and every instruction but those behind which interrupts are held off.
  expect(new Set(places).size).toBeGreaterThan(25);
}, 240_000);

it('an alarm that the loop sets by OUT, 1 to 40 instructions ahead', () => {
  const { ebx, read32 } = runHot({
    source: `${START}mov ebp, 1200
      sti
      again: mov eax, ebp
      and eax, 31
      inc eax
      out 0x40, eax
      mov ecx, 12
      inner: add ebx, ecx
      test ecx, 1
      jz even
      inc edx
      even: dec ecx
      jnz inner
      dec ebp
      jnz again
      cli`,
    handlers: noting(9),
    writePort: ({ clock, processor }, _, value) => {
      clock.setAlarm(clock.now + value, () => processor.intr.set(1));
    },
  });
  expect(ebx).toBe(1200 * 78);
  expect(read32(COUNT)).toBeGreaterThan(1190);
});

it('a line that OUT raises in the middle of a region is seen behind that instruction', () => {
  const { ebx, esi, read32 } = runHot({
    source: `${START}mov ebp, 1500
      sti
      again: inc ebx
      out 0x50, al
      mov esi, ebx
      add edx, esi
      dec ebp
      jnz again
      cli`,
    handlers: `vector_9: cmp dword [esp], behind_out
      jne elsewhere
      inc dword [${COUNT}]
      elsewhere: iretd
      behind_out equ again + 3`,
    writePort: ({ processor }) => processor.intr.set(1),
  });
  expect([ebx, esi, read32(COUNT)]).toEqual([1500, 1500, 1500]);
});

it('a line that is raised and lowered by the loop itself interrupts only where interrupts are enabled', () => {
  const { read32, ebx } = runHot({
    source: `${START}mov ebp, 1500
      again: out 0x50, al
      inc ebx
      test ebp, 1
      jz lower
      sti
      nop
      cli
      lower: out 0x51, al
      sti
      nop
      cli
      dec ebp
      jnz again`,
    handlers: noting(9),
    writePort: ({ processor }, port) => processor.intr.set(port === 0x50 ? 1 : 0),
  });
  expect([ebx, read32(COUNT)]).toEqual([1500, 750]);
});

it('STI and CLI in a row let nothing in, STI with an instruction between does', () => {
  const { ebx, read32 } = runHot({
    source: `${START}mov ebp, 2000
      again: sti
      cli
      inc ebx
      cmp ebp, 300
      jae closed
      sti
      inc ebx
      cli
      closed: dec ebp
      jnz again`,
    handlers: `${noting(9)}`,
    prepare: ({ processor }) => processor.intr.set(1),
  });
  expect([ebx, read32(COUNT)]).toEqual([2299, 1]);
});

it('HLT in a hot loop, woken by an alarm that the loop has set', () => {
  const { ebx, edx } = runHot({
    source: `${START}mov ebp, 800
      sti
      again: mov eax, 1000
      out 0x40, eax
      inc ebx
      hlt
      add edx, [${COUNT}]
      dec ebp
      jnz again
      cli`,
    handlers: noting(9),
    writePort: ({ clock, processor }, _, value) => {
      clock.setAlarm(clock.now + value, () => processor.intr.set(1));
    },
  });
  expect([ebx, edx]).toEqual([800, (800 * 801) / 2]);
});

describe('counts that the guest sees', () => {
  it('the time stamp, read at several places of a loop', () => {
    const { ebx, esi } = runHot({
      source: `mov ebp, 1500
        rdtsc
        mov edi, eax
        again: rdtsc
        mov ecx, eax
        sub eax, edi
        add ebx, eax
        test ebp, 3
        jnz usual
        inc esi
        inc esi
        usual: rdtsc
        mov edi, eax
        sub eax, ecx
        imul ebx, ebx, 7
        add ebx, eax
        dec ebp
        jnz again`,
      needsReference: true,
    });
    // An instruction takes a nanosecond, and the counter counts nanoseconds.
    let expected = 0;
    for (let round = 1500; round > 0; round--) {
      expected = (Math.imul(expected + (round === 1500 ? 2 : 7), 7) + (round & 3 ? 6 : 8)) >>> 0;
    }
    expect([ebx, esi]).toEqual([expected, 750]);
  });

  it('the clock of a device, and the count of instructions, in the middle of a region', () => {
    const { retired, log } = runHot({
      source: `mov ebp, 1000
        again: inc ebx
        test ebp, 127
        jnz quiet
        in eax, 0x70
        add edx, eax
        out 0x71, al
        quiet: xor esi, ebx
        dec ebp
        jnz again`,
      readPort: ({ clock }) => clock.now % 2 ** 31,
      writePort: ({ clock, processor, log }) => log.push(`${processor.retired} ${clock.now}`),
    });
    expect(log).toHaveLength(7);
    for (const line of log) {
      const [count, now] = line.split(' ').map(Number);
      expect(now).toBe(count);
      expect(count).toBeLessThan(retired);
    }
  });
});

it('interrupts between user code and the supervisor, each of which has hot loops', () => {
  const { ebx, read32 } = runHot({
    paging: true,
    prepare: (machine) => interruptEvery(machine, 307),
    source: `${START}mov ax, ${SELECTOR.USER_DATA}
      mov ds, ax
      mov es, ax
      push dword ${SELECTOR.USER_DATA}
      push dword ${LAYOUT.USER_STACK}
      push dword 0x202
      push dword ${SELECTOR.USER_CODE}
      push dword user
      iretd
      user: mov ebp, 4000
      again: inc ebx
      mov [${DATA}], ebx
      dec ebp
      jnz again
      int 0x80
      done: cli`,
    handlers: `vector_128: mov esp, ${LAYOUT.KERNEL_STACK}
      jmp done
      vector_9: pushad
      mov ecx, 20
      mov edi, ${DATA + 0x1000}
      busy: mov eax, [edi + ecx * 4]
      add eax, ecx
      mov [edi + ecx * 4], eax
      dec ecx
      jnz busy
      inc dword [${COUNT}]
      popad
      iretd`,
  });
  expect(ebx).toBe(4000);
  expect(read32(DATA + 0x1000 + 40)).toBe(10 * read32(COUNT));
  expect(read32(COUNT)).toBeGreaterThan(60);
});
