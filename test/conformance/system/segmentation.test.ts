import { describe, expect, it } from 'vitest';
import { faults, label, setSegment } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

/** Segments of these tests, all with base 200000h. */
const SEG = {
  small: 0x40,
  readOnly: 0x48,
  down: 0x50,
  absent: 0x58,
  executeOnly: 0x60,
  code: 0x68,
  conforming: 0x70,
  dpl3: 0x7b,
  dpl1: 0x80,
};
const BASE = 0x20_0000;

function prepare(machine: SystemMachine): void {
  const bytes = { base: BASE, limit: 0xfff, flags: 4 };
  setSegment(machine, SEG.small, { ...bytes, access: 0x92 });
  setSegment(machine, SEG.readOnly, { ...bytes, access: 0x90 });
  setSegment(machine, SEG.down, { ...bytes, access: 0x96 });
  setSegment(machine, SEG.absent, { ...bytes, access: 0x12 });
  setSegment(machine, SEG.executeOnly, { ...bytes, access: 0x98 });
  setSegment(machine, SEG.code, { ...bytes, access: 0x9a });
  setSegment(machine, SEG.conforming, { access: 0x9e });
  setSegment(machine, SEG.dpl3, { ...bytes, access: 0xf2 });
  setSegment(machine, SEG.dpl1, { ...bytes, access: 0xb2 });
}

/** FS gets a selector, then each line is tried. */
const withFs = (engine: (typeof SYSTEM_ENGINES)[number], selector: number, ...lines: string[]) =>
  runSystem(engine, [`mov ax, ${selector}`, 'mov fs, ax', ...lines.map((line) => `@try ${line}`)].join('\n'), {
    prepare,
  });

