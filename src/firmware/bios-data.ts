/** The BIOS data area at 0040:0000. IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area". */
import type { MemoryAccess } from './memory-access.ts';

const BASE = 0x400;

/** Offsets in the segment 0040h. */
export const BDA = {
  SERIAL_PORTS: 0x00,
  PARALLEL_PORTS: 0x08,
  EBDA_SEGMENT: 0x0e,
  EQUIPMENT: 0x10,
  MEMORY_KIB: 0x13,
  KEYBOARD_FLAGS: 0x17,
  KEYBOARD_FLAGS_2: 0x18,
  ALT_NUMPAD: 0x19,
  KEYBOARD_HEAD: 0x1a,
  KEYBOARD_TAIL: 0x1c,
  KEYBOARD_BUFFER: 0x1e,
  DISKETTE_SEEK: 0x3e,
  DISKETTE_MOTOR: 0x3f,
  DISKETTE_STATUS: 0x41,
  VIDEO_MODE: 0x49,
  COLUMNS: 0x4a,
  PAGE_SIZE: 0x4c,
  PAGE_START: 0x4e,
  CURSORS: 0x50,
  CURSOR_SHAPE: 0x60,
  ACTIVE_PAGE: 0x62,
  CRTC_PORT: 0x63,
  CRT_MODE: 0x65,
  CRT_PALETTE: 0x66,
  TICKS: 0x6c,
  MIDNIGHT: 0x70,
  BREAK: 0x71,
  RESET_FLAG: 0x72,
  DISK_STATUS: 0x74,
  DISKS: 0x75,
  PRINTER_TIMEOUT: 0x78,
  SERIAL_TIMEOUT: 0x7c,
  BUFFER_START: 0x80,
  BUFFER_END: 0x82,
  LAST_ROW: 0x84,
  CHARACTER_HEIGHT: 0x85,
  VIDEO_CONTROL: 0x87,
  VIDEO_SWITCHES: 0x88,
  VIDEO_OPTIONS: 0x89,
  DISPLAY_CODE: 0x8a,
  DISKETTE_MEDIA: 0x90,
  DISKETTE_TRACK: 0x94,
  KEYBOARD_FLAGS_3: 0x96,
  KEYBOARD_LEDS: 0x97,
  WAIT_FLAG: 0xa0,
  PRINT_SCREEN: 0x100,
} as const;

export class BiosData {
  readonly #memory: MemoryAccess;

  constructor(memory: MemoryAccess) {
    this.#memory = memory;
  }

  byte(offset: number): number {
    return this.#memory.read(BASE + offset, 1);
  }
  word(offset: number): number {
    return this.#memory.read(BASE + offset, 2);
  }
  doubleword(offset: number): number {
    return this.#memory.read(BASE + offset, 4);
  }
  setByte(offset: number, value: number): void {
    this.#memory.write(BASE + offset, value & 0xff, 1);
  }
  setWord(offset: number, value: number): void {
    this.#memory.write(BASE + offset, value & 0xffff, 2);
  }
  setDoubleword(offset: number, value: number): void {
    this.#memory.write(BASE + offset, value >>> 0, 4);
  }
}
