/** One wire. `set(level)` is idempotent: devices say what the level is, the receiver finds the edges. */
export interface IrqLine {
  set(level: 0 | 1): void;
}

/**
 * Several outputs on one wire: it is high while any of them is (shared interrupts, the two A20 sources of a PC).
 * The levels are those of the devices, which set them anew when they resume.
 */
export function sharedLine(target: IrqLine, count: number): IrqLine[] {
  const levels: (0 | 1)[] = new Array(count).fill(0);
  return levels.map((_, index) => ({
    set(level) {
      levels[index] = level;
      target.set(levels.includes(1) ? 1 : 0);
    },
  }));
}
