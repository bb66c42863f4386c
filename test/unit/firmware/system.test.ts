/** Memory, A20, block moves, serial ports. */
import { describe, expect, it } from 'vitest';
import { bootImage, createBiosMachine, runProgram } from '../../support/bios-machine.ts';

const MIB = 2 ** 20;
const KIB = 1024;

/** The map as a program is told it, from 8000h on. */
function readMap(memory: number) {
  const { pc, output } = runProgram(
    `mov di, 0x8000
    xor ebx, ebx
    next: mov eax, 0xe820
    mov edx, 0x534d4150
    mov ecx, 24
    int 0x15
    jc end
    add di, 20
    inc bp
    test ebx, ebx
    jnz next
    end: mov ax, bp
    call show
    mov ax, cx
    call show
    mov ax, 0xe801
    int 0x15
    call show
    mov ax, bx
    call show
    mov ah, 0x88
    int 0x15
    call show
    int 0x12
    call show`,
    { memory },
  );
  const [count, size, kib, blocks, old, low] = output()
    .split(' ')
    .map((each) => Number.parseInt(each, 16));
  const ranges = Array.from({ length: count }, (_, index) => {
    const at = 0x8000 + 20 * index;
    return [pc.memory.read(at, 4), pc.memory.read(at + 8, 4), pc.memory.read(at + 16, 4)] as const;
  });
  return { ranges, size, kib, blocks, old, low };
}

describe('what INT 12h and 15h say of memory', () => {
  it.each([1, 4, 16, 64, 512])('%i MiB: E820h, E801h, 88h and 12h agree', (memory) => {
    const { ranges, size, kib, blocks, old, low } = readMap(memory);
    expect(size).toBe(20);
    for (let index = 1; index < ranges.length; index++) {
      const [first, length] = ranges[index - 1];
      expect(first + length).toBeLessThanOrEqual(ranges[index][0]);
    }
    expect(ranges[0]).toEqual([0, low * KIB, 1]);
    const extended = ranges.find(([first, , type]) => first === MIB && type === 1)?.[1] ?? 0;
    expect(kib * KIB + blocks * 64 * KIB).toBe(extended);
    expect(kib).toBe(Math.min(extended / KIB, 15 * KIB));
    expect(old).toBe(Math.min(extended / KIB, 0xfc00));
    const total = ranges
      .filter(([first, , type]) => first >= MIB && type !== 2)
      .reduce((sum, [, length]) => sum + length, MIB);
    expect(total).toBe(memory * MIB);
  });

  it('E820h: a wrong signature, too small a buffer and a range that is not there fail', () => {
    const attempt = (ebx: number, edx: number, ecx: number) =>
      `mov eax, 0xe820\nmov ebx, ${ebx}\nmov edx, ${edx}\nmov ecx, ${ecx}\nmov di, 0x8000\nint 0x15\ncall show\nsbb ax, ax\ncall show\n`;
    const { output } = runProgram(
      attempt(0, 0x1234, 20) + attempt(0, 0x534d_4150, 19) + attempt(77, 0x534d_4150, 20) + attempt(0, 0x534d_4150, 20),
    );
    expect(output()).toBe('8620 ffff 8620 ffff 8620 ffff 4150 0000');
  });
});

describe('INT 11h and 15h', () => {
  it('equipment, the configuration table, the extended data area, and what there is not', () => {
    const { output } = runProgram(
      `int 0x11
      call show
      mov ah, 0xc0
      int 0x15
      call show
      mov ax, [es:bx + 2]
      call show
      mov ah, 0xc1
      int 0x15
      mov ax, es
      call show
      mov ax, 0x5300
      int 0x15
      call show
      mov ax, 0xec00
      int 0x15
      call show
      sbb ax, ax
      call show`,
      { floppies: 2 },
    );
    expect(output()).toBe('0263 0063 00fc 9fc0 8600 8600 ffff');
  });

  it('A20: off, on, and asked for', () => {
    const ask = 'mov ax, 0x2402\nint 0x15\ncall show\n';
    const { output } = runProgram(
      `mov ax, 0xffff
      mov fs, ax
      mov word [0x600], 0x1111
      mov ax, 0x2400
      int 0x15
      ${ask}mov word [fs:0x610], 0x2222
      mov ax, [0x600]
      call show
      mov ax, 0x2401
      int 0x15
      ${ask}mov word [fs:0x610], 0x3333
      mov ax, [0x600]
      call show
      mov ax, 0x2403
      int 0x15
      mov ax, bx
      call show`,
    );
    expect(output()).toBe('0000 2222 0001 2222 0003');
  });

  it('AH=87h moves blocks from and to extended memory', () => {
    const { pc, output } = runProgram(
      `mov si, table
      mov cx, 8
      mov ah, 0x87
      int 0x15
      call show_flags
      jmp end
      align 8
      table: dq 0, 0
      dw 0xffff, 0x7c00
      db 0, 0x93, 0, 0
      dw 0xffff, 0x0000
      db 0x20, 0x93, 0, 0
      dq 0, 0
      end:`,
    );
    expect(output()).toBe('0040');
    expect(pc.memory.copyOut(0x20_0000, 16)).toEqual(pc.memory.copyOut(0x7c00, 16));
    expect(pc.memory.read(0x20_0010, 4)).toBe(0);
  });
});

describe('INT 14h and 17h', () => {
  it('bytes go out and come in; without one a read ends after its time', () => {
    const machine = createBiosMachine({
      floppy: bootImage(`mov ax, 0xe3
        mov dx, 0
        int 0x14
        mov al, ah
        and ax, 0x60
        call show
        mov ax, 0x141
        int 0x14
        mov ah, 2
        int 0x14
        mov ah, 0
        call show
        mov ah, 2
        int 0x14
        mov al, ah
        mov ah, 0
        and al, 0x80
        call show
        mov ax, 0
        int 0x17
        call show
        cli
        hlt`),
    });
    let sent = '';
    machine.pc.serial.onOutput = (bytes) => (sent += new TextDecoder().decode(bytes));
    machine.pc.run({ instructions: 200_000, time: 1 });
    machine.pc.serial.send(Uint8Array.of(0x7a));
    machine.run();
    expect(sent).toBe('A');
    expect(machine.output()).toBe('0060 007a 0080 0100');
  });
});
