/** INT 13h from programs: diskettes, disks and CDs. */
import { describe, expect, it } from 'vitest';
import { bootImage, createBiosMachine, FLOPPY_SIZE, runProgram, TestMedium } from '../../support/bios-machine.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const MIB = 2 ** 20;

/** Each sector begins with its number. */
function numbered(bytes: number, sector = 512): Uint8Array {
  const image = new Uint8Array(bytes);
  const view = new DataView(image.buffer);
  for (let at = 0; at < bytes; at += sector) view.setUint32(at, at / sector, true);
  return image;
}

/** Shows AX and the flags after a call with these registers, and the words at 8000h + each of `show`. */
function call(registers: Readonly<Record<string, number>>, ...show: readonly number[]): string {
  const moves = Object.entries({ bx: 0x8000, ...registers }).map(([name, value]) => `mov ${name}, ${value}`);
  return [
    ...moves,
    'int 0x13',
    'call show',
    'call show_flags_carry',
    ...show.flatMap((at) => [`mov ax, [0x${(0x8000 + at).toString(16)}]`, 'call show']),
    '',
  ].join('\n');
}
const CARRY = `jmp main
show_flags_carry:
  mov al, '-'
  jnc .out
  mov al, 'C'
  .out: out 0xe9, al
  mov al, ' '
  out 0xe9, al
  ret
main:
`;
const run = (program: string, options: Parameters<typeof runProgram>[1] = {}) =>
  runProgram(CARRY + program, options).output();

describe.each(ENGINES)('reading a disk on the %s', (engine) => {
  it('AH=02h: a sector, sectors across a track, and all of 64 KiB', () => {
    const disks = [numbered(40 * MIB)];
    const output = run(
      call({ ax: 0x201, cx: 0x0001, dx: 0x80 }, 0) +
        call({ ax: 0x202, cx: 0x003f, dx: 0x0180 }, 0, 512) +
        `mov ax, 0x1000\nmov es, ax\n${call({ ax: 0x280, cx: 0x0101, dx: 0x80, bx: 0 })}
        mov eax, [es:127 * 512]
        call show`,
      { engine, disks },
    );
    // Head 1, sector 63 is number 125; cylinder 1 begins at 1008 = 3F0h, its last read sector is 46Fh.
    expect(output).toBe('0001 - 0000 0002 - 007d 007e 0080 - 046f');
  });
});

