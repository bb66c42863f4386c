/** `vetro run` on a terminal and in a pipe, used as a person would. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianBoot, PROMPT, Typist } from '../support/debian.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { COLUMNS, hasScript, RESTORED, ROWS, Terminal } from '../support/terminal.ts';

const { boot, reason } = await debianBoot('debian-686');
const missing = reason ?? (hasScript ? undefined : 'the program script is missing');

const CTRL_A = '\x01';
const CTRL_C = '\x03';
const CTRL_D = '\x04';
const CTRL_Z = '\x1a';
const MONITOR = '(vetro) ';
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence is what is looked for
const CURSOR_AND_COLOUR = /\x1b\[[\d;]*[A-Za-z]/g;

/** What the kernel says of a PC without DMI, ACPI, IOMMU and machine checks; what else it complains about is our fault. */
const EXPECTED_COMPLAINTS = [
  'DMI not present or invalid.',
  'ACPI BIOS Error (bug): A valid RSDP was not found',
  'iommu: DMA domain TLB invalidation policy',
  'mce: Unable to init MCE device',
];

let vetro: Vetro;
beforeAll(async () => {
  vetro = await buildVetro();
});
afterAll(() => vetro.dispose());

describe.skipIf(!boot || !hasScript)(`Debian on a terminal${missing ? ` (${missing})` : ''}`, () => {
  let terminal: Terminal;
  let typist: Typist;

  beforeAll(async () => {
    terminal = new Terminal([...vetro.command, 'run']);
    typist = new Typist(terminal);
    await typist.waitFor('starting, ');
    await typist.waitFor(PROMPT);
  });

  afterAll(() => terminal.kill());

  const monitor = async (command: string): Promise<string> => {
    typist.type(`${command}\r`);
    await typist.waitFor('\n'); // the echo
    return (await typist.waitFor(MONITOR)).replaceAll(CURSOR_AND_COLOUR, '').replaceAll('\r', '');
  };

  it('the guest’s terminal has the size of the user’s', async () => {
    expect(await typist.command('stty size')).toBe(`${ROWS} ${COLUMNS}`);
  });

  it('the kernel complains about nothing that is there', async () => {
    const text = await typist.command('dmesg | grep -iE "error|bug|warn|fail|oops|unable|invalid|unstable|stall"');
    const unexpected = text.split('\n').filter((line) => !EXPECTED_COMPLAINTS.some((part) => line.includes(part)));
    expect(unexpected).toEqual([]);
  });

  it('the time-stamp counter is calibrated at the first attempt', async () => {
    const text = await typist.command('dmesg | grep -E "tsc: (Fast|Detected)"');
    // Linux itself is content with 500 ppm; the more an instruction takes, on a busy host, the coarser it can measure.
    expect(text).toMatch(/Fast TSC calibration using PIT\n.*Detected (999\.[5-9]|1000\.[0-4])\d+ MHz/);
  });

  it('Ctrl-C stops a flood of output', async () => {
    typist.type('yes\r');
    for (let line = 0; line < 1000; line++) await typist.waitFor(/y\r*\n/);
    typist.type(CTRL_C);
    await typist.waitFor(PROMPT);
    expect(await typist.command('echo $?')).toBe('130');
  });

  it('Ctrl-Z stops a job, fg continues it', async () => {
    // It says when it runs: a key that comes before belongs to the shell.
    typist.type(`sh -c 'trap "echo $0 went on" CONT; echo $0 runs; while :; do sleep 1; done' job\r`);
    await typist.waitFor('job runs');
    typist.type(CTRL_Z);
    await typist.waitFor('Stopped');
    await typist.waitFor(PROMPT);
    typist.type('fg\r');
    await typist.waitFor('job went on');
    typist.type(CTRL_C);
    await typist.waitFor(PROMPT);
    expect(await typist.command('jobs')).toBe('');
  });

  it('a paste of 16 KB arrives whole', async () => {
    const text = Array.from({ length: 320 }, (_, n) => `line ${n} the quick brown fox jumps over the dog\n`).join('');
    typist.type('cat > /tmp/pasted\r');
    await typist.waitFor(/pasted\r*\n/);
    typist.type(text);
    await typist.waitFor('line 319');
    typist.type(CTRL_D);
    await typist.waitFor(PROMPT);
    const sum = createHash('md5').update(text).digest('hex');
    expect(await typist.command('md5sum < /tmp/pasted')).toBe(`${sum}  -`);
  });

  it('top shows processes until q', async () => {
    typist.type('top\r');
    await typist.waitFor('Mem:');
    await typist.waitFor('PID');
    await typist.waitFor('Mem:'); // it refreshes
    typist.type('q');
    await typist.waitFor(PROMPT);
  });

  it('Ctrl-A c looks into the guest, which then goes on', async () => {
    typist.type(`${CTRL_A}c`);
    await typist.waitFor(MONITOR);
    expect(await monitor('i')).toMatch(/^[\d,]+ instructions, \d+\.\d+ s of guest time \(clock host\)\n.*of 512 MiB/);
    expect(await monitor('r')).toMatch(/eip [0-9a-f]{8} {2}eflags [0-9a-f]{8}[\s\S]*cr3 [0-9a-f]{8}/);
    expect(await monitor('u')).toMatch(/^([0-9a-f]{8} {2}[0-9a-f]+ +\S.*\n){8}$/);
    expect(await monitor('s 3')).toMatch(/^[0-9a-f]{8} {2}[0-9a-f]+ +\S/m);
    expect(await monitor('m 0 16')).toBe('00000000  not mapped\n');
    typist.type('c\r');
    await typist.waitFor('guest goes on');
    typist.type('\r');
    await typist.waitFor(PROMPT);
    expect(await typist.command('echo alive')).toBe('alive');
  });

  it('reboot -f boots again', async () => {
    typist.type('reboot -f\r');
    await typist.waitFor('guest: reset');
    await typist.waitFor('Linux version');
    await typist.waitFor(PROMPT);
    expect(await typist.command('echo alive')).toBe('alive');
  });

  it('Ctrl-A x quits and gives the terminal back', async () => {
    typist.type(`${CTRL_A}x`);
    await typist.waitFor(RESTORED);
    expect(await terminal.ended).toBe(0);
  });
});

describe.skipIf(!boot)(`Debian in a pipe${reason ? ` (${reason})` : ''}`, () => {
  it('does what it is told and ends with the guest', async () => {
    const { status, stdout, stderr } = await vetro.run(['run'], {
      input: 'uname -s; echo $((6*7))\npoweroff -f\necho not reached\n',
      timeout: 600_000,
    });
    expect(stdout).toMatch(/\r\nLinux\r\n42\r\n/);
    expect(stdout).not.toMatch(/\nnot reached/);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
