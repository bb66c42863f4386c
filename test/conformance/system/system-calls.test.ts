import { describe, expect, it } from 'vitest';
import { EFLAGS } from '../../../src/cpu/flags.ts';
import { faults, setSegment } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
} from '../../support/system-machine.ts';

/** Four segments in a row, as SYSENTER and SYSEXIT take them from IA32_SYSENTER_CS. */
const BASE = 0x80;
const prepare = (machine: SystemMachine) => {
  setSegment(machine, BASE, { access: 0x9a });
  setSegment(machine, BASE + 8, { access: 0x92 });
  setSegment(machine, BASE + 16, { access: 0xfa });
  setSegment(machine, BASE + 24, { access: 0xf2 });
};
const writeMsr = (address: number, value: number | string) =>
  `mov ecx, ${address}\nmov eax, ${value}\nxor edx, edx\nwrmsr\n`;
const SET_UP = writeMsr(0x174, BASE) + writeMsr(0x175, 0xb000) + writeMsr(0x176, 'entry');

describe.each(SYSTEM_ENGINES)('%s: SYSENTER and SYSEXIT (SDM Vol. 3A, "Fast System Calls")', (engine) => {
  it('there and back: CS, SS, ESP and EIP from the MSRs, from ECX and EDX', () => {
    const result = runSystem(
      engine,
      `${SET_UP}
      @user mov ecx, esp / mov edx, back / sysenter / back: mov [0x7010], cs / mov [0x7014], ss / mov [0x7018], esp
      jmp done
    entry:
      mov ax, ${SELECTOR.DATA}
      mov ds, ax
      mov [0x7000], cs
      mov [0x7004], ss
      mov [0x7008], esp
      pushfd
      pop dword [0x700c]
      mov ax, ${SELECTOR.USER_DATA}
      mov ds, ax
      sysexit
    done:
    `,
      { prepare },
    );
    expect(faults(result)).toEqual([]);
    const word = (address: number) => result.read32(address) & 0xffff;
    expect([word(0x7000), word(0x7004), result.read32(0x7008)]).toEqual([BASE, BASE + 8, 0xb000]);
    expect(result.read32(0x700c) & EFLAGS.IF).toBe(0);
    expect([word(0x7010), word(0x7014), result.read32(0x7018)]).toEqual([
      BASE + 16 + 3,
      BASE + 24 + 3,
      LAYOUT.USER_STACK,
    ]);
  });

  it('the kernel runs at CPL 0 with IF clear, the program at CPL 3: each sees the pages it may, and CLI is refused', () => {
    const supervisorPage = 0x30_0000;
    const result = runSystem(
      engine,
      `${SET_UP}
      ${ENABLE_PAGING}
      mov dword [${LAYOUT.USER_FLAGS}], ${EFLAGS.IF | 2}
      @user mov ecx, esp / mov edx, back / sysenter / back: mov eax, [0x7000]
      @user mov ecx, esp / mov edx, again / sysenter / again: cli
      @user mov ecx, esp / mov edx, more / sysenter / more: mov eax, [${supervisorPage}]
      @user mov ecx, esp / mov edx, last / sysenter / last: mov [${supervisorPage}], eax
      jmp done
    entry:
      mov ebx, [${supervisorPage}]
      mov [${supervisorPage} + 4], ebx
      pushfd
      pop dword [0x700c]
      sysexit
    done:
    `,
      {
        prepare(machine) {
          prepare(machine);
          identityMap(machine);
          machine.write32(LAYOUT.PAGE_TABLE + 4 * (supervisorPage >>> 12), supervisorPage | 3);
          machine.write32(supervisorPage, 0x1234);
        },
      },
    );
    expect(faults(result)).toEqual(['#GP(0)', '#PF(5)', '#PF(7)']);
    expect([result.read32(0x700c) & EFLAGS.IF, result.read32(supervisorPage + 4)]).toEqual([0, 0x1234]);
  });

  it('the segments are flat, whatever the descriptors say', () => {
    const result = runSystem(
      engine,
      `${SET_UP}@user sysenter\njmp done\nentry: mov eax, [ss:0x7000]\nmov ebx, eax\nmov ax, ${SELECTOR.DATA}\nmov ds, ax\nmov ss, ax\njmp [${LAYOUT.RESUME}]\ndone:`,
      {
        prepare(machine) {
          machine.write32(0x7000, 0x1234);
          setSegment(machine, BASE, { access: 0x92, limit: 0 });
          setSegment(machine, BASE + 8, { access: 0x92, base: 0x100, limit: 0 });
        },
      },
    );
    expect(result.ebx).toBe(0x1234);
  });

  it('#GP(0) while IA32_SYSENTER_CS is null; SYSEXIT at CPL 3', () => {
    const result = runSystem(
      engine,
      `${writeMsr(0x174, 0)}@try sysenter\n@try sysexit\n${writeMsr(0x174, BASE)}@user sysexit`,
      { prepare },
    );
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)', '#GP(0)']);
  });

  it('SYSCALL is #UD on a processor without it', () => {
    expect(faults(runSystem(engine, '@try syscall'))).toEqual(['#UD']);
  });
});

