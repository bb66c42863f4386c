import { describe, expect, it } from 'vitest';
import { Pending } from '../../../src/base/pending.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { OrLine } from '../../../src/machine/or-line.ts';
import { memoryMap } from '../../../src/machine/pc-map.ts';
import { realModeBoot, testPc } from '../../support/test-pc.ts';

const MIB = 2 ** 20;
/** The UART powers on with five-bit characters. */
const EIGHT_BITS = 'mov dx, 0x3fb\nmov al, 3\nout dx, al\n';
const ENGINES = ['interpreter', 'jit', 'reference'] as const;
type Engine = (typeof ENGINES)[number];

function createPc(source: string, engine: Engine = 'interpreter', boot = realModeBoot(source)) {
  const pc = testPc({ engine, boot, powerOnTime: Date.UTC(2001, 1, 3) });
  const output: string[] = [];
  pc.serial.onOutput = (bytes) => output.push(new TextDecoder().decode(bytes));
  return { pc, output };
}

describe.each(ENGINES)('a PC on the %s', (engine) => {
  it('starts a boot image in real-address mode at 0000:7C00, all registers zero', () => {
    const { pc } = createPc('mov ax, 0x1234\nhlt', engine);
    const { state } = pc.processor;
    expect([state.ip, state.reg32(4), state.segments.slice(0, 6).map(({ selector }) => selector)]).toEqual([
      0x7c00,
      0x7c00,
      [0, 0, 0, 0, 0, 0],
    ]);
    expect(pc.run({ instructions: 1 })).toEqual({ reason: 'budget', executed: 1 });
    expect(pc.processor.state.reg32(0)).toBe(0x1234);
  });

  it('starts a boot image in protected mode: flat segments, ESI as given, paging and interrupts off', () => {
    const code = assemble('bits 32\nmov eax, [esi]\nmov bx, cs\nmov cx, ss\nhlt').bytes;
    const { pc } = createPc('', engine, {
      pieces: [
        { address: 0x10_0000, bytes: code },
        { address: 0x9_0000, bytes: Uint8Array.of(0x78, 0x56, 0x34, 0x12) },
      ],
      entry: {
        mode: 'protected',
        eip: 0x10_0000,
        registers: { esi: 0x9_0000 },
        codeSelector: 0x10,
        dataSelector: 0x18,
        gdt: { address: 0x9_1000, limit: 31 },
      },
    });
    expect(pc.run({ instructions: 100 })).toEqual({ reason: 'halted', executed: 4 });
    const { state } = pc.processor;
    expect([0, 3, 1].map((register) => state.reg32(register))).toEqual([0x1234_5678, 0x10, 0x18]);
    expect(state.segments[3]).toMatchObject({ base: 0, limit: 0xffff_ffff });
    expect(pc.processor.interruptsEnabled).toBe(false);
  });

  it('COM1 sends, in order, when the run is over', () => {
    const { pc, output } = createPc(
      `${EIGHT_BITS}mov dx, 0x3f8\nmov al, 'H'\nout dx, al\nmov al, 'i'\nout dx, al\nhlt`,
      engine,
    );
    pc.run({ instructions: 100 });
    expect(output).toEqual(['Hi']);
  });

  it('COM1 receives: what is sent is taken at the guest’s pace and none is lost', () => {
    const echo = `
      ${EIGHT_BITS}
      mov bx, 20
    next: mov dx, 0x3fd
    wait: in al, dx
      test al, 1
      jz wait
      mov dx, 0x3f8
      in al, dx
      out dx, al
      dec bx
      jnz next
      hlt`;
    const { pc, output } = createPc(echo.replaceAll('wait', 'poll'), engine);
    const text = 'twenty characters ok';
    pc.run({ instructions: 3 }); // until characters have eight bits
    pc.serial.send(new TextEncoder().encode(text));
    expect(pc.serial.pending).toBeGreaterThan(0);
    const exit = pc.run({ instructions: 5_000_000 });
    expect(exit.reason).toBe('halted');
    expect(output.join('')).toBe(text);
    expect(pc.serial.pending).toBe(0);
  });

  it('halts for good with interrupts off, for input with interrupts on', () => {
    expect(createPc('cli\nhlt', engine).pc.run({ instructions: 10 }).reason).toBe('halted');
    expect(createPc('sti\nhlt', engine).pc.run({ instructions: 10 }).reason).toBe('idle');
  });

  it('the debug-exit port ends the run with value × 2 + 1', () => {
    const { pc } = createPc('mov al, 21\nout 0xf4, al\nnop\nhlt', engine);
    expect(pc.run({ instructions: 100 })).toEqual({ reason: 'debug-exit', status: 43, executed: 2 });
  });

  it('port 92h, the keyboard controller and a triple fault ask for a reset', () => {
    const port92 = createPc('mov al, 3\nout 0x92, al\nx: jmp x', engine).pc;
    expect(port92.run({ instructions: 100 })).toEqual({ reason: 'reset', executed: 2 });
    const controller = createPc('mov al, 0xfe\nout 0x64, al\nx: jmp x', engine).pc;
    expect(controller.run({ instructions: 100 })).toEqual({ reason: 'reset', executed: 2 });
    const crash = createPc('lidt [nothing]\nint3\nnothing: dd 0, 0', engine).pc;
    expect(crash.run({ instructions: 100 }).reason).toBe('triple-fault');
  });

  it('after a reset it boots again; instructions and time go on', () => {
    const { pc, output } = createPc(
      `${EIGHT_BITS}mov byte [0x7c00], 0xf4\nmov dx, 0x3f8\nmov al, 'A'\nout dx, al\nhlt`,
      engine,
    );
    pc.run({ instructions: 100 });
    const { instructions, time } = pc;
    pc.reset();
    expect([pc.instructions, pc.time]).toEqual([instructions, time]);
    pc.run({ instructions: 100 });
    expect(output.join('')).toBe('AA');
    expect(pc.instructions).toBe(2 * instructions);
  });

  it('a halted guest waits for an alarm up to the limit, not beyond', () => {
    // RTC, periodic interrupts: the first 1/1024 s after power-on.
    const { pc } = createPc('mov al, 0xb\nout 0x70, al\nmov al, 0x42\nout 0x71, al\nsti\nx: hlt\njmp x', engine);
    const alarm = 976_563;
    expect(pc.run({ instructions: 1000, time: alarm - 1 }).reason).toBe('time');
    expect(pc.time).toBeLessThan(1000);
    expect([pc.halted, pc.nextAlarm]).toEqual([true, alarm]);
    expect(pc.run({ instructions: 1, time: alarm }).reason).toBe('budget');
    expect(pc.time).toBe(alarm);
  });

  it('the real-time clock starts at the time of power-on', () => {
    const { pc } = createPc(
      'mov al, 9\nout 0x70, al\nin al, 0x71\nmov bl, al\nmov al, 8\nout 0x70, al\nin al, 0x71\nhlt',
      engine,
    );
    pc.run({ instructions: 100 });
    expect([pc.processor.state.reg8(3), pc.processor.state.reg8(0)]).toEqual([0x01, 0x02]); // BCD
  });

  it('a device’s bug becomes an error of this machine, with its name', () => {
    const { pc } = createPc('out 0x80, al\nhlt', engine);
    pc.processor.ports.write = () => {
      throw new TypeError('planted');
    };
    expect(pc.run({ instructions: 100 })).toMatchObject({
      reason: 'error',
      error: { name: 'InternalError', message: expect.stringMatching(/^test: .*planted/) },
    });
  });
});

