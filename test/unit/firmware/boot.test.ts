/** From reset to the boot sector. */
import { describe, expect, it } from 'vitest';
import { BDA } from '../../../src/firmware/bios-data.ts';
import { bootImage, createBiosMachine, FLOPPY_SIZE, runProgram, TestMedium } from '../../support/bios-machine.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const MILLISECOND = 1_000_000;
/** Shows what the boot sector is given, then a letter. */
const HELLO = `pushf
  pop bx
  call show
  mov ax, dx
  call show
  mov ax, cs
  call show
  mov ax, bx
  and ax, 0x200
  call show
  cli
  hlt`;

describe.each(ENGINES)('booting on the %s', (engine) => {
  it('takes less than 50 ms of guest time; AX=AA55h, DL the drive, CS:IP=0000:7C00, interrupts enabled', () => {
    const { pc, run, output } = createBiosMachine({ engine, floppy: bootImage(HELLO) });
    expect(run()).toBe('halted');
    expect(output()).toBe('aa55 0000 0000 0200');
    expect(pc.time).toBeLessThan(50 * MILLISECOND);
  });

  it('goes from drive to drive until one has a boot sector', () => {
    const disk = bootImage(HELLO, 1024 * 1024);
    const { run, output, screen } = createBiosMachine({ engine, floppy: new Uint8Array(FLOPPY_SIZE), disks: [disk] });
    expect(run()).toBe('halted');
    expect(output()).toBe('aa55 0080 0000 0200');
    expect(screen().slice(0, 4)).toEqual([
      'Vetro BIOS, 16 MiB',
      '',
      'Floppy: its first sector is not one to boot from',
      'Hard disk: booting',
    ]);
  });

  it('says on the screen and to the host what was tried when nothing boots, and waits with interrupts on', () => {
    const { pc, tried, screen } = createBiosMachine({ engine, disks: [new Uint8Array(100)], cd: undefined });
    const { reason } = pc.run({ instructions: 100_000, time: 2000 * MILLISECOND });
    expect(['budget', 'time']).toContain(reason);
    expect(tried).toEqual([
      ['Floppy: the drive is empty', 'Hard disk: it holds no whole sector', 'CD: the drive is empty'],
    ]);
    expect(screen()).toContain('Nothing to boot from.');
    expect(pc.processor.interruptsEnabled).toBe(true);
  });

  it('the same after a reset', () => {
    const { pc, run, output } = createBiosMachine({ engine, floppy: bootImage(HELLO) });
    run();
    pc.memory.copyIn(0, new Uint8Array(0x9_0000).fill(0xcc));
    pc.reset();
    expect(run()).toBe('halted');
    expect(output()).toBe('aa55 0000 0000 0200 aa55 0000 0000 0200');
  });
});

describe('power-on', () => {
  it('leaves a table of interrupts, a data area, and the ROM in its place at both ends', () => {
    const { pc } = runProgram('');
    const words = (address: number, count: number) =>
      Array.from({ length: count }, (_, index) => pc.memory.read(address + 2 * index, 2));
    expect(words(4 * 0x10, 4)).toEqual([0xf065, 0xf000, 0xf84d, 0xf000]);
    expect(words(4 * 0x19, 2)).toEqual([0xe6f2, 0xf000]);
    expect(words(4 * 0x60, 2)).toEqual([0, 0]);
    const bda = 0x400;
    expect(words(bda, 2)).toEqual([0x3f8, 0]);
    expect(words(bda + BDA.EBDA_SEGMENT, 2)).toEqual([0x9fc0, 0x0223]);
    expect(words(bda + BDA.MEMORY_KIB, 1)).toEqual([639]);
    expect(words(bda + BDA.COLUMNS, 2)).toEqual([80, 0x1000]);
    expect(pc.memory.read(0x9fc00, 1)).toBe(1);
    for (const segment of [0xf_0000, 0xffff_0000]) expect(pc.memory.read(segment + 0xfff0, 1)).toBe(0xea);
    // Read-only: the copy in RAM is what is read.
    pc.memory.write(0xf_fff0, 0, 1);
    expect(pc.memory.read(0xf_fff0, 1)).toBe(0xea);
  });

  it('counts the memory in the CMOS, with the checksum of an AT', () => {
    const { pc } = runProgram('', { memory: 64 });
    const cmos = (register: number) => {
      pc.processor.ports.write(0x70, register, 1);
      return pc.processor.ports.read(0x71, 1);
    };
    const word = (register: number) => cmos(register) + 256 * cmos(register + 1);
    expect([word(0x15), word(0x17), word(0x34)]).toEqual([640, 63 * 1024, 48 * 16]);
    expect([cmos(0x10), cmos(0x12)]).toEqual([0x40, 0]);
    let sum = 0;
    for (let register = 0x10; register <= 0x2d; register++) sum += cmos(register);
    expect(cmos(0x2e) * 256 + cmos(0x2f)).toBe(sum & 0xffff);
  });
});

describe('while the host looks for the data', () => {
  it('guest time stands still: the run is the same as with a host that has it at once', async () => {
    const image = bootImage(HELLO);
    const fast = createBiosMachine({ floppy: new TestMedium(image) });
    fast.run();
    const medium = new TestMedium(image, { late: true });
    const slow = createBiosMachine({ floppy: medium });
    expect(slow.run()).toBe('waiting');
    const { time } = slow.pc;
    expect(slow.run()).toBe('waiting');
    expect(slow.pc.time).toBe(time);
    await medium.release();
    expect(slow.run()).toBe('halted');
    expect(slow.output()).toBe(fast.output());
    expect(slow.pc.stateHash()).toBe(fast.pc.stateHash());
  });

  it('a medium that fails is one that cannot be booted', () => {
    const medium = new TestMedium(bootImage(HELLO));
    medium.fails = true;
    const { pc, tried } = createBiosMachine({ floppy: medium, order: ['floppy'] });
    pc.run({ instructions: 1_000_000, time: 1000 * MILLISECOND });
    expect(tried).toEqual([['Floppy: it cannot be read']]);
  });
});

