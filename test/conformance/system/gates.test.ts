import { describe, expect, it } from 'vitest';
import { faults, label, setGate, setSegment } from '../../support/system-faults.ts';
import { LAYOUT, runSystem, SELECTOR, SYSTEM_ENGINES, type SystemMachine } from '../../support/system-machine.ts';

const GATE = 0x80;
const SEG = { conforming: 0x88, absent: 0x90, code1: 0x98, data1: 0xa0 };
const GATE32 = 0xec;
const GATE16 = 0xe4;
const STACK1 = 0xb000;

function prepare(machine: SystemMachine): void {
  setSegment(machine, SEG.conforming, { access: 0x9e });
  setSegment(machine, SEG.absent, { access: 0x1a });
  setSegment(machine, SEG.code1, { access: 0xba });
  setSegment(machine, SEG.data1, { access: 0xb2 });
  machine.write32(LAYOUT.TSS + 12, STACK1, SEG.data1 | 1);
}

/** With a gate to the label `entry`. */
const through =
  (gate: { access?: number; selector?: number; count?: number } = {}) =>
  (machine: SystemMachine) => {
    prepare(machine);
    const { access = GATE32, selector = SELECTOR.CODE, count = 0 } = gate;
    setGate(machine, GATE, { access, selector, count, offset: label(machine, 'entry') });
  };

describe.each(SYSTEM_ENGINES)('%s: far transfers at the same level', (engine) => {
  it('CALL pushes CS and EIP, RETF n comes back and releases n bytes', () => {
    const result = runSystem(
      engine,
      `
      push dword 0x77
      mov esi, esp
      call ${SEG.conforming}:entry
      mov edi, esp
      jmp done
    entry:
      mov ebx, [esp]
      mov ecx, [esp+4]
      mov edx, cs
      retf 4
    done:
      sub edi, esi
    `,
      { prepare },
    );
    expect(result).toMatchObject({ ecx: SELECTOR.CODE, edx: SEG.conforming, edi: 4 });
  });

  it('JMP to null, data, absent, too privileged or absent code', () => {
    const targets = [0, SELECTOR.DATA, SEG.absent, SELECTOR.USER_CODE, SEG.code1, 0xff8];
    const result = runSystem(engine, targets.map((selector) => `@try jmp ${selector}:0`).join('\n'), { prepare });
    expect(faults(result)).toEqual(['#GP(0)', '#GP(10)', '#NP(90)', '#GP(18)', '#GP(98)', '#GP(ff8)']);
    expect(result.exceptions.every(({ atStart }) => atStart)).toBe(true);
  });

  it('an indirect far JMP takes offset and selector from memory', () => {
    const result = runSystem(
      engine,
      `jmp far [pointer]\npointer: dd there\ndw ${SEG.conforming}\nmov eax, 1\nthere: mov ebx, cs`,
      { prepare },
    );
    expect(result.ebx).toBe(SEG.conforming);
  });

  it('a 16-bit far CALL pushes words; the code runs with the size of its segment', () => {
    const result = runSystem(
      engine,
      `
      mov esi, esp
      call ${SELECTOR.CODE16}:0x5000
      sub esi, esp
    `,
      {
        prepare(machine) {
          // mov ebx, esp; mov cx, cs; o32 retf
          machine.memory.copyIn(0x5000, Uint8Array.of(0x66, 0x89, 0xe3, 0x8c, 0xc9, 0x66, 0xcb));
        },
      },
    );
    expect(result.ecx & 0xffff).toBe(SELECTOR.CODE16);
    expect(result.esi).toBe(0);
    expect(result.ebx).toBe(LAYOUT.KERNEL_STACK - 8);
  });
});

