/**
 * Coprocessor error register, port F0h. 82371SB (PIIX3), order number 290550, "Coprocessor Error Register".
 *
 * With CR0.NE = 0 the processor reports x87 errors as the AT did: it asserts FERR#, which the bridge turns into IRQ 13,
 * and a write to F0h takes the request back and answers with IGNNE#.
 *
 * Not modelled: the processor's wait for interrupt or IGNNE#. It goes on as if IGNNE# were there, so the instruction
 * that met the error has been executed when the interrupt is taken.
 */
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';

export class CoprocessorError implements PortDevice, Device {
  readonly name = 'coprocessor-error';
  readonly stateVersion = 1;
  readonly state = { requested: 0 as 0 | 1 };
  readonly #irq: IrqLine;

  constructor(wiring: { irq: IrqLine }) {
    this.#irq = wiring.irq;
  }

  /** FERR# from the processor. */
  raise(): void {
    this.#request(1);
  }

  /** Write-only: the bus floats. */
  readPort(): number {
    return 0xff;
  }

  /** Whatever is written. */
  writePort(): void {
    this.#request(0);
  }

  reset(): void {
    this.state.requested = 0;
  }

  resume(): void {
    this.#irq.set(this.state.requested);
  }

  #request(level: 0 | 1): void {
    this.state.requested = level;
    this.#irq.set(level);
  }
}