describe.each(SYSTEM_ENGINES)('%s: limit checking (SDM Vol. 3A, "Limit Checking")', (engine) => {
  it('an offset greater than the effective limit: #GP(0); a doubleword may not end beyond it', () => {
    const lines = [
      'mov al, [fs:0xfff]',
      'mov al, [fs:0x1000]',
      'mov eax, [fs:0xffc]',
      'mov eax, [fs:0xffd]',
      'mov ax, [fs:0xfff]',
    ];
    const result = withFs(engine, SEG.small, ...lines, 'mov [fs:0xffd], eax', 'mov eax, [fs:0xffffffff]');
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)', '#GP(0)', '#GP(0)', '#GP(0)']);
  });

  it('a limit in the middle of a page holds for memory that was just accessed, too', () => {
    const limited = 0x88;
    const lines = [0x7f0, 0x7fc, 0x7fd, 0x7fe, 0x7ff, 0x800].flatMap((offset) => [
      `mov eax, [fs:${offset}]`,
      `mov [fs:${offset}], eax`,
      `mov al, [fs:${offset}]`,
      `add ebx, [fs:${offset}]`,
    ]);
    const result = runSystem(
      engine,
      ['mov ax, 0x88', 'mov fs, ax', ...lines.map((line) => `@try ${line}`)].join('\n'),
      { prepare: (machine) => setSegment(machine, limited, { base: BASE, limit: 0x7ff, flags: 4, access: 0x92 }) },
    );
    // Three doublewords beyond the limit, three times each; and all four at the last offset.
    expect(faults(result)).toEqual(Array(3 * 3 + 4).fill('#GP(0)'));
  });

  it('a descriptor beyond the limit of the GDT is not there, whatever the bytes say', () => {
    const beyond = 0x90;
    const source = `
      mov ax, ${beyond}
      @try mov fs, ax
      mov word [0x7000], ${beyond + 6}
      mov dword [0x7002], ${LAYOUT.GDT}
      lgdt [0x7000]
      @try mov fs, ax
      @try push eax / pop gs`;
    const result = runSystem(engine, source, {
      prepare: (machine) => setSegment(machine, beyond, { base: BASE, limit: 0x7ff, flags: 4, access: 0x93 }),
    });
    expect(faults(result)).toEqual(['#GP(90)', '#GP(90)']);
  });

  it('the base is added to the offset', () => {
    const result = runSystem(
      engine,
      `mov dword [${BASE + 0x123}], 0x1234\nmov ax, ${SEG.small}\nmov gs, ax\nmov eax, [gs:0x123]`,
      { prepare },
    );
    expect(result.eax).toBe(0x1234);
  });

  it('a string instruction checks each element', () => {
    const source = `mov ax, ${SEG.small}\nmov es, ax\nmov edi, 0xff0\nmov ecx, 5\nmov al, 7\n@try rep stosd`;
    const result = runSystem(engine, source, { prepare });
    expect(faults(result)).toEqual(['#GP(0)']);
    expect([result.ecx, result.edi]).toEqual([1, 0x1000]);
  });

  it('through SS: #SS(0)', () => {
    const source = `mov ax, ${SEG.small}\nmov ss, ax\nmov esp, 0x800\n@try mov ecx, [ss:0xffe]`;
    expect(faults(runSystem(engine, source, { prepare }))).toEqual(['#SS(0)']);
  });

  it('an expand-down segment: offsets above the limit are valid', () => {
    const result = withFs(
      engine,
      SEG.down,
      'mov al, [fs:0xfff]',
      'mov al, [fs:0x1000]',
      'mov eax, [fs:0xffc]',
      'mov [fs:0x2000], eax',
    );
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)']);
  });

  it('an expand-down segment with B = 0 ends at FFFFh', () => {
    const result = runSystem(
      engine,
      `mov ax, ${SEG.down}\nmov fs, ax\n@try mov al, [fs:0xffff]\n@try mov al, [fs:0x10000]`,
      {
        prepare: (machine) => setSegment(machine, SEG.down, { base: BASE, limit: 0xfff, flags: 0, access: 0x96 }),
      },
    );
    expect(faults(result)).toEqual(['#GP(0)']);
  });

  it('with G = 1 the limit counts 4 KiB pages and the twelve low bits are not tested', () => {
    const result = runSystem(
      engine,
      `mov ax, ${SEG.small}\nmov fs, ax\n@try mov al, [fs:0x1fff]\n@try mov al, [fs:0x2000]`,
      {
        prepare: (machine) => setSegment(machine, SEG.small, { base: BASE, limit: 1, flags: 0xc, access: 0x92 }),
      },
    );
    expect(faults(result)).toEqual(['#GP(0)']);
  });

  it.each([
    ['popad', 0xfff2, 'FFFEh to 1'],
    ['popad', 0xfff0, undefined],
    ['popaw', 0xfff9, 'FFFFh to 0'],
    ['popaw', 0xfff8, undefined],
  ])(
    'C17: %s with SP = %x: the image of rSP is read, across the limit of a 16-bit stack: #SS(0) (%s)',
    (name, sp, across) => {
      const result = runSystem(engine, `@user mov eax, ${SEG.small | 3} / mov ss, ax / mov esp, ${sp} / ${name}`, {
        prepare: (machine) => setSegment(machine, SEG.small, { base: BASE, limit: 0xffff, access: 0xf2, flags: 0 }),
      });
      expect(faults(result)).toEqual(across ? ['#SS(0)'] : []);
    },
  );

  it('a jump beyond the limit of CS: #GP(0) at the jump', () => {
    const result = runSystem(engine, `@try call ${SEG.code}:0\njmp done\ndone:`, {
      prepare(machine) {
        prepare(machine);
        // jmp 2000h
        machine.write32(BASE, 0x001f_fbe9, 0x90);
      },
    });
    expect(result.exceptions[0]).toMatchObject({ vector: 13, errorCode: 0, eip: 0, cs: SEG.code });
  });

  describe('C8: a target beyond the limit of CS is refused before anything is written', () => {
    const TARGET = 0x1800;
    const SLOT = LAYOUT.USER_STACK - 16;
    const UNTOUCHED = 0xaaaa_aaaa;
    /** User code in a segment of 4 KiB that begins at the program. `stack`: ESP. */
    const attempt = (
      code: string,
      { stack = SLOT + 4, prepare: more = (_: SystemMachine) => {}, before = '' } = {},
    ) => {
      const [first = '', ...rest] = code.split(' / ').reverse();
      const setup = [`mov esp, ${stack}`, `mov eax, ${TARGET}`, 'mov ecx, 2', ...rest.reverse()].join(' / ');
      const result = runSystem(
        engine,
        `${before}\n@user jmp ${SEG.code | 3}:(inside - ${LAYOUT.PROGRAM}) / inside: ${setup} / there: ${first}`,
        {
          prepare(machine) {
            setSegment(machine, SEG.code, { base: LAYOUT.PROGRAM, limit: 0xfff, access: 0xfa, flags: 4 });
            machine.write32(SLOT, UNTOUCHED, TARGET, TARGET);
            more(machine);
          },
        },
      );
      const [exception] = result.exceptions;
      return {
        result,
        faults: faults(result),
        at: exception!.eip + LAYOUT.PROGRAM - label(result, 'there'),
        esp: result.read32(LAYOUT.EXCEPTION_STACK - 8),
        pushed: result.read32(SLOT),
      };
    };
    const refused = { faults: ['#GP(0)'], at: 0, esp: SLOT + 4, pushed: UNTOUCHED };

    it.each([
      ['CALL rel32', `call ${LAYOUT.PROGRAM + TARGET}`],
      ['CALL rel16', 'db 0x66, 0xe8, 0, 0x18'],
      ['CALL r32', 'call eax'],
      ['CALL r16', 'call ax'],
      ['CALL m32', `call [${SLOT + 4}]`],
      ['CALL rSP', 'call esp'],
      ['RET', 'ret'],
      ['RET imm16', 'ret 8'],
      ['RET with a 16-bit operand', 'db 0x66, 0xc3'],
      ['JMP', 'jmp eax'],
      ['Jcc', `db 0x31, 0xc0 / jz ${LAYOUT.PROGRAM + TARGET}`],
    ])('%s: nothing is pushed or popped', (_, code) => {
      expect(attempt(code)).toMatchObject(refused);
    });

    it.each([
      ['LOOP', 'db 0xe2, 0x80', 1],
      ['LOOPE', 'cmp eax, eax / db 0xe1, 0x80', 1],
      ['LOOPNE', 'cmp eax, 0 / db 0xe0, 0x80', 1],
      ['LOOP with CX', 'db 0x67, 0xe2, 0x80', 1],
      ['JECXZ', 'xor ecx, ecx / db 0xe3, 0x80', 0],
    ])('%s: the counter keeps its value where it branches, and counts where it does not', (_, code) => {
      // 80h bytes back lie before the segment's begin: with 32 bits far beyond its end.
      const after = attempt(code);
      expect(after).toMatchObject(refused);
      expect(after.result.ecx).toBe(code.includes('xor ecx') ? 0 : 2);
      const falls = attempt(
        `${code.includes('xor') ? 'nop' : 'mov ecx, 1'} / ${code.replace('xor ecx, ecx / ', '')} / ud2`,
      );
      expect(falls.faults).toEqual(['#UD']);
      expect(falls.result.ecx).toBe(code.includes('xor') ? 2 : 0);
    });

    it('a stack that cannot be written comes first', () => {
      const absent = 0x30_0000;
      const after = attempt('call eax', {
        stack: absent + 4,
        before: ENABLE_PAGING,
        prepare(machine) {
          identityMap(machine);
          machine.write32(LAYOUT.PAGE_TABLE + (absent >> 12) * 4, 0);
        },
      });
      expect(after).toMatchObject({ faults: ['#PF(6)'], at: 0, esp: absent + 4 });
      expect(after.result.exceptions[0].cr2).toBe(absent);
      expect(attempt('call eax', { stack: 2 }).faults).toEqual(['#SS(0)']);
    });
  });

  it('running past the limit of CS: #GP(0)', () => {
    const result = runSystem(engine, `@try jmp ${SEG.code}:0xffe`, {
      prepare(machine) {
        prepare(machine);
        machine.memory.write(BASE + 0xffe, 0x9090, 2);
      },
    });
    expect(result.exceptions[0]).toMatchObject({ vector: 13, errorCode: 0, eip: 0x1000 });
  });

  it('an instruction that extends beyond the limit of CS: #GP(0), with its own EIP', () => {
    const result = runSystem(engine, `@try jmp ${SEG.code}:0xffd`, {
      prepare(machine) {
        prepare(machine);
        // nop, then the first bytes of mov eax, imm32
        machine.memory.write(BASE + 0xffd, 0x90, 1);
        machine.memory.write(BASE + 0xffe, 0x00b8, 2);
      },
    });
    expect(result.exceptions[0]).toMatchObject({ vector: 13, errorCode: 0, eip: 0xffe });
  });
});

