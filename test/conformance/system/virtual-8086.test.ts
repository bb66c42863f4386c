import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { faults, setSegment } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
  type SystemOptions,
} from '../../support/system-machine.ts';

const CODE_AT = 0x5000;
const CS = CODE_AT >> 4;
const SS = 0x600;
const SP = 0x100;

/**
 * Runs 16-bit code in virtual-8086 mode, with DS = 700h, ES = 710h, FS = 720h, GS = 730h, until it raises an exception,
 * as HLT does.
 */
function runVirtual(
  engine: (typeof SYSTEM_ENGINES)[number],
  code: string,
  { flags = 0, before = '', options = {} as SystemOptions } = {},
) {
  const source = `${before}
    mov dword [${LAYOUT.RESUME}], done
    mov [${LAYOUT.RESUME_ESP}], esp
    push dword 0x730
    push dword 0x720
    push dword 0x700
    push dword 0x710
    push dword ${SS}
    push dword ${SP}
    push dword ${EFLAGS.VM | flags | 2}
    push dword ${CS}
    push dword 0
    iretd
  done:
  `;
  return runSystem(engine, source, {
    ...options,
    prepare(machine) {
      machine.memory.copyIn(CODE_AT, assemble(code, { bits: 16 }).bytes);
      options.prepare?.(machine);
    },
  });
}

describe.each(SYSTEM_ENGINES)('%s: virtual-8086 mode (SDM Vol. 3B, "Virtual-8086 Mode")', (engine) => {
  it('segments have bases of 16 times the selector and limits of FFFFh', () => {
    const result = runVirtual(
      engine,
      'mov word [0x10], 0x1234\nmov eax, ds\nmov bx, cs\nmov cx, ss\nmov dx, sp\nmov si, fs\nmov di, gs\nhlt',
    );
    expect(result.read32(0x7010) & 0xffff).toBe(0x1234);
    expect(
      [result.eax, result.ebx, result.ecx, result.edx, result.esi, result.edi].map((value) => value & 0xffff),
    ).toEqual([0x700, CS, SS, SP, 0x720, 0x730]);
    expect(faults(result)).toEqual(['#GP(0)']);
  });

  it('the exception frame holds GS, FS, DS, ES, SS, ESP, EFLAGS with VM, CS, EIP; data segments are null in the handler', () => {
    const result = runVirtual(engine, 'hlt');
    const frame = Array.from({ length: 10 }, (_, i) => result.read32(LAYOUT.EXCEPTION_STACK - 40 + 4 * i));
    expect(frame).toEqual([0, 0, CS, EFLAGS.VM | EFLAGS.RF | 2, SP, SS, 0x710, 0x700, 0x720, 0x730]);
  });

  it('an offset beyond FFFFh: #GP(0), through SS #SS(0)', () => {
    expect(faults(runVirtual(engine, 'mov ebx, 0x10000\nmov al, [ebx]'))).toEqual(['#GP(0)']);
    expect(faults(runVirtual(engine, 'mov ebx, 0xfffd\nmov eax, [ebx]'))).toEqual(['#GP(0)']);
    expect(faults(runVirtual(engine, 'mov ebp, 0xffff\nmov ax, [ebp]'))).toEqual(['#SS(0)']);
  });

  it.each(['cli', 'sti', 'pushf', 'popf', 'int 0x40', 'iret'])(
    '%s is sensitive to IOPL: #GP(0) with IOPL < 3',
    (instruction) => {
      const result = runVirtual(engine, instruction, { flags: 2 << 12 });
      expect(faults(result)).toEqual(['#GP(0)']);
      expect(result.exceptions[0].eip).toBe(0);
    },
  );

  it('with IOPL = 3 CLI, STI, PUSHF, POPF and IRET work', () => {
    const result = runVirtual(
      engine,
      'cli\npushf\npop ax\nsti\npushf\npop bx\npush 0x3002\npopf\npushf\npop cx\npush 0x3203\npush cs\npush after\niret\nafter: pushf\npop dx\nhlt',
      {
        flags: EFLAGS.IOPL | EFLAGS.IF,
      },
    );
    expect([result.eax, result.ebx, result.ecx, result.edx].map((value) => value & 0xffff)).toEqual([
      0x3002, 0x3202, 0x3002, 0x3203,
    ]);
  });

  it('IOPL and VM cannot be changed from within', () => {
    const result = runVirtual(engine, 'push dword 0\npopfd\npushfd\npop ebx\nhlt', { flags: EFLAGS.IOPL });
    expect(result.ebx).toBe(EFLAGS.IOPL | 2);
    expect(result.exceptions[0].eflags & EFLAGS.VM).toBe(EFLAGS.VM);
  });

  it('INT n with IOPL = 3 needs a gate of DPL 3; INT3 and INTO are not sensitive to IOPL', () => {
    expect(faults(runVirtual(engine, 'int 0x20', { flags: EFLAGS.IOPL }))).toEqual(['#GP(102)']);
    expect(faults(runVirtual(engine, 'int3'))).toEqual(['#BP']);
    expect(faults(runVirtual(engine, 'mov al, 0x7f\ninc al\ninto'))).toEqual(['#OF']);
  });

  it.each([
    'lgdt [0]',
    'lidt [0]',
    'mov eax, cr0',
    'mov cr0, eax',
    'lmsw ax',
    'clts',
    'hlt',
    'mov eax, dr7',
    'invlpg [0]',
    'wbinvd',
    'rdmsr',
  ])('%s needs CPL 0: #GP(0)', (instruction) => {
    expect(faults(runVirtual(engine, instruction))).toEqual(['#GP(0)']);
  });

  it.each(['lldt ax', 'ltr ax', 'sldt ax', 'str ax', 'lar ax, bx', 'lsl ax, bx', 'verr ax', 'verw ax', 'arpl ax, bx'])(
    '%s is not recognised: #UD',
    (instruction) => {
      expect(faults(runVirtual(engine, instruction))).toEqual(['#UD']);
    },
  );

  it('far transfers load CS as in real-address mode', () => {
    const result = runVirtual(
      engine,
      `call ${CS - 1}:there + 0x10\nback: mov dx, sp\nhlt\nthere: mov bx, cs\nmov cx, [esp]\nretf`,
    );
    expect([result.ebx & 0xffff, result.edx & 0xffff]).toEqual([CS - 1, SP]);
  });

  it('I/O is governed by the permission bitmap, whatever IOPL is', () => {
    const out = 'out 0x10, al\nhlt';
    expect(faults(runVirtual(engine, out, { flags: EFLAGS.IOPL }))).toEqual(['#GP(0)']);
    const allowed = runVirtual(engine, out, {
      options: {
        prepare(machine) {
          // The bitmap begins at 68h; the segment is made long enough for ports up to 7Fh.
          machine.write32(LAYOUT.GDT + SELECTOR.TSS, (LAYOUT.TSS << 16) | 0x78);
          machine.write32(LAYOUT.TSS + 0x68, 0, 0, 0, 0, 0xff);
        },
      },
    });
    expect(allowed.outputs).toMatchObject([{ port: 0x10 }]);
    expect(allowed.exceptions[0].eip).toBe(2);
  });
});

