/**
 * INT 09h: a byte from the keyboard becomes a key in the buffer, a change of the shift state, or one of the deeds that
 * keys can do. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 09h".
 *
 * Not modelled: the beep when the buffer is full.
 */
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import { answeredCarry } from '../call-frame.ts';
import { type Call, type Next, SERVICE, type Services } from '../service.ts';
import { endInterrupt } from '../system/interrupt-controller.ts';
import { EXTENDED_KEYS, KEYS, type Key, PAD_DIGITS } from './key-table.ts';
import { KeyboardBuffer } from './keyboard-buffer.ts';

const PORT = { DATA: 0x60, STATUS: 0x64, COMMAND: 0x64 } as const;
const OUTPUT_FULL = 0x01;
const LINE = 1;
const RESET = 0xfe;
const SET_LEDS = 0xed;
const INTERCEPT = 0x4f00;

/** 40:17. */
export const SHIFT = {
  RIGHT: 1,
  LEFT: 2,
  CONTROL: 4,
  ALT: 8,
  SCROLL: 0x10,
  NUM: 0x20,
  CAPS: 0x40,
  INSERT: 0x80,
} as const;
/** 40:18: what is down, and whether everything pauses. */
const DOWN = {
  LEFT_CONTROL: 1,
  LEFT_ALT: 2,
  SYSTEM: 4,
  PAUSE: 8,
  SCROLL: 0x10,
  NUM: 0x20,
  CAPS: 0x40,
  INSERT: 0x80,
} as const;
/** 40:96. */
const EXTENDED = { E1: 1, E0: 2, RIGHT_CONTROL: 4, RIGHT_ALT: 8 } as const;
/** 40:97: the lights as they are, and that the keyboard has been told that a byte for them comes. */
const LEDS = { MASK: 0x07, TOLD: 0x40 } as const;

const BYTE = { ACKNOWLEDGE: 0xfa, RESEND: 0xfe, E0: 0xe0, E1: 0xe1, BREAK: 0x80 } as const;
const SCAN = {
  CONTROL: 0x1d,
  LEFT_SHIFT: 0x2a,
  RIGHT_SHIFT: 0x36,
  PRINT_SCREEN: 0x37,
  ALT: 0x38,
  CAPS: 0x3a,
  NUM: 0x45,
  SCROLL: 0x46,
  INSERT: 0x52,
  DELETE: 0x53,
  SYSTEM_REQUEST: 0x54,
} as const;
const INTERRUPT = { PRINT_SCREEN: 0x05, SYSTEM: 0x15, BREAK: 0x1b } as const;
const SYSTEM_REQUEST = { PRESSED: 0x8500, RELEASED: 0x8501 } as const;
const WARM_START = 0x1234;
const BREAK_FLAG = 0x80;
const PRINT_SCREEN_WITH_CONTROL = 0x7200;

export function keyboardInterrupt(board: Board): Services {
  const handler = new KeyboardInterrupt(board);
  return { [SERVICE.KEYBOARD_INTERRUPT]: (call) => handler.serve(call) };
}

class KeyboardInterrupt {
  readonly #board: Board;
  readonly #bda: BiosData;
  readonly #buffer: KeyboardBuffer;

  constructor(board: Board) {
    this.#board = board;
    this.#bda = new BiosData(board.memory);
    this.#buffer = new KeyboardBuffer(this.#bda);
  }

  /** Three steps: INT 15h, AH=4Fh may take the byte or change it; then it does what it does; then that may go on. */
  serve(call: Call): Next {
    const { ports } = this.#board;
    switch (call.memo?.step) {
      case undefined: {
        if ((ports.read(PORT.STATUS, 1) & OUTPUT_FULL) === 0) {
          endInterrupt(ports, LINE);
          return undefined;
        }
        call.memo = { step: 'intercepted' };
        return { interrupt: INTERRUPT.SYSTEM, ax: INTERCEPT | ports.read(PORT.DATA, 1) };
      }
      case 'intercepted': {
        endInterrupt(ports, LINE);
        if (!answeredCarry(call.frame)) return undefined;
        const next = this.#take(call.frame.argument & 0xff);
        call.memo = { step: next === 'halt' ? 'pause' : 'end' };
        return next;
      }
      case 'pause':
        return this.#bda.byte(BDA.KEYBOARD_FLAGS_2) & DOWN.PAUSE ? 'halt' : undefined;
      default:
        return undefined;
    }
  }

