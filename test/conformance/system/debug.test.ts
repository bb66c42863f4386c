import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { DR6 } from '../../../src/cpu/register-bits.ts';
import { faults, label, setSegment, setVector } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
  type SystemResult,
} from '../../support/system-machine.ts';

/** DR7: enable breakpoint n globally, with R/W and LEN. */
const enable = (n: number, condition: 'execute' | 'write' | 'io' | 'access', length: 1 | 2 | 4 = 1) => {
  const rw = { execute: 0, write: 1, io: 2, access: 3 }[condition];
  const len = { 1: 0, 2: 1, 4: 3 }[length];
  return ((2 << (2 * n)) | (rw << (16 + 4 * n)) | (len << (18 + 4 * n))) >>> 0;
};

/**
 * #DB goes to a handler that notes EIP, DR6 and EFLAGS of each at 7000h, 12 bytes an entry, clears DR6 and returns; with
 * RF set in the image if `resume` is.
 */
const run = (
  engine: (typeof SYSTEM_ENGINES)[number],
  source: string,
  { resume = false, before = '', prepare = (_: SystemMachine) => {} } = {},
) =>
  runSystem(
    engine,
    `
    ${before}
    mov dword [0x6ffc], 0x7000
    ${source}
    mov eax, 0
    mov dr7, eax
    jmp done
  debug:
    push eax
    push ebx
    mov ebx, [0x6ffc]
    mov eax, [esp+8]
    mov [ebx], eax
    mov eax, dr6
    mov [ebx+4], eax
    mov eax, [esp+16]
    mov [ebx+8], eax
    add dword [0x6ffc], 12
    mov eax, 0xffff0ff0
    mov dr6, eax
    ${resume ? `or dword [esp+16], ${EFLAGS.RF}` : ''}
    pop ebx
    pop eax
    iretd
  done:
  `,
    {
      prepare(machine) {
        prepare(machine);
        setVector(machine, 1, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'debug') });
      },
    },
  );

interface DebugEvent {
  readonly eip: number;
  readonly dr6: number;
  readonly eflags: number;
}
const events = (result: SystemResult): DebugEvent[] => {
  const count = (result.read32(0x6ffc) - 0x7000) / 12;
  return Array.from({ length: count }, (_, i) => ({
    eip: result.read32(0x7000 + 12 * i),
    dr6: result.read32(0x7004 + 12 * i) & 0xe00f,
    eflags: result.read32(0x7008 + 12 * i),
  }));
};
const at = (result: SystemResult) => events(result).map(({ eip }) => eip);
const labels = (result: SystemResult, ...names: string[]) => names.map((name) => label(result, name));
const SET_TF = 'pushfd\nor dword [esp], 0x100\npopfd\n';
const CLEAR_TF = 'pushfd\nand dword [esp], 0xfffffeff\npopfd\n';