describe('INT 13h, AH=00h–18h', () => {
  it('02h–04h: what is not there fails, and nothing is read', () => {
    const disks = [numbered(4 * MIB)];
    const output = run(
      [
        call({ ax: 0x201, cx: 0x0000, dx: 0x80 }), // sector 0
        call({ ax: 0x201, cx: 0x0024, dx: 0x00 }), // sector 36 of a diskette of 18
        call({ ax: 0x201, cx: 0x5001, dx: 0x00 }), // cylinder 80
        call({ ax: 0x200, cx: 0x0001, dx: 0x80 }), // none
        call({ ax: 0x281, cx: 0x0001, dx: 0x80 }), // too many
        call({ ax: 0x201, cx: 0x0001, dx: 0x81 }), // no such disk
        call({ ax: 0x201, cx: 0x0001, dx: 0x01 }), // no such diskette drive
        call({ ax: 0x202, cx: 0x073f, dx: 0x0f80 }), // the last of the geometry, and one more that is there
        call({ ax: 0x100, dx: 0x80 }),
      ].join(''),
      { disks },
    );
    // 4 MiB: 8192 sectors, 8 cylinders of 1008; 128 sectors lie beyond.
    expect(output).toBe('0400 C 0400 C 0400 C 0100 C 0181 C 0101 C 0101 C 0002 - 0000 -');
  });

  it('03h writes, 04h verifies, 05h formats; a write-protected diskette and a failing one say so', () => {
    const floppy = new TestMedium(
      bootImage(`${CARRY}
      mov word [0x8000], 0x1234
      ${call({ ax: 0x301, cx: 0x0203, dx: 0x0100 })}${call({ ax: 0x401, cx: 0x0203, dx: 0x0100 })}
      ${call({ ax: 0x512, cx: 0x0301, dx: 0 })}${call({ ax: 0x301, cx: 1, dx: 0x80 })}${call({ ax: 0x301, cx: 1, dx: 0x81 })}
      cli\nhlt`),
    );
    const broken = new TestMedium(numbered(MIB));
    broken.fails = true;
    const machine = createBiosMachine({ floppy, disks: [new TestMedium(numbered(MIB), { readOnly: true }), broken] });
    expect(machine.run()).toBe('halted');
    expect(machine.output()).toBe('0001 - 0001 - 0012 - 0300 C cc00 C');
    const at = ((2 * 2 + 1) * 18 + 2) * 512;
    expect([...floppy.bytes.subarray(at, at + 2)]).toEqual([0x34, 0x12]);
    expect(floppy.bytes.subarray(3 * 36 * 512, (3 * 36 + 18) * 512).every((byte) => byte === 0xf6)).toBe(true);
  });

  it('01h: the last status, of diskettes and disks apart', () => {
    const output = run(
      call({ ax: 0x201, cx: 0x0024, dx: 0 }) +
        call({ ax: 0x100, dx: 0 }) +
        call({ ax: 0x100, dx: 0x80 }) +
        call({ ax: 0, dx: 0 }) +
        call({ ax: 0x100, dx: 0 }),
      { disks: [numbered(MIB)] },
    );
    expect(output).toBe('0400 C 0400 C 0000 - 0000 - 0000 -');
  });

  it('08h: parameters of a diskette drive and of a disk; of one that is not there, none', () => {
    const show = 'mov ax, cx\ncall show\nmov ax, dx\ncall show\nmov ax, bx\ncall show\n';
    const output = run(
      `${call({ ax: 0x800, dx: 0, bx: 0 })}${show}mov al, [es:di + 4]\nmov ah, 0\ncall show\n${call({ ax: 0x800, dx: 0x80, bx: 0 })}${show}${call({ ax: 0x800, dx: 0x82 })}`,
      { disks: [numbered(40 * MIB), new TestMedium(numbered(MIB))], floppies: 2 },
    );
    // 40 MiB: 81 cylinders of 16 × 63, the last of them reserved.
    expect(output).toBe('0000 - 4f12 0102 0004 0012 0000 - 4f3f 0f02 0000 0100 C');
  });

  it('15h: kinds of drives; one that is not there fails', () => {
    const show = 'mov ax, cx\ncall show\nmov ax, dx\ncall show\n';
    const output = run(
      `${call({ ax: 0x1500, dx: 0 })}${call({ ax: 0x1500, dx: 1 })}${call({ ax: 0x1500, dx: 0x80 })}${show}${call({ ax: 0x1500, dx: 0x81 })}`,
      { disks: [numbered(40 * MIB)] },
    );
    expect(output).toBe('0200 - 0000 C 0300 - 0001 3b00 0000 C');
  });

  it('16h: the change line, once; 18h: formats the drive holds', () => {
    const state = { medium: new TestMedium(numbered(FLOPPY_SIZE)), changes: 0 };
    const program = `${call({ ax: 0x1600, dx: 1 })}out 0xf4, al\n${call({ ax: 0x1600, dx: 1 })}${call({ ax: 0x1600, dx: 1 })}
      ${call({ ax: 0x1800, cx: 0x4f12, dx: 1 })}${call({ ax: 0x1800, cx: 0x4f0f, dx: 1 })}cli\nhlt`;
    const machine = createBiosMachine({
      bios: { drives: { floppy: [{ medium: new TestMedium(bootImage(CARRY + program)) }, state], disk: [], cd: [] } },
    });
    expect(machine.run()).toBe('debug-exit');
    state.changes++;
    expect(machine.run()).toBe('halted');
    expect(machine.output()).toBe('0000 - 0600 C 0000 - 0000 - 0c00 C');
  });

  it('disks that are not there fail fast: 41h, 02h and 48h for 81h–8Fh', () => {
    const output = run(
      `mov dl, 0x81
      next: mov ah, 0x41
      mov bx, 0x55aa
      int 0x13
      jnc bad
      mov ax, 0x201
      mov cx, 1
      mov bx, 0x8000
      int 0x13
      jnc bad
      inc dl
      cmp dl, 0x90
      jb next
      mov al, 'k'
      jmp out
      bad: mov al, dl
      out: call show_char`,
      { disks: [numbered(MIB)] },
    );
    expect(output).toBe('k');
  });

  it('INT 41h points to the geometry of the first disk', () => {
    const output = run(
      `les di, [0x41 * 4]
      mov ax, [es:di]
      call show
      mov ax, [es:di + 2]
      call show
      mov ax, [es:di + 14]
      call show`,
      { disks: [numbered(40 * MIB)] },
    );
    expect(output).toBe('0051 0010 003f');
  });
});

/** A packet at 7000h. */
const packet = (sector: number, count: number, { size = 16, buffer = 0x8000, flat = 0 } = {}) =>
  `mov word [0x7000], ${size}
  mov word [0x7002], ${count}
  mov dword [0x7004], ${buffer}
  mov dword [0x7008], ${sector >>> 0}
  mov dword [0x700c], ${Math.floor(sector / 2 ** 32)}
  mov dword [0x7010], ${flat}
  mov dword [0x7014], 0
  `;
const COUNT = 'mov ax, [0x7002]\ncall show\n';

