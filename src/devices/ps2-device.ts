/** What hangs on a PS/2 connector, as the controller sees it: bytes in both directions, one at a time. */
export interface Ps2Device {
  /** Set by the controller; called whenever there may be something to take. */
  onData: () => void;
  readonly hasData: boolean;
  /** The next byte for the system. */
  take(): number;
  /** A byte from the system. */
  receive(byte: number): void;
}
