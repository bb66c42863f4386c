/** INT 10h from programs. */
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../support/bios-machine.ts';

const ENGINES = ['interpreter', 'jit', 'reference'] as const;
const CLEAR = 'mov ax, 3\nint 0x10\n';
const cell = (pc: { memory: { read(at: number, size: 2): number } }, row: number, column: number, page = 0) =>
  pc.memory.read(0xb_8000 + page * 0x1000 + 2 * (80 * row + column), 2);
const type = (text: string) => [...text].map((each) => `mov ax, ${0xe00 + each.charCodeAt(0)}\nint 0x10`).join('\n');

describe.each(ENGINES)('INT 10h, AH=0Eh (write teletype) on the %s', (engine) => {
  it('writes, goes to the next line at the right edge, and knows four control characters', () => {
    const { screen, pc } = runProgram(
      `${CLEAR}mov bx, 7
      mov cx, 81
      again: mov ax, 0xe2a
      int 0x10
      loop again
      ${type('\r\nAB\bC\x07')}`,
      { engine },
    );
    expect(screen().slice(0, 3)).toEqual(['*'.repeat(80), '*', 'AC']);
    expect(pc.vga.cursor).toEqual({ row: 2, column: 2 });
  });
});

describe('INT 10h', () => {
  it('AH=00h: modes 0–3 and 7 in the data area; bit 7 keeps what is on the screen', () => {
    const { pc, output } = runProgram(
      `${[0, 1, 2, 7, 3].map((mode) => `mov ax, ${mode}\nint 0x10\nmov ah, 0xf\nint 0x10\ncall show\n`).join('')}
      ${type('kept')}
      mov ax, 0x83
      int 0x10
      mov ah, 0xf
      int 0x10
      call show
      mov ax, 0x13
      int 0x10
      mov ah, 0xf
      int 0x10
      call show`,
    );
    // There are no graphics modes yet: the mode stays.
    expect(output()).toBe('2800 2801 5002 5007 5003 5083 5083');
    expect(pc.screen()[0]).toMatch(/^kept/);
    expect(pc.memory.read(0x463, 2)).toBe(0x3d4);
  });

  it('AH=01h–03h: shape and place of the cursor, for each page', () => {
    const { output, pc } = runProgram(
      `${CLEAR}mov ah, 3
      mov bh, 0
      int 0x10
      mov ax, cx
      call show
      mov ah, 1
      mov cx, 0x2000
      int 0x10
      mov ah, 2
      mov bh, 2
      mov dx, 0x0a14
      int 0x10
      mov ah, 2
      mov bh, 0
      mov dx, 0x0102
      int 0x10
      mov ah, 3
      mov bh, 2
      int 0x10
      mov ax, cx
      call show
      mov ax, dx
      call show`,
    );
    expect(output()).toBe('0607 2000 0a14');
    expect(pc.vga.cursor).toBeUndefined(); // it was switched off
    expect(pc.memory.read(0x450, 2)).toBe(0x0102);
  });

  it('AH=01h: lines of an 8-line character mean lines of 16', () => {
    const crtc = (shape: number) => {
      const { pc } = runProgram(`${CLEAR}mov ah, 1\nmov cx, ${shape}\nint 0x10`);
      return [0x0a, 0x0b].map((index) => {
        pc.processor.ports.write(0x3d4, index, 1);
        return pc.processor.ports.read(0x3d5, 1);
      });
    };
    expect(crtc(0x0607)).toEqual([13, 14]);
    expect(crtc(0x0007)).toEqual([0, 15]);
    expect(crtc(0x0d0e)).toEqual([13, 14]);
  });

  it('AH=05h: another page is shown', () => {
    const { screen, output } = runProgram(
      `${CLEAR}mov ax, 0x501
      int 0x10
      ${type('page one')}
      mov ah, 0xf
      int 0x10
      mov al, bh
      call show_char
      `,
    );
    expect(screen()[0]).toBe('page one');
    expect(output()).toBe('\x01');
  });

  it('AH=06h and 07h: windows scroll up and down, and are cleared', () => {
    const { screen, pc } = runProgram(
      `${CLEAR}${type('one\r\ntwo\r\nthree\r\nfour')}
      mov ax, 0x601
      mov bh, 0x1f
      mov cx, 0x0001
      mov dx, 0x0203
      int 0x10
      mov ax, 0x702
      mov bh, 0x2f
      mov cx, 0x0302
      mov dx, 0x184f
      int 0x10
      mov ax, 0x600
      mov bh, 0x70
      mov cx, 0x184f
      mov dx, 0xffff
      int 0x10`,
    );
    expect(screen().slice(0, 6)).toEqual(['owo', 'thre', 't   e', 'fo', '', '  ur']);
    expect([cell(pc, 2, 1), cell(pc, 3, 2), cell(pc, 24, 79)]).toEqual([0x1f20, 0x2f20, 0x7020]);
  });

  it('AH=08h–0Ah: cells at the cursor, with and without attribute; beyond the screen nothing is written', () => {
    const { output, pc } = runProgram(
      `${CLEAR}mov ax, 0x941
      mov bx, 0x001e
      mov cx, 3
      int 0x10
      mov ax, 0xa42
      mov bx, 0
      mov cx, 2
      int 0x10
      mov ah, 8
      int 0x10
      call show
      mov ah, 2
      mov dx, 0x184f
      int 0x10
      mov ax, 0x943
      mov cx, 0xffff
      int 0x10`,
    );
    expect(output()).toBe('1e42');
    expect([0, 1, 2, 3].map((column) => cell(pc, 0, column))).toEqual([0x1e42, 0x1e42, 0x1e41, 0x0720]);
    expect(cell(pc, 24, 79) & 0xff).toBe(0x43);
    expect(pc.memory.read(0xb_8000 + 4000, 2)).toBe(0x0720);
  });

  it('AH=13h: strings, with one attribute or one each, and with or without moving the cursor', () => {
    const { screen, pc } = runProgram(
      `${CLEAR}mov ax, 0x1301
      mov bx, 0x004e
      mov cx, 5
      mov dx, 0x0203
      mov bp, text
      int 0x10
      mov ax, 0x1302
      mov bx, 0
      mov cx, 2
      mov dx, 0x0400
      mov bp, pairs
      int 0x10
      jmp end
      text: db 'Hello'
      pairs: db 'a', 1, 'b', 2
      end:`,
    );
    expect(screen().slice(2, 5)).toEqual(['   Hello', '', 'ab']);
    expect([cell(pc, 2, 3), cell(pc, 4, 0), cell(pc, 4, 1)]).toEqual([0x4e48, 0x0161, 0x0262]);
    expect(pc.vga.cursor).toEqual({ row: 2, column: 8 });
  });

  it('AH=10h: palette registers, overscan and colors are written and read back', () => {
    const { output } = runProgram(
      `mov ax, 0x1000
      mov bx, 0x2a05
      int 0x10
      mov ax, 0x1007
      mov bx, 0x0005
      int 0x10
      mov ax, bx
      call show
      mov ax, 0x1001
      mov bh, 3
      int 0x10
      mov ax, 0x1009
      mov dx, 0x600
      int 0x10
      mov ax, [0x60f]
      call show
      mov ax, 0x1010
      mov bx, 7
      mov dh, 1
      mov cx, 0x0203
      int 0x10
      mov ax, 0x1015
      mov bx, 7
      int 0x10
      mov al, dh
      mov ah, 0
      call show
      mov ax, cx
      call show
      mov ax, 0x1017
      mov bx, 7
      mov cx, 1
      mov dx, 0x620
      int 0x10
      mov ax, [0x621]
      call show`,
    );
    expect(output()).toBe('2a05 033f 0001 0203 0302');
  });

  it('AH=11h: a height of 8 lines makes 50 rows; AH=12h, 1Ah, 1Bh say what there is', () => {
    const { output } = runProgram(
      `mov ax, 0x1112
      mov bx, 0
      int 0x10
      mov ax, 0x1130
      mov bh, 1
      int 0x10
      mov ax, cx
      call show
      mov al, dl
      mov ah, 0
      call show
      mov ah, 0x12
      mov bl, 0x10
      int 0x10
      mov ax, bx
      call show
      mov ax, 0x1a00
      int 0x10
      call show
      mov ax, bx
      call show
      mov ah, 0x1b
      mov bx, 0
      mov di, 0x600
      int 0x10
      call show
      mov ax, [0x622]
      call show`,
    );
    expect(output()).toBe('0008 0031 0003 1a1a 0008 1b1b 0832');
  });

  it('what it does not know it leaves alone: AX=4F00h', () => {
    const { output } = runProgram('mov ax, 0x4f00\nint 0x10\ncall show');
    expect(output()).toBe('4f00');
  });

  it('upper halves of registers, segments and flags stay', () => {
    const { output } = runProgram(
      `mov eax, 0x12340e41
      mov esi, 0x89abcdef
      stc
      int 0x10
      call show_flags
      shr eax, 16
      call show
      shr esi, 16
      mov ax, si
      call show`,
    );
    expect(output()).toMatch(/^0001 1234 89ab$|^0041 1234 89ab$/);
  });
});
