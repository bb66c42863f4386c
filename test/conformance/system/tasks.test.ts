import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { faults, label, setGate, setSegment, setVector } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

const TSS = 0x80;
const GATE = 0x88;
const LDT = 0x90;
const CODE0_SMALL = 0x98;
/** The second task's TSS and stack. */
const TSS_AT = 0x6000;
const STACK = 0xb000;
const VECTOR = 0x40;
const TASK_GATE = 0x85;

const AT = {
  link: 0,
  cr3: 28,
  eip: 32,
  eflags: 36,
  eax: 40,
  esp: 56,
  es: 72,
  cs: 76,
  ss: 80,
  ds: 84,
  fs: 88,
  gs: 92,
  ldt: 96,
  trap: 100,
} as const;
type Fields = Partial<Record<keyof typeof AT, number>>;

/** A second task at the label `entry`; `fields` replace what its TSS holds. */
const task =
  (fields: Fields = {}, tss: { access?: number; limit?: number } = {}) =>
  (machine: SystemMachine) => {
    const { access = 0x89, limit = 0x67 } = tss;
    setSegment(machine, TSS, { base: TSS_AT, limit, access, flags: 0 });
    setGate(machine, GATE, { selector: TSS, access: TASK_GATE });
    setSegment(machine, LDT, { base: 0x6800, limit: 0xf, access: 0x82, flags: 0 });
    setSegment(machine, CODE0_SMALL, { limit: 0xff, access: 0x9a, flags: 4 });
    setVector(machine, VECTOR, { selector: TSS, access: TASK_GATE });
    machine.memory.write(LAYOUT.TSS + 102, 0x68, 2);
    const data = SELECTOR.DATA;
    const all: Fields = {
      eip: label(machine, 'entry'),
      eflags: 2,
      esp: STACK,
      cs: SELECTOR.CODE,
      ss: data,
      ds: data,
      es: data,
      ...fields,
    };
    for (const [name, value] of Object.entries(all)) machine.write32(TSS_AT + AT[name as keyof typeof AT], value);
  };
const accessByte = (machine: SystemMachine, selector: number) => machine.memory.read(LAYOUT.GDT + selector + 5, 1);