describe.each(SYSTEM_ENGINES)('%s: call gates (SDM Vol. 3A, "Call Gates")', (engine) => {
  const program = (call: string) => `
      @user ${call}
      jmp done
    entry:
      mov ebx, [esp]
      mov ecx, [esp+4]
      mov edx, [esp+8]
      mov esi, esp
      mov eax, cs
      mov edi, ss
      retf
    done:
  `;

  it('from CPL 3 to CPL 0: a new stack from the TSS, with old SS:ESP and CS:EIP', () => {
    const result = runSystem(engine, program(`call ${GATE}:0`), { prepare: through() });
    expect(faults(result)).toEqual([]);
    expect(result).toMatchObject({ eax: SELECTOR.CODE, edi: SELECTOR.DATA, esi: LAYOUT.EXCEPTION_STACK - 16 });
    expect([result.ecx, result.edx]).toEqual([SELECTOR.USER_CODE, LAYOUT.USER_STACK]);
  });

  it('from CPL 3 to CPL 1: the stack of level 1', () => {
    const result = runSystem(engine, program(`call ${GATE}:0`), { prepare: through({ selector: SEG.code1 | 1 }) });
    expect(result).toMatchObject({ eax: SEG.code1 | 1, edi: SEG.data1 | 1, esi: STACK1 - 16 });
  });

  it('parameters are copied to the new stack, and RETF n releases them from both', () => {
    const result = runSystem(
      engine,
      `
      @user push dword 0x33 / push dword 0x22 / call ${GATE}:0 / mov ebp, esp
      jmp done
    entry:
      mov ebx, [esp+8]
      mov ecx, [esp+12]
      retf 8
    done:
    `,
      { prepare: through({ count: 2 }) },
    );
    expect([result.ebx, result.ecx]).toEqual([0x22, 0x33]);
    expect(result.processor.state.reg32(5)).toBe(LAYOUT.USER_STACK);
  });

  it('a 16-bit gate pushes words', () => {
    const result = runSystem(engine, `@user call ${GATE}:0\njmp done\nentry16: nop\ndone:`, {
      prepare(machine) {
        prepare(machine);
        setGate(machine, GATE, { access: GATE16, selector: SELECTOR.CODE, offset: 0x5000 });
        // mov esi, esp; mov ecx, [esp]; movzx edx, word [esp+2]; o16 retf
        machine.memory.copyIn(
          0x5000,
          Uint8Array.of(0x89, 0xe6, 0x8b, 0x0c, 0x24, 0x0f, 0xb7, 0x54, 0x24, 0x02, 0x66, 0xcb),
        );
        // The return address has 16 bits: the user's code lies above. It comes back to 64 KiB less.
        machine.memory.copyIn(0x0000, Uint8Array.of(0xcd, 0x80));
        machine.memory.copyIn(
          0x0100,
          Uint8Array.from({ length: 0x800 }, (_, i) => (i & 1 ? 0x80 : 0xcd)),
        );
      },
    });
    expect(result.esi).toBe(LAYOUT.EXCEPTION_STACK - 8);
    expect(result.edx).toBe(SELECTOR.USER_CODE);
  });

  it('a gate to conforming code does not change CPL', () => {
    const result = runSystem(engine, program(`call ${GATE}:0`), { prepare: through({ selector: SEG.conforming }) });
    expect(result).toMatchObject({ eax: SEG.conforming | 3, edi: SELECTOR.USER_DATA, esi: LAYOUT.USER_STACK - 8 });
  });

  it('the DPL of the gate guards it', () => {
    const result = runSystem(engine, program(`call ${GATE}:0`), { prepare: through({ access: 0x8c }) });
    expect(faults(result)).toEqual(['#GP(80)']);
  });

  it('JMP through a gate may not change CPL', () => {
    const result = runSystem(engine, program(`jmp ${GATE}:0`), { prepare: through() });
    expect(faults(result)).toEqual(['#GP(8)']);
    expect(result.exceptions[0].atStart).toBe(true);
  });

  it('a gate that is not present, or leads to null, data or absent code', () => {
    const attempt = (gate: { access?: number; selector?: number }) =>
      faults(runSystem(engine, program(`call ${GATE}:0`), { prepare: through(gate) }))[0];
    expect(attempt({ access: 0x6c })).toBe('#NP(80)');
    expect(attempt({ selector: 0 })).toBe('#GP(0)');
    expect(attempt({ selector: SELECTOR.DATA })).toBe('#GP(10)');
    expect(attempt({ selector: SEG.absent })).toBe('#NP(90)');
  });

  it('a bad stack in the TSS: #TS(selector), delivered at level 0', () => {
    const result = runSystem(engine, program(`call ${GATE}:0`), {
      prepare(machine) {
        through({ selector: SEG.code1 | 1 })(machine);
        machine.write32(LAYOUT.TSS + 16, SELECTOR.DATA);
      },
    });
    expect(faults(result)).toEqual(['#TS(10)']);
    expect(result.exceptions[0].cs).toBe(SELECTOR.USER_CODE);
  });
});

describe.each(SYSTEM_ENGINES)('%s: far RET (SDM Vol. 2B, "RET—Return From Procedure")', (engine) => {
  it('to an outer level, data segments that it may not use become null', () => {
    const result = runSystem(
      engine,
      `
      mov dword [${LAYOUT.RESUME}], done
      mov [${LAYOUT.RESUME_ESP}], esp
      mov ax, ${SELECTOR.USER_DATA}
      mov gs, ax
      push dword ${SELECTOR.USER_DATA}
      push dword ${LAYOUT.USER_STACK}
      push dword ${SELECTOR.USER_CODE}
      push dword outer
      retf
    outer:
      mov ebx, ds
      mov ecx, fs
      mov edx, gs
      mov esi, esp
      int 0x80
    done:
    `,
    );
    expect(result).toMatchObject({ ebx: 0, ecx: 0, edx: SELECTOR.USER_DATA, esi: LAYOUT.USER_STACK });
  });

  it('to an inner level: #GP(selector)', () => {
    const result = runSystem(engine, `@user push dword ${SELECTOR.CODE} / push dword 0 / retf`);
    expect(faults(result)).toEqual(['#GP(8)']);
  });
});
