/** One wire. `set(level)` is idempotent: devices say what the level is, the receiver finds the edges. */
export interface IrqLine {
  set(level: 0 | 1): void;
}
