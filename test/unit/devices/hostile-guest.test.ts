/** A guest that writes anything anywhere: no device throws, answers out of range, hangs or grows. */
import { describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { type Device, resetDevices } from '../../../src/bus/device.ts';
import type { PortDevice } from '../../../src/bus/port-bus.ts';
import { PostCode } from '../../../src/devices/debug-ports.ts';
import { Port92 } from '../../../src/devices/port92.ts';
import { Random } from '../../../src/difftest/random.ts';
import {
  createI8042,
  createPicPair,
  createPit,
  createPort61,
  createRtc,
  createUart,
  createVgaText,
  RecordingLine,
} from '../../support/devices.ts';

interface Target {
  device: Device & PortDevice;
  /** Offsets that the device decodes. */
  ports: number;
  clock?: VirtualClock;
  /** What comes from outside meanwhile. */
  disturb?: (random: Random) => void;
}

const TARGETS: Record<string, () => Target> = {
  pic() {
    const { pair } = createPicPair();
    return {
      device: pair.primary,
      ports: 2,
      disturb(random) {
        pair.line(random.below(16)).set(random.below(2) as 0 | 1);
        const vector = pair.acknowledge();
        expect(vector >= 0 && vector <= 0xff).toBe(true);
      },
    };
  },
  pit() {
    const { pit, clock } = createPit();
    const disturb = (random: Random) => pit.setGate(random.below(3) as 0 | 1 | 2, random.below(2) as 0 | 1);
    return { device: pit, ports: 4, clock, disturb };
  },
  rtc() {
    const { rtc, clock } = createRtc();
    return { device: rtc, ports: 2, clock };
  },
  uart() {
    const { uart, clock } = createUart({ transmitPacing: 'line' });
    const disturb = (random: Random) => {
      if (uart.pendingInput < 100) uart.receive(Uint8Array.of(random.below(256)));
      uart.setModem({ cts: random.oneIn(2), ri: random.oneIn(2) });
    };
    return { device: uart, ports: 8, clock, disturb };
  },
  i8042() {
    const { i8042, keyboard, clock } = createI8042();
    const disturb = (random: Random) => {
      const key = random.pick(['KeyA', 'Pause', 'PrintScreen', 'ArrowUp', 'AltLeft']);
      if (random.oneIn(2)) keyboard.press(key);
      else keyboard.release(key);
    };
    return { device: i8042, ports: 5, clock, disturb };
  },
  port61() {
    const { port61, clock } = createPort61();
    return { device: port61, ports: 1, clock };
  },
  port92: () => ({ device: new Port92({ a20: new RecordingLine(), init: () => {} }), ports: 1 }),
  'post code': () => ({ device: new PostCode(), ports: 1 }),
  vga() {
    const { vga, clock } = createVgaText();
    const disturb = (random: Random) => {
      vga.writeMemory(random.below(0x8000), random.below(256), random.pick([1, 2, 4, 8] as const));
      expect(vga.text().every((line) => line.length === 80)).toBe(true);
      const { cursor } = vga;
      expect(cursor === undefined || (cursor.row < 25 && cursor.column < 80)).toBe(true);
    };
    return { device: vga, ports: 32, clock, disturb };
  },
};

/** Bytes and elements that the state holds, as a bound on what a guest can make it hold. */
const sizeOf = (state: unknown): number => JSON.stringify(state).length;

describe('a hostile guest', () => {
  it.each(Object.entries(TARGETS))('%s', (_, create) => {
    const random = new Random(0x5eed);
    const { device, ports, clock, disturb } = create();
    const before = sizeOf(device.state);
    let reads = 0;
    for (let step = 0; step < 20_000; step++) {
      const offset = random.below(ports);
      if (random.oneIn(2)) {
        const value = device.readPort(offset, 1);
        if (!(Number.isInteger(value) && value >= 0 && value <= 0xff)) expect.fail(`port ${offset} read as ${value}`);
        reads++;
      } else device.writePort(offset, random.below(256), 1);
      // Mostly microseconds, now and then up to a second.
      if (random.oneIn(4)) clock?.advance(random.below(random.oneIn(200) ? 1_000_000_000 : 5_000));
      if (random.oneIn(10)) disturb?.(random);
      if (random.oneIn(500)) resetDevices([device]);
    }
    expect(reads).toBeGreaterThan(9_000);
    expect(sizeOf(device.state)).toBeLessThan(before + 4_000);
  });
});
