/** Ticks, the clock chip, and waiting. */
import { describe, expect, it } from 'vitest';
import { BDA } from '../../../src/firmware/bios-data.ts';
import { bootImage, createBiosMachine, runProgram } from '../../support/bios-machine.ts';

const MILLISECOND = 1_000_000;

describe.each(['interpreter', 'jit', 'reference'] as const)('INT 08h on the %s', (engine) => {
  it('counts 18.2 times a second and calls INT 1Ch', () => {
    const { pc, output } = runProgram(
      `mov word [0x70], user
      mov word [0x72], cs
      mov dx, [0x46c]
      sti
      wait: hlt
      cmp byte [0x600], 18
      jb wait
      cli
      mov ax, [0x46c]
      sub ax, dx
      call show
      jmp end
      user: inc byte [0x600]
      iret
      end:`,
      { engine },
    );
    expect(output()).toBe('0012');
    expect(pc.time / MILLISECOND).toBeGreaterThan(980);
    expect(pc.time / MILLISECOND).toBeLessThan(1010);
  });
});

describe('INT 1Ah', () => {
  it('AH=00h and 01h: ticks, and once whether midnight has passed', () => {
    const { output } = runProgram(
      `mov ah, 1
      mov cx, 0x18
      mov dx, 0x00af
      int 0x1a
      sti
      hlt
      mov ah, 0
      int 0x1a
      mov ah, 0
      call show
      mov ax, cx
      call show
      mov ax, dx
      call show
      mov ah, 0
      int 0x1a
      mov ah, 0
      call show`,
    );
    expect(output()).toBe('0001 0000 0000 0000');
  });

  it('AH=02h–05h: time and date, in BCD', () => {
    const show = 'mov ax, cx\ncall show\nmov ax, dx\ncall show\n';
    const { output } = runProgram(
      `mov ah, 2
      int 0x1a
      ${show}mov ah, 4
      int 0x1a
      ${show}mov ah, 3
      mov cx, 0x2359
      mov dx, 0x5800
      int 0x1a
      mov ah, 5
      mov cx, 0x2031
      mov dx, 0x0228
      int 0x1a
      mov ah, 2
      int 0x1a
      ${show}mov ah, 4
      int 0x1a
      ${show}`,
    );
    expect(output()).toBe('1234 5000 2026 1120 2359 5800 2031 0228');
  });

  it('AH=06h and 07h: the alarm calls INT 4Ah; a second one is refused', () => {
    const { pc, output } = runProgram(
      `mov word [0x128], alarm
      mov word [0x12a], cs
      mov ah, 6
      mov cx, 0x1234
      mov dx, 0x5200
      int 0x1a
      call show_flags
      mov ah, 6
      int 0x1a
      call show_flags
      sti
      wait: hlt
      cmp byte [0x600], 0
      je wait
      mov ah, 7
      int 0x1a
      mov ah, 6
      int 0x1a
      call show_flags
      jmp end
      alarm: inc byte [0x600]
      iret
      end:`,
    );
    expect(
      output()
        .split(' ')
        .map((flags) => Number.parseInt(flags, 16) & 1),
    ).toEqual([0, 1, 0]);
    expect(pc.time / MILLISECOND).toBeGreaterThan(1000);
    expect(pc.time / MILLISECOND).toBeLessThan(3000);
  });

  it('AH=B1h: PCI functions are found, read and written; AH=BBh fails', () => {
    const show = (register: string) => `mov ax, ${register}\ncall show\n`;
    const { output } = runProgram(
      `mov ax, 0xb101
      mov edi, 0
      int 0x1a
      ${show('bx')}mov eax, edx
      shr eax, 16
      call show
      mov ax, 0xb102
      mov cx, 0x7113
      mov dx, 0x8086
      mov si, 0
      int 0x1a
      ${show('bx')}mov ax, 0xb109
      mov di, 2
      int 0x1a
      ${show('cx')}mov ax, 0xb103
      mov ecx, 0x060100
      mov si, 0
      int 0x1a
      ${show('bx')}mov ax, 0xb10b
      mov cl, 0x0b
      mov di, 0x60
      int 0x1a
      mov ax, 0xb108
      mov cl, 0
      int 0x1a
      ${show('cx')}mov ax, 0xb109
      mov di, 3
      int 0x1a
      call show
      mov ax, 0xb102
      mov si, 1
      mov cx, 0x7113
      int 0x1a
      call show
      mov ax, 0xbb00
      int 0x1a
      call show_flags`,
    );
    expect(output()).toMatch(/^0210 2049 000b 7113 0008 010b 8709 8602 00[04]1$/);
  });
});

describe('waiting', () => {
  it('INT 15h, AH=86h sleeps as long as it is told, and costs few instructions', () => {
    const { pc, run } = createBiosMachine({
      floppy: bootImage('out 0xf4, al\nmov ah, 0x86\nmov cx, 7\nmov dx, 0xa120\nint 0x15\ncli\nhlt'),
    });
    expect(run()).toBe('debug-exit');
    const [time, instructions] = [pc.time, pc.instructions];
    expect(run()).toBe('halted');
    const milliseconds = (pc.time - time) / MILLISECOND;
    expect(milliseconds).toBeGreaterThanOrEqual(500);
    expect(milliseconds).toBeLessThan(501.5);
    expect(pc.instructions - instructions).toBeLessThan(60_000);
    expect(pc.memory.read(0x400 + BDA.WAIT_FLAG, 1)).toBe(0);
  });

  it('INT 15h, AH=83h sets bit 7 of a byte when the time has come; a second wait is refused, a cancelled one never ends', () => {
    const { pc, output } = runProgram(
      `mov byte [0x600], 1
      mov ax, 0x8300
      mov cx, 0
      mov dx, 10000
      mov bx, 0x600
      int 0x15
      call show_flags
      mov ax, 0x8300
      int 0x15
      call show_flags
      sti
      wait: hlt
      test byte [0x600], 0x80
      jz wait
      mov al, [0x600]
      mov ah, 0
      call show
      mov ax, 0x8300
      mov bx, 0x601
      int 0x15
      mov ax, 0x8301
      int 0x15
      hlt
      mov al, [0x601]
      call show`,
    );
    expect(
      output()
        .split(' ')
        .map((each, index) => (index < 2 ? Number.parseInt(each, 16) & 1 : each)),
    ).toEqual([0, 1, '0081', '0000']);
    expect(pc.time / MILLISECOND).toBeLessThan(150);
  });

  it('who asks for a key again and again lets time pass at the cost of few instructions', () => {
    const { pc, run } = createBiosMachine({
      floppy: bootImage(`sti
        out 0xf4, al
        mov dx, [0x46c]
        add dx, 18
        again: mov ah, 1
        int 0x16
        jnz end
        cmp [0x46c], dx
        jb again
        end: cli
        hlt`),
    });
    expect(run()).toBe('debug-exit');
    const [time, instructions] = [pc.time, pc.instructions];
    expect(run()).toBe('halted');
    expect((pc.time - time) / MILLISECOND).toBeGreaterThan(900);
    // Without rests it would be 250 million.
    expect(pc.instructions - instructions).toBeLessThan(5_000_000);
  });
});
