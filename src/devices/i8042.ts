/**
 * Keyboard controller: an Intel 8042 with the firmware of the IBM PS/2.
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard/Auxiliary Device Controller".
 *
 * Commands take no guest time, so the input buffer is never seen full. A byte from the keyboard takes the time it
 * needs on its wire once the one before has been read: software that reads port 60h twice gets the same byte.
 *
 * Not modelled: a mouse (the auxiliary port exists, every transmission to it times out; it is a later issue),
 * the password and the controller's own program, parity errors.
 */
import { bit } from '../base/bits.ts';
import type { Alarm, VirtualClock } from '../base/virtual-clock.ts';
import type { Device } from '../bus/device.ts';
import type { IrqLine } from '../bus/irq-line.ts';
import type { PortDevice } from '../bus/port-bus.ts';
import type { Ps2Device } from './ps2-device.ts';
import { BREAK, translate } from './scan-codes.ts';

/** Offsets from port 60h. */
const DATA = 0;
const STATUS_COMMAND = 4;

const STATUS = { OBF: 0x01, SYS: 0x04, COMMAND: 0x08, NOT_INHIBITED: 0x10, AUX: 0x20, TIMEOUT: 0x40 } as const;
/** The controller's command byte, byte 0 of its RAM. */
const COMMAND_BYTE = {
  KEYBOARD_INTERRUPT: 0x01,
  AUX_INTERRUPT: 0x02,
  SYSTEM_FLAG: 0x04,
  DISABLE_KEYBOARD: 0x10,
  DISABLE_AUX: 0x20,
  TRANSLATE: 0x40,
} as const;
const COMMAND = {
  READ_RAM: 0x20,
  WRITE_RAM: 0x60,
  TEST_PASSWORD: 0xa4,
  DISABLE_AUX: 0xa7,
  ENABLE_AUX: 0xa8,
  TEST_AUX: 0xa9,
  SELF_TEST: 0xaa,
  TEST_KEYBOARD: 0xab,
  DISABLE_KEYBOARD: 0xad,
  ENABLE_KEYBOARD: 0xae,
  READ_INPUT_PORT: 0xc0,
  READ_OUTPUT_PORT: 0xd0,
  WRITE_OUTPUT_PORT: 0xd1,
  WRITE_KEYBOARD_BUFFER: 0xd2,
  WRITE_AUX_BUFFER: 0xd3,
  WRITE_AUX: 0xd4,
  READ_TEST_INPUTS: 0xe0,
  PULSE_OUTPUT_PORT: 0xf0,
} as const;
const RAM_SIZE = 32;
const ANSWER = { SELF_TEST_PASSED: 0x55, INTERFACE_OK: 0x00, NO_PASSWORD: 0xf1, TRANSMISSION_FAILED: 0xfe } as const;
/** Bit 7: the keyboard is not locked. */
const INPUT_PORT = 0x80;
const OUTPUT_PORT = { NOT_RESET: 0, A20: 1, KEYBOARD_OBF: 4, AUX_OBF: 5 } as const;
/** Eleven bits at 16.7 kHz, the fastest clock a keyboard may give. */
const BYTE_TIME = 660_000;

type Source = 'controller' | 'keyboard' | 'aux';

const powerOnState = () => {
  const ram = new Uint8Array(RAM_SIZE);
  // As firmware leaves it: scan codes translated to set 1 and announced by IRQ 1.
  ram[0] = COMMAND_BYTE.KEYBOARD_INTERRUPT | COMMAND_BYTE.DISABLE_AUX | COMMAND_BYTE.TRANSLATE;
  return {
    ram,
    /** What port 60h reads. */
    outputBuffer: 0,
    outputFull: false,
    outputSource: 'controller' as Source,
    timedOut: false,
    lastWriteWasCommand: false,
    /** An answer that waits for the output buffer to be read. */
    answer: null as { byte: number; source: Source; timedOut: boolean } | null,
    /** The command whose data byte comes next. */
    awaiting: null as number | null,
    /** Output port: A20 and reset are high, the interrupt bits come from the output buffer. */
    outputPort: (1 << OUTPUT_PORT.NOT_RESET) | (1 << OUTPUT_PORT.A20) | 0xcc,
    /** The break prefix of set 2 was the keyboard's last byte. */
    afterBreak: false,
    /** Guest time (ns) from which the keyboard's wire is free again. */
    wireFreeAt: 0,
  };
};

