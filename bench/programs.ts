/**
 * The guest programs: assembly in `programs/`, put into the frame of `frame.asm`. One image, the same bytes for every
 * emulator; it is loaded by the Multiboot protocol, or laid out in memory as that would.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../src/isa/assemble.ts';
import type { BootImage } from '../src/machine/boot.ts';

/** Each program, with what it is heavy on. */
export const PROGRAMS = {
  alu: 'arithmetic and logic in registers',
  sieve: 'byte stores at a stride',
  copy: 'memcpy by a loop of MOV',
  'copy-rep': 'memcpy by REP MOVSD',
  chase: 'dependent loads over 1 MiB',
  recursion: 'CALL, RET, PUSH, POP',
  sort: 'Shell sort: compares, branches',
  crc: 'CRC-32 by table: byte loads, shifts',
  bytecode: 'an interpreter: indirect jumps',
} as const;

export type ProgramName = keyof typeof PROGRAMS;
export const PROGRAM_NAMES = Object.keys(PROGRAMS) as ProgramName[];

/** RAM that the programs run in, in MiB. */
export const PROGRAM_MEMORY = 64;

/** Bytes of the program as a Multiboot file. */
export function assembleProgram(name: ProgramName): Uint8Array {
  const read = (file: string) => readFileSync(join(import.meta.dirname, 'programs', `${file}.asm`), 'utf8');
  return assemble(`${read('frame')}\n${read(name)}\n  align 4\nimage_end:\n`).bytes;
}

/** Offsets in the Multiboot header, which comes first in the file. */
const HEADER = { LOAD_ADDRESS: 16, ENTRY_ADDRESS: 28 } as const;
const GDT_AT = 0x1000;
const [CODE_SELECTOR, DATA_SELECTOR] = [0x08, 0x10];
const GDT = new BigUint64Array([0n, 0x00cf_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn]);

/** "The OS image must create its own GDT": the programs load no segment register, so any flat one does. */
export function multibootState(bytes: Uint8Array): BootImage {
  const header = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    pieces: [
      { address: GDT_AT, bytes: new Uint8Array(GDT.buffer) },
      { address: header.getUint32(HEADER.LOAD_ADDRESS, true), bytes },
    ],
    entry: {
      mode: 'protected',
      eip: header.getUint32(HEADER.ENTRY_ADDRESS, true),
      esi: 0,
      codeSelector: CODE_SELECTOR,
      dataSelector: DATA_SELECTOR,
      gdt: { address: GDT_AT, limit: GDT.byteLength - 1 },
    },
  };
}
