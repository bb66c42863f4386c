/** The same programs under QEMU with its SeaBIOS: what they show there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function hasQemu(): boolean {
  try {
    execFileSync('qemu-system-i386', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Boots the diskette, with the disk, in 64 MiB; a program ends by a write to port F4h. */
export function runUnderQemu({ floppy, disk }: { floppy: Uint8Array; disk: Uint8Array }): string {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-qemu-'));
  try {
    const file = (name: string, bytes: Uint8Array) => {
      writeFileSync(join(folder, name), bytes);
      return `format=raw,file=${join(folder, name)}`;
    };
    const log = join(folder, 'debug.log');
    const machine = ['-M', 'pc', '-m', '64', '-display', 'none', '-net', 'none', '-boot', 'a'];
    const clock = ['-rtc', 'base=2026-11-20T12:34:50'];
    const ports = ['-debugcon', `file:${log}`, '-device', 'isa-debug-exit,iobase=0xf4,iosize=1'];
    const drives = ['-drive', `if=floppy,${file('a.img', floppy)}`, '-drive', `if=ide,${file('c.img', disk)}`];
    spawnSync('qemu-system-i386', [...machine, ...clock, ...ports, ...drives], { timeout: 60_000, stdio: 'ignore' });
    return readFileSync(log, 'latin1').trimEnd();
  } finally {
    rmSync(folder, { recursive: true });
  }
}
