/** The 8259 pair, for the handlers of interrupts. */
import type { PortAccess } from '../board.ts';

const PRIMARY = 0x20;
const SECONDARY = 0xa0;
const END_OF_INTERRUPT = 0x20;
const CASCADE = 2;

/** Of line 0–15: its handler has done its work. */
export function endInterrupt(ports: PortAccess, line: number): void {
  if (line >= 8) ports.write(SECONDARY, END_OF_INTERRUPT, 1);
  ports.write(PRIMARY, END_OF_INTERRUPT, 1);
}

/** Lets interrupts of a line through, and of the second controller as a whole. */
export function unmask(ports: PortAccess, line: number): void {
  const clear = (controller: number, bit: number) =>
    ports.write(controller + 1, ports.read(controller + 1, 1) & ~(1 << bit), 1);
  if (line < 8) return clear(PRIMARY, line);
  clear(SECONDARY, line - 8);
  clear(PRIMARY, CASCADE);
}