describe('INT 18h and INT 19h', () => {
  it('a boot sector that cannot go on gives the next drive its turn', () => {
    const disk = bootImage(HELLO, 1024 * 1024);
    const { run, output } = createBiosMachine({ floppy: bootImage('int 0x18'), disks: [disk] });
    expect(run()).toBe('halted');
    expect(output()).toBe('aa55 0080 0000 0200');
  });

  it('INT 19h boots again from the first drive', () => {
    const program = `mov ax, 0x1000
      call show
      inc byte [0x600]
      cmp byte [0x600], 3
      jae end
      int 0x19
      end: cli
      hlt`;
    const { run, output } = createBiosMachine({ floppy: bootImage(program) });
    expect(run()).toBe('halted');
    expect(output()).toBe('1000 1000 1000');
  });
});

describe('the boot menu', () => {
  const disk = () => bootImage(HELLO, 1024 * 1024);

  it('comes at F12, struck at power-on, and a number chooses', () => {
    const machine = createBiosMachine({ floppy: bootImage(HELLO), disks: [disk()] });
    const { pc } = machine;
    pc.keyboard.press('F12');
    pc.keyboard.release('F12');
    expect(pc.run({ instructions: 1_000_000, time: 40 * MILLISECOND }).reason).toBe('time');
    expect(machine.screen().slice(2, 8)).toEqual(['', 'Boot from:', '', '  1  Floppy', '  2  Hard disk', '  3  CD']);
    for (const key of ['Digit9', 'Digit2']) {
      pc.keyboard.press(key);
      pc.keyboard.release(key);
    }
    expect(machine.run()).toBe('halted');
    expect(machine.output()).toBe('aa55 0080 0000 0200');
  });

  it('Esc boots as usual; other keys at power-on bring no menu and stay for the program', () => {
    const machine = createBiosMachine({ floppy: bootImage(HELLO), disks: [disk()] });
    machine.pc.keyboard.press('F12');
    machine.pc.run({ instructions: 1_000_000, time: 40 * MILLISECOND });
    machine.pc.keyboard.press('Escape');
    expect(machine.run()).toBe('halted');
    expect(machine.output()).toBe('aa55 0000 0000 0200');
    const other = createBiosMachine({ floppy: bootImage('mov ah, 0\nint 0x16\ncall show\ncli\nhlt') });
    other.pc.keyboard.press('KeyX');
    expect(other.run()).toBe('halted');
    expect(other.output()).toBe('2d78');
    expect(other.pc.time).toBeLessThan(50 * MILLISECOND);
  });

  it('a wait can be asked for, in which F12 brings it up', () => {
    const machine = createBiosMachine({ floppy: bootImage(HELLO), disks: [disk()], bios: { menuWait: 1000 } });
    const { pc } = machine;
    pc.run({ instructions: 10_000_000, time: 500 * MILLISECOND });
    expect(machine.output()).toBe('');
    pc.keyboard.press('F12');
    pc.run({ instructions: 10_000_000, time: 600 * MILLISECOND });
    expect(machine.screen()).toContain('Boot from:');
    const unused = createBiosMachine({ floppy: bootImage(HELLO), bios: { menuWait: 1000 } });
    expect(unused.run()).toBe('halted');
    expect(unused.pc.time).toBeGreaterThan(1000 * MILLISECOND);
  });
});

describe('state', () => {
  it('kept in the midst of a read, and put back: the run goes on as it would have', async () => {
    const image = bootImage(HELLO);
    const undisturbed = createBiosMachine({ floppy: image });
    undisturbed.run();
    const medium = new TestMedium(image, { late: true });
    const machine = createBiosMachine({ floppy: medium });
    expect(machine.run()).toBe('waiting');
    const bios = machine.pc.bios!;
    const saved = structuredClone(bios.state);
    expect(saved.calls).toHaveLength(1);
    Object.assign(bios.state, saved);
    bios.resume();
    expect(machine.run()).toBe('waiting');
    await medium.release();
    expect(machine.run()).toBe('halted');
    expect(machine.pc.stateHash()).toBe(undisturbed.pc.stateHash());
  });
});

describe('determinism', () => {
  /** Reads all of a diskette's first side by side, types, waits for ticks. */
  const PROGRAM = `mov si, 20
    next: mov ax, 0x212
    mov bx, 0x8000
    mov ch, 20
    sub cx, si
    mov cl, 1
    mov dx, 0
    int 0x13
    mov ah, 0xe
    int 0x10
    dec si
    jnz next
    mov ah, 0x86
    mov cx, 1
    mov dx, 0
    int 0x15
    cli
    hlt`;
  const hashes = (engine: (typeof ENGINES)[number], slice: number) => {
    const { pc } = createBiosMachine({ engine, floppy: bootImage(PROGRAM) });
    const found: string[] = [];
    for (const stop of [50, 300, 1000, 2000, 5000]) {
      while (pc.instructions < stop) {
        const { reason } = pc.run({ instructions: Math.min(slice, stop - pc.instructions) });
        if (reason === 'halted') break;
      }
      found.push(pc.stateHash());
    }
    return found;
  };

  it('the same state at the same counts, on every engine and in slices of any length', () => {
    const expected = hashes('interpreter', 1_000_000);
    expect(new Set(expected).size).toBeGreaterThan(3);
    for (const engine of ENGINES) for (const slice of [7, 1_000_000]) expect(hashes(engine, slice)).toEqual(expected);
  });
});
