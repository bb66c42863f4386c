/** Floods of the chips: alarms as often as they come, interrupts, ports, output. In real-address mode. */
import { type HostileProgram, realMode, staged } from './program.ts';
import { AT } from './stage.ts';

const COUNT = 0x500;
const count = `inc dword [${COUNT}]`;
const counted = { counts: COUNT, waits: true };
const out = (port: number, value: number) =>
  `mov al, ${value}\n${port < 0x100 ? `out ${port}, al` : `mov dx, ${port}\nout dx, al`}`;
const vector = (number: number, label: string) => `mov word [4 * ${number}], ${label}\nmov word [4 * ${number} + 2], 0`;
/** Both interrupt controllers, vectors 08h and 70h, all lines open. */
const PICS = [
  out(0x20, 0x11),
  out(0x21, 8),
  out(0x21, 4),
  out(0x21, 1),
  out(0x21, 0),
  out(0xa0, 0x11),
  out(0xa1, 0x70),
  out(0xa1, 2),
  out(0xa1, 1),
  out(0xa1, 0),
].join('\n');
const EOI = out(0x20, 0x20);
const EOI_BOTH = `${out(0xa0, 0x20)}\n${EOI}`;
const pit = (control: number, low: number, high: number) =>
  `${out(0x43, control)}\n${out(0x40 + (control >>> 6), low)}\n${out(0x40 + (control >>> 6), high)}`;
const cmos = (register: number, value: number) => `${out(0x70, register)}\n${out(0x71, value)}`;
const PERIODIC = `${cmos(0x0a, 0x23)}\n${cmos(0x0b, 0x42)}`;
const READ_C = `${out(0x70, 0x0c)}\nin al, 0x71`;
const loop = (body: string) => `again:\n${body}\njmp again`;
/** Sends AL to a port again and again. */
const flood = (port: number) => `mov dx, ${port}\n${loop(`${count}\nout dx, al\ninc ax`)}`;

const TICK = `tick: push ax\n${count}\n${EOI}\npop ax\niret`;