describe.each(SYSTEM_ENGINES)('%s: single step (SDM Vol. 3B, "Single-Step Exception Condition")', (engine) => {
  it('a trap after each instruction that began with TF = 1, with DR6.BS', () => {
    const result = run(engine, `${SET_TF}nop\na: inc ecx\nb: pushfd\nc: and dword [esp], 0xfffffeff\nd: popfd\ne: nop`);
    expect(at(result)).toEqual(labels(result, 'a', 'b', 'c', 'd', 'e'));
    expect(events(result).every(({ dr6 }) => dr6 === DR6.BS)).toBe(true);
  });

  it('the instruction that sets TF is not trapped, the one that clears it is', () => {
    const result = run(engine, `${SET_TF}first: ${CLEAR_TF}behind: nop`);
    expect(at(result)[0]).toBeGreaterThan(label(result, 'first'));
    expect(at(result).at(-1)).toBe(label(result, 'behind'));
  });

  it('the handler runs with TF = 0; the image that it returns with has TF = 1', () => {
    const result = run(engine, `${SET_TF}nop\na: nop\nb: ${CLEAR_TF}`);
    const flags = events(result).map(({ eflags }) => eflags & EFLAGS.TF);
    // NOP, NOP, PUSHFD, AND; the trap of POPFD comes when TF is already clear.
    expect(flags).toEqual([EFLAGS.TF, EFLAGS.TF, EFLAGS.TF, EFLAGS.TF, 0]);
  });

  it('INT n clears TF: neither it nor its handler is stepped, the instruction after its return is', () => {
    const source = `${SET_TF}int 0x41\na: nop\nb: ${CLEAR_TF}jmp past\nhandler: nop\nnop\niretd\npast:`;
    const result = run(engine, source, {
      prepare: (machine) =>
        setVector(machine, 0x41, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'handler') }),
    });
    expect(at(result)[0]).toBe(label(result, 'b'));
  });

  it('MOV SS and POP SS are not trapped, the instruction after them is; LSS and STI are', () => {
    const stepped = (load: string) => {
      const setup = 'mov ecx, ss\npush ecx\nmov [0x7300], esp\nmov [0x7304], ss\n';
      const result = run(engine, `${setup}${SET_TF}${load}\na: nop\nb: nop\nc: ${CLEAR_TF}mov esp, 0x8000`);
      return at(result)
        .slice(0, 2)
        .map((eip) => ['a', 'b', 'c'].find((name) => label(result, name) === eip));
    };
    expect(stepped('mov ss, cx')).toEqual(['b', 'c']);
    expect(stepped('pop ss')).toEqual(['b', 'c']);
    expect(stepped('lss esp, [0x7300]')).toEqual(['a', 'b']);
    expect(stepped('mov ds, cx')).toEqual(['a', 'b']);
    expect(stepped('sti')).toEqual(['a', 'b']);
  });

  // INT 41h, #UD and INT1 count where they were entered; nothing in their handlers is trapped.
  it.each([
    ['mov ss, cx', 'int 0x41'],
    ['mov ss, cx', 'ud2'],
    ['mov ss, cx', 'int3'],
    ['mov ss, cx', 'mov eax, [gs:0]'],
    ['pop ss', 'int 0x41'],
    ['pop ss', 'ud2'],
    ['sti', 'int 0x41'],
  ])('C11: %s, %s: no trap is put off into the handler', (load, next) => {
    const source = `
      mov ecx, ss\nmov edx, 0\npush ecx\n${SET_TF}
      ${load}\nthere: ${next}\n${CLEAR_TF}jmp past
    handler: inc edx\ninc edx\npast: mov esp, 0x8000`;
    const result = run(engine, source, {
      prepare: (machine) => {
        for (const vector of [3, 6, 13, 0x41])
          setVector(machine, vector, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'handler') });
        setSegment(machine, SELECTOR.FREE, { access: 0x92, limit: 0, flags: 0 });
      },
      before: `mov ax, ${SELECTOR.FREE}\nmov gs, ax\n`,
    });
    // STI has a trap of its own, before the next instruction.
    expect(at(result)).toEqual(load === 'sti' ? [label(result, 'there')] : []);
    expect(result.edx).toBe(2);
  });

  it.each(['mov ss, cx', 'pop ss'])('C11: %s, INT1: the one #DB is that of INT1', (load) => {
    const source = `mov ecx, ss\npush ecx\n${SET_TF}${load}\ndb 0xf1\nthere: ${CLEAR_TF}mov esp, 0x8000`;
    const [first, second] = events(run(engine, source));
    const result = run(engine, source);
    expect(first).toMatchObject({ eip: label(result, 'there'), dr6: 0 });
    // TF is set again by the handler's return.
    expect(second!.eip).toBeGreaterThan(label(result, 'there'));
  });

  it('each iteration of a repeated string instruction is trapped', () => {
    const result = run(engine, `mov ecx, 3\nmov edi, 0x300000\n${SET_TF}again: rep stosb\nb: ${CLEAR_TF}`);
    expect(at(result).slice(0, 3)).toEqual(labels(result, 'again', 'again', 'b'));
  });

  it('a fault takes precedence over the trap', () => {
    const result = run(engine, `${SET_TF}@try ud2\n`);
    expect(faults(result)).toEqual(['#UD']);
  });
});