describe.each(SYSTEM_ENGINES)('%s: type checking (SDM Vol. 3A, "Type Checking")', (engine) => {
  it('a write to a read-only data segment: #GP(0), also at offset 0 and for read-modify-write', () => {
    const result = withFs(
      engine,
      SEG.readOnly,
      'mov al, [fs:0]',
      'mov [fs:0], al',
      'add dword [fs:8], 1',
      'cmp dword [fs:8], 1',
    );
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)']);
  });

  it('a write to a code segment: #GP(0)', () => {
    const result = withFs(engine, SEG.code, 'mov eax, [fs:0]', 'mov [fs:0], eax', 'mov [cs:0x300000], eax');
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)']);
  });

  it('a read of an execute-only code segment: #GP(0)', () => {
    const result = runSystem(engine, `@try call ${SEG.executeOnly}:0`, {
      prepare(machine) {
        prepare(machine);
        // mov eax, [cs:10h]
        machine.write32(BASE, 0x0010_a12e, 0x9090_0000);
      },
    });
    expect(result.exceptions[0]).toMatchObject({ vector: 13, errorCode: 0, eip: 0, cs: SEG.executeOnly });
  });

  it('an access through a null selector: #GP(0); loading it is allowed', () => {
    expect(faults(withFs(engine, 0, 'mov al, [fs:0]', 'mov [fs:0x10], al', 'lea eax, [fs:0]'))).toEqual([
      '#GP(0)',
      '#GP(0)',
    ]);
    expect(faults(withFs(engine, 3, 'mov al, [fs:0]'))).toEqual(['#GP(0)']);
  });
});

