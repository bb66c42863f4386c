/**
 * Programmable Interrupt Controller. Intel 8259A datasheet, order number 231468; the pair and its edge/level
 * registers as in the 82371SB (PIIX3), order number 290550.
 *
 * The request register is what the datasheet's edge sense circuit makes of the input levels: an edge-triggered
 * request lasts while its input stays high, so a request that goes away before INTA ends in the default IR7.
 *
 * Not modelled: the MCS-80/85 CALL sequence (INTA always yields the 8086 vector byte) and the SP/EN pin of buffered mode.
 */
import { bit } from '../base/bits.ts';
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';

const ICW1 = { IC4: 0x01, SNGL: 0x02, LTIM: 0x08, SELECT: 0x10 } as const;
const ICW4 = { AEOI: 0x02, SFNM: 0x10 } as const;
const OCW3 = { RIS: 0x01, RR: 0x02, P: 0x04, SELECT: 0x08, SMM: 0x20, ESMM: 0x40 } as const;
/** OCW2, bits R, SL and EOI. */
const OCW2 = {
  CLEAR_ROTATE_IN_AEOI: 0b000,
  NON_SPECIFIC_EOI: 0b001,
  NO_OPERATION: 0b010,
  SPECIFIC_EOI: 0b011,
  SET_ROTATE_IN_AEOI: 0b100,
  ROTATE_ON_NON_SPECIFIC_EOI: 0b101,
  SET_PRIORITY: 0b110,
  ROTATE_ON_SPECIFIC_EOI: 0b111,
} as const;

/** Which initialization command word the next write with A0 = 1 is; 0: none, the chip is initialized. */
type AwaitedWord = 0 | 2 | 3 | 4;

const powerOnState = () => ({
  /** False until the first initialization sequence has ended: INT stays low. */
  initialized: false,
  awaited: 0 as AwaitedWord,
  icw1: 0,
  icw2: 0,
  icw3: 0,
  icw4: 0,
  /** Levels of IR0–IR7. */
  inputs: 0,
  /** Edge sense latches: a low-to-high transition since the last acknowledge; they count while the input is high. */
  edges: 0,
  isr: 0,
  imr: 0,
  /** Edge/level control register: ones are level-triggered. */
  elcr: 0,
  /** The level with the lowest priority; the one after it (modulo 8) has the highest. */
  lowest: 7,
  specialMask: false,
  rotateInAeoi: false,
  readIsr: false,
  poll: false,
});

/** One 8259A. `acknowledge` is the INTA sequence as far as this chip takes part in it. */
export class Pic8259 implements PortDevice, Device {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly #int: IrqLine;
  readonly #lines: readonly IrqLine[];

  constructor(options: { name: string; int: IrqLine }) {
    this.name = options.name;
    this.#int = options.int;
    this.#lines = Array.from({ length: 8 }, (_, level) => ({ set: (high: 0 | 1) => this.#setInput(level, high) }));
  }

  /** The input pin IR0–IR7. */
  line(level: number): IrqLine {
    return this.#lines[level];
  }

  /** Interrupt Request Register: the inputs that ask for service, masked or not. */
  get irr(): number {
    const { inputs, edges } = this.state;
    const levelTriggered = this.#levelTriggered;
    return inputs & (levelTriggered | edges);
  }

  /** The level of INT: an unmasked request that nothing in service holds back. */
  get requesting(): boolean {
    return this.#pending() !== undefined;
  }

  /** A one for each input that has a slave (master only). */
  get slaves(): number {
    return this.state.icw1 & ICW1.SNGL ? 0 : this.state.icw3;
  }

  /** The interrupt vector of a level: ICW2 gives bits 7–3. */
  vector(level: number): number {
    return (this.state.icw2 & 0xf8) | level;
  }

