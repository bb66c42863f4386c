/**
 * PS/2 keyboard: keys in, scan codes out, commands from the system.
 * IBM Personal System/2 Hardware Interface Technical Reference, "Keyboards" (101/102 keys).
 *
 * Not modelled: typematic repeat in the keyboard (rate and delay are accepted; `press` of a key that is down is a
 * repeat, so the host's own repeat drives it), key types of single keys in set 3 (FBh–FDh are accepted), the duration
 * of the self-test, the shift codes around the grey keys that imitate the 83-key layout.
 */
import { bit } from '../base/bits.ts';
import type { Device } from '../bus/device.ts';
import type { Ps2Device } from './ps2-device.ts';
import { BREAK, EXTENDED, set2Code, set3Code, translate } from './scan-codes.ts';

const COMMAND = {
  SET_LEDS: 0xed,
  ECHO: 0xee,
  SCAN_CODE_SET: 0xf0,
  READ_ID: 0xf2,
  SET_TYPEMATIC: 0xf3,
  ENABLE: 0xf4,
  DEFAULT_DISABLE: 0xf5,
  SET_DEFAULT: 0xf6,
  ALL_TYPEMATIC: 0xf7,
  ALL_MAKE_BREAK: 0xf8,
  ALL_MAKE: 0xf9,
  ALL_TYPEMATIC_MAKE_BREAK: 0xfa,
  KEY_TYPEMATIC: 0xfb,
  KEY_MAKE_BREAK: 0xfc,
  KEY_MAKE: 0xfd,
  RESEND: 0xfe,
  RESET: 0xff,
} as const;
const FIRST_COMMAND = COMMAND.SET_LEDS;
const RESPONSE = { SELF_TEST_PASSED: 0xaa, ECHO: 0xee, ACKNOWLEDGE: 0xfa, RESEND: 0xfe } as const;
const IDENTIFICATION = [0xab, 0x83] as const;
const LEDS = { SCROLL_LOCK: 0, NUM_LOCK: 1, CAPS_LOCK: 2 } as const;
const BUFFER_SIZE = 16;
/** 10.9 characters a second after 500 ms. */
const DEFAULT_TYPEMATIC = 0x2b;
const MODIFIERS = ['ShiftLeft', 'ShiftRight', 'ControlLeft', 'ControlRight', 'AltLeft', 'AltRight'];
/** "All keys except the Pause key are typematic": held down, it sends nothing more. */
const NOT_TYPEMATIC = 'Pause';
/** What PrintScreen sends in set 2 while Alt is down. */
const SYSTEM_REQUEST = 0x84;

type ScanCodeSet = 1 | 2 | 3;
type Stroke = 'make' | 'break';

const powerOnState = () => ({
  set: 2 as ScanCodeSet,
  scanning: true,
  leds: 0,
  typematic: DEFAULT_TYPEMATIC,
  /** Set 3: which keys send break codes. */
  breaks: 'modifiers' as 'modifiers' | 'all' | 'none',
  /** The command whose parameter comes next. */
  awaiting: null as number | null,
  /** Answers to the system; they go before scan codes. */
  responses: [] as number[],
  /** Scan codes, at most 16 bytes and the overrun code. */
  buffer: [] as number[],
  lastSent: 0,
  /** Keys held down. */
  down: [] as string[],
});

/** Whether the keyboard has such a key: a W3C `KeyboardEvent.code`. */
export const isKey = (key: string): boolean => key === 'Pause' || key === 'PrintScreen' || set2Code(key) !== undefined;

export class Ps2Keyboard implements Ps2Device, Device {
  readonly name = 'ps2-keyboard';
  readonly stateVersion = 1;
  readonly state = powerOnState();
  onData: () => void = () => {};

  hasKey(key: string): boolean {
    return isKey(key);
  }

  /** A key goes down, or repeats. `key` is a W3C `KeyboardEvent.code`; false if this keyboard has no such key. */
  press(key: string): boolean {
    const codes = this.#codes(key, 'make');
    if (!codes) return false;
    const repeats = this.state.down.includes(key);
    if (repeats && key === NOT_TYPEMATIC) return true;
    if (!repeats) this.state.down.push(key);
    this.#enqueue(codes);
    return true;
  }

  /** A key comes up; false if this keyboard has no such key. */
  release(key: string): boolean {
    const codes = this.#codes(key, 'break');
    if (!codes) return false;
    this.state.down = this.state.down.filter((held) => held !== key);
    this.#enqueue(codes);
    return true;
  }

  /** The lights, as the system has set them. */
  get leds(): { scrollLock: boolean; numLock: boolean; capsLock: boolean } {
    const lit = (index: number) => bit(this.state.leds, index) === 1;
    return { scrollLock: lit(LEDS.SCROLL_LOCK), numLock: lit(LEDS.NUM_LOCK), capsLock: lit(LEDS.CAPS_LOCK) };
  }

  get hasData(): boolean {
    return this.state.responses.length > 0 || this.state.buffer.length > 0;
  }

  take(): number {
    const { state } = this;
    const byte = state.responses.shift() ?? state.buffer.shift() ?? 0;
    if (byte !== RESPONSE.RESEND) state.lastSent = byte;
    return byte;
  }

  receive(byte: number): void {
    const { state } = this;
    const { awaiting } = state;
    state.awaiting = null;
    state.responses = []; // a command from the system aborts what was being sent
    if (awaiting !== null && byte < FIRST_COMMAND) this.#parameter(awaiting, byte);
    else this.#command(byte);
    if (this.hasData) this.onData();
  }

  reset(): void {
    Object.assign(this.state, powerOnState());
  }

