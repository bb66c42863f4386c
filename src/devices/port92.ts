/**
 * System control port A, port 92h: fast A20 and fast reset. 82371SB (PIIX3), order number 290550, "Port 92 Register".
 *
 * Not modelled: the PS/2's other bits (security lock, watchdog, disk light) are stored and mean nothing.
 */
import { bit } from '../base/bits.ts';
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';

const CONTROL = { FAST_INIT: 0, FAST_A20: 1 } as const;

export class Port92 implements PortDevice, Device {
  readonly name = 'port92';
  readonly stateVersion = 1;
  readonly state = { control: 0 };
  readonly #a20: IrqLine;
  readonly #init: () => void;

  /** `a20` is this port's half of the gate: a board ORs it with the keyboard controller's. `init` resets the processor. */
  constructor(wiring: { a20: IrqLine; init: () => void }) {
    this.#a20 = wiring.a20;
    this.#init = wiring.init;
  }

  readPort(): number {
    return this.state.control;
  }

  /** A zero-to-one transition of bit 0 resets the processor; bit 1 is A20. */
  writePort(_offset: number, value: number): void {
    const rises = bit(value, CONTROL.FAST_INIT) && !bit(this.state.control, CONTROL.FAST_INIT);
    this.state.control = value;
    this.#a20.set(bit(value, CONTROL.FAST_A20));
    if (rises) this.#init();
  }

  reset(): void {
    this.state.control = 0;
  }

  resume(): void {
    this.#a20.set(bit(this.state.control, CONTROL.FAST_A20));
  }
}