  #take(byte: number): Next {
    const extended = this.#bda.byte(BDA.KEYBOARD_FLAGS_3);
    if (byte === BYTE.ACKNOWLEDGE || byte === BYTE.RESEND) return this.#acknowledged(byte);
    if (byte === BYTE.E0) return this.#setByte(BDA.KEYBOARD_FLAGS_3, extended | EXTENDED.E0);
    if (byte === BYTE.E1) return this.#setByte(BDA.KEYBOARD_FLAGS_3, extended | EXTENDED.E1);
    const scan = byte & ~BYTE.BREAK;
    // The Pause key sends E1 1D 45 E1 9D C5: its Ctrl is none.
    if (extended & EXTENDED.E1 && scan === SCAN.CONTROL) return undefined;
    this.#bda.setByte(BDA.KEYBOARD_FLAGS_3, extended & ~(EXTENDED.E0 | EXTENDED.E1));
    const stroke = { scan, isBreak: byte >= BYTE.BREAK, e0: (extended & EXTENDED.E0) !== 0 };
    if (extended & EXTENDED.E1) return scan === SCAN.NUM && !stroke.isBreak ? this.#pause() : undefined;
    return this.#modifier(stroke) ? undefined : this.#key(stroke);
  }

  /** @returns whether it was a key that changes the meaning of others */
  #modifier({ scan, isBreak, e0 }: Stroke): boolean {
    const hold = (offset: number, bit: number) => {
      const before = this.#bda.byte(offset);
      this.#bda.setByte(offset, isBreak ? before & ~bit : before | bit);
    };
    switch (scan) {
      case SCAN.LEFT_SHIFT:
      case SCAN.RIGHT_SHIFT:
        // With E0h it is one that the keyboard makes up around grey keys.
        if (!e0) hold(BDA.KEYBOARD_FLAGS, scan === SCAN.LEFT_SHIFT ? SHIFT.LEFT : SHIFT.RIGHT);
        return true;
      case SCAN.CONTROL:
        if (e0) hold(BDA.KEYBOARD_FLAGS_3, EXTENDED.RIGHT_CONTROL);
        else hold(BDA.KEYBOARD_FLAGS_2, DOWN.LEFT_CONTROL);
        this.#join(SHIFT.CONTROL, DOWN.LEFT_CONTROL, EXTENDED.RIGHT_CONTROL);
        return true;
      case SCAN.ALT:
        if (e0) hold(BDA.KEYBOARD_FLAGS_3, EXTENDED.RIGHT_ALT);
        else hold(BDA.KEYBOARD_FLAGS_2, DOWN.LEFT_ALT);
        this.#join(SHIFT.ALT, DOWN.LEFT_ALT, EXTENDED.RIGHT_ALT);
        if (isBreak) this.#endNumber();
        return true;
      case SCAN.CAPS:
        this.#toggle(SHIFT.CAPS, DOWN.CAPS, isBreak);
        return true;
      case SCAN.NUM:
        if (this.#has(SHIFT.CONTROL)) return false;
        this.#toggle(SHIFT.NUM, DOWN.NUM, isBreak);
        return true;
      case SCAN.SCROLL:
        if (e0 || this.#has(SHIFT.CONTROL)) return false;
        this.#toggle(SHIFT.SCROLL, DOWN.SCROLL, isBreak);
        return true;
      case SCAN.INSERT:
        // It is a key as well.
        if (isBreak || e0 || !this.#isDigit()) this.#toggle(SHIFT.INSERT, DOWN.INSERT, isBreak);
        return false;
      default:
        return false;
    }
  }

  #key({ scan, isBreak, e0 }: Stroke): Next {
    const [control, alt] = [this.#has(SHIFT.CONTROL), this.#has(SHIFT.ALT)];
    if (scan === SCAN.SYSTEM_REQUEST) return this.#systemRequest(isBreak);
    if (isBreak) return undefined;
    const flags2 = this.#bda.byte(BDA.KEYBOARD_FLAGS_2);
    if (flags2 & DOWN.PAUSE) return this.#setByte(BDA.KEYBOARD_FLAGS_2, flags2 & ~DOWN.PAUSE);
    if (scan === SCAN.DELETE && control && alt) return this.#restart();
    if (scan === SCAN.NUM && control) return this.#pause();
    if (scan === SCAN.SCROLL && (e0 || control)) return this.#break();
    if (scan === SCAN.PRINT_SCREEN && e0) {
      if (!control) return { interrupt: INTERRUPT.PRINT_SCREEN, ax: 0 };
      this.#buffer.put(PRINT_SCREEN_WITH_CONTROL);
      return undefined;
    }
    const digit = e0 ? undefined : PAD_DIGITS.get(scan);
    if (alt && digit !== undefined) return this.#setByte(BDA.ALT_NUMPAD, this.#bda.byte(BDA.ALT_NUMPAD) * 10 + digit);
    const key = (e0 ? EXTENDED_KEYS : KEYS).get(scan);
    const keyCode = key && this.#codeOf(key, { control, alt });
    if (keyCode !== undefined) this.#buffer.put(keyCode);
    return undefined;
  }

  #codeOf({ codes, lock }: Key, { control, alt }: { control: boolean; alt: boolean }): number | undefined {
    const [plain, shifted, withControl, withAlt] = codes;
    if (alt) return withAlt;
    if (control) return withControl;
    const reversed = (lock === 'caps' && this.#has(SHIFT.CAPS)) || (lock === 'num' && this.#has(SHIFT.NUM));
    return (this.#has(SHIFT.LEFT) || this.#has(SHIFT.RIGHT)) !== reversed ? shifted : plain;
  }

  /** Whether a key of the number pad is a digit now. */
  #isDigit(): boolean {
    return (this.#has(SHIFT.LEFT) || this.#has(SHIFT.RIGHT)) !== this.#has(SHIFT.NUM);
  }

  #has(bit: number): boolean {
    return (this.#bda.byte(BDA.KEYBOARD_FLAGS) & bit) !== 0;
  }

  #setByte(offset: number, value: number): undefined {
    this.#bda.setByte(offset, value);
  }

  /** A shift key is down while either of its two is. */
  #join(shift: number, left: number, right: number): void {
    const down = (this.#bda.byte(BDA.KEYBOARD_FLAGS_2) & left) | (this.#bda.byte(BDA.KEYBOARD_FLAGS_3) & right);
    const flags = this.#bda.byte(BDA.KEYBOARD_FLAGS);
    this.#bda.setByte(BDA.KEYBOARD_FLAGS, down !== 0 ? flags | shift : flags & ~shift);
  }

  /** A key that locks: once for each time that it goes down. */
  #toggle(shift: number, held: number, isBreak: boolean): void {
    const flags2 = this.#bda.byte(BDA.KEYBOARD_FLAGS_2);
    this.#bda.setByte(BDA.KEYBOARD_FLAGS_2, isBreak ? flags2 & ~held : flags2 | held);
    if (isBreak || flags2 & held) return;
    this.#bda.setByte(BDA.KEYBOARD_FLAGS, this.#bda.byte(BDA.KEYBOARD_FLAGS) ^ shift);
    if (shift === SHIFT.INSERT) return;
    this.#bda.setByte(BDA.KEYBOARD_LEDS, this.#bda.byte(BDA.KEYBOARD_LEDS) | LEDS.TOLD);
    this.#board.ports.write(PORT.DATA, SET_LEDS, 1);
  }

  /** The keyboard has taken a byte: after the command come the lights, Scroll, Num and Caps from bit 0 on. */
  #acknowledged(byte: number): undefined {
    const leds = this.#bda.byte(BDA.KEYBOARD_LEDS);
    if (!(leds & LEDS.TOLD)) return;
    const lights = (this.#bda.byte(BDA.KEYBOARD_FLAGS) >>> 4) & LEDS.MASK;
    this.#bda.setByte(BDA.KEYBOARD_LEDS, (leds & ~(LEDS.TOLD | LEDS.MASK)) | lights);
    if (byte === BYTE.ACKNOWLEDGE) this.#board.ports.write(PORT.DATA, lights, 1);
  }

  /** Alt goes up: a number that was typed meanwhile is a character. */
  #endNumber(): void {
    const number = this.#bda.byte(BDA.ALT_NUMPAD);
    this.#bda.setByte(BDA.ALT_NUMPAD, 0);
    if (number !== 0) this.#buffer.put(number);
  }

  #systemRequest(isBreak: boolean): Next {
    const flags = this.#bda.byte(BDA.KEYBOARD_FLAGS_2);
    if (!isBreak && flags & DOWN.SYSTEM) return undefined;
    this.#bda.setByte(BDA.KEYBOARD_FLAGS_2, isBreak ? flags & ~DOWN.SYSTEM : flags | DOWN.SYSTEM);
    return { interrupt: INTERRUPT.SYSTEM, ax: isBreak ? SYSTEM_REQUEST.RELEASED : SYSTEM_REQUEST.PRESSED };
  }

  #pause(): Next {
    const flags = this.#bda.byte(BDA.KEYBOARD_FLAGS_2);
    if (flags & DOWN.PAUSE) return undefined;
    this.#bda.setByte(BDA.KEYBOARD_FLAGS_2, flags | DOWN.PAUSE);
    return 'halt';
  }

  #break(): Next {
    this.#buffer.clear();
    this.#buffer.put(0);
    this.#bda.setByte(BDA.BREAK, BREAK_FLAG);
    return { interrupt: INTERRUPT.BREAK, ax: 0 };
  }

  #restart(): undefined {
    this.#bda.setWord(BDA.RESET_FLAG, WARM_START);
    this.#board.ports.write(PORT.COMMAND, RESET, 1);
  }
}

interface Stroke {
  readonly scan: number;
  readonly isBreak: boolean;
  /** It came with the prefix E0h. */
  readonly e0: boolean;
}
