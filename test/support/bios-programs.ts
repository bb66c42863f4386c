/** Programs whose results two BIOSes should agree in: each shows registers on the debug console. */

import { bootImage } from './bios-machine.ts';

const show = (...registers: readonly string[]) => registers.map((name) => `mov ax, ${name}\ncall show\n`).join('');
/** Calls, then shows AX, the carry flag, and other registers. */
const call = (interrupt: number, moves: Readonly<Record<string, number>>, ...registers: readonly string[]) =>
  `${Object.entries(moves)
    .map(([name, value]) => `mov ${name}, ${value}`)
    .join('\n')}
  int ${interrupt}
  call show
  sbb ax, ax
  call show
  ${show(...registers)}`;
/** Calls, then shows the carry flag alone. */
const carry = (calls: string) => `${calls}\nsbb ax, ax\ncall show\n`;
const zeroEs = 'xor ax, ax\nmov es, ax\n';

/** A disk of 40 MiB, a diskette of 1.44 MB that was booted from, 64 MiB of memory, no other drives. */
export const AGREED_PROGRAMS: Readonly<Record<string, string>> = {
  '10h: modes, page': `${call(0x10, { ax: 0x0003 })}${call(0x10, { ax: 0x0f00 }, 'bx')}`,
  '10h: cursor': `mov ax, 3\nint 0x10\n${call(0x10, { ax: 0x0200, bx: 0, dx: 0x0507 })}${call(0x10, { ax: 0x0300, bx: 0 }, 'cx', 'dx')}`,
  '10h: characters': `mov ax, 3\nint 0x10\n${call(0x10, { ax: 0x0941, bx: 0x1e, cx: 3 })}${call(0x10, { ax: 0x0800, bx: 0 })}`,
  '10h: teletype': `mov ax, 3\nint 0x10\nmov ax, 0x0e42\nmov bx, 7\nint 0x10\nmov ax, 0x0e0d\nint 0x10\nmov ax, 0x0e0a\nint 0x10\n${call(0x10, { ax: 0x0300, bx: 0 }, 'dx')}`,
  '10h: scrolling': `mov ax, 3\nint 0x10\nmov ax, 0x0e42\nmov bx, 7\nint 0x10\n${call(0x10, { ax: 0x0701, bx: 0x1700, cx: 0, dx: 0x184f })}mov ax, 0xb800\nmov ds, ax\nmov ax, [0]\ncall show\nmov ax, [160]\ncall show\n`,
  '10h: palette': `${call(0x10, { ax: 0x1007, bx: 0x0006 }, 'bx')}${call(0x10, { ax: 0x1015, bx: 7 }, 'cx')}`,
  '10h: information': `${call(0x10, { ax: 0x1200, bx: 0x0010 }, 'bx')}${call(0x10, { ax: 0x1a00 }, 'bx')}`,
  '10h: cursor shape': `mov ax, 3\nint 0x10\n${call(0x10, { ax: 0x0100, cx: 0x0b0c })}${call(0x10, { ax: 0x0300, bx: 0 }, 'cx')}`,
  '10h: pages': `mov ax, 3\nint 0x10\n${call(0x10, { ax: 0x0501 })}${call(0x10, { ax: 0x0f00 }, 'bx')}`,
  '10h: scrolling up, below the first row': `mov ax, 3\nint 0x10\nmov ax, 0x0e42\nmov bx, 7\nint 0x10\n${call(0x10, { ax: 0x0601, bx: 0x1700, cx: 0x0100, dx: 0x184f })}mov ax, 0xb800\nmov ds, ax\nmov ax, [0]\ncall show\nmov ax, [24 * 160]\ncall show\n`,
  '10h: characters without attributes': `mov ax, 3\nint 0x10\n${call(0x10, { ax: 0x0a43, bx: 0, cx: 2 })}${call(0x10, { ax: 0x0800, bx: 0 })}`,
  '10h: a string': `mov ax, 3\nint 0x10\nxor ax, ax\nmov es, ax\nmov word [0x7000], 0x4948\nmov bp, 0x7000\n${call(0x10, { ax: 0x1301, bx: 0x1f, cx: 2, dx: 0x0304 })}mov bp, 0\n${call(0x10, { ax: 0x0300, bx: 0 }, 'dx')}mov ax, 0xb800\nmov ds, ax\nmov ax, [3 * 160 + 8]\ncall show\nmov ax, [3 * 160 + 10]\ncall show\n`,
  '11h, 12h': `${call(0x12, {})}int 0x11\nand ax, 0x00c1\ncall show\n`,
  '13h: reading by CHS': `${zeroEs}${call(0x13, { ax: 0x0201, bx: 0x8000, cx: 0x0002, dx: 0x0080 }, '[0x8000]')}${call(0x13, { ax: 0x0202, bx: 0x8000, cx: 0x003f, dx: 0x0080 }, '[0x8000]', '[0x8200]')}`,
  '13h: reading a diskette': `${zeroEs}${call(0x13, { ax: 0x0201, bx: 0x8000, cx: 0x0001, dx: 0x0000 }, '[0x81fe]')}${call(0x13, { ax: 0x0401, cx: 0x0412, dx: 0x0100 })}`,
  '13h: beyond the end of a diskette': `${zeroEs}mov ax, 0x0201\nmov bx, 0x8000\nmov cx, 0x0024\nmov dx, 0\nint 0x13\nsbb ax, ax\ncall show\n`,
  '13h: disk parameters': call(0x13, { ax: 0x0800, bx: 0, dx: 0x0080 }, 'cx', 'dx'),
  '13h: diskette parameters': call(0x13, { ax: 0x0800, bx: 0, dx: 0x0000 }, 'bx', 'cx', 'dx'),
  '13h: kind of disk': call(0x13, { ax: 0x1500, dx: 0x0080 }, 'cx', 'dx'),
  '13h: reset, status, recalibrate': `${[0x00, 0x01, 0x11].map((ah) => call(0x13, { ax: ah * 256, dx: 0x0080 })).join('')}`,
  '13h: writing and reading back by CHS': `${zeroEs}mov word [0x8000], 0x1234\n${call(0x13, { ax: 0x0301, bx: 0x8000, cx: 0x0102, dx: 0x0080 })}${call(0x13, { ax: 0x0201, bx: 0x8200, cx: 0x0102, dx: 0x0080 }, '[0x8200]')}`,
  '13h: disk that is not there': `mov ax, 0x4100\nmov bx, 0x55aa\nmov dx, 0x0085\nint 0x13\nsbb ax, ax\ncall show\n`,
  '13h: extensions': `${call(0x13, { ax: 0x4100, bx: 0x55aa, dx: 0x0080 }, 'bx')}and cx, 5\n${show('cx')}`,
  '13h: reading by packet': `mov dword [0x7000], 0x00020010\nmov dword [0x7004], 0x8000\nmov dword [0x7008], 81918\nmov dword [0x700c], 0\nmov si, 0x7000\n${call(0x13, { ax: 0x4200, dx: 0x0080 }, '[0x7002]', '[0x8000]', '[0x8200]')}`,
  '13h: seeking and verifying': `mov dword [0x7000], 0x00020010\nmov dword [0x7008], 5\nmov dword [0x700c], 0\nmov si, 0x7000\n${call(0x13, { ax: 0x4400, dx: 0x0080 })}${call(0x13, { ax: 0x4700, dx: 0x0080 })}`,
  '13h: parameters by version 1': `mov word [0x7000], 26\nmov si, 0x7000\n${call(0x13, { ax: 0x4800, dx: 0x0080 }, '[0x7000]', '[0x7004]', '[0x7008]', '[0x700c]', '[0x7010]', '[0x7012]', '[0x7018]')}`,
  '15h: A20': `${call(0x15, { ax: 0x2401 })}${call(0x15, { ax: 0x2402 })}${call(0x15, { ax: 0x2403 }, 'bx')}`,
  '15h: unknown': call(0x15, { ax: 0xec00 }),
  '15h: memory map': `${zeroEs}mov di, 0x7000\nmov ebx, 0\nmov ecx, 20\nmov edx, 0x534d4150\nmov eax, 0xe820\nint 0x15\nsbb dx, dx\nrol eax, 16\ncall show\n${show('cx', 'bx', 'dx', '[0x7000]', '[0x7008]', '[0x700a]', '[0x7010]')}`,
  '15h: memory in two parts': `${call(0x15, { ax: 0xe801 })}mov ax, 0xe801\nint 0x15\nsub ax, cx\ncall show\nmov ax, bx\nsub ax, dx\ncall show\n`,
  '15h: waiting, for a time and for an event': `${carry('mov ax, 0x8600\nmov cx, 0\nmov dx, 2000\nint 0x15')}${zeroEs}mov byte [0x7000], 0\n${carry('mov ax, 0x8300\nmov cx, 0\nmov dx, 2000\nmov bx, 0x7000\nint 0x15')}${carry('mov ax, 0x8300\nint 0x15')}.wait: test byte [0x7000], 0x80\njz .wait\n`,
  '15h: configuration': `${call(0x15, { ax: 0xc000 })}mov ax, [es:bx + 2]\ncall show\n`,
  '15h: extended data area': call(0x15, { ax: 0xc100 }, 'es'),
  '16h: nothing there': 'mov ah, 1\nint 0x16\ncall show_flags\nmov ax, 0x200\nint 0x16\nand ax, 0xdf\ncall show\n',
  '16h: storing and reading': `${call(0x16, { ax: 0x0500, cx: 0x1e61 })}mov ah, 0x11\nint 0x16\ncall show\nmov ah, 0\nint 0x16\ncall show\nmov ax, 0x0500\nmov cx, 0x48e0\nint 0x16\nmov ah, 0\nint 0x16\ncall show\n`,
  '1Ah: ticks': 'mov ah, 1\nmov cx, 5\nmov dx, 0x100\nint 0x1a\nmov ah, 0\nint 0x1a\nmov ax, cx\ncall show\n',
  '1Ah: date': `mov ah, 4\nint 0x1a\n${show('cx', 'dx')}`,
  '1Ah: alarm': [6, 6, 7].map((ah) => carry(`mov ax, ${ah * 256}\nmov cx, 0x2359\nmov dx, 0\nint 0x1a`)).join(''),
  '1Ah: setting the clock': `${carry('mov ax, 0x0300\nmov cx, 0x0102\nmov dx, 0x0300\nint 0x1a')}mov ah, 2\nint 0x1a\n${show('cx')}${carry('mov ax, 0x0500\nmov cx, 0x2027\nmov dx, 0x0304\nint 0x1a')}mov ah, 4\nint 0x1a\n${show('cx', 'dx')}`,
  '1Ah: PCI BIOS': `${call(0x1a, { ax: 0xb101 }, 'bx')}${call(0x1a, { ax: 0xb102, cx: 0x1237, dx: 0x8086, si: 0 }, 'bx')}${call(0x1a, { ax: 0xb102, cx: 0x9999, dx: 0x8086, si: 0 })}${call(0x1a, { ax: 0xb109, bx: 0, di: 2 }, 'cx')}`,
  '1Ah: PCI BIOS by class, by width': `mov ecx, 0x060000\n${call(0x1a, { ax: 0xb103, si: 0 }, 'bx')}${call(0x1a, { ax: 0xb108, bx: 0, di: 0 }, 'cx')}mov di, 0\nmov bx, 0\nmov ax, 0xb10a\nint 0x1a\nmov eax, ecx\ncall show\nrol eax, 16\ncall show\n`,
  '1Ah: PCI BIOS writes': `${call(0x1a, { ax: 0xb10b, bx: 8, di: 0x60, cx: 0x0b })}${call(0x1a, { ax: 0xb108, bx: 8, di: 0x60 }, 'cx')}`,
  '14h: setting up a port, and its status': `${call(0x14, { ax: 0x00e3, dx: 0 })}${call(0x14, { ax: 0x0300, dx: 0 })}`,
};

const AGREED_DISK = 40 * 2 ** 20;

/** Each sector begins with its number. */
export function agreedDisk(): Uint8Array {
  const disk = new Uint8Array(AGREED_DISK);
  const view = new DataView(disk.buffer);
  for (let at = 0; at < AGREED_DISK; at += 512) view.setUint32(at, at / 512, true);
  return disk;
}

/** Ends by itself here and under QEMU. */
export const agreedFloppy = (program: string): Uint8Array =>
  bootImage(`sti\n${program}\nmov al, 0\nout 0xf4, al\ncli\nhlt`);
