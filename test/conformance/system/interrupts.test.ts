import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { faults, label, setSegment, setVector } from '../../support/system-faults.ts';
import { LAYOUT, runSystem, SELECTOR, SYSTEM_ENGINES, type SystemMachine } from '../../support/system-machine.ts';

const VECTOR = 0x40;
const GATE = { interrupt: 0x8e, trap: 0x8f, interrupt16: 0x86, dpl3: 0x60 };
const CONFORMING = 0x80;

const gate =
  (access: number, selector: number = SELECTOR.CODE) =>
  (machine: SystemMachine) => {
    setSegment(machine, CONFORMING, { access: 0x9e });
    setVector(machine, VECTOR, { access, selector, offset: label(machine, 'entry') });
  };

/** A handler that keeps what it finds: EAX flags now, EBX EIP, ECX CS, EDX flags pushed, ESI ESP, EDI CS now. */
const HANDLER = `
    jmp done
  entry:
    mov esi, esp
    mov edi, cs
    pushfd
    pop eax
    mov ebx, [esp]
    mov ecx, [esp+4]
    mov edx, [esp+8]
    iretd
  done:
`;

describe.each(SYSTEM_ENGINES)('%s: interrupt and trap gates', (engine) => {
  it('an interrupt gate clears IF, a trap gate leaves it; both clear TF, NT and RF', () => {
    const source = `push dword 0x4202\npopfd\nint ${VECTOR}\n${HANDLER}`;
    const interrupt = runSystem(engine, source, { prepare: gate(GATE.interrupt) });
    expect([interrupt.eax, interrupt.edx]).toEqual([2, EFLAGS.NT | EFLAGS.IF | 2]);
    const trap = runSystem(engine, source, { prepare: gate(GATE.trap) });
    expect([trap.eax, trap.edx]).toEqual([EFLAGS.IF | 2, EFLAGS.NT | EFLAGS.IF | 2]);
  });

  it('the return address is that of the next instruction; IRET restores the flags', () => {
    const result = runSystem(engine, `stc\nint ${VECTOR}\nafter: sbb ebp, ebp\n${HANDLER}`, {
      prepare: gate(GATE.interrupt),
    });
    expect(result.ebx).toBe(label(result, 'after'));
    expect(result.ecx).toBe(SELECTOR.CODE);
    expect(result.processor.state.reg32(5)).toBe(0xffff_ffff);
    expect(result.esi).toBe(LAYOUT.KERNEL_STACK - 12);
  });

  it('from CPL 3: the stack of level 0, with SS and ESP', () => {
    const result = runSystem(engine, `@user int ${VECTOR}\n${HANDLER}`, { prepare: gate(GATE.interrupt | GATE.dpl3) });
    expect(result).toMatchObject({ ecx: SELECTOR.USER_CODE, esi: LAYOUT.EXCEPTION_STACK - 20, edi: SELECTOR.CODE });
    expect(result.read32(LAYOUT.EXCEPTION_STACK - 4)).toBe(SELECTOR.USER_DATA);
    expect(result.read32(LAYOUT.EXCEPTION_STACK - 8)).toBe(LAYOUT.USER_STACK);
  });

  it('a handler in a conforming segment keeps CPL 3 and its stack', () => {
    const result = runSystem(engine, `@user int ${VECTOR}\n${HANDLER}`, {
      prepare: gate(GATE.interrupt | GATE.dpl3, CONFORMING),
    });
    expect(result).toMatchObject({ edi: CONFORMING | 3, esi: LAYOUT.USER_STACK - 12 });
  });

  it('a 16-bit gate pushes words', () => {
    const result = runSystem(engine, `int ${VECTOR}\njmp done\nnop\ndone:`, {
      prepare(machine) {
        setVector(machine, VECTOR, { access: GATE.interrupt16, selector: SELECTOR.CODE, offset: 0x5000 });
        // mov esi, esp; movzx ecx, word [esp+2]; jmp done
        machine.memory.copyIn(0x5000, Uint8Array.of(0x89, 0xe6, 0x0f, 0xb7, 0x4c, 0x24, 0x02, 0xe9));
        machine.write32(0x5008, label(machine, 'done') - 0x500c);
      },
    });
    expect([result.esi, result.ecx]).toEqual([LAYOUT.KERNEL_STACK - 6, SELECTOR.CODE]);
  });
});