describe.each(SYSTEM_ENGINES)('%s: loading segment registers (SDM Vol. 2B, "MOV—Move")', (engine) => {
  it('at CPL 0', () => {
    const loads = [
      0x1000,
      SEG.absent,
      SEG.executeOnly,
      SELECTOR.TSS,
      SELECTOR.DATA | 1,
      SEG.dpl3 & ~3,
      SEG.conforming | 3,
    ];
    const result = runSystem(engine, loads.map((selector) => `mov eax, ${selector}\n@try mov gs, ax`).join('\n'), {
      prepare,
    });
    expect(faults(result)).toEqual(['#GP(1000)', '#NP(58)', '#GP(60)', '#GP(28)', '#GP(10)']);
  });

  it('at CPL 3', () => {
    const loads = [SELECTOR.DATA, SEG.dpl1, SEG.dpl3, SEG.conforming, SEG.code, SELECTOR.USER_CODE, 0];
    const result = runSystem(engine, loads.map((selector) => `@user mov eax, ${selector} / mov es, ax`).join('\n'), {
      prepare,
    });
    expect(faults(result)).toEqual(['#GP(10)', '#GP(80)', '#GP(68)']);
  });

  it('SS: null, wrong RPL, wrong DPL, not writable, not present', () => {
    const loads = [0, 3, SELECTOR.DATA | 3, SEG.dpl3, SEG.readOnly, SEG.code, SEG.absent, SELECTOR.DATA];
    const result = runSystem(engine, loads.map((selector) => `mov eax, ${selector}\n@try mov ss, ax`).join('\n'), {
      prepare,
    });
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)', '#GP(10)', '#GP(78)', '#GP(48)', '#GP(68)', '#SS(58)']);
  });

  it('POP and LDS raise the same faults, and change neither ESP nor the register', () => {
    const source = `
      mov dword [0x5000], 0x11223344
      mov word [0x5004], ${SEG.absent}
      mov ebx, 5
      push dword ${SEG.absent}
      mov esi, esp
      @try pop fs
      sub esi, esp
      @try lds ebx, [0x5000]
      mov edi, ds
    `;
    const result = runSystem(engine, source, { prepare });
    expect(faults(result)).toEqual(['#NP(58)', '#NP(58)']);
    expect([result.esi, result.ebx, result.edi]).toEqual([0, 5, SELECTOR.DATA]);
  });

  it('the accessed bit of the descriptor is set', () => {
    const result = runSystem(engine, `mov ax, ${SEG.small}\nmov gs, ax`, { prepare });
    expect(result.read32(LAYOUT.GDT + SEG.small + 4) & 0x100).toBe(0x100);
  });

  it('the cache holds until the next load, whatever the table says', () => {
    const source = `mov ax, ${SEG.small}\nmov gs, ax\nmov dword [${LAYOUT.GDT + SEG.small + 4}], 0\n@try mov bl, [gs:0]\n@try mov gs, ax`;
    expect(faults(runSystem(engine, source, { prepare })).length).toBe(1);
  });

  it('a segment of an LDT', () => {
    const source = `mov ax, 0x90\nlldt ax\nmov ax, 4\nmov gs, ax\nmov dword [${BASE}], 77\nmov ebx, [gs:0]\n@try mov cx, 0xc / mov fs, cx\nxor ax, ax\nlldt ax\n@try mov ax, 4 / mov fs, ax`;
    const result = runSystem(engine, source, {
      prepare(machine) {
        setSegment(machine, 0x90, { base: 0x6000, limit: 7, access: 0x82, flags: 0 });
        machine.write32(0x6000, 0x0000_0fff, 0x0040_9220);
      },
    });
    expect(result.ebx).toBe(77);
    expect(faults(result)).toEqual(['#GP(c)', '#GP(4)']);
  });
});