describe.each(SYSTEM_ENGINES)(
  '%s: instruction breakpoints (SDM Vol. 3B, "Instruction-Breakpoint Exception Condition")',
  (engine) => {
    const breakAt = (name: string, n = 0) =>
      `mov eax, ${name}\nmov dr${n}, eax\nmov eax, ${enable(n, 'execute')}\nmov dr7, eax\n`;

    it('a fault before the instruction, with DR6.Bn; RF = 0 in its image; RF = 1 lets the instruction go on', () => {
      const result = run(engine, `mov ecx, 0\n${breakAt('there', 2)}nop\nthere: inc ecx\nnop`, { resume: true });
      expect(events(result)).toMatchObject([{ eip: label(result, 'there'), dr6: DR6.B2 }]);
      expect(events(result)[0].eflags & EFLAGS.RF).toBe(0);
      expect(result.ecx).toBe(1);
    });

    it('RF holds for one instruction: in a loop the breakpoint is met each time', () => {
      const result = run(engine, `mov ecx, 3\n${breakAt('there')}there: dec ecx\njnz there`, { resume: true });
      expect(at(result)).toEqual(labels(result, 'there', 'there', 'there'));
    });

    it('a fault of the instruction pushes RF = 1: it is not met again at the restart', () => {
      const result = run(
        engine,
        `mov ebx, 0\n${breakAt('there')}jmp go\nalign 16\ngo: mov ecx, 0\nthere: mov eax, [0x300000]\nnop`,
        { resume: true },
      );
      expect(at(result)).toEqual(labels(result, 'there'));
    });

    it('a repeated string instruction meets it once', () => {
      const source = `mov ecx, 5\nmov edi, 0x300000\n${breakAt('there')}there: rep stosb\nnop`;
      const result = run(engine, source, { resume: true });
      expect(at(result)).toEqual(labels(result, 'there'));
      expect(result.ecx).toBe(0);
    });

    it.each([
      ['mov ss, cx', 0],
      ['pop ss', 0],
      ['lss esp, [0x7300]', 1],
      ['mov ds, cx', 1],
      ['sti', 1],
    ])('C10: after %s it is met %i times', (load, times) => {
      const setup = 'mov ecx, ss\npush ecx\nmov [0x7300], esp\nmov [0x7304], ss\n';
      const source = `${setup}${breakAt('there')}${load}\nthere: nop\nmov esp, 0x8000`;
      expect(at(run(engine, source, { resume: true }))).toHaveLength(times);
    });

    it('C10: only the next instruction is exempt, and only where it follows in time', () => {
      const source = `mov ecx, ss\n${breakAt('there')}mov ss, cx\nnop\nthere: nop`;
      expect(at(run(engine, source, { resume: true }))).toHaveLength(1);
      // In a loop of MOV SS and the instruction, each time.
      const again = `mov ecx, ss\nmov edx, 3\n${breakAt('there')}again: mov ss, cx\nthere: dec edx\njnz again`;
      expect(at(run(engine, again, { resume: true }))).toEqual([]);
    });

    it('it is not met in the middle of an instruction', () => {
      const result = run(engine, `mov ecx, 0\n${breakAt('there + 1')}there: mov ecx, 0x90909090\nnop`);
      expect(events(result)).toEqual([]);
    });
  },
);

describe.each(SYSTEM_ENGINES)('%s: data and I/O breakpoints', (engine) => {
  const watch = (address: number, dr7: number, n = 0) =>
    `mov eax, ${address}\nmov dr${n}, eax\nmov eax, ${dr7}\nmov dr7, eax\n`;

  it('a trap after the instruction that writes', () => {
    const result = run(
      engine,
      `${watch(0x30_0004, enable(0, 'write', 4))}mov ecx, [0x300004]\nmov dword [0x300000], 1\nmov dword [0x300004], 2\na: nop`,
    );
    expect(events(result)).toMatchObject([{ eip: label(result, 'a'), dr6: DR6.B0 }]);
    expect(result.read32(0x30_0004)).toBe(2);
  });

  it('R/W = 11 is met by reads as well', () => {
    const result = run(
      engine,
      `${watch(0x30_0004, enable(1, 'access', 4), 1)}mov ecx, [0x300004]\na: mov [0x300004], ecx\nb: nop`,
    );
    expect(at(result)).toEqual(labels(result, 'a', 'b'));
    expect(events(result)[0].dr6).toBe(DR6.B1);
  });

  it('any byte of the access within the breakpoint counts; LEN aligns its address', () => {
    const result = run(
      engine,
      `${watch(0x30_0006, enable(0, 'write', 2))}mov byte [0x300005], 1\nmov dword [0x300003], 1\na: mov byte [0x300007], 1\nb: mov byte [0x300008], 1\nmov ax, 1\nmov [0x300004], ax\nnop`,
    );
    expect(at(result)).toEqual(labels(result, 'a', 'b'));
  });

  it('pushes are met too, also those of a fault', () => {
    const result = run(engine, `${watch(0x7ff8, enable(0, 'write', 4))}mov esp, 0x7ffc\npush eax\na: mov esp, 0x8000`);
    expect(at(result)).toEqual(labels(result, 'a'));
  });

  it('I/O breakpoints exist while CR4.DE = 1', () => {
    const source = `${watch(0x55, enable(0, 'io', 1))}out 0x55, al\na: in al, 0x55\nb: out 0x56, al\nnop`;
    const enabled = run(engine, `mov eax, 8\nmov cr4, eax\n${source}`);
    expect(at(enabled)).toEqual(labels(enabled, 'a', 'b'));
    expect(events(run(engine, source))).toEqual([]);
  });

  it('a repeated string instruction is trapped after the iteration that met it', () => {
    const result = run(
      engine,
      `mov ecx, 4\nmov edi, 0x300000\n${watch(0x30_0001, enable(0, 'write', 1))}again: rep stosb\na: nop`,
    );
    expect(events(result)).toMatchObject([{ eip: label(result, 'again') }]);
    expect(result.ecx).toBe(0);
  });
});

