import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { DR6 } from '../../../src/cpu/register-bits.ts';
import { faults, label, setVector } from '../../support/system-faults.ts';
import {
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
  { resume = false, prepare = (_: SystemMachine) => {} } = {},
) =>
  runSystem(
    engine,
    `
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

  it('after MOV SS the trap waits until the next instruction has been executed', () => {
    const result = run(engine, `mov ecx, ss\n${SET_TF}mov ss, cx\na: nop\nb: nop\nc: ${CLEAR_TF}`);
    expect(at(result).slice(0, 2)).toEqual(labels(result, 'b', 'c'));
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
      expect(events(result)[0]!.eflags & EFLAGS.RF).toBe(0);
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
    expect(events(result)[0]!.dr6).toBe(DR6.B1);
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

describe.each(SYSTEM_ENGINES)('%s: general detect (SDM Vol. 3B, "General-Detect Exception Condition")', (engine) => {
  it('with DR7.GD = 1 MOV DR faults, with DR6.BD; the handler runs with GD = 0', () => {
    const result = run(engine, `mov eax, 0x2000\nmov dr7, eax\nthere: mov ebx, dr3\nnop`);
    expect(events(result)).toMatchObject([{ eip: label(result, 'there'), dr6: DR6.BD }]);
  });
});
