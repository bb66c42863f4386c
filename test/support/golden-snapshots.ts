/** The guest of golden snapshots: started by our BIOS, with something in each drive, keys and characters under way. */
import { createHash } from 'node:crypto';
import type { Guest, Host } from '../../src/index.ts';
import { bootImage } from './bios-machine.ts';

export const SAVED_AT = 1_000_000;
/** It is run for so many more. */
export const MORE = 1_000_000;

/** Kibibytes of a diskette of one side: what is saved is small. */
const DISKETTE = 160 * 1024;

/** Reads and writes disk and diskette in turn, asks for a key, and says so on the serial port. */
const PROGRAM = `
  sti
  again:
    mov dx, 0x0080
    call both
    mov dx, 0x0000
    call both
    mov ah, 1
    int 0x16
    jz .none
    mov ah, 0
    int 0x16
  .none:
    mov ah, 1
    mov dx, 0
    int 0x14
    fld1
    fadd st0, st0
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
    mov cx, 0x0005
    int 0x13
    ret`;

/** What is in its drives, also when it is restored. */
export const goldenMedia = () => ({
  disks: [new Uint8Array(2 ** 20).fill(0x5a)],
  floppy: bootImage(PROGRAM, DISKETTE),
  cdrom: new Uint8Array(2 ** 16).fill(0x33),
});

/** What a guest itself could see of where it is: the same in all versions, however chips keep their state. */
export function seenOf({ instructions, machine }: Guest) {
  const memory = createHash('sha256').update(machine.peekPhysical(0, 0xa_0000)).digest('hex');
  return {
    instructions,
    time: machine.time,
    registers: machine.registers(),
    memory,
    screen: machine.screen().join('\n'),
  };
}

/** How often it has been through its loop, modulo 256. */
export const turnsOf = ({ machine }: Guest): number => machine.peekPhysical(0x8000, 1)[0];

export async function goldenGuest(host: Host): Promise<Guest> {
  const guest = await host.createGuest({ ...goldenMedia(), boot: { order: ['floppy'] }, memory: 1, name: 'golden' });
  guest.serial.write('some text');
  guest.keyboard.type('Some keys');
  return guest;
}
