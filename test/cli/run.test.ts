/** `vetro run` as a process: its outputs, its signals, and guests that lead nowhere. Most guests are a few bytes. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EngineName } from '../../src/engine/engine-name.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { Typist } from '../support/debian.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { COLUMNS, hasScript, RESTORED, ROWS, Terminal } from '../support/terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'vetro-run-'));
let vetro: Vetro;
beforeAll(async () => {
  vetro = await buildVetro();
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Eight data bits a character. */
const LINE_CONTROL = 'mov dx, 0x3fb\nmov al, 3\nout dx, al';

/** A flat image: how to run it, on the engine that starts fastest. */
function image(name: string, source: string, engine: EngineName = 'reference'): string[] {
  const path = join(folder, `${name}.img`);
  writeFileSync(path, assemble(`org 0x7c00\nbits 16\n${LINE_CONTROL}\n${source}`).bytes);
  return ['run', path, '--engine', engine, '--memory', '1', '--clock', 'virtual'];
}

const CTRL_A = '\x01';
/** AL to COM1, when that has room. */
const PUT = `
put:    push ax
        mov dx, 0x3fd
.wait:  in al, dx
        test al, 0x20
        jz .wait
        pop ax
        mov dx, 0x3f8
        out dx, al
        ret
`;
/** Lines of sixteen letters, for ever or `lines` times; as fast as it goes: in HLT, until the transmitter asks for more. */
const flood = (lines?: number): string => `
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        mov word [0x24 * 4], more
        mov word [0x24 * 4 + 2], ax
        mov al, 0x11            ; the controller: lines from vector 20h on, only line 4
        out 0x20, al
        mov al, 0x20
        out 0x21, al
        mov al, 4
        out 0x21, al
        mov al, 1
        out 0x21, al
        mov al, 0xef
        out 0x21, al
        mov dx, 0x3fa           ; the port: FIFOs on, OUT2, interrupt when empty
        mov al, 7
        out dx, al
        mov dx, 0x3fc
        mov al, 0x0b
        out dx, al
        mov dx, 0x3f9
        mov al, 2
        out dx, al
.wait:  sti
        hlt
        jmp .wait
more:   mov dx, 0x3fa
        in al, dx
        ${lines === undefined ? '' : 'dec word [left]\njs last'}
        mov dx, 0x3f8
        mov si, line
        mov cx, 16
        rep outsb
        mov al, 0x20
        out 0x20, al
        iret
last:   cli
        hlt
left:   dw ${lines ?? 0}
line:   db 'abcdefghijklmno', 10
`;
const LINE = 'abcdefghijklmno\n';
/** Sends back what it gets, at once. */
const ECHO = `
        mov dx, 0x3f9
        mov al, 1               ; it listens
        out dx, al
next:   mov dx, 0x3fd
        in al, dx
        test al, 1
        jz next
        mov dx, 0x3f8
        in al, dx
        call put
        jmp next
        ${PUT}
`;
/** The same with a greeting; it halts at `q`. */
const GREETER = `${[...'hello'].map((letter) => `mov al, '${letter}'\ncall put`).join('\n')}
        ${ECHO.replace('call put', "cmp al, 'q'\nje quit\ncall put").replace('jmp next', 'jmp next\nquit: cli\nhlt')}`;
const TRIPLE_FAULT = 'cli\nlidt [zero]\nint3\nzero: dq 0';
const RESETS = {
  'port 92h': 'mov al, 1\nout 0x92, al\njmp $',
  'the keyboard controller': 'mov al, 0xfe\nout 0x64, al\njmp $',
};

