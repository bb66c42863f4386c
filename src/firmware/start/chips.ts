/** Chips of the board as an AT's BIOS sets them up. IBM Personal Computer AT Technical Reference, "System BIOS". */
import type { Board, PortAccess } from '../board.ts';

const PORT = {
  PIC1: 0x20,
  PIC2: 0xa0,
  PIT: 0x40,
  PIT_CONTROL: 0x43,
  KEYBOARD_DATA: 0x60,
  KEYBOARD_COMMAND: 0x64,
  SYSTEM_CONTROL_A: 0x92,
} as const;
const FAST_A20 = 0x02;
/** Vectors of lines 0 and 8, and which lines are masked: open are timer, keyboard, cascade, diskette; coprocessor, disk. */
const VECTORS = [0x08, 0x70] as const;
const MASKS = [0xb8, 0x9f] as const;
const KEYBOARD = { WRITE_COMMAND_BYTE: 0x60, SELF_TEST: 0xaa } as const;
const OUTPUT_FULL = 0x01;
/** IRQ 1, system flag, no auxiliary device, translation to set 1. */
const COMMAND_BYTE = 0x65;
const INTERRUPT = 0x01;

/** The upper 8237. */
const DMA = { MASK: 0xd4, MODE: 0xd6, CASCADE: 0xc0 } as const;
/** 115200 baud, eight bits: a PC's would be set when a program asks for it, and terminals want bytes, not five bits. */
const SERIAL = { PORT: 0x3f8, LINE_CONTROL: 0x3fb, DIVISOR: 1 } as const;

export function setUpChips({ ports }: Pick<Board, 'ports'>): void {
  const out = (port: number, ...values: readonly number[]) => {
    for (const value of values) ports.write(port, value, 1);
  };
  out(PORT.SYSTEM_CONTROL_A, FAST_A20);
  // A key that waits already raises its line once the controller of interrupts sees it rise.
  setUpKeyboard(ports, out);
  setUpInterrupts(out);
  out(PORT.KEYBOARD_COMMAND, KEYBOARD.WRITE_COMMAND_BYTE);
  out(PORT.KEYBOARD_DATA, COMMAND_BYTE);
  // Counter 0: 18.2 times a second; counter 1: what once refreshed memory; counter 2: a tone of about 1000 Hz.
  out(PORT.PIT_CONTROL, 0x36);
  out(PORT.PIT, 0, 0);
  out(PORT.PIT_CONTROL, 0x54);
  out(PORT.PIT + 1, 0x12);
  out(PORT.PIT_CONTROL, 0xb6);
  out(PORT.PIT + 2, 0x33, 0x05);
  // The lower DMA controller hangs at channel 4.
  out(DMA.MODE, DMA.CASCADE);
  out(DMA.MASK, 0);
  out(SERIAL.LINE_CONTROL, 0x83);
  out(SERIAL.PORT, SERIAL.DIVISOR, 0);
  out(SERIAL.LINE_CONTROL, 0x03);
}

type Out = (port: number, ...values: readonly number[]) => void;

function setUpInterrupts(out: Out): void {
  out(PORT.PIC1, 0x11);
  out(PORT.PIC1 + 1, VECTORS[0], 0x04, 0x01);
  out(PORT.PIC2, 0x11);
  out(PORT.PIC2 + 1, VECTORS[1], 0x02, 0x01);
  out(PORT.PIC1 + 1, MASKS[0]);
  out(PORT.PIC2 + 1, MASKS[1]);
}

function setUpKeyboard(ports: PortAccess, out: Out): void {
  // Not while a key waits there: it would be taken for the answer.
  if ((ports.read(PORT.KEYBOARD_COMMAND, 1) & OUTPUT_FULL) === 0) {
    out(PORT.KEYBOARD_COMMAND, KEYBOARD.SELF_TEST);
    ports.read(PORT.KEYBOARD_DATA, 1);
  }
  out(PORT.KEYBOARD_COMMAND, KEYBOARD.WRITE_COMMAND_BYTE);
  out(PORT.KEYBOARD_DATA, COMMAND_BYTE & ~INTERRUPT);
}