describe.each(SYSTEM_ENGINES)(
  '%s: protection of handlers (SDM Vol. 3A, "Protection of Exception- and Interrupt-Handler Procedures")',
  (engine) => {
    it('INT n with a gate of DPL < CPL: #GP(vector × 8 + 2)', () => {
      const result = runSystem(engine, `@user int ${VECTOR}\n${HANDLER}`, { prepare: gate(GATE.interrupt) });
      expect(faults(result)).toEqual(['#GP(202)']);
      expect(result.exceptions[0].atStart).toBe(true);
    });

    it('INT3 and INTO are checked likewise; INT1 is not', () => {
      const result = runSystem(engine, '@user int3\n@user mov al, 0x7f / inc al / into\n@user int1', {
        prepare(machine) {
          for (const vector of [3, 4]) {
            const offset = LAYOUT.HANDLERS + 16 * vector;
            setVector(machine, vector, { access: GATE.interrupt, selector: SELECTOR.CODE, offset });
          }
        },
      });
      expect(faults(result)).toEqual(['#GP(1a)', '#GP(22)', '#DB']);
    });

    it('INT3, INTO and INT1 return to the next instruction', () => {
      const result = runSystem(
        engine,
        '@try int3\n@try mov al, 0x7f / inc al / into\n@try int1\nmov al, 0\ntest al, al\n@try into',
      );
      expect(faults(result)).toEqual(['#BP', '#OF', '#DB']);
      expect(result.exceptions.map(({ atStart }) => atStart)).toEqual([false, false, false]);
    });

    it.each([
      ['beyond the limit of the IDT', undefined, '#GP(a02)', 0x140],
      ['not a gate', { access: 0x89, selector: SELECTOR.CODE }, '#GP(202)', VECTOR],
      ['not present', { access: 0x0e, selector: SELECTOR.CODE }, '#NP(202)', VECTOR],
      ['null code selector', { access: 0x8e, selector: 0 }, '#GP(0)', VECTOR],
      ['code selector beyond its table', { access: 0x8e, selector: 0x1008 }, '#GP(1008)', VECTOR],
      ['not a code segment', { access: 0x8e, selector: SELECTOR.DATA }, '#GP(10)', VECTOR],
      ['a less privileged code segment', { access: 0x8e, selector: SELECTOR.USER_CODE }, '#GP(18)', VECTOR],
    ])('%s', (_, spec, expected, vector) => {
      const number = Math.min(vector, 255);
      const result = runSystem(
        engine,
        spec
          ? `@try int ${number}`
          : `lidt [small]\n@try int ${VECTOR}\njmp past\nsmall: dw ${VECTOR * 8 + 6}\ndd ${LAYOUT.IDT}\npast:`,
        {
          prepare: (machine) => spec && setVector(machine, VECTOR, spec),
        },
      );
      expect(faults(result)).toEqual([spec ? expected : '#GP(202)']);
    });
  },
);