describe('INT 13h, AH=41h–4Eh', () => {
  it('41h: version 3, access by packet; not for diskettes', () => {
    const output = run(
      `${call({ ax: 0x4100, bx: 0x55aa, dx: 0x80 })}mov ax, bx\ncall show\nmov ax, cx\ncall show\n${call({ ax: 0x4100, bx: 0x55aa, dx: 0 })}`,
      { disks: [numbered(MIB)] },
    );
    expect(output).toBe('3000 - aa55 0005 0100 C');
  });

  it('42h–44h, 47h: the last sector is read, the one behind it is not, and the count is written back', () => {
    const disk = new TestMedium(numbered(40 * MIB));
    const last = 40 * 2048 - 1;
    const output = run(
      `mov si, 0x7000
      ${packet(last, 1)}${call({ ax: 0x4200, dx: 0x80 }, 0)}${COUNT}
      ${packet(last, 2)}${call({ ax: 0x4200, dx: 0x80 })}${COUNT}
      ${packet(2 ** 33, 1)}${call({ ax: 0x4200, dx: 0x80 })}
      ${packet(5, 128)}${call({ ax: 0x4200, dx: 0x80 })}
      ${packet(5, 1, { size: 15 })}${call({ ax: 0x4200, dx: 0x80 })}`,
      { disks: [disk] },
    );
    expect(output).toBe('0000 - 3fff 0001 0400 C 0000 0400 C 0100 C 0100 C');
    expect(
      run(
        `mov si, 0x7000
        mov word [0x8000], 0xabcd
        ${packet(7, 1)}${call({ ax: 0x4300, dx: 0x80 })}${call({ ax: 0x4400, dx: 0x80 })}${call({ ax: 0x4700, dx: 0x80 })}`,
        { disks: [disk] },
      ),
    ).toBe('0000 - 0000 - 0000 -');
    expect([...disk.bytes.subarray(7 * 512, 7 * 512 + 2)]).toEqual([0xcd, 0xab]);
  });

  it('42h with a 64-bit address reads above 1 MiB', () => {
    const { pc, output } = runProgram(
      `${CARRY}mov si, 0x7000\n${packet(9, 2, { size: 24, buffer: 0xffff_ffff, flat: 0x20_0000 })}${call({ ax: 0x4200, dx: 0x80 })}`,
      { disks: [numbered(MIB)] },
    );
    expect(output()).toBe('0000 -');
    expect([pc.memory.read(0x20_0000, 4), pc.memory.read(0x20_0200, 4)]).toEqual([9, 10]);
  });

  it.each([
    [25, 'fail'],
    [26, 26],
    [30, 30],
    [66, 30],
    [74, 30],
    [90, 30],
  ])('48h with room for %i bytes: %s', (room, written) => {
    const { pc, output } = runProgram(
      `${CARRY}mov di, 0x7000
      mov cx, 64
      mov al, 0xcc
      rep stosb
      mov word [0x7000], ${room}
      mov si, 0x7000
      ${call({ ax: 0x4800, dx: 0x80 })}`,
      { disks: [numbered(40 * MIB)] },
    );
    if (written === 'fail') return expect(output()).toBe('0100 C');
    expect(output()).toBe('0000 -');
    const words = (at: number, size: 2 | 4) => pc.memory.read(0x7000 + at, size);
    expect([words(0, 2), words(2, 2), words(4, 4), words(8, 4), words(12, 4), words(16, 4), words(24, 2)]).toEqual([
      ...[written, 3, 81, 16, 63, 40 * 2048, 512],
    ]);
    expect(pc.memory.read(0x7000 + (written as number), 1)).toBe(0xcc);
  });

  it('48h of a disk whose place is known: 66 bytes with the path, which add up to 0', () => {
    const ata = { pciDevice: 1, pciFunction: 1, channel: 0, device: 1 };
    const floppy = new TestMedium(
      bootImage(`${CARRY}mov word [0x7000], 74\nmov si, 0x7000\n${call({ ax: 0x4800, dx: 0x80 })}cli\nhlt`),
    );
    const machine = createBiosMachine({
      bios: {
        drives: { floppy: [{ medium: floppy }], disk: [{ medium: new TestMedium(numbered(MIB)), ata }], cd: [] },
      },
    });
    machine.run();
    expect(machine.output()).toBe('0000 -');
    const path = machine.pc.memory.copyOut(0x7000 + 30, 36);
    expect([machine.pc.memory.read(0x7000, 2), path[0] | (path[1] << 8), path[2]]).toEqual([66, 0xbedd, 36]);
    expect(new TextDecoder().decode(path.subarray(6, 18))).toBe('PCI ATA     ');
    expect([...path.subarray(18, 27)]).toEqual([0, 1, 1, 0, 0, 0, 0, 0, 1]);
    expect(path.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
  });

  it('CDs: blocks of 2048 bytes by packet, no CHS, locks; eject is refused', () => {
    const output = run(
      `mov si, 0x7000
      ${packet(3, 1)}${call({ ax: 0x4200, dx: 0xe0 }, 0)}${call({ ax: 0x201, cx: 1, dx: 0xe0 })}${call({ ax: 0x800, dx: 0xe0 })}
      ${packet(3, 1)}${call({ ax: 0x4300, dx: 0xe0 })}${call({ ax: 0x4501, dx: 0xe0 })}${call({ ax: 0x4500, dx: 0xe0 })}
      ${call({ ax: 0x4600, dx: 0xe0 })}mov word [0x7000], 30\n${call({ ax: 0x4800, dx: 0xe0 })}
      mov ax, [0x7018]
      call show
      mov ax, [0x7002]
      call show`,
      { cd: new TestMedium(numbered(MIB, 2048), { readOnly: true }) },
    );
    expect(output).toBe('0000 - 0003 0101 C 0100 C 0300 C b001 C 0001 - b500 C 0000 - 0800 0035');
  });
});