describe('standard output', () => {
  it('U4: a full device: one line, status 2', async () => {
    const full = openSync('/dev/full', 'w');
    const running = vetro.start(image('flood', flood()), { stdio: ['ignore', full, 'pipe'] });
    expect(await running.ended).toBe(2);
    closeSync(full);
    expect(running.stderr).toBe('vetro: cannot write to standard output: no space left on the device\n');
  });

  it.each(['asm', 'disasm'])('U4: a full device, %s', async (command) => {
    const full = openSync('/dev/full', 'w');
    writeFileSync(join(folder, 'source'), 'nop\n');
    const running = vetro.start([command, join(folder, 'source')], { stdio: ['ignore', full, 'pipe'] });
    expect(await running.ended).toBe(2);
    closeSync(full);
    expect(running.stderr).toBe('vetro: cannot write to standard output: no space left on the device\n');
  });

  it('U4: a reader that goes away: the end, quietly', async () => {
    const running = vetro.start(image('flood', flood()));
    await running.shows(/abc/);
    running.child.stdout!.destroy();
    expect(await running.ended).toBe(0);
    expect(running.stderr).toBe('');
  });

  it('a slow reader holds the guest and loses nothing', async () => {
    const LINES = 30_000;
    const [node, ...words] = vetro.command;
    const child = spawn(node!, [...words, ...image('lines', flood(LINES), 'interpreter')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    for await (const bytes of child.stdout) {
      text += bytes;
      if (text.length < 300_000) await sleep(50);
    }
    expect(text === LINE.repeat(LINES)).toBe(true);
    expect(child.exitCode ?? (await new Promise((resolve) => child.on('exit', resolve)))).toBe(0);
  });

  it('several guests in a pipe: whole lines, with names, the last one too', async () => {
    const unfinished = flood(2).replace(
      'last:',
      "last: mov dx, 0x3f8\nmov al, '!'\nout dx, al\nmov cx, 50000\nspin: loop spin\n",
    );
    const words = image('unfinished', unfinished);
    const { stdout, status } = await vetro.run([...words, '--count', '2']);
    expect(status).toBe(0);
    const lines = stdout.split('\n').sort();
    const whole = LINE.trimEnd();
    expect(lines).toEqual(
      ['', 'vm1 | !', `vm1 | ${whole}`, `vm1 | ${whole}`, 'vm2 | !', `vm2 | ${whole}`, `vm2 | ${whole}`].sort(),
    );
  });
});

describe('--fuel', () => {
  const hash = async (words: readonly string[]): Promise<string> => {
    const { status, stderr } = await vetro.run([
      ...image('clock', 'again: mov al, 0\nout 0x70, al\nin al, 0x71\njmp again'),
      ...words,
    ]);
    expect(status).toBe(0);
    return /^vetro: guest: its 20000 instructions are used up; state hash (\w{16,})\n$/.exec(stderr)![1];
  };

  it('the same run ends in the same state, whatever time it is', async () => {
    const words = ['--fuel', '20000'];
    const first = await hash(words);
    expect(await hash(words)).toBe(first);
    expect(await hash([...words, '--power-on-time', '2026-11-28T12:34:56'])).not.toBe(first);
  });
});

describe('a signal', () => {
  const SIGNALS = [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const;

  it.each(SIGNALS)('U8: %s while a guest runs: status %i', async (signal, status) => {
    const running = vetro.start(image('flood', flood()));
    await running.shows(/abc/);
    expect(await running.signal(signal)).toBe(status);
    expect(running.stderr).toBe('');
  });

  it.each(SIGNALS)(
    'U8: %s while standard output is a full pipe: one is enough; memory stays bounded',
    async (signal, status) => {
      const [node, ...words] = vetro.command;
      const child = spawn(node!, [...words, ...image('flood', flood())], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = new Promise((resolve) => child.on('exit', (code, by) => resolve(by ?? code)));
      // Somebody reads the first bytes, then nothing any more.
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.stdout.pause();
      const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024;
      await sleep(700);
      const before = memory();
      await sleep(700);
      expect(memory()).toBeLessThan(before + 40);
      child.kill(signal);
      expect(await ended).toBe(status);
    },
  );
});

describe('a guest that leads nowhere', () => {
  it('U14: triple faults again and again: status 3, one line that says which fault', async () => {
    const { status, stdout, stderr } = await vetro.run(image('triple-fault', TRIPLE_FAULT));
    expect(stderr).toMatch(
      /^vetro: guest: triple fault \(#GP.*\) again and again, without getting any further; given up\n$/,
    );
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  });

  it.each(Object.entries(RESETS))('U14: resets itself again and again, by %s', async (name, source) => {
    const { status, stderr } = await vetro.run(image(name.replaceAll(' ', '-'), source));
    expect(stderr).toBe('vetro: guest: reset again and again, without getting any further; given up\n');
    expect(status).toBe(3);
  });

  it('U14: the same with --no-reboot: once', async () => {
    const { status, stderr } = await vetro.run([...image('triple-fault', TRIPLE_FAULT), '--no-reboot']);
    expect(stderr.split('\n')[0]).toMatch(/^vetro: guest: triple fault \(#GP.*\)$/);
    expect(status).toBe(3);
  });

  it('U14: what says the same before each fault is told apart from what goes on', async () => {
    const { status, stderr, stdout } = await vetro.run(
      image('noisy', `mov al, 'x'\ncall put\n${TRIPLE_FAULT}\n${PUT}`),
    );
    expect(stdout).toMatch(/^x{6,7}$/);
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^vetro: guest: triple fault \(#GP.*\), reset$/),
      expect.stringMatching(/given up$/),
      '',
    ]);
    expect(status).toBe(3);
  });

  it('U15: halts without a word on the serial port: a line and its screen', async () => {
    const source = "mov ax, 0xb800\nmov ds, ax\nmov word [0], 0x700 | 'H'\nmov word [2], 0x700 | 'm'\ncli\nhlt";
    const { status, stdout, stderr } = await vetro.run(image('screen', source));
    expect(stderr).toBe(
      'vetro: guest has ended and said nothing on its serial port; this is on its screen:\nvetro: | Hm\n',
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });

  it('powers off: status 0', async () => {
    const config = (address: number, value: number) =>
      `mov dx, 0xcf8\nmov eax, ${address}\nout dx, eax\nmov dx, 0xcfc\nmov eax, ${value}\nout dx, eax\n`;
    const source = `${config(0x8000_0b40, 0xb000)}${config(0x8000_0b80, 1)}mov dx, 0xb004\nmov ax, 0x2000\nout dx, ax\njmp $`;
    const { status, stdout, stderr } = await vetro.run([...image('power-off', source), '--serial', 'none']);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toBe('vetro: guest has ended and said nothing on its serial port; its screen is empty, too\n');
  });

  it('U15: … an empty screen', async () => {
    const { status, stderr } = await vetro.run([...image('halt', 'cli\nhlt'), '--serial', 'none']);
    expect(stderr).toBe('vetro: guest has ended and said nothing on its serial port; its screen is empty, too\n');
    expect(status).toBe(0);
  });
});

describe.skipIf(!hasScript)(`on a terminal${hasScript ? '' : ' (the program script is missing)'}`, () => {
  const opened: Terminal[] = [];
  afterEach(() => {
    for (const terminal of opened.splice(0)) terminal.kill();
  });
  const open = (words: readonly string[]) => {
    const terminal = new Terminal(words);
    opened.push(terminal);
    return { terminal, typist: new Typist(terminal) };
  };

  it('U10: two guests: what is typed goes to the one in front, at once; Ctrl-A n switches', async () => {
    const { terminal, typist } = open([...vetro.command, ...image('echo', ECHO), '--count', '2']);
    await typist.waitFor('starting, ');
    typist.type('a');
    await typist.waitFor('a');
    typist.type(`${CTRL_A}n`);
    await typist.waitFor('vm2 is in front');
    typist.type('b');
    await typist.waitFor('b');
    typist.type(`${CTRL_A}n`);
    await typist.waitFor('vm1 is in front');
    typist.type('c');
    await typist.waitFor('c');
    expect(typist.transcript).not.toContain('|');
    typist.type(`${CTRL_A}x`);
    expect(await terminal.ended).toBe(0);
    expect(typist.transcript).toContain(RESTORED);
  });

  it('U10: what a guest says behind the scenes is shown when its turn comes; one that ends makes room', async () => {
    const { terminal, typist } = open([...vetro.command, ...image('greeter', GREETER), '--count', '2']);
    await typist.waitFor('hello');
    typist.type(`${CTRL_A}n`);
    await typist.waitFor('vm2 is in front');
    await typist.waitFor('hello');
    typist.type('q');
    await typist.waitFor('vm1 is in front');
    typist.type('q');
    expect(await terminal.ended).toBe(0);
    expect(typist.transcript).toContain(RESTORED);
  });

  it('U11: a new size is said once, with what to type; Ctrl-A s types it', async () => {
    const command = [...vetro.command, ...image('echo', ECHO, 'interpreter')].join(' ');
    const { terminal, typist } = open(['sh', '-c', `echo tty=$(tty); exec ${command}`]);
    await typist.waitFor('starting, ');
    typist.type(`${CTRL_A}s`);
    await typist.waitFor(`stty rows ${ROWS} cols ${COLUMNS}`);
    const device = /tty=(\S+)/.exec(typist.transcript)![1];
    execFileSync('stty', ['-F', device, 'rows', '40', 'cols', '90']);
    await typist.waitFor('another size now; to tell it: stty rows 40 cols 90 (Ctrl-A s types that)');
    typist.type(`${CTRL_A}s`);
    await typist.waitFor('stty rows 40 cols 90');
    typist.type(`${CTRL_A}x`);
    await terminal.ended;
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('U8: %s gives the terminal back; status %i', async (signal, status) => {
    const command = [...vetro.command, ...image('echo', ECHO)].join(' ');
    const { terminal, typist } = open(['sh', '-c', `echo pid=$$; exec ${command}`]);
    await typist.waitFor('pid=');
    await typist.waitFor('starting, ');
    process.kill(Number(/pid=(\d+)/.exec(typist.transcript)![1]), signal);
    await typist.waitFor(RESTORED);
    expect(await terminal.ended).toBe(status);
  });
});