describe.each(SYSTEM_ENGINES)('%s: external interrupts', (engine) => {
  /** OUT to port 1 asserts INTR, until it is acknowledged. */
  const asserted = (vector = VECTOR) => ({
    writePort: ({ processor }: SystemMachine, port: number) => {
      if (port === 1) processor.intr.set(1);
    },
    acknowledge: ({ processor }: SystemMachine) => {
      processor.intr.set(0);
      return vector;
    },
  });

  it('are taken between instructions while IF = 1', () => {
    const result = runSystem(
      engine,
      `mov ebp, 0\nsti\nnop\nout 1, al\ninc ebp\njmp done\nentry: mov ebx, [esp]\nmov edx, [esp+8]\nmov esi, ebp\niretd\ndone:`,
      {
        prepare: gate(GATE.interrupt),
        ...asserted(),
      },
    );
    expect(result.esi).toBe(0);
    expect(result.edx & EFLAGS.IF).toBe(EFLAGS.IF);
  });

  it('wait while IF = 0', () => {
    const result = runSystem(
      engine,
      `mov ebp, 0\ncli\nout 1, al\ninc ebp\nsti\ninc ebp\ninc ebp\njmp done\nentry: mov esi, ebp\niretd\ndone:`,
      {
        prepare: gate(GATE.interrupt),
        ...asserted(),
      },
    );
    expect(result.esi).toBe(2);
  });

  it('end HLT; the return address is behind it', () => {
    const result = runSystem(
      engine,
      'mov ebp, 0\nout 1, al\nsti\nhlt\nafter: jmp done\nentry: mov ebx, [esp]\niretd\ndone:',
      {
        prepare: gate(GATE.interrupt),
        ...asserted(),
      },
    );
    expect(result.ebx).toBe(label(result, 'after'));
  });

  it('a fault in the delivery has EXT = 1, and returns to the interrupted instruction', () => {
    const result = runSystem(engine, '@try sti / nop / out 1, al / nop / nop', {
      prepare: (machine) => setVector(machine, VECTOR, { access: 0x0e, selector: SELECTOR.CODE }),
      ...asserted(),
    });
    expect(faults(result)).toEqual(['#NP(203)']);
  });

  it('between iterations of a repeated string instruction: RF = 1 is pushed, and the instruction goes on', () => {
    const source = `
      sti
      cld
      mov esi, 0x300000
      mov edi, 0x301000
      mov ecx, 100
      mov dx, 1
      repeated: rep outsb
      jmp done
    entry:
      mov ebx, [esp]
      mov edx, [esp+8]
      mov ebp, ecx
      mov dx, 2
      iretd
    done:
    `;
    const result = runSystem(engine, source, { prepare: gate(GATE.interrupt), ...asserted() });
    expect(result.ebx).toBe(label(result, 'repeated'));
    expect(result.edx & EFLAGS.RF).toBe(EFLAGS.RF);
    expect(result.processor.state.reg32(5)).toBe(99);
    expect(result.ecx).toBe(0);
    expect(result.outputs).toHaveLength(100);
  });
});

describe.each(SYSTEM_ENGINES)('%s: IRET (SDM Vol. 2A, "IRET/IRETD/IRETQ—Interrupt Return")', (engine) => {
  const returning = (selector: number, flags = 2) =>
    `@try push dword ${flags} / push dword ${selector} / push dword 0 / iretd`;

  it('to null, data, beyond the table, wrong RPL', () => {
    const result = runSystem(
      engine,
      [0, SELECTOR.DATA, 0xff8, SELECTOR.CODE | 3].map((selector) => returning(selector)).join('\n'),
    );
    expect(faults(result)).toEqual(['#GP(0)', '#GP(10)', '#GP(ff8)', '#GP(8)']);
  });

  it('at CPL 3 it changes neither IOPL nor, with IOPL 0, IF', () => {
    const result = runSystem(
      engine,
      `@user push dword 0x3202 / push dword ${SELECTOR.USER_CODE} / push dword after / iretd / after: pushfd / pop ebx`,
    );
    expect(result.ebx).toBe(2);
  });

  it('to an outer level with a bad stack segment', () => {
    const attempt = (stack: number) =>
      `@try push dword ${stack} / push dword 0xa000 / push dword 2 / push dword ${SELECTOR.USER_CODE} / push dword 0 / iretd`;
    const result = runSystem(engine, [0, SELECTOR.DATA, SELECTOR.CODE | 3].map(attempt).join('\n'));
    expect(faults(result)).toEqual(['#GP(0)', '#GP(10)', '#GP(8)']);
  });
});
