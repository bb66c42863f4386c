/** Devices on a bench: a clock that the test moves, and lines that write down what happens to them. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { IrqLine } from '../../src/bus/irq-line.ts';
import { timeOfTick } from '../../src/devices/crystal.ts';
import { I8042 } from '../../src/devices/i8042.ts';
import { Pic8259, PicPair } from '../../src/devices/pic8259.ts';
import { PIT_HZ, Pit8254 } from '../../src/devices/pit8254.ts';
import { Port61 } from '../../src/devices/port61.ts';
import { Ps2Keyboard } from '../../src/devices/ps2-keyboard.ts';
import { Rtc146818 } from '../../src/devices/rtc146818.ts';
import { Uart16550 } from '../../src/devices/uart16550.ts';
import { VgaText } from '../../src/devices/vga-text.ts';

/** A wire that records its level and the guest times (ns) of its edges. */
export class RecordingLine implements IrqLine {
  level: 0 | 1 = 0;
  readonly rising: number[] = [];
  readonly falling: number[] = [];
  readonly #clock: VirtualClock;

  constructor(clock = new VirtualClock()) {
    this.#clock = clock;
  }

  set(level: 0 | 1): void {
    if (level === this.level) return;
    this.level = level;
    (level ? this.rising : this.falling).push(this.#clock.now);
  }
}

export function createPic() {
  const int = new RecordingLine();
  return { pic: new Pic8259({ name: 'pic', int }), int };
}

/** A pair initialized as a PC's firmware does it: vectors 08h and 70h, cascade on IR2. */
export function createPicPair() {
  const intr = new RecordingLine();
  const pair = new PicPair({ intr });
  for (const [chip, words] of [
    [pair.primary, [0x08, 0x04, 0x01]],
    [pair.secondary, [0x70, 0x02, 0x01]],
  ] as const) {
    chip.writePort(0, 0x11);
    for (const word of words) chip.writePort(1, word);
  }
  return { pair, intr };
}

/** A timer at CLK pulse 0. `at(tick)` moves time to a CLK pulse. */
export function createPit() {
  const clock = new VirtualClock();
  const out0 = new RecordingLine(clock);
  const pit = new Pit8254({ clock, out0 });
  const at = (tick: number) => clock.advanceTo(timeOfTick(tick, PIT_HZ));
  return { pit, clock, out0, at };
}

/** A serial port at 115200 8N1 with OUT2 set; `sent` is what it transmitted, as text. */
export function createUart(options: { transmitPacing?: 'none' | 'line' } = {}) {
  const clock = new VirtualClock();
  const irq = new RecordingLine(clock);
  const sent: number[] = [];
  const breaks: number[] = [];
  let drained = 0;
  const backend = {
    transmit: (byte: number) => void sent.push(byte),
    transmitBreak: (level: 0 | 1) => void breaks.push(level),
    inputDrained: () => void drained++,
  };
  const uart = new Uart16550({ clock, irq, backend, ...options });
  uart.writePort(3, 0x03);
  uart.writePort(4, 0x0b);
  const text = (string: string) => uart.receive(new TextEncoder().encode(string));
  return { uart, clock, irq, sent, breaks, text, drained: () => drained };
}

/** A clock chip that shows `startTime` (seconds since 1970; default Friday, 20 November 2026, 12:34:50). */
export function createRtc({ startTime = Date.UTC(2026, 10, 20, 12, 34, 50) / 1000 } = {}) {
  const clock = new VirtualClock();
  const irq = new RecordingLine(clock);
  const rtc = new Rtc146818({ clock, irq, startTime });
  const read = (register: number) => {
    rtc.writePort(0, register);
    return rtc.readPort(1);
  };
  const write = (register: number, value: number) => {
    rtc.writePort(0, register);
    rtc.writePort(1, value);
  };
  return { rtc, clock, irq, read, write };
}

/** A keyboard controller with its keyboard. */
export function createI8042() {
  const clock = new VirtualClock();
  const keyboardIrq = new RecordingLine(clock);
  const auxIrq = new RecordingLine(clock);
  const a20 = new RecordingLine(clock);
  const keyboard = new Ps2Keyboard();
  let resets = 0;
  const i8042 = new I8042({ clock, keyboard, keyboardIrq, auxIrq, a20, reset: () => void resets++ });
  const status = () => i8042.readPort(4);
  const command = (byte: number) => i8042.writePort(4, byte);
  const data = (byte: number) => i8042.writePort(0, byte);
  /** Reads everything that comes within ten milliseconds of each other. */
  const drain = () => {
    const bytes: number[] = [];
    for (let quiet = 0; quiet < 10; clock.advance(1_000_000)) {
      if (status() & 1) {
        bytes.push(i8042.readPort(0));
        quiet = 0;
      } else quiet++;
    }
    return bytes;
  };
  return { i8042, keyboard, clock, keyboardIrq, auxIrq, a20, status, command, data, drain, resets: () => resets };
}

export function createPort61() {
  const { pit, clock, at } = createPit();
  return { port61: new Port61({ clock, timer: pit }), pit, clock, at };
}

export function createVgaText() {
  const clock = new VirtualClock();
  return { vga: new VgaText({ clock }), clock };
}