describe.each(ENGINES)('a disposed PC on the %s', (engine) => {
  it('holds none of its memory, still tells what it has done, and does not run', () => {
    const { pc } = createPc('mov ax, 1\nx: jmp x', engine);
    pc.run({ instructions: 1000 });
    pc.dispose();
    pc.dispose();
    expect([pc.instructions, pc.time, pc.serial.pending]).toEqual([1000, 4000, 0]);
    expect(pc.memory.framesInUse).toBe(0);
    expect(pc.processor.pool.views.u8).toHaveLength(0);
    expect(pc.run({ instructions: 10 })).toMatchObject({ reason: 'error', error: { name: 'InternalError' } });
  });
});

describe('determinism', () => {
  // The timer interrupts a counting loop; what is counted when depends on every instruction before.
  const SOURCE = `
      cli
      mov word [0x20], tick
      mov word [0x22], 0
      mov al, 0x11
      out 0x20, al
      mov al, 8
      out 0x21, al
      mov al, 4
      out 0x21, al
      mov al, 1
      out 0x21, al
      mov al, 0xfe
      out 0x21, al
      mov al, 0x34
      out 0x43, al
      mov al, 0x40
      out 0x40, al
      mov al, 0
      out 0x40, al
      sti
    again: inc dword [0x500]
      rdtsc
      xor [0x504], eax
      jmp again
    tick: push ax
      mov ax, [0x500]
      xor [0x508], ax
      mov al, 0x20
      out 0x20, al
      pop ax
      iret`;
  const hashes = (engine: Engine, slice: (index: number) => number) => {
    const { pc } = createPc(SOURCE, engine);
    const result: string[] = [];
    for (const stop of [777, 10_000, 40_001]) {
      for (let index = 0; pc.instructions < stop; index++) {
        pc.run({ instructions: Math.min(slice(index), stop - pc.instructions) });
      }
      result.push(pc.stateHash());
    }
    return result;
  };

  it('the same states in both engines, and however the run is cut', () => {
    const whole = hashes('interpreter', () => 1_000_000);
    expect(new Set(whole).size).toBe(3);
    expect(hashes('interpreter', () => 1)).toEqual(whole);
    expect(hashes('interpreter', (index) => 1 + ((index * 7919) % 997))).toEqual(whole);
    expect(hashes('reference', (index) => 1 + ((index * 31) % 1009))).toEqual(whole);
  });
});

