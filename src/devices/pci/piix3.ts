/**
 * PCI-to-ISA bridge: Intel 82371SB (PIIX3), order number 290550, function 0: the routing of PCI interrupts to the 8259
 * pair, and the reset control register (port CF9h). Its other parts are chips of their own here (8259, 8254, ports
 * 61h and 92h, edge/level control).
 *
 * Not modelled: registers of ISA timing, chip selects, DMA type F, motherboard interrupts, serialised power management
 * (SMI) and clock throttling, which are stored and read back.
 */
import type { Device } from '../../bus/device.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import { COMMAND, type ConfigDeclaration, ConfigSpace, STATUS } from '../../bus/pci/config-space.ts';
import type { PciFunction } from '../../bus/pci/pci-bus.ts';
import type { PortDevice } from '../../bus/port-bus.ts';

const PIRQRC = 0x60;
const PIRQRC_DISABLED = 0x80;
const PIRQRC_IRQ = 0x0f;
/** PIRQA#–PIRQD#. */
export const PIRQS = 4;
/** Interrupts that PIRQs can be routed to; other values are reserved. */
const ROUTABLE = [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15] as const;
/** Port CF9h. */
const RESET_CONTROL = { SRST: 0x02, RCPU: 0x04 } as const;

const stored = (offset: number, size: 1 | 2 | 4, reset = 0) => ({ offset, size, reset, writable: 0xffff_ffff });
const ALWAYS = COMMAND.IO | COMMAND.MEMORY | COMMAND.BUS_MASTER;

const DECLARATION: ConfigDeclaration = {
  vendor: 0x8086,
  device: 0x7000,
  classCode: 0x06_01_00,
  multifunction: true,
  command: { reset: ALWAYS, writable: COMMAND.SPECIAL_CYCLES },
  status: STATUS.DEVSEL_MEDIUM,
  registers: [
    stored(0x4c, 1, 0x4d), // IORT
    stored(0x4e, 2, 0x0003), // XBCS
    ...Array.from({ length: PIRQS }, (_, pirq) => ({
      offset: PIRQRC + pirq,
      size: 1 as const,
      reset: PIRQRC_DISABLED,
      writable: PIRQRC_DISABLED | PIRQRC_IRQ,
    })),
    stored(0x69, 1, 0x02), // TOM
    stored(0x6a, 2), // MSTAT
    stored(0x70, 1, 0x80), // MBIRQ0
    stored(0x76, 1, 0x0c), // MBDMA0
    stored(0x77, 1, 0x0c), // MBDMA1
    stored(0x78, 2, 0x0002), // PCSC
    stored(0x80, 1), // APICBASE
    stored(0x82, 1), // DLC
    stored(0xa0, 1, 0x08), // SMICNTL
    stored(0xa2, 2), // SMIEN
    stored(0xa4, 4), // SEE
    stored(0xa8, 1, 0x0f), // FTMR
    { offset: 0xaa, size: 2, reset: 0, writable: 0xffff }, // SMIREQ
    stored(0xac, 1), // CTLTMR
    stored(0xae, 1), // CTHTMR
  ],
};

export interface Piix3Wiring {
  /** Lines of the 8259 pair, as far as this chip drives them. */
  readonly irq: (irq: number) => IrqLine;
  /** `kind`: 'hard' resets the whole machine, 'soft' the processor alone. */
  readonly reset: (kind: 'hard' | 'soft') => void;
}

export class Piix3 implements PciFunction, Device {
  readonly name = 'piix3';
  readonly stateVersion = 1;
  readonly state = { config: new Uint8Array(256), resetControl: 0 };
  readonly config = new ConfigSpace(DECLARATION, this.state);
  /** Bytes at the ports of CONFADD: the reset control register is the second. */
  readonly resetControl: PortDevice;
  readonly #wiring: Piix3Wiring;
  /** Of each PIRQ: how many of its sources assert it. Whoever drives them does so anew after a reset. */
  readonly #asserted: number[] = new Array(PIRQS).fill(0);

  constructor(wiring: Piix3Wiring) {
    this.#wiring = wiring;
    this.resetControl = {
      name: 'reset-control',
      readPort: (offset) => (offset === 1 ? this.state.resetControl : 0xff),
      writePort: (offset, value) => {
        if (offset === 1) this.#writeResetControl(value);
      },
    };
    this.config.onChange(() => this.#follow());
  }

  /** A wire of its own to PIRQ 0–3 (A–D), for one interrupt pin: the sources of a PIRQ share it. 1 asserts it. */
  pirq(number: number): IrqLine {
    let asserted: 0 | 1 = 0;
    return {
      set: (level) => {
        if (level === asserted) return;
        asserted = level;
        this.#asserted[number] += level ? 1 : -1;
        this.#follow();
      },
    };
  }

  reset(): void {
    this.config.reset();
    this.state.resetControl = 0;
  }

  resume(): void {
    this.config.resume();
  }

  /** An interrupt is asserted while any of the PIRQs routed to it is. */
  #follow(): void {
    let lines = 0;
    for (let pirq = 0; pirq < PIRQS; pirq++) {
      const route = this.config.read(PIRQRC + pirq, 1);
      if (this.#asserted[pirq] > 0 && (route & PIRQRC_DISABLED) === 0) lines |= 1 << (route & PIRQRC_IRQ);
    }
    for (const irq of ROUTABLE) this.#wiring.irq(irq).set(((lines >>> irq) & 1) as 0 | 1);
  }

  /** RCPU from 0 to 1 resets, as SRST says. */
  #writeResetControl(value: number): void {
    const { resetControl } = this.state;
    const rises = (value & RESET_CONTROL.RCPU) !== 0 && (resetControl & RESET_CONTROL.RCPU) === 0;
    this.state.resetControl = value & (RESET_CONTROL.SRST | RESET_CONTROL.RCPU);
    if (rises) this.#wiring.reset(value & RESET_CONTROL.SRST ? 'hard' : 'soft');
  }
}