  resume(): void {
    if (this.hasData) this.onData();
  }

  #answer(...bytes: number[]): void {
    this.state.responses.push(...bytes);
  }

  #command(byte: number): void {
    const { state } = this;
    switch (byte) {
      case COMMAND.ECHO:
        return this.#answer(RESPONSE.ECHO);
      case COMMAND.RESEND:
        return this.#answer(state.lastSent);
      case COMMAND.RESET:
        this.reset();
        return this.#answer(RESPONSE.ACKNOWLEDGE, RESPONSE.SELF_TEST_PASSED);
      case COMMAND.READ_ID:
        return this.#answer(RESPONSE.ACKNOWLEDGE, ...IDENTIFICATION);
      case COMMAND.SET_LEDS:
      case COMMAND.SCAN_CODE_SET:
      case COMMAND.SET_TYPEMATIC:
      case COMMAND.KEY_TYPEMATIC:
      case COMMAND.KEY_MAKE_BREAK:
      case COMMAND.KEY_MAKE:
        state.awaiting = byte;
        return this.#answer(RESPONSE.ACKNOWLEDGE);
      case COMMAND.ENABLE:
        state.buffer = [];
        state.scanning = true;
        return this.#answer(RESPONSE.ACKNOWLEDGE);
      case COMMAND.DEFAULT_DISABLE:
        this.#setDefault();
        state.scanning = false;
        return this.#answer(RESPONSE.ACKNOWLEDGE);
      case COMMAND.SET_DEFAULT:
        this.#setDefault();
        return this.#answer(RESPONSE.ACKNOWLEDGE);
      case COMMAND.ALL_TYPEMATIC:
      case COMMAND.ALL_MAKE:
        state.breaks = 'none';
        return this.#answer(RESPONSE.ACKNOWLEDGE);
      case COMMAND.ALL_MAKE_BREAK:
      case COMMAND.ALL_TYPEMATIC_MAKE_BREAK:
        state.breaks = 'all';
        return this.#answer(RESPONSE.ACKNOWLEDGE);
      default:
        return this.#answer(RESPONSE.RESEND);
    }
  }

  #parameter(command: number, value: number): void {
    const { state } = this;
    switch (command) {
      case COMMAND.SET_LEDS:
        state.leds = value & 7;
        break;
      case COMMAND.SCAN_CODE_SET:
        if (value > 3) return this.#answer(RESPONSE.RESEND);
        if (value === 0) return this.#answer(RESPONSE.ACKNOWLEDGE, state.set);
        state.set = value as ScanCodeSet;
        state.buffer = [];
        break;
      case COMMAND.SET_TYPEMATIC:
        state.typematic = value & 0x7f;
        break;
    }
    this.#answer(RESPONSE.ACKNOWLEDGE);
  }

  /** "Set default": buffer, typematic and key types, not the scan code set and not the lights. */
  #setDefault(): void {
    const { buffer, typematic, breaks } = powerOnState();
    Object.assign(this.state, { buffer, typematic, breaks });
  }

  /** A stroke's bytes go into the buffer whole; if they do not fit one overrun code follows what is there. */
  #enqueue(codes: readonly number[]): void {
    const { state } = this;
    const overrun = state.set === 1 ? 0xff : 0x00;
    if (!state.scanning || codes.length === 0 || state.buffer.at(-1) === overrun) return;
    if (state.buffer.length + codes.length <= BUFFER_SIZE) state.buffer.push(...codes);
    else state.buffer.push(overrun);
    this.onData();
  }

  #isDown(...keys: string[]): boolean {
    return keys.some((key) => this.state.down.includes(key));
  }

  /** What a stroke sends in the current set; undefined: no such key. */
  #codes(key: string, stroke: Stroke): number[] | undefined {
    const { set, breaks } = this.state;
    if (set !== 3) {
      const codes = this.#set2Codes(key, stroke);
      return codes && set === 1 ? translateAll(codes) : codes;
    }
    const code = set3Code(key);
    if (code === undefined) return undefined;
    if (stroke === 'make') return [code];
    return breaks === 'all' || (breaks === 'modifiers' && MODIFIERS.includes(key)) ? [BREAK, code] : [];
  }

  #set2Codes(key: string, stroke: Stroke): number[] | undefined {
    if (key === 'Pause') {
      if (stroke === 'break') return []; // everything was sent when it went down
      const isBreakKey = this.#isDown('ControlLeft', 'ControlRight');
      return isBreakKey ? [EXTENDED, 0x7e, EXTENDED, BREAK, 0x7e] : [0xe1, 0x14, 0x77, 0xe1, BREAK, 0x14, BREAK, 0x77];
    }
    const code = key === 'PrintScreen' ? this.#printScreenCode : set2Code(key);
    if (code === undefined) return undefined;
    const prefix = code > 0xff ? [EXTENDED] : [];
    if (stroke === 'break') prefix.push(BREAK);
    const codes = [...prefix, code & 0xff];
    if (key !== 'PrintScreen' || this.#isDown(...MODIFIERS)) return codes;
    return stroke === 'make' ? [...prefix, 0x12, ...codes] : [...codes, ...prefix, 0x12];
  }

  get #printScreenCode(): number {
    return this.#isDown('AltLeft', 'AltRight') ? SYSTEM_REQUEST : 0xe07c;
  }
}

/** 8042 translation of a whole stroke. */
function translateAll(codes: readonly number[]): number[] {
  return codes.flatMap((code, index) =>
    code === BREAK ? [] : [translate(code, { afterBreak: codes[index - 1] === BREAK })],
  );
}