describe('the map', () => {
  it('C13: a PC has a display adapter, which claims A0000h–BFFFFh and answers with a text screen at B8000h', () => {
    const { pc } = createPc('hlt');
    for (const address of [0xa0000, 0xb0000, 0xb7ffc]) {
      pc.memory.write(address, 0, 4);
      expect(pc.memory.read(address, 4)).toBe(0xffff_ffff);
    }
    expect(pc.memory.read(0xb8000, 4)).toBe(0x0720_0720);
    for (const address of [0x9fffc, 0xc0000]) {
      pc.memory.write(address, 0x1234_5678, 4);
      expect(pc.memory.read(address, 4)).toBe(0x1234_5678);
    }
  });

  it('memory ends where it ends; the hole for video and BIOS is not usable', () => {
    const usable = memoryMap(16 * MIB).filter(({ kind }) => kind === 'usable');
    expect(usable).toEqual([
      { first: 0, length: 639 * 1024, kind: 'usable' },
      { first: MIB, length: 15 * MIB, kind: 'usable' },
    ]);
    expect(memoryMap(MIB).filter(({ kind }) => kind === 'usable')).toHaveLength(1);
  });

  it('an OR of lines is high as long as one source is', () => {
    const levels: number[] = [];
    const line = new OrLine({ set: (level) => levels.push(level) }, 2);
    line.input(0).set(1);
    line.input(1).set(1);
    line.input(0).set(0);
    line.input(1).set(0);
    expect(levels).toEqual([1, 1, 1, 0]);
  });
});

describe.each(ENGINES)('time that has to wait, on the %s', (engine) => {
  it.each(['running', 'halted'] as const)('stands still, to the instruction, while %s', async (how) => {
    const run = async (delayed: boolean) => {
      // With interrupts enabled: a halt may end.
      const { pc } = createPc(how === 'running' ? 'again: inc cx\njmp again' : 'sti\nagain: hlt\njmp again', engine);
      let come: () => void = () => {};
      const answer = new Pending<void>(() => (delayed ? new Promise((resolve) => (come = resolve)) : undefined));
      const fired: number[][] = [];
      pc.clock.setAlarm(50_000, () => fired.push([pc.time, pc.instructions]), { after: answer });
      let exit = pc.run({ instructions: 100_000 });
      if (delayed) {
        expect(exit).toMatchObject({ reason: 'waiting', answer });
        const { executed } = exit;
        expect(pc.run({ instructions: 100_000 })).toMatchObject({ reason: 'waiting', executed: 0 });
        expect(fired).toEqual([]);
        come();
        await Promise.resolve();
        exit = pc.run({ instructions: 100_000 - executed });
      }
      return { fired, exit: exit.reason, hash: pc.stateHash() };
    };
    const there = await run(false);
    expect(there.fired).toHaveLength(1);
    expect(await run(true)).toEqual(there);
  });
});