  /**
   * INTA: takes the request with the highest priority into service and returns its level.
   * Without a request it returns 7 and leaves ISR alone ("default IR7", the spurious interrupt).
   */
  acknowledge(): number {
    const { state } = this;
    const level = this.#pending();
    if (level === undefined) return 7;
    state.edges &= ~(1 << level);
    if (state.icw4 & ICW4.AEOI) {
      if (state.rotateInAeoi) state.lowest = level;
    } else state.isr |= 1 << level;
    this.#int.set(0); // INT falls with INTA; what is still pending raises it anew, which an edge-triggered master needs
    this.#update();
    return level;
  }

  readPort(offset: number): number {
    const { state } = this;
    if (state.poll) {
      // [8259A] "Poll Command": the next RD acts as an INTA and reads I,0,0,0,0,W2,W1,W0.
      state.poll = false;
      return this.#pending() === undefined ? 0 : 0x80 | this.acknowledge();
    }
    if (offset === 1) return state.imr;
    return state.readIsr ? state.isr : this.irr;
  }

  writePort(offset: number, value: number): void {
    if (offset === 0) {
      if (value & ICW1.SELECT) this.#initialize(value);
      else if (value & OCW3.SELECT) this.#operationWord3(value);
      else this.#operationWord2(value);
    } else this.#writeData(value);
    this.#update();
  }

  readElcr(): number {
    return this.state.elcr;
  }

  /** `value`: a one makes the input level-triggered; LTIM in ICW1 does so for all. */
  writeElcr(value: number): void {
    this.state.elcr = value;
    this.#update();
  }

  reset(): void {
    const { inputs } = this.state;
    Object.assign(this.state, powerOnState(), { inputs });
  }

  resume(): void {
    this.#update();
  }

  get #levelTriggered(): number {
    return this.state.icw1 & ICW1.LTIM ? 0xff : this.state.elcr;
  }

  #setInput(level: number, high: 0 | 1): void {
    const { state } = this;
    if (bit(state.inputs, level) === high) return;
    state.inputs ^= 1 << level;
    if (high) state.edges |= 1 << level;
    this.#update();
  }

  /** [8259A] "Initialization Command Words 1 and 2": what ICW1 does at once. */
  #initialize(value: number): void {
    const { state } = this;
    state.icw1 = value;
    state.awaited = 2;
    state.edges = 0; // an input must rise again to ask for service
    state.imr = 0;
    state.isr = 0;
    state.lowest = 7;
    state.specialMask = false;
    state.rotateInAeoi = false;
    state.readIsr = false;
    state.poll = false;
    if (!(value & ICW1.IC4)) state.icw4 = 0;
  }

  /** A write with A0 = 1: the awaited ICW, or OCW1. */
  #writeData(value: number): void {
    const { state } = this;
    switch (state.awaited) {
      case 2:
        state.icw2 = value;
        state.awaited = state.icw1 & ICW1.SNGL ? this.#afterIcw3() : 3;
        break;
      case 3:
        state.icw3 = value;
        state.awaited = this.#afterIcw3();
        break;
      case 4:
        state.icw4 = value;
        state.awaited = 0;
        break;
      default:
        state.imr = value;
        return;
    }
    if (state.awaited === 0) state.initialized = true;
  }

  #afterIcw3(): AwaitedWord {
    return this.state.icw1 & ICW1.IC4 ? 4 : 0;
  }

  #operationWord2(value: number): void {
    const { state } = this;
    const level = value & 7;
    switch (value >>> 5) {
      case OCW2.NON_SPECIFIC_EOI:
        this.#nonSpecificEoi();
        break;
      case OCW2.SPECIFIC_EOI:
        state.isr &= ~(1 << level);
        break;
      case OCW2.ROTATE_ON_NON_SPECIFIC_EOI: {
        const ended = this.#nonSpecificEoi();
        if (ended !== undefined) state.lowest = ended;
        break;
      }
      case OCW2.ROTATE_ON_SPECIFIC_EOI:
        state.isr &= ~(1 << level);
        state.lowest = level;
        break;
      case OCW2.SET_PRIORITY:
        state.lowest = level;
        break;
      case OCW2.SET_ROTATE_IN_AEOI:
        state.rotateInAeoi = true;
        break;
      case OCW2.CLEAR_ROTATE_IN_AEOI:
        state.rotateInAeoi = false;
        break;
      case OCW2.NO_OPERATION:
        break;
    }
  }

  #operationWord3(value: number): void {
    const { state } = this;
    if (value & OCW3.ESMM) state.specialMask = (value & OCW3.SMM) !== 0;
    if (value & OCW3.P)
      state.poll = true; // overrides RR
    else if (value & OCW3.RR) state.readIsr = (value & OCW3.RIS) !== 0;
  }

  /** Ends the level of the highest priority in service and returns it, if there is one. */
  #nonSpecificEoi(): number | undefined {
    const level = this.#highest(this.#visibleService);
    if (level !== undefined) this.state.isr &= ~(1 << level);
    return level;
  }

  /** In special mask mode a masked level in service counts as if it were not, also for a non-specific EOI. */
  get #visibleService(): number {
    const { isr, imr, specialMask } = this.state;
    return specialMask ? isr & ~imr : isr;
  }

  /** The level of the highest priority among those set in `levels`. */
  #highest(levels: number): number | undefined {
    for (let rank = 1; rank <= 8; rank++) {
      const level = (this.state.lowest + rank) & 7;
      if (bit(levels, level)) return level;
    }
    return undefined;
  }

  /** The request that INT stands for: of higher priority than everything in service. */
  #pending(): number | undefined {
    const { state } = this;
    if (!state.initialized || state.awaited !== 0) return undefined;
    const request = this.#highest(this.irr & ~state.imr);
    if (request === undefined) return undefined;
    const served = this.#highest(this.#visibleService);
    if (served === undefined) return request;
    // Special fully nested mode: a slave in service may ask again, for a request of higher priority within it.
    if (request === served) return state.icw4 & ICW4.SFNM && bit(this.slaves, request) ? request : undefined;
    return this.#highest((1 << request) | (1 << served)) === request ? request : undefined;
  }

  #update(): void {
    this.#int.set(this.requesting ? 1 : 0);
  }
}