describe.each(SYSTEM_ENGINES)('%s: C11: a data breakpoint on the operand of MOV SS or POP SS', (engine) => {
  /** Steps on the dword that SS is loaded from; what follows is executed before the #DB. */
  const loadAnd = (load: string, next: string, rest = '') =>
    run(
      engine,
      `mov [0x7100], ss\nmov edx, 0\npush ss
      mov eax, ${load === 'pop ss' ? 'esp' : '0x7100'}\nmov dr0, eax\nmov eax, ${enable(0, 'access', 4)}\nmov dr7, eax
      ${load}\n${next}\nthere: mov eax, 0\nmov dr7, eax\njmp past\n${rest}\npast: mov esp, 0x8000`,
      {
        prepare(machine) {
          for (const vector of [6, 0x41])
            if (rest !== '')
              setVector(machine, vector, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'handler') });
        },
      },
    );

  it.each(['mov ss, [0x7100]', 'pop ss'])('%s: it is reported behind the next instruction', (load) => {
    const result = loadAnd(load, 'lea esp, [esp - 64]'); // what #DB pushes must not be met, too
    expect(events(result)).toMatchObject([{ eip: label(result, 'there'), dr6: DR6.B0 }]);
  });

  // What CVE-2018-8897 is about: the hold ends with the transfer.
  it.each([
    ['mov ss, [0x7100]', 'int 0x41'],
    ['mov ss, [0x7100]', 'ud2'],
  ])('%s, %s: at the first instruction of the handler', (load, next) => {
    const result = loadAnd(load, next, 'handler: inc edx\njmp there');
    expect(events(result)).toMatchObject([{ eip: label(result, 'handler'), dr6: DR6.B0 }]);
    expect(result.edx).toBe(1);
  });

  it('INT1: its own #DB, without B0, and the other one inside of its handler', () => {
    const result = loadAnd('mov ss, [0x7100]', 'db 0xf1');
    // The inner one is noted first: it interrupts the outer one's first instruction.
    expect(events(result)).toMatchObject([
      { eip: label(result, 'debug'), dr6: DR6.B0 },
      { eip: label(result, 'there') },
    ]);
  });
});

describe.each(SYSTEM_ENGINES)('%s: C12: B0–B3 are those of this #DB, the other bits of DR6 stay', (engine) => {
  const STALE = 0xffff_4ff2;
  const stale = `mov eax, ${STALE - 2 ** 32}\nmov dr6, eax\n`;
  const breakpoint = (address: string | number, dr7: number) =>
    `mov eax, ${address}\nmov dr0, eax\nmov eax, ${dr7}\nmov dr7, eax\n`;

  it('instruction breakpoint', () => {
    const source = `${breakpoint('there', enable(0, 'execute'))}${stale}there: nop`;
    expect(events(run(engine, source, { resume: true })).map(({ dr6 }) => dr6)).toEqual([DR6.BS | DR6.B0]);
  });

  it('data breakpoint', () => {
    const source = `${breakpoint(0x7100, enable(0, 'write'))}${stale}mov [0x7100], al`;
    expect(events(run(engine, source)).map(({ dr6 }) => dr6)).toEqual([DR6.BS | DR6.B0]);
  });

  it('I/O breakpoint', () => {
    const source = `mov eax, 8\nmov cr4, eax\n${breakpoint(0x40, enable(0, 'io'))}${stale}out 0x40, al`;
    expect(events(run(engine, source)).map(({ dr6 }) => dr6)).toEqual([DR6.BS | DR6.B0]);
  });

  it('single step', () => {
    const source = `${stale}${SET_TF}nop\n${CLEAR_TF}`;
    expect(events(run(engine, source))[0].dr6).toBe(DR6.BS);
  });

  it('general detect', () => {
    const source = `mov eax, 0x2400\n${stale.replace('eax', 'ebx').replace('eax', 'ebx')}mov dr7, eax\nmov ebx, dr3`;
    expect(events(run(engine, source)).map(({ dr6 }) => dr6)).toEqual([DR6.BS | DR6.BD]);
  });

  it('INT1 leaves DR6 alone', () => {
    expect(events(run(engine, `${stale}db 0xf1`)).map(({ dr6 }) => dr6)).toEqual([DR6.BS | DR6.B1]);
  });
});

