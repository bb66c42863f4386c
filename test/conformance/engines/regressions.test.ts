/** One shrunk case for each difference between engines, or between slices, that was found by `fuzz` or by reading. */
import { describe, expect, it } from 'vitest';
import { faults, label, setSegment } from '../../support/system-faults.ts';
import { runSystem, SELECTOR, SYSTEM_ENGINES, type SystemMachine } from '../../support/system-machine.ts';
import { createBareMachine } from './bare-machine.ts';

const DEVICE = 0x9_0000;
const CODE_SELECTOR = SELECTOR.FREE;
const CODE = 0x20_0000;

/** A page of registers; `access` is told of each access and gives what is read. */
const addDevice = ({ memory }: SystemMachine, access: (offset: number, value?: number) => number): void =>
  memory.addMmio(DEVICE, 0x1000, {
    name: 'device',
    readMemory: (offset) => access(offset),
    writeMemory: (offset, value) => void access(offset, value),
  });

const PAGING = `
  mov edi, 0x80000
  mov eax, 0x83
  directory: mov [edi], eax
  add eax, 0x400000
  add edi, 4
  cmp edi, 0x81000
  jb directory
  mov dword [0x80004], 0x81007
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, 0x80000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax`;

describe.each(SYSTEM_ENGINES)('%s', (engine) => {
  it('takes an interrupt that a device asks for in memory-mapped space behind the instruction', () => {
    const result = runSystem(
      engine,
      `@try sti / mov [${DEVICE}], eax / after: inc ebx / inc ebx / imul ecx, ecx, 3 / jmp $`,
      {
        prepare: (machine) =>
          addDevice(machine, () => {
            machine.processor.intr.set(1);
            return 0;
          }),
        acknowledge: ({ processor }) => {
          processor.intr.set(0);
          return 9;
        },
      },
    );
    expect(result.exceptions.map(({ vector, eip }) => [vector, eip])).toEqual([[9, label(result, 'after')]]);
  });

  it('fires an alarm that a device sets in memory-mapped space at its time', () => {
    const result = runSystem(engine, `@try sti / mov [${DEVICE}], eax / inc ebx / inc ebx / after: inc ebx / jmp $`, {
      prepare: (machine) =>
        addDevice(machine, () => {
          const { clock, intr } = machine.processor;
          clock.setAlarm(clock.now + 8, () => intr.set(1));
          return 0;
        }),
      acknowledge: ({ processor }) => {
        processor.intr.set(0);
        return 9;
      },
    });
    expect(result.exceptions.map(({ vector, eip }) => [vector, eip])).toEqual([[9, label(result, 'after')]]);
  });

  it('shows a device the time of the compare that reads it, and can be interrupted before the branch', () => {
    const times: number[] = [];
    const result = runSystem(
      engine,
      `mov ecx, 3
      again: cmp dword [${DEVICE}], 5
      jne again
      @try sti / cmp dword [${DEVICE} + 4], 7 / after: je $ / inc ebx / jmp $`,
      {
        prepare: (machine) =>
          addDevice(machine, (offset) => {
            times.push(machine.processor.retired - (times[0] ?? 0));
            if (offset === 4) machine.processor.intr.set(1);
            return offset === 4 ? 7 : 2 + times.length;
          }),
        acknowledge: ({ processor }) => {
          processor.intr.set(0);
          return 9;
        },
      },
    );
    expect(times.slice(1)).toEqual([2, 4, 9]);
    expect(result.exceptions.map(({ vector, eip }) => [vector, eip])).toEqual([[9, label(result, 'after')]]);
  });

  it('looks a page-crossing instruction up anew when its second page is mapped elsewhere', () => {
    const { eax, ebx } = runSystem(
      engine,
      `${PAGING}
      mov dword [0x81800], 0x200007
      mov dword [0x81804], 0x201007
      mov word [0x200ff0], 0x0ceb ; jmp to FFEh
      mov word [0x200ffe], 0x11b8 ; mov eax, …11h
      mov dword [0x201000], 0xc3443322
      mov dword [0x202000], 0xc3887766
      mov eax, cr3
      mov cr3, eax
      mov esi, 0x600ff0
      call esi
      call esi
      mov ebx, eax
      mov dword [0x81804], 0x202007
      invlpg [0x601000]
      call esi`
        .replaceAll('0x6', '0x4')
        .replaceAll('[0x81800]', '[0x81000]')
        .replaceAll('[0x81804]', '[0x81004]'),
    );
    expect([ebx, eax]).toEqual([0x4433_2211, 0x8877_6611]);
  });

  it('notices a write to the second part of an instruction that crosses into the same physical page', () => {
    const { eax, ebx } = runSystem(
      engine,
      `${PAGING}
      mov dword [0x81000], 0x200007
      mov dword [0x81004], 0x200007
      mov word [0x200ffe], 0x11b8
      mov dword [0x200000], 0xc3443322
      mov eax, cr3
      mov cr3, eax
      mov esi, 0x400ffe
      call esi
      mov ebx, eax
      mov byte [0x200000], 0x99
      call esi`,
    );
    expect([ebx, eax]).toEqual([0x4433_2211, 0x4433_9911]);
  });

  it('notices a write to the second page of bytes that were no instruction', () => {
    const result = runSystem(
      engine,
      `mov byte [${CODE} + 0xfff], 0x0f
      mov byte [${CODE} + 0x1000], 0xff
      mov byte [${CODE} + 0x1001], 0xc3
      mov esi, ${CODE} + 0xfff
      @try call esi
      mov byte [${CODE} + 0x1000], 0x31
      @try call esi`,
    );
    expect(faults(result)).toEqual(['#UD']);
  });

  it('notices a write to the second byte of an instruction that the CPU model does not have', () => {
    const result = runSystem(
      engine,
      `mov dword [${CODE}], 0xc3440f
      mov byte [${CODE} + 2], 0xc3
      mov byte [${CODE} + 3], 0xc3
      mov byte [${CODE} + 1], 0x05
      mov esi, ${CODE}
      @try call esi
      mov byte [${CODE} + 1], 0x31
      @try call esi`,
    );
    expect(faults(result)).toEqual(['#UD']);
  });

  const withCode =
    (limit: number, bytes: readonly number[], at = CODE) =>
    (machine: SystemMachine) => {
      setSegment(machine, CODE_SELECTOR, { access: 0x9a, base: at, limit, flags: 4 });
      machine.memory.copyIn(at, Uint8Array.from(bytes));
    };
  const NOP = 0x90;
  const RETF = 0xcb;

  it('checks the limit of a code segment where one block goes on in the next', () => {
    const result = runSystem(
      engine,
      `mov ecx, 3
      again: call ${CODE_SELECTOR}:0
      loop again
      mov word [0x1000 + ${CODE_SELECTOR}], 63
      @try call ${CODE_SELECTOR}:0`,
      { prepare: withCode(0xfff, [...Array(100).fill(NOP), RETF]) },
    );
    expect(faults(result)).toEqual(['#GP(0)']);
    expect(result.exceptions[0]).toMatchObject({ eip: 64, cs: CODE_SELECTOR });
  });

  it('fetches an instruction that ended beyond the limit once the limit has grown', () => {
    const result = runSystem(
      engine,
      `@try call ${CODE_SELECTOR}:0
      mov word [0x1000 + ${CODE_SELECTOR}], 0xff
      @try call ${CODE_SELECTOR}:0`,
      { prepare: withCode(2, [0xb8, 0x11, 0x22, 0x33, 0x44, RETF]) },
    );
    expect(faults(result)).toEqual(['#GP(0)']);
    expect(result.eax).toBe(0x4433_2211);
  });

  it('does not look at the page behind the end of a code segment', () => {
    const result = runSystem(
      engine,
      `${PAGING}
      mov dword [0x81000], 0x200007
      mov dword [0x81004], 0
      mov byte [0x200fff], 0xb8
      mov eax, cr3
      mov cr3, eax
      @try call ${CODE_SELECTOR}:0xfff`,
      {
        prepare: (machine) =>
          setSegment(machine, CODE_SELECTOR, { access: 0x9a, base: 0x40_0000, limit: 0xfff, flags: 4 }),
      },
    );
    expect(faults(result)).toEqual(['#GP(0)']);
  });

  it.each([1, 3, 100])(
    'fetches a repeated string instruction anew that overwrites itself, in slices of %i',
    (slice) => {
      const machine = createBareMachine(engine);
      // REP STOSB over its own prefix: with AL = A6h there is a CMPSB then.
      machine.write(0x7c00, [0xf3, 0xaa]);
      machine.enterReal(0x7c00);
      const { state } = machine.processor;
      state.setReg32(0, 0xa6);
      state.setReg32(1, 20);
      state.setReg32(7, 0x7bfa);
      for (let total = 0; total < 8; ) total += machine.processor.run(Math.min(slice, 8 - total)).executed;
      expect([state.reg32(1), state.reg32(7), state.ip]).toEqual([13, 0x7c02, 0x7c01]);
      machine.dispose();
    },
  );

  it('runs part of a block that was dropped since it was linked', () => {
    const machine = createBareMachine(engine);
    const [start, target] = [0x1_0000, 0x1_0ffe];
    machine.write(start, [0xe9, 0xf9, 0x0f, 0, 0]);
    machine.write(target, [NOP, NOP, 0xe9, 0xfb, 0xef, 0xff, 0xff]);
    machine.enter(start);
    expect(machine.processor.run(12)).toMatchObject({ executed: 12, reason: 'budget' });
    expect(machine.processor.state.ip).toBe(start);
    // The new instruction goes on in the next page.
    machine.write(target, [0xb8, 0x11, 0x22, 0x33, 0x44, 0xe9, 0xf8, 0xef, 0xff, 0xff]);
    expect(machine.processor.run(2)).toMatchObject({ executed: 2, reason: 'budget' });
    expect(machine.processor.state.reg32(0)).toBe(0x4433_2211);
    machine.dispose();
  });

  it('counts a fault as an instruction: a handler that faults at once does not stop time', () => {
    const machine = createBareMachine(engine);
    const [code, handler] = [0x7c00, 0x500];
    machine.write(code, [0x0f, 0xff]);
    machine.write(4 * 6, [handler & 0xff, handler >>> 8, 0, 0]);
    machine.write(handler, [0x0f, 0xff]);
    machine.enterReal(code);
    expect(machine.processor.run(5000)).toMatchObject({ executed: 5000, reason: 'budget' });
    machine.dispose();
  });

  it.each([1, 2, 3, 100])('delivers one event at a boundary, in slices of %i', (slice) => {
    const machine = createBareMachine(engine);
    // NMI and interrupt at once; the NMI's handler has interrupts enabled by a task gate's TSS or, here, by STI.
    machine.write(4 * 2, [0, 6, 0, 0]);
    machine.write(4 * 9, [0, 7, 0, 0]);
    machine.write(0x600, [0xfb, 0x43, 0x43, 0x43, 0xf4]);
    machine.write(0x700, [0x89, 0xd8, 0xfa, 0xf4]);
    machine.write(0x7c00, [0xfb, NOP, NOP, NOP, NOP, NOP]);
    machine.enterReal(0x7c00);
    machine.processor.clock.setAlarm(12, () => {
      machine.processor.nmi.set(1);
      machine.processor.intr.set(1);
    });
    let total = 0;
    for (let round = 0; round < 40; round++) {
      const { executed, reason } = machine.processor.run(slice);
      total += executed;
      if (reason === 'halted') break;
    }
    // Eight instructions and two deliveries.
    expect(total).toBe(10);
    expect(machine.processor.state.reg32(0)).toBe(1);
    machine.dispose();
  });
});