export class I8042 implements PortDevice, Device {
  readonly name = 'i8042';
  readonly stateVersion = 1;
  readonly state = powerOnState();
  readonly #wiring: I8042Wiring;
  #alarm: Alarm | undefined;

  constructor(wiring: I8042Wiring) {
    this.#wiring = wiring;
    wiring.keyboard.onData = () => this.#poll();
    this.resume();
  }

  readPort(offset: number): number {
    if (offset === STATUS_COMMAND) return this.#status;
    if (offset !== DATA) return 0xff;
    const { state } = this;
    const byte = state.outputBuffer;
    if (!state.outputFull) return byte;
    state.outputFull = false;
    state.timedOut = false;
    if (state.outputSource === 'keyboard') state.wireFreeAt = this.#wiring.clock.now + BYTE_TIME;
    this.#follow();
    const { answer } = state;
    state.answer = null;
    if (answer) this.#output(answer);
    this.#poll();
    return byte;
  }

  writePort(offset: number, value: number): void {
    const { state } = this;
    if (offset === STATUS_COMMAND) {
      state.lastWriteWasCommand = true;
      state.awaiting = null;
      this.#command(value);
    } else if (offset === DATA) {
      state.lastWriteWasCommand = false;
      const { awaiting } = state;
      state.awaiting = null;
      if (awaiting === null) {
        // A byte for the keyboard enables its interface.
        state.ram[0] &= ~COMMAND_BYTE.DISABLE_KEYBOARD;
        this.#wiring.keyboard.receive(value);
      } else this.#data(awaiting, value);
    }
    this.#follow();
    this.#poll();
  }

  reset(): void {
    Object.assign(this.state, powerOnState());
  }

  resume(): void {
    this.#wiring.a20.set(bit(this.state.outputPort, OUTPUT_PORT.A20));
    this.#follow();
    this.#poll();
  }

