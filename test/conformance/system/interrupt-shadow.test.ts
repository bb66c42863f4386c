import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { label, setVector } from '../../support/system-faults.ts';
import { runSystem, SELECTOR, SYSTEM_ENGINES, type SystemMachine } from '../../support/system-machine.ts';

const VECTOR = 0x40;

/** Runs with INTR (port 1) and NMI (port 2); the handlers keep the address they interrupted in 7000h and 7004h. */
const run = (engine: (typeof SYSTEM_ENGINES)[number], source: string) =>
  runSystem(
    engine,
    `
    ${source}
    jmp done
  entry:
    push eax
    mov eax, [esp+4]
    mov [0x7000], eax
    pop eax
    iretd
  nmi:
    push eax
    mov eax, [esp+4]
    mov [0x7004], eax
    pop eax
    iretd
  done:
  `,
    {
      prepare(machine) {
        setVector(machine, VECTOR, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'entry') });
        setVector(machine, 2, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'nmi') });
      },
      writePort({ processor }: SystemMachine, port: number) {
        if (port === 1) processor.intr.set(1);
        if (port === 2) processor.nmi.set(1);
      },
      acknowledge({ processor }) {
        processor.intr.set(0);
        return VECTOR;
      },
    },
  );
const interruptedAt = (result: SystemMachine) => result.read32(0x7000);
const nmiAt = (result: SystemMachine) => result.read32(0x7004);

describe.each(SYSTEM_ENGINES)('%s: STI (SDM Vol. 2B, "STI—Set Interrupt Flag")', (engine) => {
  it('interrupts are delivered after the instruction that follows it', () => {
    const result = run(engine, 'out 1, al\nsti\nnop\nthere: nop\nnop');
    expect(interruptedAt(result)).toBe(label(result, 'there'));
  });

  it('STI, CLI: no interrupt is taken', () => {
    expect(interruptedAt(run(engine, 'out 1, al\nsti\ncli\nnop\nnop'))).toBe(0);
  });

  it('with IF already set it holds nothing off', () => {
    const result = run(engine, 'sti\nnop\nout 1, al\nthere: sti\nnop\nnop');
    expect(interruptedAt(result)).toBe(label(result, 'there'));
  });

  it('STI, HLT: the interrupt ends HLT', () => {
    const result = run(engine, 'out 1, al\nsti\nhlt\nthere: nop');
    expect(interruptedAt(result)).toBe(label(result, 'there'));
  });

  it('an interrupt that is asked for at the boundary behind STI waits for one instruction', () => {
    // At every count from the beginning on; once it is exactly between STI and HLT.
    const program = 'sti\nhlt\nthere: nop\nnop';
    let there = 0;
    for (let count = 1; count < 200; count++) {
      const result = runSystem(
        engine,
        `${program}\njmp done\nentry: push eax\nmov eax, [esp+4]\nmov [0x7000], eax\npop eax\niretd\ndone:`,
        {
          prepare(machine) {
            setVector(machine, VECTOR, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'entry') });
            const { clock } = machine.processor;
            const ask = () => {
              if (machine.processor.retired >= count) machine.processor.intr.set(1);
              else clock.setAlarm(clock.now + 1, ask);
            };
            clock.setAlarm(clock.now + 1, ask);
          },
          acknowledge({ processor }) {
            processor.intr.set(0);
            return VECTOR;
          },
        },
      );
      const at = interruptedAt(result);
      if (at === label(result, 'there')) there++;
      // HLT is one byte: taken there, it would wait for an interrupt that has been.
      expect(at).not.toBe(label(result, 'there') - 1);
    }
    expect(there).toBeGreaterThan(0);
  });

  it('it does not hold off an NMI', () => {
    const result = run(engine, 'cli\nmov al, 1\nsti\nout 2, al\nthere: nop\nnop');
    expect(nmiAt(result)).toBe(label(result, 'there'));
  });

  it('POPF and IRET that set IF hold nothing off', () => {
    const popf = run(engine, `out 1, al\npush dword ${EFLAGS.IF | 2}\npopfd\nthere: nop\nnop`);
    expect(interruptedAt(popf)).toBe(label(popf, 'there'));
    const iret = run(
      engine,
      `out 1, al\npush dword ${EFLAGS.IF | 2}\npush cs\npush dword there\niretd\nthere: nop\nnop`,
    );
    expect(interruptedAt(iret)).toBe(label(iret, 'there'));
  });
});

describe.each(SYSTEM_ENGINES)(
  '%s: MOV SS and POP SS (SDM Vol. 3A, "Masking Exceptions and Interrupts When Switching Stacks")',
  (engine) => {
    it.each([
      ['MOV SS', 'mov ss, cx', ''],
      ['POP SS', 'pop ss', 'push ecx'],
    ])('%s: interrupts wait until the next instruction has been executed', (name, load, before) => {
      const source = `mov ecx, ss\n${before}\nmov dx, 1\nsti\nnop\njmp go\nalign 16\ngo: ${load}\nout dx, al\nthere: nop\nnop`;
      const result = run(engine, source);
      expect(interruptedAt(result)).toBe(label(result, 'there'));
      // Asserted before the load: taken before it, or else behind the instruction after it.
      const pending = run(engine, `mov ecx, ss\n${before}\nout 1, al\nsti\n${load}\nnop\nbehind: nop\nnop`);
      expect([name, interruptedAt(pending)]).toEqual([name, label(pending, 'behind')]);
    });

    it('LSS holds nothing off: it sets both halves', () => {
      const source = 'mov ecx, ss\nmov [0x7100], esp\nmov [0x7104], cx\nout 1, al\nsti\nlss esp, [0x7100]\nthere: nop';
      const result = run(engine, source);
      expect(interruptedAt(result)).toBe(label(result, 'there'));
    });

    it('an NMI waits likewise', () => {
      const result = run(engine, 'mov ecx, ss\nmov dx, 2\nmov ss, cx\nout dx, al\nthere: nop\nnop');
      expect(nmiAt(result)).toBe(label(result, 'there'));
    });
  },
);
