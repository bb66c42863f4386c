/** The demo under QEMU, from a floppy disk: what it prints there is what it prints here. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assembleDemo } from '../../src/cli/demo.ts';
import { assemble } from '../../src/isa/assemble.ts';
import { Pc } from '../../src/machine/pc.ts';

const QEMU = 'qemu-system-i386';
const unavailable = spawnSync(QEMU, ['--version']).error !== undefined;

const ORIGIN = 0x7c00;
const SECTOR = 512;
/** What fits on the first track behind the boot sector. */
const DEMO_SECTORS = 17;
const FLOPPY_BYTES = 2880 * SECTOR;
const image = assembleDemo();

/** Makes room for the demo, reads it, and starts it. */
const BOOT_SECTOR = `
  bits 16
  org 0x600
  cld
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x600
  mov si, ${ORIGIN}
  mov di, 0x600
  mov cx, ${SECTOR}
  rep movsb
  jmp 0:moved
moved:
  mov ax, ${0x0200 + DEMO_SECTORS} ; read sectors
  mov bx, ${ORIGIN}
  mov cx, 2 ; cylinder 0, sector 2
  xor dx, dx ; head 0, drive 0
  int 0x13
  jc $
  jmp 0:${ORIGIN}
  times 510 - ($ - $$) db 0
  dw 0xaa55
`;

/** Nothing that depends on time or CPU model, and not the GDT: QEMU leaves the accessed bit of CS alone, CPUs set it. */
const COMMANDS = ['help', 'mem 7c48', 'mem c0000140', 'mem', 'mem 0', 'fault', 'mem 3ffff8', 'nonsense', '', 'halt'];

const answersOf = (transcript: string): string =>
  transcript.slice(transcript.indexOf('Vetro demo')).replaceAll('\r\n', '\n').trimEnd();

function runHere(): string {
  const pc = new Pc({
    name: 'demo',
    memoryBytes: 16 * 2 ** 20,
    cpu: 'i686',
    engine: 'interpreter',
    boot: { pieces: [{ address: ORIGIN, bytes: image }], entry: { mode: 'real', ip: ORIGIN } },
    powerOnTime: 0,
  });
  let seen = '';
  pc.serial.onOutput = (bytes) => {
    seen += new TextDecoder().decode(bytes);
  };
  for (const command of COMMANDS) {
    while (!seen.endsWith('> ')) pc.run({ instructions: 10_000 });
    seen = seen.slice(0, -1); // so that the next prompt is waited for
    pc.serial.send(new TextEncoder().encode(`${command}\r`));
  }
  while (pc.run({ instructions: 10_000 }).reason !== 'halted');
  pc.dispose();
  return seen.replaceAll(/^>/gm, '> ');
}

async function runUnderQemu(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-demo-'));
  const floppy = new Uint8Array(FLOPPY_BYTES);
  floppy.set(assemble(BOOT_SECTOR, { bits: 16 }).bytes);
  floppy.set(image, SECTOR);
  writeFileSync(join(folder, 'floppy.img'), floppy);
  const child = spawn(QEMU, [
    ...['-m', '16', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-net', 'none'],
    ...['-drive', `file=${join(folder, 'floppy.img')},format=raw,if=floppy`, '-boot', 'a'],
  ]);
  const commands = [...COMMANDS];
  let seen = '';
  let answered = 0;
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve());
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      seen += text;
      if (seen.endsWith('halted\r\n')) child.kill();
      else if (seen.endsWith('> ') && seen.length > answered) {
        answered = seen.length;
        const command = commands.shift();
        if (command !== undefined) child.stdin.write(`${command}\r`);
      }
    });
  });
  rmSync(folder, { recursive: true });
  return seen;
}

describe('the demo from a floppy disk under QEMU', () => {
  it.skipIf(unavailable)(`prints what it prints here${unavailable ? ` (no ${QEMU})` : ''}`, async () => {
    expect(image.length).toBeLessThanOrEqual(DEMO_SECTORS * SECTOR);
    const expected = answersOf(await runUnderQemu());
    expect(answersOf(runHere())).toBe(expected);
    expect(expected.match(/^exception #PF/gm)).toHaveLength(3);
  });
});