describe.each(SYSTEM_ENGINES)('%s: C15: an instruction that faults has met no data breakpoint', (engine) => {
  const ABSENT = 0x30_0000;
  const PRESENT = 0x2f_f000;
  /** A read and write breakpoint on four bytes; `handler` is that of #PF, and turns the breakpoint off. */
  const attempt = (address: number, instructions: string, { vector = 14, before = '' } = {}) =>
    run(
      engine,
      `${ENABLE_PAGING}mov ecx, 0\n${before}
      mov eax, ${address}\nmov dr0, eax\nmov eax, ${enable(0, 'access', 4)}\nmov dr7, eax
      ${instructions}
      mov ecx, 99\njmp past
    handler: mov eax, 0\nmov dr7, eax\ninc ecx\npast: mov esp, 0x8000`,
      {
        prepare(machine) {
          identityMap(machine);
          machine.write32(LAYOUT.PAGE_TABLE + (ABSENT >> 12) * 4, 0);
          setVector(machine, vector, { access: 0x8e, selector: SELECTOR.CODE, offset: label(machine, 'handler') });
        },
      },
    );

  it.each([
    ['a load', ABSENT, `mov eax, [${ABSENT}]`],
    ['a store', ABSENT, `mov [${ABSENT}], eax`],
    ['a change in memory', ABSENT, `add [${ABSENT}], eax`],
    ['a load across pages', ABSENT - 4, `mov eax, [${ABSENT - 2}]`],
    ['a store across pages', ABSENT - 4, `mov [${ABSENT - 2}], eax`],
    ['the first half of a string move', PRESENT, `mov esi, ${PRESENT}\nmov edi, ${ABSENT}\nmovsd`],
    ['the first half of a compare', PRESENT, `mov esi, ${PRESENT}\nmov edi, ${ABSENT}\ncmpsd`],
    ['the first pops of POPA', ABSENT - 4, `mov esp, ${ABSENT - 8}\npopad`],
    ['a far pointer', ABSENT - 4, `les eax, [${ABSENT - 4}]`],
    ['an x87 operand', ABSENT - 4, `fninit\nfld tword [${ABSENT - 8}]`],
  ])('%s', (_, address, instructions) => {
    const result = attempt(address, instructions);
    expect(events(result)).toEqual([]);
    expect(result.ecx).toBe(1);
  });

  it('BOUND that raises #BR has read its bounds for nothing', () => {
    const result = attempt(0x7100, 'mov eax, 7\nbound eax, [0x7100]', {
      vector: 5,
      before: 'mov dword [0x7100], 0\nmov dword [0x7104], 1\n',
    });
    expect([events(result), result.ecx]).toEqual([[], 1]);
  });

  it('what the delivery of the fault writes is met', () => {
    const result = attempt(0x7ff4, `mov eax, [${ABSENT}]`);
    expect(events(result)).toMatchObject([{ eip: label(result, 'handler'), dr6: DR6.B0 }]);
  });

  it('an access that took place is met', () => {
    const result = attempt(PRESENT, `mov eax, [${PRESENT}]\nnop\nmov eax, [${ABSENT}]`);
    expect(events(result)).toHaveLength(1);
  });

  it('iterations of a repeated string instruction that completed are met', () => {
    const result = attempt(ABSENT - 4, `mov edi, ${ABSENT - 4}\nmov ecx, 8\nrep stosd`);
    expect(events(result)).toHaveLength(1);
  });
});

describe.each(SYSTEM_ENGINES)('%s: general detect (SDM Vol. 3B, "General-Detect Exception Condition")', (engine) => {
  it('with DR7.GD = 1 MOV DR faults, with DR6.BD; the handler runs with GD = 0', () => {
    const result = run(engine, `mov eax, 0x2000\nmov dr7, eax\nthere: mov ebx, dr3\nnop`);
    expect(events(result)).toMatchObject([{ eip: label(result, 'there'), dr6: DR6.BD }]);
  });
});