  get #status(): number {
    const { state } = this;
    return (
      (state.outputFull ? STATUS.OBF : 0) |
      (state.ram[0] & COMMAND_BYTE.SYSTEM_FLAG ? STATUS.SYS : 0) |
      (state.lastWriteWasCommand ? STATUS.COMMAND : 0) |
      STATUS.NOT_INHIBITED |
      (state.outputFull && state.outputSource === 'aux' ? STATUS.AUX : 0) |
      (state.timedOut ? STATUS.TIMEOUT : 0)
    );
  }

  #command(command: number): void {
    const { state } = this;
    const ram = state.ram;
    if (command >= COMMAND.READ_RAM && command < COMMAND.READ_RAM + RAM_SIZE) {
      return this.#answer(ram[command - COMMAND.READ_RAM]);
    }
    if (command >= COMMAND.WRITE_RAM && command < COMMAND.WRITE_RAM + RAM_SIZE) {
      state.awaiting = command;
      return;
    }
    if (command >= COMMAND.PULSE_OUTPUT_PORT) {
      // Bits 3–0 that are zero pulse low for 6 µs; of those only reset lasts long enough to matter.
      if (!bit(command, OUTPUT_PORT.NOT_RESET)) this.#wiring.reset();
      return;
    }
    switch (command) {
      case COMMAND.TEST_PASSWORD:
        return this.#answer(ANSWER.NO_PASSWORD);
      case COMMAND.DISABLE_AUX:
        ram[0] |= COMMAND_BYTE.DISABLE_AUX;
        return;
      case COMMAND.ENABLE_AUX:
        ram[0] &= ~COMMAND_BYTE.DISABLE_AUX;
        return;
      case COMMAND.TEST_AUX:
      case COMMAND.TEST_KEYBOARD:
        return this.#answer(ANSWER.INTERFACE_OK);
      case COMMAND.SELF_TEST:
        ram[0] |= COMMAND_BYTE.SYSTEM_FLAG;
        return this.#answer(ANSWER.SELF_TEST_PASSED);
      case COMMAND.DISABLE_KEYBOARD:
        ram[0] |= COMMAND_BYTE.DISABLE_KEYBOARD;
        return;
      case COMMAND.ENABLE_KEYBOARD:
        ram[0] &= ~COMMAND_BYTE.DISABLE_KEYBOARD;
        return;
      case COMMAND.READ_INPUT_PORT:
        return this.#answer(INPUT_PORT);
      case COMMAND.READ_OUTPUT_PORT:
        return this.#answer(this.#outputPort);
      case COMMAND.READ_TEST_INPUTS:
        // T0 is the keyboard's clock, held low while its interface is disabled; T1 the auxiliary device's.
        return this.#answer(
          (ram[0] & COMMAND_BYTE.DISABLE_KEYBOARD ? 0 : 1) | (ram[0] & COMMAND_BYTE.DISABLE_AUX ? 0 : 2),
        );
      case COMMAND.WRITE_OUTPUT_PORT:
      case COMMAND.WRITE_KEYBOARD_BUFFER:
      case COMMAND.WRITE_AUX_BUFFER:
      case COMMAND.WRITE_AUX:
        state.awaiting = command;
        return;
    }
  }

  /** The data byte of a command. */
  #data(command: number, value: number): void {
    const { state } = this;
    switch (command) {
      case COMMAND.WRITE_OUTPUT_PORT:
        state.outputPort = value;
        this.#wiring.a20.set(bit(value, OUTPUT_PORT.A20));
        if (!bit(value, OUTPUT_PORT.NOT_RESET)) this.#wiring.reset();
        break;
      case COMMAND.WRITE_KEYBOARD_BUFFER:
        this.#answer(value, 'keyboard');
        break;
      case COMMAND.WRITE_AUX_BUFFER:
        this.#answer(value, 'aux');
        break;
      case COMMAND.WRITE_AUX:
        state.ram[0] &= ~COMMAND_BYTE.DISABLE_AUX;
        this.#answer(ANSWER.TRANSMISSION_FAILED, 'aux', { timedOut: true }); // nobody is there
        break;
      default:
        state.ram[command - COMMAND.WRITE_RAM] = value;
    }
  }

  /** Bits 4 and 5 are the levels of the interrupt lines' sources. */
  get #outputPort(): number {
    const { outputPort, outputFull, outputSource } = this.state;
    const full = (source: boolean) => (outputFull && source ? 1 : 0);
    return (
      (outputPort & ~0x30) |
      (full(outputSource !== 'aux') << OUTPUT_PORT.KEYBOARD_OBF) |
      (full(outputSource === 'aux') << OUTPUT_PORT.AUX_OBF)
    );
  }

  #answer(byte: number, source: Source = 'controller', { timedOut = false } = {}): void {
    const answer = { byte, source, timedOut };
    if (this.state.outputFull) this.state.answer = answer;
    else this.#output(answer);
  }

  #output({ byte, source, timedOut }: { byte: number; source: Source; timedOut: boolean }): void {
    Object.assign(this.state, { outputBuffer: byte, outputFull: true, outputSource: source, timedOut });
    this.#follow();
  }

  /** Lets the keyboard send its next byte when buffer, interface and wire are free. */
  #poll(): void {
    const { state } = this;
    const { clock, keyboard } = this.#wiring;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    while (!state.outputFull && keyboard.hasData && !(state.ram[0] & COMMAND_BYTE.DISABLE_KEYBOARD)) {
      if (clock.now < state.wireFreeAt) {
        this.#alarm = clock.setAlarm(state.wireFreeAt, () => {
          this.#alarm = undefined;
          this.#poll();
        });
        return;
      }
      this.#takeFromKeyboard(keyboard.take());
    }
  }

  #takeFromKeyboard(byte: number): void {
    const { state } = this;
    const translates = (state.ram[0] & COMMAND_BYTE.TRANSLATE) !== 0;
    if (translates && byte === BREAK) {
      state.afterBreak = true;
      return;
    }
    const code = translates ? translate(byte, { afterBreak: state.afterBreak }) : byte;
    state.afterBreak = false;
    this.#output({ byte: code, source: 'keyboard', timedOut: false });
  }

  /** The interrupt lines follow the output buffer. */
  #follow(): void {
    const { outputFull, outputSource, ram } = this.state;
    const level = (source: boolean, enable: number) => (outputFull && source && ram[0] & enable ? 1 : 0);
    this.#wiring.keyboardIrq.set(level(outputSource !== 'aux', COMMAND_BYTE.KEYBOARD_INTERRUPT));
    this.#wiring.auxIrq.set(level(outputSource === 'aux', COMMAND_BYTE.AUX_INTERRUPT));
  }
}

export interface I8042Wiring {
  readonly clock: VirtualClock;
  readonly keyboard: Ps2Device;
  /** IRQ 1. */
  readonly keyboardIrq: IrqLine;
  /** IRQ 12. */
  readonly auxIrq: IrqLine;
  /** Output port bit 1: this chip's half of the A20 gate. */
  readonly a20: IrqLine;
  /** Output port bit 0 falls: the processor's reset. */
  readonly reset: () => void;
}