/** Inputs of the pair that the PIIX3 fixes as edge-triggered: IRQ 0, 1, 2 and 8, 13. */
const ELCR_WRITABLE = [0xf8, 0xde] as const;
const CASCADE_LEVEL = 2;
/** What the CPU reads when no slave answers: nothing drives the bus. */
const FLOATING = 0xff;

/** The two chips of a PC: the secondary's INT is the primary's IR2. Registers and state are those of the chips. */
export class PicPair {
  readonly primary: Pic8259;
  readonly secondary: Pic8259;
  /** The edge/level control registers, ports 4D0h and 4D1h. Their state lies in the chips. */
  readonly elcr: PortDevice;

  constructor(wiring: { intr: IrqLine }) {
    this.primary = new Pic8259({ name: 'pic1', int: wiring.intr });
    this.secondary = new Pic8259({ name: 'pic2', int: this.primary.line(CASCADE_LEVEL) });
    const chips = [this.primary, this.secondary];
    this.elcr = {
      name: 'elcr',
      readPort: (offset) => chips[offset].readElcr(),
      writePort: (offset, value) => chips[offset].writeElcr(value & ELCR_WRITABLE[offset as 0 | 1]),
    };
  }

  /** The ISA interrupt request line 0–15 (2 is the cascade and has no pin). */
  line(irq: number): IrqLine {
    return irq < 8 ? this.primary.line(irq) : this.secondary.line(irq - 8);
  }

  /** The INTA cycles of the CPU: the vector 0–255 of the interrupt taken into service. */
  acknowledge(): number {
    const spurious = !this.primary.requesting;
    const level = this.primary.acknowledge();
    if (spurious || !bit(this.primary.slaves, level)) return this.primary.vector(level);
    // CAS0–2 carry the level; the slave whose ICW3 holds that number puts its vector on the bus.
    if ((this.secondary.state.icw3 & 7) !== level) return FLOATING;
    return this.secondary.vector(this.secondary.acknowledge());
  }
}