describe.each(SYSTEM_ENGINES)('%s: task switch (SDM Vol. 3A, "Task Switching")', (engine) => {
  it('CALL and IRET: there and back, all registers kept', () => {
    const result = runSystem(
      engine,
      `
      mov eax, 1
      mov ebx, 2
      mov ecx, 3
      call ${TSS}:0
    back:
      jmp done
    entry:
      pushfd
      pop edx
      mov [0x7000], edx
      str dx
      mov [0x7004], edx
      mov [0x7008], esp
      mov eax, cr0
      mov [0x700c], eax
      mov eax, 99
      iretd
    done:
    `,
      { prepare: task({ eax: 0x1234 }) },
    );
    expect(result).toMatchObject({ eax: 1, ebx: 2, ecx: 3 });
    expect(result.read32(0x7000)).toBe(EFLAGS.NT | 2);
    expect(result.read32(0x7004) & 0xffff).toBe(TSS);
    expect(result.read32(0x7008)).toBe(STACK);
    expect(result.read32(0x700c) & 8).toBe(8);
    expect(result.read32(TSS_AT) & 0xffff).toBe(SELECTOR.TSS);
    expect(result.read32(TSS_AT + AT.eax)).toBe(99);
    expect(result.read32(LAYOUT.TSS + AT.eip)).toBe(label(result, 'back'));
    expect([accessByte(result, SELECTOR.TSS), accessByte(result, TSS)]).toEqual([0x8b, 0x89]);
  });

  it('a task that is called again goes on behind its IRET', () => {
    const result = runSystem(
      engine,
      `mov ebx, 0\ncall ${TSS}:0\ncall ${GATE}:0\njmp done\nentry: inc dword [0x7000]\niretd\nadd dword [0x7000], 0x100\niretd\ndone:`,
      {
        prepare: task(),
      },
    );
    expect(result.read32(0x7000)).toBe(0x101);
  });

  it('JMP makes the old task available and does not link', () => {
    const result = runSystem(
      engine,
      `jmp ${TSS}:0\njmp done\nentry: pushfd\npop ebx\nmov [0x7000], ebx\njmp ${SELECTOR.TSS}:0\ndone:`,
      {
        prepare: task(),
      },
    );
    expect(result.read32(0x7000)).toBe(2);
    expect([accessByte(result, SELECTOR.TSS), accessByte(result, TSS)]).toEqual([0x8b, 0x89]);
  });

  it('to a task at CPL 3, and back by an exception through the IDT', () => {
    const result = runSystem(
      engine,
      `mov dword [${LAYOUT.RESUME}], done\nmov [${LAYOUT.RESUME_ESP}], esp\njmp ${TSS}:0\nentry: mov ebx, cs\nmov ecx, ss\nhlt\ndone:`,
      {
        prepare(machine) {
          const data = SELECTOR.USER_DATA;
          task({ cs: SELECTOR.USER_CODE, ss: data, ds: data, es: data })(machine);
          machine.write32(TSS_AT + 4, LAYOUT.EXCEPTION_STACK, SELECTOR.DATA);
        },
      },
    );
    expect(result).toMatchObject({ ebx: SELECTOR.USER_CODE, ecx: SELECTOR.USER_DATA });
    expect(faults(result)).toEqual(['#GP(0)']);
  });

  it('through a task gate from CPL 3: the DPL of the gate counts, not that of the TSS', () => {
    const source = `@user call ${TSS}:0\n@user call ${GATE}:0\njmp done\nentry: mov dword [0x7000], 5\niretd\ndone:`;
    const result = runSystem(engine, source, {
      prepare(machine) {
        task()(machine);
        setGate(machine, GATE, { selector: TSS, access: TASK_GATE | 0x60 });
      },
    });
    expect(faults(result)).toEqual([`#GP(${TSS.toString(16)})`]);
    expect(result.read32(0x7000)).toBe(5);
  });

  it('CR3 and LDTR are those of the new task', () => {
    const result = runSystem(
      engine,
      `${ENABLE_PAGING}
      mov dword [0x300000], 0x11
      mov dword [0x301000], 0x22
      mov eax, cr3
      mov [${LAYOUT.TSS + AT.cr3}], eax
      call ${TSS}:0
      mov ecx, [0x300000]
      jmp done
    entry:
      mov eax, [0x300000]
      mov [0x7000], eax
      mov eax, [fs:0]
      mov [0x7004], eax
      sldt ax
      mov [0x7008], eax
      iretd
    done:
    `,
      {
        prepare(machine) {
          identityMap(machine);
          task({ cr3: 0x90000, ldt: LDT, fs: 4 })(machine);
          machine.write32(0x6800, 0x1000_ffff, 0x0040_9230);
          // Another directory: page 300h of the first 4 MiB is 301h.
          machine.write32(0x90000, 0x91000 | 7);
          machine.write32(
            0x91000,
            ...Array.from({ length: 1024 }, (_, page) => ((page === 0x300 ? 0x301 : page) << 12) | 7),
          );
        },
      },
    );
    expect(result.read32(0x7000)).toBe(0x22);
    // FS: base 301000h.
    expect(result.read32(0x7004)).toBe(0x22);
    expect(result.read32(0x7008) & 0xffff).toBe(LDT);
    expect(result.ecx).toBe(0x11);
  });

  it('an interrupt through a task gate: NT, link; an exception pushes its error code on the new stack', () => {
    const result = runSystem(
      engine,
      `
      int ${VECTOR}
      mov dword [0x7010], 1
      mov ax, 0xff8
    faulting:
      mov fs, ax
    behind:
      jmp done
    entry:
      mov [0x7000], esp
      iretd
      pop dword [0x7004]
      mov dword [${LAYOUT.TSS + AT.eip}], behind
      iretd
    done:
    `,
      {
        prepare(machine) {
          task()(machine);
          setVector(machine, 13, { selector: TSS, access: TASK_GATE });
        },
      },
    );
    expect(result.read32(0x7000)).toBe(STACK);
    expect(result.read32(0x7004)).toBe(0xff8);
    expect(result.read32(0x7010)).toBe(1);
    expect(result.exceptions).toEqual([]);
  });

  it('the T flag of the new TSS: #DB before its first instruction, with DR6.BT', () => {
    const result = runSystem(
      engine,
      `mov dword [${LAYOUT.RESUME}], done\nmov [${LAYOUT.RESUME_ESP}], esp\ncall ${TSS}:0\nentry: mov dword [0x7000], 1\niretd\ndone:`,
      {
        prepare: task({ trap: 1 }),
      },
    );
    expect(faults(result)).toEqual(['#DB']);
    expect(result.exceptions[0]).toMatchObject({ eip: label(result, 'entry') });
    expect(result.exceptions[0].dr6 & 0x8000).toBe(0x8000);
    expect(result.read32(0x7000)).toBe(0);
  });

  it('to virtual-8086 mode', () => {
    const result = runSystem(
      engine,
      `mov dword [${LAYOUT.RESUME}], done\nmov [${LAYOUT.RESUME_ESP}], esp\ncall ${TSS}:0\nentry: nop\ndone:`,
      {
        prepare(machine) {
          task({ eflags: EFLAGS.VM | 2, cs: 0x500, eip: 0, ss: 0x600, esp: 0x100, ds: 0x700 })(machine);
          machine.write32(TSS_AT + 4, LAYOUT.EXCEPTION_STACK, SELECTOR.DATA);
          // mov bx, cs; hlt
          machine.memory.copyIn(0x5000, Uint8Array.of(0x8c, 0xcb, 0xf4));
        },
      },
    );
    expect(faults(result)).toEqual(['#GP(0)']);
    expect(result.exceptions[0]).toMatchObject({ cs: 0x500, eip: 2 });
    expect(result.exceptions[0].eflags & EFLAGS.VM).toBe(EFLAGS.VM);
    expect(result.ebx & 0xffff).toBe(0x500);
  });
});

