import { describe, expect, it } from 'vitest';
import { label, setVector } from '../../support/system-faults.ts';
import { LAYOUT, runSystem, SELECTOR, SYSTEM_ENGINES } from '../../support/system-machine.ts';

/** OUT to port 2 pulses NMI. The handler at `nmi` is the test's. */
const run = (engine: (typeof SYSTEM_ENGINES)[number], source: string) =>
  runSystem(engine, source, {
    prepare(machine) {
      setVector(machine, 2, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'nmi') });
    },
    writePort({ processor }, port) {
      if (port !== 2) return;
      processor.nmi.set(1);
      processor.nmi.set(0);
    },
  });

describe.each(SYSTEM_ENGINES)('%s: nonmaskable interrupt (SDM Vol. 3A, "Nonmaskable Interrupt (NMI)")', (engine) => {
  it('is taken with IF = 0, through vector 2, without an error code', () => {
    const result = run(
      engine,
      'cli\nmov edi, esp\nout 2, al\nafter: jmp done\nnmi: mov ebx, [esp]\nmov esi, esp\niretd\ndone: sub edi, esi',
    );
    expect(result.ebx).toBe(label(result, 'after'));
    expect(result.edi).toBe(12);
  });

  it('while one is handled no other is delivered until the next IRET; one is kept', () => {
    const result = run(
      engine,
      `
      mov ebx, 0
      out 2, al
      jmp done
    nmi:
      inc ebx
      mov [0x7000+ebx*4], ebp
      cmp ebx, 1
      jne last
      out 2, al
      out 2, al
      mov ebp, 77
    last:
      iretd
    done:
      mov ecx, [0x7008]
    `,
    );
    expect([result.ebx, result.ecx]).toEqual([2, 77]);
  });

  it('an IRET of another handler ends the blocking too, also when it faults', () => {
    const result = run(
      engine,
      `
      mov ebx, 0
      out 2, al
      jmp done
    nmi:
      inc ebx
      cmp ebx, 1
      jne last
      out 2, al
      @try push dword 2 / push dword 0 / push dword 0 / iretd
    last:
      add esp, 12
    done:
    `,
    );
    expect(result.processor.lastFault!.vector).toBe(13);
    expect(result.ebx).toBe(2);
  });

  it('ends HLT', () => {
    const result = run(
      engine,
      'mov ebx, 0\ncli\nmov ecx, ss\nmov dx, 2\nmov ss, cx\nout dx, al\njmp done\nnmi: inc ebx\niretd\ndone:',
    );
    expect(result.ebx).toBe(1);
  });

  it('a level that stays asserted counts once', () => {
    const result = runSystem(
      engine,
      'mov ebx, 0\nout 2, al\nout 2, al\nnop\nnop\njmp done\nnmi: inc ebx\niretd\ndone:',
      {
        prepare: (machine) =>
          setVector(machine, 2, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'nmi') }),
        writePort: ({ processor }) => processor.nmi.set(1),
      },
    );
    expect(result.ebx).toBe(1);
  });

  it('from CPL 3 it switches to the stack of level 0, whatever the DPL of its gate', () => {
    const result = run(engine, `@user nop / nop / nop\njmp done\nnmi: mov esi, esp\niretd\ndone: out 2, al\nnop`);
    expect(result.esi).toBe(LAYOUT.KERNEL_STACK - 12);
  });
});
