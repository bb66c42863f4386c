/** Small guests in the midst of their work, as snapshots, and what else is needed to restore them. */
import { assembleDemo } from '../../src/cli/demo.ts';
import { Host, type RestoreOptions } from '../../src/index.ts';
import { bootImage, FLOPPY_SIZE } from './bios-machine.ts';
import { pattern } from './media.ts';

export interface FuzzedSnapshot {
  readonly bytes: Uint8Array;
  readonly options: RestoreOptions;
}

/** Reads and writes disk and diskette in turn, for ever. */
const TRANSFERS = `
  sti
  again:
    mov dx, 0x0080
    call both
    mov dx, 0x0000
    call both
    jmp again
  both:
    mov ah, 2
    call transfer
    inc byte [0x8000]
    mov ah, 3
  transfer:
    mov al, 1
    xor bx, bx
    mov es, bx
    mov bx, 0x8000
    mov cx, 0x0008
    int 0x13
    ret`;

/** The demo, with keys and characters under way; and a guest with drives, started by the BIOS, in a call of it. */
export async function fuzzedSnapshots(): Promise<readonly FuzzedSnapshot[]> {
  const host = await Host.create();
  const demo = await host.createGuest({ boot: { image: assembleDemo() }, memory: 1, name: 'demo' });
  demo.serial.write('tasks\rticks\r');
  demo.keyboard.type('Hello');
  await demo.runTo(30_000);
  const options = { floppy: bootImage(TRANSFERS, FLOPPY_SIZE), disks: [pattern(2 ** 20)], cdrom: pattern(2 ** 19) };
  const drives = await host.createGuest({ ...options, boot: { order: ['floppy'] }, memory: 1, name: 'drives' });
  await drives.runTo(1_000_000);
  const snapshots = [
    { bytes: (await demo.snapshot()).bytes!, options: {} },
    { bytes: (await drives.snapshot()).bytes!, options },
  ];
  await host[Symbol.asyncDispose]();
  return snapshots;
}