describe.each(SYSTEM_ENGINES)('%s: exceptions of a task switch', (engine) => {
  const attempt = (fields: Fields, tss = {}, target: number = TSS) =>
    runSystem(engine, `@try call ${target}:0\njmp done\nentry: iretd\ndone:`, { prepare: task(fields, tss) });

  it('before the switch they belong to the old task', () => {
    for (const [expected, result] of [
      ['#TS(80)', attempt({}, { limit: 0x66 })],
      ['#NP(80)', attempt({}, { access: 0x09 })],
      ['#GP(80)', attempt({}, { access: 0x8b })],
      ['#GP(28)', attempt({}, {}, SELECTOR.TSS)],
    ] as const) {
      expect(faults(result)).toEqual([expected]);
      expect(result.exceptions[0].atStart).toBe(true);
      expect(result.processor.state.segments[7].selector).toBe(SELECTOR.TSS);
    }
  });

  it.each([
    ['#TS(10)', { cs: SELECTOR.DATA }],
    ['#TS(ff8)', { ds: 0xff8 }],
    ['#TS(28)', { es: SELECTOR.TSS }],
  ] as const)('after it they belong to the new task: %s for %o', (expected, fields) => {
    const result = attempt(fields);
    expect(faults(result)).toEqual([expected]);
    expect(result.exceptions[0].eip).toBe(label(result, 'entry'));
    expect(result.processor.state.segments[7].selector).toBe(TSS);
  });

  it.each([
    ['the LDT is not valid', { ldt: SELECTOR.DATA }],
    ['DPL and RPL of CS differ', { cs: SELECTOR.USER_CODE & ~3 }],
    ['SS is null', { ss: 0 }],
  ])('%s: no stack is loaded yet, so neither the #TS nor the double fault can be delivered there', (_, fields) => {
    expect(() => attempt(fields)).toThrow(/shutdown/);
  });

  it('EIP beyond the limit of CS: #GP(0) in the new task', () => {
    const result = attempt({ cs: CODE0_SMALL, eip: 0x100 });
    expect(faults(result)).toEqual(['#GP(0)']);
    expect(result.exceptions[0]).toMatchObject({ eip: 0x100, cs: CODE0_SMALL });
  });

  it('IRET with NT = 1 and a bad link: #TS(link)', () => {
    const result = runSystem(engine, `mov word [${LAYOUT.TSS}], 0xff8\npush dword 0x4002\npopfd\n@try iretd\n@try nop`);
    expect(faults(result)).toEqual(['#TS(ff8)']);
  });
});