const STORMS: readonly (readonly [kind: string, name: string, source: string])[] = [
  [
    'halts',
    'HLT with the PIT at its fastest',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\nsti\n${loop('hlt')}\n${TICK}`,
  ],
  [
    'halts',
    'HLT with the PIT at its fastest, square wave',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x36, 2, 0)}\nsti\n${loop('hlt')}\n${TICK}`,
  ],
  [
    'halts',
    'HLT, the handler halts too',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\nsti\n${loop('hlt')}\ntick: ${count}\n${EOI}\nmov sp, 0x7c00\nsti\nhlt\njmp tick`,
  ],
  [
    'halts',
    'HLT with the RTC at 8192 Hz',
    `${PICS}\n${vector(0x70, 'tick')}\n${PERIODIC}\n${READ_C}\nsti\n${loop('hlt')}\ntick: push ax\n${count}\n${READ_C}\n${EOI_BOTH}\npop ax\niret`,
  ],
  [
    'halts',
    'HLT with PIT, RTC and UART at once',
    `${PICS}\n${vector(8, 'tick')}\n${vector(0x70, 'tock')}\n${vector(12, 'tack')}\n${pit(0x34, 3, 0)}\n${PERIODIC}\n${READ_C}\n${out(0x3f9, 2)}\n${out(0x3fc, 8)}\nsti\n${loop('hlt')}\n${TICK}\ntock: push ax\n${READ_C}\n${EOI_BOTH}\npop ax\niret\ntack: push ax\npush dx\n${out(0x3f8, 65)}\n${EOI}\npop dx\npop ax\niret`,
  ],
  ['halts', 'STI and HLT without a wake-up', `sti\nhlt\n${loop(count)}`],
  [
    'interrupts',
    'PIT at its fastest while busy',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\nsti\n${loop('inc bx')}\n${TICK}`,
  ],
  [
    'interrupts',
    'handlers that nest without end',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\nsti\n${loop('inc bx')}\ntick: ${count}\n${EOI}\nsti\njmp tick`,
  ],
  [
    'interrupts',
    'no end of interrupt',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\nsti\n${loop(count)}\ntick: iret`,
  ],
  [
    'interrupts',
    'level-triggered lines',
    `${PICS}\n${out(0x4d0, 0xff)}\n${out(0x4d1, 0xff)}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\nsti\n${loop('inc bx')}\n${TICK}`,
  ],
  ['interrupts', 'interrupt controllers set up again and again', `sti\n${loop(`${count}\n${PICS}`)}`],
  [
    'interrupts',
    'poll, rotation and special masks',
    `${PICS}\n${pit(0x34, 2, 0)}\n${loop(`${count}\n${out(0x20, 0x0c)}\nin al, 0x20\n${out(0x20, 0xa0)}\n${out(0x20, 0x68)}\n${out(0x20, 0x0b)}\nin al, 0x20`)}`,
  ],
  [
    'interrupts',
    'STI and CLI by turns',
    `${PICS}\n${vector(8, 'tick')}\n${pit(0x34, 2, 0)}\n${loop('sti\nnop\ncli\nsti\ncli')}\n${TICK}`,
  ],
  [
    'interrupts',
    'INT of every vector',
    loop(`${count}\n${Array.from({ length: 256 }, (_, n) => `int ${n}`).join('\n')}`),
  ],
  [
    'timers',
    'PIT programmed again and again',
    loop(`${count}\n${pit(0x34, 1, 0)}\n${pit(0x74, 2, 0)}\n${pit(0xb6, 0, 0)}`),
  ],
  [
    'timers',
    'PIT in every mode',
    `mov bl, 0\n${loop(`${count}\nmov al, bl\nand al, 0x0e\nor al, 0x30\nout 0x43, al\nmov al, bl\nout 0x40, al\nout 0x40, al\nin al, 0x40\ninc bl`)}`,
  ],
  [
    'timers',
    'PIT read back and latched',
    `${pit(0x34, 2, 0)}\n${loop(`${count}\n${out(0x43, 0xc2)}\nin al, 0x40\nin al, 0x40\nin al, 0x40\n${out(0x43, 0)}\nin al, 0x40`)}`,
  ],
  [
    'timers',
    'RTC rates and alarms again and again',
    `mov bl, 0\n${loop(`${count}\n${out(0x70, 0x0a)}\nmov al, bl\nand al, 15\nor al, 0x20\nout 0x71, al\n${cmos(0x0b, 0x72)}\n${cmos(1, 0xff)}\n${cmos(3, 0xff)}\n${cmos(5, 0xff)}\n${READ_C}\ninc bl`)}`,
  ],
  [
    'timers',
    'RTC set again and again',
    loop(`${count}\n${cmos(0x0b, 0x82)}\n${cmos(0, 0x59)}\n${cmos(2, 0x59)}\n${cmos(4, 0x23)}\n${cmos(0x0b, 0x12)}`),
  ],
  ['timers', 'port 61h', loop(`${count}\nin al, 0x61\nxor al, 3\nout 0x61, al`)],
  ['output', 'bytes to the UART', flood(0x3f8)],
  ['output', 'bytes to port E9h', flood(0xe9)],
  ['output', 'bytes to port 402h', flood(0x402)],
  ['output', 'REP OUTSB to the UART', `mov dx, 0x3f8\n${loop(`${count}\nmov si, 0x7c00\nmov cx, 64\nrep outsb`)}`],
  ['output', 'REP OUTSB to port E9h', `mov dx, 0xe9\n${loop(`${count}\nmov si, 0x7c00\nmov cx, 64\nrep outsb`)}`],
  ['output', 'bytes to the POST port', flood(0x80)],
  [
    'UART',
    'transmitter empty, at once',
    `${PICS}\n${vector(12, 'send')}\n${out(0x3f9, 2)}\n${out(0x3fc, 8)}\nsti\n${loop('inc bx')}\nsend: push ax\npush dx\n${count}\n${out(0x3f8, 65)}\n${EOI}\npop dx\npop ax\niret`,
  ],
  ['UART', 'loopback', `${out(0x3fc, 0x1f)}\n${loop(`${count}\n${out(0x3f8, 85)}\nin al, dx`)}`],
  [
    'UART',
    'every register, every value',
    `mov bx, 0\n${loop(`${count}\nmov dx, bx\nand dx, 7\nadd dx, 0x3f8\nmov al, bh\nout dx, al\nin al, dx\nadd bx, 0x35`)}`,
  ],
  ['UART', 'line status in a loop', `mov dx, 0x3fd\n${loop(`${count}\nin al, dx`)}`],
  [
    'keyboard controller',
    'every command',
    `mov bl, 0\n${loop(`${count}\nmov al, bl\ncmp al, 0xf0\njae skip\nout 0x64, al\nout 0x60, al\nskip: in al, 0x60\nin al, 0x64\ninc bl`)}`,
  ],
  ['keyboard controller', 'keyboard resets', loop(`${count}\n${out(0x60, 0xff)}\nin al, 0x64\nin al, 0x60`)],
  [
    'keyboard controller',
    'echoes with interrupts',
    `${PICS}\n${vector(9, 'key')}\n${out(0x64, 0x60)}\n${out(0x60, 1)}\nsti\n${loop(out(0x60, 0xee))}\nkey: push ax\n${count}\nin al, 0x60\n${EOI}\npop ax\niret`,
  ],
  [
    'keyboard controller',
    'every keyboard command',
    `mov bl, 0x80\n${loop(`${count}\nmov al, bl\nout 0x60, al\nin al, 0x60\ninc bl`)}`,
  ],
  ['A20', 'closed and opened by port 92h', loop(`${count}\nin al, 0x92\nxor al, 2\nout 0x92, al\nmov bx, [0x600]`)],
  [
    'A20',
    'closed, with code and data above 1 MiB',
    `${out(0x92, 0)}\nmov ax, 0xffff\nmov es, ax\n${loop(`${count}\nmov bx, [es:0x7c10]\ninc word [es:0x510]\npush es\npop ds\ninc byte [0x9000]\nxor ax, ax\nmov ds, ax`)}`,
  ],
  [
    'A20',
    'closed and opened by the keyboard controller',
    loop(`${count}\n${out(0x64, 0xd1)}\n${out(0x60, 0xdd)}\n${out(0x64, 0xd1)}\n${out(0x60, 0xdf)}`),
  ],
  ['ports', 'all read', `mov dx, 0\n${loop(`${count}\nin al, dx\ninc dx`)}`],
  ['ports', 'all read, 16 and 32 bits', `mov dx, 0\n${loop(`${count}\nin ax, dx\nin eax, dx\nadd dx, 3`)}`],
  ['ports', 'one read', loop(`${count}\nin al, 0x40\nin al, 0x61`)],
  [
    'ports',
    'all written, but those that reset',
    `mov dx, 0\n${loop(`${count}\ninc dx\ncmp dx, 0x64\nje again\ncmp dx, 0x92\nje again\ncmp dx, 0xf4\nje again\nout dx, al\nadd al, 7`)}`,
  ],
  [
    'ports',
    'INS and OUTS of all ports',
    `mov dx, 0\nmov ax, 0x1000\nmov es, ax\n${loop(`${count}\nmov cx, 16\nxor di, di\nrep insw\nadd dx, 5`)}`,
  ],
  ['video', 'all cells', `mov ax, 0xb800\nmov es, ax\n${loop(`${count}\nxor di, di\nmov cx, 100\nrep stosw\ninc ax`)}`],
  [
    'video',
    'every register',
    `mov bx, 0\n${loop(`${count}\nmov dx, 0x3c0\nadd dl, bl\nand dl, 0x1f\nor dx, 0x3c0\nmov al, bh\nout dx, al\nin al, dx\nadd bx, 0x1f3`)}`,
  ],
  ['video', 'status in a loop', `mov dx, 0x3da\n${loop(`${count}\nin al, dx`)}`],
];

