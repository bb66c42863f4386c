import { describe, expect, it } from 'vitest';
import { faults, label, setSegment, setVector } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

const MISSING = 0x30_0000;
const SMALL = 0x80;
const VECTOR = 0x40;

/** Identity mapping without the page at 300000h; a segment of 16 bytes; handlers `entry` and `nmi` if there are such. */
const options = {
  prepare(machine: SystemMachine) {
    identityMap(machine);
    machine.write32(LAYOUT.PAGE_TABLE + (MISSING >> 10), 0);
    setSegment(machine, SMALL, { base: MISSING, limit: 0xf, access: 0x92, flags: 4 });
    for (const [vector, name] of [
      [VECTOR, 'entry'],
      [2, 'nmi'],
      [1, 'debug'],
    ] as const) {
      if (machine.labels.has(name))
        setVector(machine, vector, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, name) });
    }
  },
  writePort({ processor }: SystemMachine, port: number) {
    if (port & 1) processor.intr.set(1);
    if (port & 2) processor.nmi.set(1);
  },
  acknowledge({ processor }: SystemMachine) {
    processor.intr.set(0);
    return VECTOR;
  },
};
const first = (engine: (typeof SYSTEM_ENGINES)[number], source: string) =>
  faults(runSystem(engine, `${ENABLE_PAGING}${source}`, options));

describe.each(SYSTEM_ENGINES)(
  '%s: faults of one instruction (SDM Vol. 3A, "Priority Among Simultaneous Exceptions and Interrupts")',
  (engine) => {
    it('the segment limit is checked before the page', () => {
      expect(first(engine, `mov ax, ${SMALL}\nmov fs, ax\n@try mov eax, [fs:0x20]\n@try mov eax, [fs:0]`)).toEqual([
        '#GP(0)',
        '#PF(0)',
      ]);
    });

    it('an operand is read before the division fails', () => {
      expect(first(engine, `xor edx, edx\n@try div dword [${MISSING}]`)).toEqual(['#PF(0)']);
    });

    it('an invalid opcode precedes all faults of operands', () => {
      expect(first(engine, `@try db 0xf0, 0x8b, 0x05, 0, 0, 0x30, 0`)).toEqual(['#UD']);
    });

    it('#UD of an invalid encoding precedes #GP of privilege', () => {
      expect(first(engine, '@user db 0x0f, 0x22, 0xc8')).toEqual(['#UD']);
    });

    it('a privileged instruction faults before its operand is read', () => {
      expect(first(engine, `@user lgdt [${MISSING}]\n@user lmsw [${MISSING}]`)).toEqual(['#GP(0)', '#GP(0)']);
    });

    it('#NM of an x87 instruction precedes its operand', () => {
      expect(
        first(
          engine,
          `mov eax, cr0\nor al, 8\nmov cr0, eax\n@try fld dword [${MISSING}]\nclts\n@try fld dword [${MISSING}]`,
        ),
      ).toEqual(['#NM', '#PF(0)']);
    });

    it('a page fault of the code precedes what the instruction would do', () => {
      expect(first(engine, `@try jmp ${MISSING}`)).toEqual(['#PF(0)']);
    });

    it('a segment load: the selector is read before it is checked, the limit of the table before the descriptor', () => {
      expect(first(engine, `@try mov fs, [${MISSING}]\nmov eax, 0xff8\n@try mov fs, ax`)).toEqual([
        '#PF(0)',
        '#GP(ff8)',
      ]);
    });

    it('privilege of a segment before its presence', () => {
      const source = `mov dword [${LAYOUT.GDT + 0x88}], 0xffff\nmov dword [${LAYOUT.GDT + 0x8c}], 0x00cf1200\n@user mov eax, 0x88 / mov fs, ax\nmov eax, 0x88\n@try mov fs, ax`;
      expect(first(engine, source)).toEqual(['#GP(88)', '#NP(88)']);
    });

    it('a write that would fault in its second part writes nothing', () => {
      const result = runSystem(
        engine,
        `${ENABLE_PAGING}mov dword [${MISSING - 4}], 0x11111111\n@try mov dword [${MISSING - 2}], -1`,
        options,
      );
      expect(faults(result)).toEqual(['#PF(2)']);
      expect(result.exceptions[0].cr2).toBe(MISSING);
      expect(result.read32(MISSING - 4)).toBe(0x1111_1111);
    });
  },
);

describe.each(SYSTEM_ENGINES)('%s: between instructions', (engine) => {
  /** Handlers that append a letter to [7000h]. */
  const record = (letter: string) => `shl dword [0x7000], 8\nmov byte [0x7000], ${letter.charCodeAt(0)}`;
  const handlers = `
    jmp done
  entry:
    ${record('i')}
    iretd
  nmi:
    ${record('n')}
    iretd
  debug:
    ${record('d')}
    and dword [esp+8], 0xfffffeff
    iretd
  done:
  `;
  const order = (result: SystemMachine) =>
    result
      .read32(0x7000)
      .toString(16)
      .match(/../g)
      ?.map((code) => String.fromCharCode(Number.parseInt(code, 16)))
      .join('');

  it('an NMI is taken before an external interrupt', () => {
    // Entering the NMI handler clears IF: the interrupt is taken when it has returned.
    const result = runSystem(engine, `sti\nnop\nout 3, al\nnop\nnop\n${handlers}`, options);
    expect(order(result)).toBe('ni');
  });

  it('the trap of the previous instruction is delivered before NMI and external interrupts', () => {
    const source = `sti\nmov dx, 3\npushfd\nor dword [esp], 0x100\npopfd\nout dx, al\nnop\nnop\n${handlers}`;
    const result = runSystem(engine, source, options);
    // #DB is entered first; the NMI then interrupts its handler before the first instruction.
    expect(order(result)).toBe('ndi');
  });

  it('an external interrupt is taken before the fault of the next instruction', () => {
    const result = runSystem(
      engine,
      `mov dword [${LAYOUT.RESUME}], resumed\nmov [${LAYOUT.RESUME_ESP}], esp\nsti\nnop\nout 1, al\nud2\nresumed:\n${handlers}`,
      options,
    );
    expect(order(result)).toBe('i');
    expect(faults(result)).toEqual(['#UD']);
  });

  it('an instruction breakpoint precedes every fault of its instruction', () => {
    const result = runSystem(
      engine,
      `mov eax, there\nmov dr0, eax\nmov eax, 2\nmov dr7, eax\n@try jmp there\njmp done2\nthere: ud2\ndone2:`,
      options,
    );
    expect(faults(result)).toEqual(['#DB']);
  });
});