describe.each(SYSTEM_ENGINES)('%s: system flags and IOPL (SDM Vol. 1, "System Flags and IOPL Field")', (engine) => {
  const withIopl = (iopl: number, line: string) =>
    `mov dword [${LAYOUT.USER_FLAGS}], ${(iopl << 12) | 2}\n@user ${line}\n`;

  it('CLI and STI at CPL 3 need IOPL = 3', () => {
    const result = runSystem(
      engine,
      withIopl(2, 'cli') + withIopl(2, 'sti') + withIopl(3, 'sti / pushfd / pop ebx / cli / pushfd / pop ecx'),
    );
    expect(faults(result)).toEqual(['#GP(0)', '#GP(0)']);
    expect([result.ebx, result.ecx]).toEqual([0x3202, 0x3002]);
  });

  it('POPF at CPL 3: IOPL stays; IF changes with IOPL = 3 only, and no fault is raised', () => {
    const line = 'push dword 0x1202 / popfd / pushfd / pop ebx';
    expect(runSystem(engine, withIopl(0, line)).ebx).toBe(2);
    expect(runSystem(engine, withIopl(3, line)).ebx).toBe(0x3202);
  });

  it('POPF at CPL 0 changes everything but VM and RF', () => {
    const result = runSystem(engine, 'push dword 0x277ed7\npopfd\npushfd\npop ebx\npush dword 2\npopfd');
    expect(result.ebx).toBe(0x24_7ed7);
  });
});

describe.each(SYSTEM_ENGINES)(
  '%s: alignment checking (SDM Vol. 3A, "Interrupt 17—Alignment Check Exception (#AC)")',
  (engine) => {
    const AC = 0x4_0002;
    const program = (line: string, am = true, flags = AC) =>
      `${am ? 'mov eax, cr0\nor eax, 0x40000\nmov cr0, eax\n' : ''}mov dword [${LAYOUT.USER_FLAGS}], ${flags}\n@user ${line}`;

    it.each([
      'mov eax, [0x300001]',
      'mov [0x300002], eax',
      'mov ax, [0x300003]',
      'fld qword [0x300004]',
      'push dword [0x300002]',
    ])('%s at CPL 3 with CR0.AM and EFLAGS.AC: #AC(0)', (line) => {
      expect(faults(runSystem(engine, program(line)))).toEqual(['#AC(0)']);
    });

    it('not without AM, without AC, at CPL 0, or for aligned accesses', () => {
      const line = 'mov eax, [0x300001]';
      expect(faults(runSystem(engine, program(line, false)))).toEqual([]);
      expect(faults(runSystem(engine, program(line, true, 2)))).toEqual([]);
      expect(
        faults(runSystem(engine, program('mov eax, [0x300004] / mov ax, [0x300006] / mov al, [0x300007]'))),
      ).toEqual([]);
      const kernel = 'mov eax, cr0\nor eax, 0x40000\nmov cr0, eax\npush dword 0x40002\npopfd\n@try mov ebx, [0x300001]';
      expect(faults(runSystem(engine, kernel))).toEqual([]);
    });
  },
);

describe.each(SYSTEM_ENGINES)('%s: ENTER and LEAVE', (engine) => {
  it('a nested frame copies the display', () => {
    const result = runSystem(
      engine,
      'mov ebp, 0x5000\nmov dword [0x4ffc], 0x1111\nmov esi, esp\nenter 8, 2\nmov eax, [ebp]\nmov ebx, [ebp-4]\nmov ecx, [ebp-8]\nmov edx, esp\nleave\nmov edi, esp',
    );
    const top = LAYOUT.KERNEL_STACK;
    expect(result).toMatchObject({ eax: 0x5000, ebx: 0x1111, ecx: top - 4, edx: top - 20, edi: top });
  });

  it('faults before it changes EBP or ESP when there is no room for the locals', () => {
    const source = `mov ax, ${BASE}\nmov ss, ax\nmov esp, 0x800\nmov ebp, 0x700\n@try enter 0x900, 0\nmov esi, ebp\nmov edi, esp`;
    const result = runSystem(engine, source, {
      prepare: (machine) => setSegment(machine, BASE, { base: 0x20_0000, limit: 0xfff, access: 0x92, flags: 4 }),
    });
    expect(faults(result)).toEqual(['#SS(0)']);
    expect([result.esi, result.edi]).toEqual([0x700, 0x800]);
  });
});