const X87_ERROR = 'fninit\nmov word [0x520], 0x340\nfldcw [0x520]\nfld1\nfldz\nfdivp\nfwait';

export function* deviceStorms(): Generator<HostileProgram> {
  // An echo takes a millisecond, and the next command takes it back.
  for (const [kind, name, source] of STORMS)
    yield realMode(kind, `chips: ${name}`, source, /without a wake-up|echoes/.test(name) ? {} : counted);
  // NMI from outside: a watch that barks all the time.
  yield realMode('NMI', 'chips: NMI while busy', `${vector(2, 'watch')}\n${loop('inc bx')}\nwatch: ${count}\niret`, {
    ...counted,
    nmi: true,
  });
  yield realMode(
    'NMI',
    'chips: NMI in HLT with interrupts off',
    `${vector(2, 'watch')}\n${loop('cli\nhlt')}\nwatch: ${count}\niret`,
    { nmi: true },
  );
  yield realMode(
    'NMI',
    'chips: NMI handlers that never return',
    `${vector(2, 'watch')}\n${loop('inc bx')}\nwatch: ${count}\njmp watch`,
    { nmi: true },
  );
  yield realMode(
    'NMI',
    'chips: NMI behind MOV SS',
    `${vector(2, 'watch')}\nxor ax, ax\n${loop('mov ss, ax\nnop')}\nwatch: ${count}\niret`,
    { ...counted, nmi: true },
  );
  yield realMode(
    'x87 errors',
    'chips: IRQ 13',
    `${PICS}\n${vector(0x75, 'error')}\nsti\n${loop(X87_ERROR)}\nerror: push ax\n${count}\n${out(0xf0, 0)}\n${EOI_BOTH}\npop ax\niret`,
    counted,
  );
  yield realMode(
    'x87 errors',
    'chips: IRQ 13 masked',
    `${PICS}\n${out(0xa1, 0xff)}\nsti\n${loop(`${count}\n${X87_ERROR}`)}`,
  );
  yield realMode(
    'x87 errors',
    'chips: IRQ 13 never acknowledged',
    `${PICS}\n${vector(0x75, 'error')}\nsti\n${loop(X87_ERROR)}\nerror: push ax\n${count}\n${EOI_BOTH}\npop ax\niret`,
  );
  yield realMode(
    'single steps',
    'chips: single steps with interrupts',
    `${PICS}\n${vector(8, 'tick')}\n${vector(1, 'step')}\n${pit(0x34, 2, 0)}\npushf\npop ax\nor ax, 0x300\npush ax\npopf\n${loop('inc bx')}\n${TICK}\nstep: inc dword [0x504]\niret`,
    counted,
  );
  yield staged(
    'NMI',
    'chips: NMI in protected mode through a task gate',
    { body: 'inc eax', gate: 'task', level: 3 },
    { nmi: true, waits: true, counts: AT.ENTERED + 4 * 33 },
  );
  yield staged(
    'NMI',
    'chips: NMI in a storm of faults',
    { body: 'ud2', level: 3 },
    { nmi: true, waits: true, counts: AT.ENTERED + 8 },
  );
}
