/**
 * Coprocessor error register, port F0h. 82371SB (PIIX3), order number 290550, "Coprocessor Error Register".
 *
 * With CR0.NE = 0 the processor reports x87 errors as the AT did: it asserts FERR#, which the bridge turns into IRQ 13,
 * and a write to F0h takes the request back and, while FERR# is asserted, answers with IGNNE#, until FERR# is negated.
 *
 * Not modelled: nothing. (The processor drives FERR# at its waiting x87 instructions alone, where nobody can tell.)
 */
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';

export class CoprocessorError implements PortDevice, Device {
  readonly name = 'coprocessor-error';
  readonly stateVersion = 1;
  readonly state = { requested: 0 as 0 | 1, ferr: 0 as 0 | 1, ignne: 0 as 0 | 1 };
  readonly #irq: IrqLine;

  constructor(wiring: { irq: IrqLine }) {
    this.#irq = wiring.irq;
  }

  /** FERR# from the processor; 1: asserted. @returns whether IGNNE# is */
  setFerr(level: 0 | 1): boolean {
    const { state } = this;
    const rises = level > state.ferr;
    state.ferr = level;
    if (level === 0) state.ignne = 0;
    if (rises) this.#request(1);
    return state.ignne === 1;
  }

  /** Write-only: the bus floats. */
  readPort(): number {
    return 0xff;
  }

  /** Whatever is written. */
  writePort(): void {
    this.state.ignne = this.state.ferr;
    this.#request(0);
  }

  reset(): void {
    this.state.requested = 0;
    this.state.ferr = 0;
    this.state.ignne = 0;
  }

  resume(): void {
    this.#irq.set(this.state.requested);
  }

  #request(level: 0 | 1): void {
    this.state.requested = level;
    this.#irq.set(level);
  }
}
