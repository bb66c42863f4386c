/** Devices on a bench: a clock that the test moves, and lines that write down what happens to them. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { IrqLine } from '../../src/bus/irq-line.ts';
import { timeOfTick } from '../../src/devices/crystal.ts';
import { Pic8259, PicPair } from '../../src/devices/pic8259.ts';
import { PIT_HZ, Pit8254 } from '../../src/devices/pit8254.ts';
import { Uart16550 } from '../../src/devices/uart16550.ts';

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