describe.each(SYSTEM_ENGINES)('%s: LAR, LSL, VERR, VERW, ARPL at CPL 3', (engine) => {
  it('ZF tells whether the selector is accessible', () => {
    const ask = (instruction: string, selector: number) =>
      `mov eax, ${selector}\n${instruction}\nsetz cl\nadd edi, edi\nor edi, ecx`;
    const asked = [
      ask('lar edx, ax', SELECTOR.DATA),
      ask('lar edx, ax', SELECTOR.USER_DATA),
      ask('lsl edx, ax', SEG.dpl3),
      ask('verr ax', SELECTOR.USER_CODE),
      ask('verr ax', SELECTOR.CODE),
      ask('verw ax', SELECTOR.USER_DATA),
      ask('verw ax', SELECTOR.USER_CODE),
      ask('lar edx, ax', 0),
    ];
    const result = runSystem(engine, `xor ecx, ecx\nxor edi, edi\n@user ${asked.join('\n').replaceAll('\n', ' / ')}`, {
      prepare,
    });
    expect(result.edi).toBe(0b0111_0100);
    expect(faults(result)).toEqual([]);
  });

  it('LLDT, LTR at CPL > 0: #GP(0); SLDT and STR are allowed', () => {
    const result = runSystem(engine, '@user lldt ax\n@user ltr ax\n@user sldt ebx\n@user str ecx');
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)']);
    expect([result.ebx & 0xffff, result.ecx & 0xffff]).toEqual([0, SELECTOR.TSS]);
  });
});
