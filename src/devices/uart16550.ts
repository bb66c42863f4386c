/**
 * Universal Asynchronous Receiver/Transmitter with FIFOs. National Semiconductor PC16550D datasheet, document DS008652;
 * the interrupt gated by OUT2 as on a PC serial port.
 *
 * Receiving keeps the line's pace: one character per character time at the programmed rate, so that a guest sees
 * what a real line gives it. Behind the receiver stands a queue: a character enters the FIFO only when there is
 * room, hence nothing is lost however slow the guest is (as if RTS/CTS flow control were perfect).
 * Transmitting takes no guest time unless `transmitPacing: 'line'` is asked for: a character has left the shift
 * register as soon as it is written, so that a console that polls THRE does not burn 87 µs a character.
 *
 * Not modelled: stick parity and parity computation (a host has no line errors but those of `receiveFaulty`),
 * the DMA pins RXRDY and TXRDY, BAUDOUT.
 */
import { type BitField, extract } from '../base/bits.ts';
import type { Alarm, VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';

/** Clock input of a PC's serial ports, in Hz; the baud rate is this / 16 / divisor. */
export const UART_HZ = 1_843_200;
const FIFO_SIZE = 16;

const REGISTER = { RBR_THR_DLL: 0, IER_DLM: 1, IIR_FCR: 2, LCR: 3, MCR: 4, LSR: 5, MSR: 6, SCR: 7 } as const;
const IER = { ERBFI: 0x01, ETBEI: 0x02, ELSI: 0x04, EDSSI: 0x08 } as const;
/** Interrupt identification, bits 3–0, in order of priority. */
const IIR = { LINE_STATUS: 0x6, DATA_AVAILABLE: 0x4, TIMEOUT: 0xc, THR_EMPTY: 0x2, MODEM: 0x0, NONE: 0x1 } as const;
const IIR_FIFOS_ENABLED = 0xc0;
const FCR = { ENABLE: 0x01, RESET_RECEIVER: 0x02, RESET_TRANSMITTER: 0x04 } as const;
const FCR_TRIGGER: BitField = [6, 7];
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const LCR = { STB: 0x04, PEN: 0x08, BREAK: 0x40, DLAB: 0x80 } as const;
const LCR_WORD_LENGTH: BitField = [0, 1];
const MCR = { DTR: 0x01, RTS: 0x02, OUT1: 0x04, OUT2: 0x08, LOOP: 0x10 } as const;
const LSR = { DR: 0x01, OE: 0x02, PE: 0x04, FE: 0x08, BI: 0x10, THRE: 0x20, TEMT: 0x40, FIFO_ERROR: 0x80 } as const;
const MSR = { DCTS: 0x01, DDSR: 0x02, TERI: 0x04, DDCD: 0x08, CTS: 0x10, DSR: 0x20, RI: 0x40, DCD: 0x80 } as const;
const MSR_DELTAS = MSR.DCTS | MSR.DDSR | MSR.TERI | MSR.DDCD;

/** Where transmitted characters go. */
export interface SerialBackend {
  transmit(byte: number): void;
  /** The last byte handed to `receive` has entered the FIFO: a host that held back may go on. */
  inputDrained?(): void;
  /** The guest begins (1) or ends (0) a break on its transmit line. */
  transmitBreak?(level: 0 | 1): void;
}

/** The modem's outputs: CTS, DSR, RI and DCD, true is active. */
export interface ModemInputs {
  cts: boolean;
  dsr: boolean;
  ri: boolean;
  dcd: boolean;
}

/** Characters that wait before the receiver, all with the same line errors (LSR bits). */
interface InputChunk {
  bytes: Uint8Array;
  errors: number;
}

const powerOnState = () => ({
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  /** OE, PE, FE and BI; the other bits of LSR follow from the FIFOs. */
  lineErrors: 0,
  /** Low half: deltas. High half: the pins. */
  msr: MSR.CTS | MSR.DSR | MSR.DCD,
  scr: 0,
  /** Divisor latch. The datasheet leaves it undefined at power-on: 115200 baud. */
  divisor: 1,
  /** Receiver FIFO (or RBR): character | LSR error bits << 8. */
  receiver: [] as number[],
  /** Transmitter FIFO (or THR). */
  transmitter: [] as number[],
  /** Transmitter shift register. */
  shifting: null as number | null,
  thrEmptyInterrupt: false,
  timeoutInterrupt: false,
  /** Characters from the host that have not come in yet, the first from `inputOffset` on. */
  input: [] as InputChunk[],
  inputOffset: 0,
  /** Guest times (ns): end of the character that arrived last, end of the one being sent, timeout; null: none. */
  arrivedAt: null as number | null,
  shiftedAt: null as number | null,
  timeoutAt: null as number | null,
});

/** The modem pins of MSR as they stand on the cable while loopback hides them. */
const outsidePins = ({ cts, dsr, ri, dcd }: ModemInputs): number =>
  (cts ? MSR.CTS : 0) | (dsr ? MSR.DSR : 0) | (ri ? MSR.RI : 0) | (dcd ? MSR.DCD : 0);

export class Uart16550 implements PortDevice, Device {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state = { ...powerOnState(), modem: { cts: true, dsr: true, ri: false, dcd: true } as ModemInputs };
  readonly #clock: VirtualClock;
  readonly #irq: IrqLine;
  readonly #backend: SerialBackend;
  readonly #pacedTransmit: boolean;
  #arrival: Alarm | undefined;
  #shifted: Alarm | undefined;
  #timeout: Alarm | undefined;

  constructor(options: {
    name?: string;
    clock: VirtualClock;
    irq: IrqLine;
    backend: SerialBackend;
    /** 'none' (default): transmitting takes no guest time; 'line': a character time each. */
    transmitPacing?: 'none' | 'line';
  }) {
    this.name = options.name ?? 'uart';
    this.#clock = options.clock;
    this.#irq = options.irq;
    this.#backend = options.backend;
    this.#pacedTransmit = options.transmitPacing === 'line';
  }

  /** Characters handed to `receive` that have not entered the FIFO yet: what a host looks at to hold back. */
  get pendingInput(): number {
    const { input, inputOffset } = this.state;
    return input.reduce((sum, { bytes }) => sum + bytes.length, 0) - inputOffset;
  }

  /** Time of one character on the line in ns: start bit, data, parity and stop bits at the programmed rate. */
  get characterTime(): number {
    const { lcr, divisor } = this.state;
    const dataBits = 5 + extract(lcr, LCR_WORD_LENGTH);
    const stopBits = lcr & LCR.STB ? (dataBits === 5 ? 1.5 : 2) : 1;
    const bits = 1 + dataBits + (lcr & LCR.PEN ? 1 : 0) + stopBits;
    return Math.round((bits * 16 * (divisor || 1) * 1e9) / UART_HZ);
  }

  /** Characters from the host. They come in at the line's pace, as room allows; none is lost. The bytes are copied. */
  receive(bytes: Uint8Array): void {
    this.#enqueue({ bytes: bytes.slice(), errors: 0 });
  }

  /** A break condition on the receive line, in order with what was received before. */
  receiveBreak(): void {
    this.#enqueue({ bytes: Uint8Array.of(0), errors: LSR.BI });
  }

  /** A character with a line error. */
  receiveFaulty(byte: number, error: 'parity' | 'framing'): void {
    this.#enqueue({ bytes: Uint8Array.of(byte), errors: error === 'parity' ? LSR.PE : LSR.FE });
  }

  /** The modem's lines change. */
  setModem(inputs: Partial<ModemInputs>): void {
    this.state.modem = { ...this.state.modem, ...inputs };
    this.#updateModemPins();
    this.#updateInterrupt();
  }

  readPort(offset: number): number {
    const { state } = this;
    switch (offset) {
      case REGISTER.RBR_THR_DLL:
        return state.lcr & LCR.DLAB ? state.divisor & 0xff : this.#readReceiver();
      case REGISTER.IER_DLM:
        return state.lcr & LCR.DLAB ? state.divisor >>> 8 : state.ier;
      case REGISTER.IIR_FCR:
        return this.#readIdentification();
      case REGISTER.LCR:
        return state.lcr;
      case REGISTER.MCR:
        return state.mcr;
      case REGISTER.LSR: {
        const status = this.#lineStatus;
        state.lineErrors = 0;
        this.#updateInterrupt();
        return status;
      }
      case REGISTER.MSR: {
        const status = state.msr;
        state.msr &= ~MSR_DELTAS;
        this.#updateInterrupt();
        return status;
      }
      default:
        return state.scr;
    }
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case REGISTER.RBR_THR_DLL:
        if (state.lcr & LCR.DLAB) state.divisor = (state.divisor & 0xff00) | value;
        else this.#writeTransmitter(value);
        break;
      case REGISTER.IER_DLM:
        if (state.lcr & LCR.DLAB) state.divisor = (state.divisor & 0x00ff) | (value << 8);
        else this.#writeInterruptEnable(value);
        break;
      case REGISTER.IIR_FCR:
        this.#writeFifoControl(value);
        break;
      case REGISTER.LCR:
        if ((state.lcr ^ value) & LCR.BREAK && !this.#loopback)
          this.#backend.transmitBreak?.(value & LCR.BREAK ? 1 : 0);
        state.lcr = value;
        break;
      case REGISTER.MCR:
        state.mcr = value & 0x1f;
        this.#updateModemPins();
        this.#scheduleArrival(); // leaving loopback lets waiting characters in
        break;
      case REGISTER.SCR:
        state.scr = value;
        break;
      // LSR and MSR: "intended for read operations only".
    }
    this.#updateInterrupt();
  }

  /**
   * Master Reset. The divisor latch and the scratch register keep their contents. What has come in is lost; what the
   * host has queued is still on its way: the guest gets it after the reset, from its first character on.
   */
  reset(): void {
    const { inputOffset, divisor, scr } = this.state;
    const input = this.state.input.map((chunk, index) =>
      index === 0 ? { ...chunk, bytes: chunk.bytes.slice(inputOffset) } : chunk,
    );
    Object.assign(this.state, powerOnState(), { input, divisor, scr });
    this.state.msr = outsidePins(this.state.modem);
  }

  resume(): void {
    this.#scheduleArrival();
    this.#scheduleShifted();
    this.#scheduleTimeout();
    this.#updateInterrupt();
  }

  get #fifosEnabled(): boolean {
    return (this.state.fcr & FCR.ENABLE) !== 0;
  }

  get #loopback(): boolean {
    return (this.state.mcr & MCR.LOOP) !== 0;
  }

  get #capacity(): number {
    return this.#fifosEnabled ? FIFO_SIZE : 1;
  }

  get #triggerLevel(): number {
    return this.#fifosEnabled ? TRIGGER_LEVELS[extract(this.state.fcr, FCR_TRIGGER) as 0 | 1 | 2 | 3] : 1;
  }

  get #lineStatus(): number {
    const { receiver, transmitter, shifting, lineErrors } = this.state;
    const errorsBelow = this.#fifosEnabled && (receiver.some((entry) => entry >>> 8) || lineErrors & ~LSR.OE);
    return (
      lineErrors |
      (receiver.length > 0 ? LSR.DR : 0) |
      (transmitter.length === 0 ? LSR.THRE : 0) |
      (transmitter.length === 0 && shifting === null ? LSR.TEMT : 0) |
      (errorsBelow ? LSR.FIFO_ERROR : 0)
    );
  }

  // Interrupts

  /** The interrupt of the highest priority, as IIR bits 3–0. */
  get #identification(): number {
    const { state } = this;
    if (state.ier & IER.ELSI && state.lineErrors) return IIR.LINE_STATUS;
    if (state.ier & IER.ERBFI) {
      if (state.receiver.length >= this.#triggerLevel) return IIR.DATA_AVAILABLE;
      if (state.timeoutInterrupt) return IIR.TIMEOUT;
    }
    if (state.ier & IER.ETBEI && state.thrEmptyInterrupt) return IIR.THR_EMPTY;
    if (state.ier & IER.EDSSI && state.msr & MSR_DELTAS) return IIR.MODEM;
    return IIR.NONE;
  }

  #readIdentification(): number {
    const identification = this.#identification;
    if (identification === IIR.THR_EMPTY) {
      this.state.thrEmptyInterrupt = false;
      this.#updateInterrupt();
    }
    return identification | (this.#fifosEnabled ? IIR_FIFOS_ENABLED : 0);
  }

  #writeInterruptEnable(value: number): void {
    const { state } = this;
    const enabled = value & ~state.ier;
    state.ier = value & 0x0f;
    // Enabling the interrupt while THR is empty raises it: drivers start transmission that way.
    if (enabled & IER.ETBEI && state.transmitter.length === 0) state.thrEmptyInterrupt = true;
  }

  /** INTR reaches the bus through a gate that OUT2 opens; in loopback the OUT2 pin is inactive. */
  #updateInterrupt(): void {
    const gateOpen = this.state.mcr & MCR.OUT2 && !this.#loopback;
    this.#irq.set(gateOpen && this.#identification !== IIR.NONE ? 1 : 0);
  }

  #writeFifoControl(value: number): void {
    const { state } = this;
    const changesMode = ((state.fcr ^ value) & FCR.ENABLE) !== 0;
    // "This bit must be a 1 when other FCR bits are written to or they will not be programmed."
    const programmed = value & FCR.ENABLE ? value & 0xcf : 0;
    if (changesMode || programmed & FCR.RESET_RECEIVER) {
      state.receiver = [];
      state.timeoutInterrupt = false;
      state.timeoutAt = null;
      this.#scheduleTimeout();
    }
    if (changesMode || programmed & FCR.RESET_TRANSMITTER) {
      if (state.transmitter.length > 0) state.thrEmptyInterrupt = true;
      state.transmitter = [];
    }
    state.fcr = programmed & ~(FCR.RESET_RECEIVER | FCR.RESET_TRANSMITTER); // these clear themselves
    this.#scheduleArrival();
  }

  // Receiver

  #enqueue(chunk: InputChunk): void {
    if (chunk.bytes.length === 0) return;
    this.state.input.push(chunk);
    this.#scheduleArrival();
    this.#updateInterrupt();
  }

  /**
   * Lets the next queued character in when the line has had time to carry it and the receiver has room.
   * After a pause on the line it comes in at once: its character time is taken to have passed before.
   */
  #scheduleArrival(): void {
    this.#arrival?.cancel();
    this.#arrival = undefined;
    const { state } = this;
    while (state.input.length > 0 && state.receiver.length < this.#capacity && !this.#loopback) {
      const { now } = this.#clock;
      const at = state.arrivedAt === null ? now : Math.max(state.arrivedAt + this.characterTime, state.arrivedAt);
      if (at > now) {
        this.#arrival = this.#clock.setAlarm(at, () => {
          this.#arrival = undefined;
          this.#scheduleArrival();
          this.#updateInterrupt();
        });
        return;
      }
      this.#arrive(now);
    }
  }

  #arrive(now: number): void {
    const { state } = this;
    const { bytes, errors } = state.input[0];
    state.arrivedAt = now;
    this.#take(bytes[state.inputOffset++], errors);
    if (state.inputOffset < bytes.length) return;
    state.input.shift();
    state.inputOffset = 0;
    if (state.input.length === 0) this.#backend.inputDrained?.();
  }

  /** A character comes out of the receiver's shift register. */
  #take(byte: number, errors: number): void {
    const { state } = this;
    const wordMask = (1 << (5 + extract(state.lcr, LCR_WORD_LENGTH))) - 1;
    const character = byte & wordMask;
    if (state.receiver.length < this.#capacity) {
      state.receiver.push(character | (errors << 8));
      if (state.receiver.length === 1) this.#reveal();
    } else {
      // Only loopback gets here. The FIFO keeps what it has, a lone RBR is overwritten.
      state.lineErrors |= LSR.OE;
      if (!this.#fifosEnabled) state.receiver[0] = character | (errors << 8);
    }
    this.#restartTimeout();
  }

  /** Line errors are revealed when their character comes to the top of the FIFO. */
  #reveal(): void {
    const { state } = this;
    if (state.receiver.length === 0) return;
    state.lineErrors |= state.receiver[0] >>> 8;
    state.receiver[0] &= 0xff;
  }

  #readReceiver(): number {
    const { state } = this;
    const entry = state.receiver.shift() ?? 0;
    state.timeoutInterrupt = false;
    this.#reveal();
    this.#restartTimeout();
    this.#updateInterrupt(); // INTR falls before the next character raises it again
    this.#scheduleArrival();
    this.#updateInterrupt();
    return entry & 0xff;
  }

  /** FIFO timeout: characters wait, and none came in or was read for four character times. */
  #restartTimeout(): void {
    const { state } = this;
    const waits = this.#fifosEnabled && state.receiver.length > 0;
    state.timeoutAt = waits ? this.#clock.now + 4 * this.characterTime : null;
    this.#scheduleTimeout();
  }

  #scheduleTimeout(): void {
    this.#timeout?.cancel();
    this.#timeout = undefined;
    const { timeoutAt } = this.state;
    if (timeoutAt === null) return;
    this.#timeout = this.#clock.setAlarm(timeoutAt, () => {
      this.#timeout = undefined;
      this.state.timeoutAt = null;
      this.state.timeoutInterrupt = true;
      this.#updateInterrupt();
    });
  }

  // Transmitter

  #writeTransmitter(value: number): void {
    const { state } = this;
    state.thrEmptyInterrupt = false;
    this.#updateInterrupt(); // INTR falls before the emptied THR raises it again: an edge-triggered PIC needs the edge
    if (state.transmitter.length < this.#capacity) state.transmitter.push(value);
    else state.transmitter[state.transmitter.length - 1] = value; // written over: the datasheet asks to look at THRE first
    this.#shiftNext();
  }

  /** Moves the next character into the idle shift register and, unless paced, out of it. */
  #shiftNext(): void {
    const { state } = this;
    while (state.shifting === null && state.transmitter.length > 0) {
      state.shifting = state.transmitter.shift()!;
      if (state.transmitter.length === 0) state.thrEmptyInterrupt = true;
      if (this.#pacedTransmit) {
        state.shiftedAt = this.#clock.now + this.characterTime;
        this.#scheduleShifted();
      } else this.#shiftOut();
    }
  }

  #scheduleShifted(): void {
    this.#shifted?.cancel();
    this.#shifted = undefined;
    const { shiftedAt } = this.state;
    if (shiftedAt === null) return;
    this.#shifted = this.#clock.setAlarm(shiftedAt, () => {
      this.#shifted = undefined;
      this.state.shiftedAt = null;
      this.#shiftOut();
      this.#shiftNext();
      this.#updateInterrupt();
    });
  }

  #shiftOut(): void {
    const { state } = this;
    const byte = state.shifting!;
    state.shifting = null;
    if (this.#loopback) this.#take(byte, 0);
    else if (!(state.lcr & LCR.BREAK))
      this.#backend.transmit(byte & ((1 << (5 + extract(state.lcr, LCR_WORD_LENGTH))) - 1));
  }

  // Modem control

  /** The four inputs of MSR: the modem's lines, or in loopback the outputs of MCR. Sets the deltas. */
  #updateModemPins(): void {
    const { state } = this;
    const { mcr } = state;
    const pins = this.#loopback
      ? outsidePins({
          cts: (mcr & MCR.RTS) !== 0,
          dsr: (mcr & MCR.DTR) !== 0,
          ri: (mcr & MCR.OUT1) !== 0,
          dcd: (mcr & MCR.OUT2) !== 0,
        })
      : outsidePins(state.modem);
    const changed = (state.msr & ~MSR_DELTAS) ^ pins;
    const deltas =
      (changed & MSR.CTS ? MSR.DCTS : 0) |
      (changed & MSR.DSR ? MSR.DDSR : 0) |
      (changed & MSR.RI && !(pins & MSR.RI) ? MSR.TERI : 0) |
      (changed & MSR.DCD ? MSR.DDCD : 0);
    state.msr = pins | (state.msr & MSR_DELTAS) | deltas;
  }
}