describe.each(SYSTEM_ENGINES)('%s: C2: INS and OUTS in virtual-8086 mode', (engine) => {
  it.each(['insb', 'insw', 'insd', 'rep insb', 'outsb', 'outsw', 'outsd', 'rep outsb'])(
    '%s: a port that the bit map denies comes before a page that is not there, at IOPL 3 as well',
    (instruction) => {
      const absent = 0x5_0000;
      const code = `mov ax, ${absent >> 4}\nmov es, ax\nmov ds, ax\nmov cx, 2\nxor si, si\nxor di, di\nmov dx, 0x41\n${instruction}\nhlt`;
      const prepare = (machine: SystemMachine) => {
        identityMap(machine);
        machine.write32(LAYOUT.PAGE_TABLE + (absent >> 12) * 4, 0);
      };
      for (const flags of [0, EFLAGS.IOPL]) {
        const result = runVirtual(engine, code, { flags, before: ENABLE_PAGING, options: { prepare } });
        expect(faults(result)).toEqual(['#GP(0)']);
        expect(result.exceptions[0].cr2).toBe(0);
      }
    },
  );
});

describe.each(SYSTEM_ENGINES)('%s: C16: IRET with VM in the flags that it pops', (engine) => {
  /** At CPL 0: an image of nine doublewords. */
  const image = (flags: number, { eip = 0, esp = SP } = {}) =>
    [0x730, 0x720, 0x700, 0x710, SS, esp, flags, CS, eip].map((value) => `push dword ${value}\n`).join('');
  const prepare = ({ memory }: SystemMachine) =>
    memory.copyIn(
      CODE_AT,
      assemble('mov ax, ds\nmov bx, es\nmov cx, fs\nmov dx, gs\nmov si, ss\nmov di, cs\nhlt', { bits: 16 }).bytes,
    );

  it('IRETD at CPL 0 enters virtual-8086 mode with all nine', () => {
    const flags = EFLAGS.VM | EFLAGS.IOPL | EFLAGS.DF | EFLAGS.CF | EFLAGS.AC | EFLAGS.NT | EFLAGS.VIF | EFLAGS.VIP;
    const result = runSystem(engine, `${image(flags | 2, { esp: 0xabcd_0100 })}@try iretd`, { prepare });
    const low = [result.eax, result.ebx, result.ecx, result.edx, result.esi, result.edi].map((value) => value & 0xffff);
    expect(low).toEqual([0x700, 0x710, 0x720, 0x730, SS, CS]);
    expect(result.exceptions).toMatchObject([{ vector: 13, errorCode: 0, cs: CS, eip: 12 }]);
    expect(result.exceptions[0].eflags).toBe((flags | EFLAGS.RF | 2) >>> 0);
    expect(result.read32(LAYOUT.EXCEPTION_STACK - 24)).toBe(0xabcd_0100);
  });

  it('an EIP beyond FFFFh: #GP(0), and nothing has changed', () => {
    const result = runSystem(
      engine,
      `mov ebx, esp\n${image(EFLAGS.VM | 2, { eip: 0x1_0000 })}@try iretd\nmov esp, ebx`,
    );
    expect(faults(result)).toEqual(['#GP(0)']);
    expect(result.exceptions).toMatchObject([{ atStart: true, cs: SELECTOR.CODE, esp: LAYOUT.KERNEL_STACK - 36 }]);
    expect(result.exceptions[0].eflags & EFLAGS.VM).toBe(0);
  });

  it('a stack that ends within the nine: #SS(0)', () => {
    const limit = LAYOUT.KERNEL_STACK - 5;
    const result = runSystem(
      engine,
      `${image(EFLAGS.VM | 2)}mov ax, ${SELECTOR.FREE}\nmov ss, ax\n@try iretd\nmov ax, ${SELECTOR.DATA}\nmov ss, ax\nmov esp, ${LAYOUT.KERNEL_STACK}`,
      { prepare: (machine) => setSegment(machine, SELECTOR.FREE, { access: 0x92, limit, flags: 4 }) },
    );
    expect(faults(result)).toEqual(['#SS(0)']);
    expect(result.exceptions[0].eflags & EFLAGS.VM).toBe(0);
  });

  it('a 16-bit IRET has no VM to pop: it returns in protected mode', () => {
    // The word behind the three that it pops is 2: VM, were there an upper half.
    const frame = [2, 3, SELECTOR.CODE16, 0x10].map((value) => `push word ${value}\n`).join('');
    const result = runSystem(engine, `${frame}@try db 0x66, 0xcf\nmov esp, ${LAYOUT.KERNEL_STACK}`, {
      prepare: ({ memory }) => memory.copyIn(0x10, assemble('ud2', { bits: 16 }).bytes),
    });
    expect(result.exceptions).toMatchObject([
      { vector: 6, cs: SELECTOR.CODE16, eip: 0x10, esp: LAYOUT.KERNEL_STACK - 2 },
    ]);
    expect(result.exceptions[0].eflags & EFLAGS.VM).toBe(0);
  });

  it.each([0, 3])('IRETD at CPL 3 with IOPL %i does not: it returns in protected mode, VM stays clear', (iopl) => {
    const frame = `push dword ${EFLAGS.VM | EFLAGS.CF | EFLAGS.DF | 2} / push dword ${SELECTOR.USER_CODE} / push dword there / iretd`;
    const result = runSystem(
      engine,
      `mov dword [${LAYOUT.USER_FLAGS}], ${(iopl << 12) | 2}
      @user ${frame} / ud2 / there: pushfd / pop ebx / cld / mov ecx, cs / mov edx, ss`,
    );
    expect(faults(result)).toEqual([]);
    expect([result.ebx, result.ecx, result.edx]).toEqual([
      (iopl << 12) | EFLAGS.CF | EFLAGS.DF | 2,
      SELECTOR.USER_CODE,
      SELECTOR.USER_DATA,
    ]);
  });

  it('IRETD to CPL 3 from there, with a frame that would be one of virtual-8086 mode, looks at the selector', () => {
    // CS is a real-mode segment: as a selector it names nothing.
    const pushes = image(EFLAGS.VM | 2)
      .trim()
      .split('\n')
      .join(' / ');
    const result = runSystem(engine, `@user ${pushes} / here: iretd`);
    expect(faults(result)).toEqual([`#GP(${(CS & 0xfffc).toString(16)})`]);
    expect(result.exceptions[0].eflags & EFLAGS.VM).toBe(0);
  });
});
