/** Save → restore into a fresh device → same behaviour afterwards: one test that every device goes through. */
import { describe, expect, it } from 'vitest';
import type { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { type Device, resetDevices } from '../../../src/bus/device.ts';
import type { PortDevice } from '../../../src/bus/port-bus.ts';
import { CoprocessorError } from '../../../src/devices/coprocessor-error.ts';
import { bochsConsole, DebugExit, PostCode } from '../../../src/devices/debug-ports.ts';
import { Port92 } from '../../../src/devices/port92.ts';
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
import { PCI_BENCHES, type PciBench, randomAccesses } from '../../support/pci-accesses.ts';

interface Bench {
  devices: readonly (Device & Partial<PortDevice>)[];
  clock?: VirtualClock;
  lines: readonly RecordingLine[];
}

interface Case {
  create(): Bench;
  /** Brings the device into a state worth saving, with something under way. */
  prepare(bench: Bench): void;
  /** Goes on from there; what it returns is compared, and so are all edges of the lines. */
  play(bench: Bench): unknown;
}

const ports = (bench: Bench, index = 0) => bench.devices[index] as Device & PortDevice;
const write = (bench: Bench, offset: number, value: number, index = 0) =>
  ports(bench, index).writePort(offset, value, 1);
const read = (bench: Bench, offset: number, index = 0) => ports(bench, index).readPort(offset, 1);

const timer: Case = {
  create() {
    const { pit, clock, out0 } = createPit();
    return { devices: [pit], clock, lines: [out0] };
  },
  prepare(bench) {
    for (const [port, value] of [
      [3, 0x36],
      [0, 0x07],
      [0, 0x01], // square wave, odd count
      [3, 0x74],
      [1, 0x34],
      [1, 0x12],
      [3, 0xb1],
      [2, 0x99], // BCD, first byte only
    ] as const) {
      write(bench, port, value);
    }
    bench.clock!.advance(123_456_789);
    write(bench, 0, 0x50);
    write(bench, 0, 0x00); // to be taken at the end of the half-cycle
    write(bench, 3, 0x40); // counter 1 latched
  },
  play(bench) {
    const seen = [read(bench, 1)];
    write(bench, 2, 0x12);
    for (let step = 0; step < 50; step++) {
      bench.clock!.advance(33_333);
      write(bench, 3, 0xde);
      seen.push(read(bench, 0), read(bench, 0), read(bench, 0), read(bench, 1), read(bench, 2));
    }
    return seen;
  },
};

const CASES: Record<string, Case> = {
  pic: {
    create() {
      const { pair, intr } = createPicPair();
      const input = { name: 'inputs', stateVersion: 1, state: {}, reset() {}, resume() {} };
      const line = (irq: number) => pair.line(irq);
      return { devices: [pair.primary, pair.secondary, Object.assign(input, { line, pair })], lines: [intr] };
    },
    prepare(bench) {
      const { pair } = bench.devices[2] as unknown as ReturnType<typeof createPicPair>;
      write(bench, 0, 0xc3); // lowest priority: 3
      write(bench, 0, 0x68); // special mask mode
      write(bench, 1, 0x40);
      pair.elcr.writePort(1, 0x0e, 1);
      pair.line(12).set(1);
      pair.acknowledge();
      pair.line(5).set(1);
      pair.line(11).set(1);
      write(bench, 0, 0x0c, 1); // poll
    },
    play(bench) {
      const { pair } = bench.devices[2] as unknown as ReturnType<typeof createPicPair>;
      const seen = [read(bench, 0, 1), read(bench, 0, 1)];
      pair.line(12).set(0);
      pair.line(12).set(1);
      for (let round = 0; round < 4; round++) {
        seen.push(pair.acknowledge());
        write(bench, 0, 0xa0, 1);
        write(bench, 0, 0x20);
      }
      return seen;
    },
  },
  pit: timer,
  rtc: {
    create() {
      const { rtc, clock, irq } = createRtc();
      return { devices: [rtc], clock, lines: [irq] };
    },
    prepare(bench) {
      for (const [register, value] of [
        [0x0a, 0x29],
        [0x01, 0xff],
        [0x03, 0x36],
        [0x05, 0xff],
        [0x0b, 0x72],
        [0x33, 0x5a],
      ] as const) {
        write(bench, 0, register);
        write(bench, 1, value);
      }
      bench.clock!.advance(65_432_109_876);
      write(bench, 0, 0x8c);
    },
    play(bench) {
      const seen: number[] = [];
      for (let step = 0; step < 40; step++) {
        bench.clock!.advance(777_777_777);
        write(bench, 0, 0x8c);
        seen.push(read(bench, 1));
        write(bench, 0, 0x0a);
        seen.push(read(bench, 1));
        write(bench, 0, 0x00);
        seen.push(read(bench, 1));
      }
      return seen;
    },
  },
  uart: {
    create() {
      const { uart, clock, irq, sent } = createUart({ transmitPacing: 'line' });
      return {
        devices: [uart, { name: 'line', stateVersion: 1, state: sent, reset() {}, resume() {} }],
        clock,
        lines: [irq],
      };
    },
    prepare(bench) {
      const uart = bench.devices[0] as ReturnType<typeof createUart>['uart'];
      write(bench, 2, 0x81);
      write(bench, 1, 0x0f);
      for (let value = 0; value < 12; value++) write(bench, 0, value);
      uart.receive(Uint8Array.from({ length: 30 }, (_, index) => index));
      uart.receiveFaulty(0x55, 'parity');
      uart.receiveBreak();
      uart.receive(Uint8Array.of(1, 2));
      uart.setModem({ ri: true });
      bench.clock!.advance(500_000);
    },
    play(bench) {
      const seen: number[] = [];
      for (let step = 0; step < 60; step++) {
        bench.clock!.advance(100_000);
        seen.push(read(bench, 2), read(bench, 5), read(bench, 0), read(bench, 6));
      }
      return [seen, bench.devices[1].state];
    },
  },
  i8042: {
    create() {
      const { i8042, keyboard, clock, keyboardIrq, auxIrq, a20 } = createI8042();
      return { devices: [keyboard, i8042], clock, lines: [keyboardIrq, auxIrq, a20] };
    },
    prepare(bench) {
      const keyboard = bench.devices[0] as ReturnType<typeof createI8042>['keyboard'];
      write(bench, 0, 0xed, 1);
      read(bench, 0, 1);
      bench.clock!.advance(1_000_000);
      write(bench, 0, 0x07, 1);
      keyboard.press('AltRight');
      keyboard.release('AltRight');
      keyboard.press('ShiftLeft');
      read(bench, 0, 1);
      bench.clock!.advance(1000);
      write(bench, 4, 0xd1, 1);
    },
    play(bench) {
      const keyboard = bench.devices[0] as ReturnType<typeof createI8042>['keyboard'];
      write(bench, 0, 0xcd, 1);
      keyboard.press('PrintScreen');
      const seen: unknown[] = [keyboard.leds];
      for (let step = 0; step < 20; step++) {
        seen.push(read(bench, 4, 1), read(bench, 0, 1));
        bench.clock!.advance(400_000);
      }
      return seen;
    },
  },
  port61: {
    create() {
      const { port61, pit, clock } = createPort61();
      return { devices: [pit, port61], clock, lines: [] };
    },
    prepare(bench) {
      write(bench, 3, 0xb6);
      write(bench, 2, 0xa9);
      write(bench, 2, 0x04);
      write(bench, 0, 0x03, 1);
      bench.clock!.advance(1_234_567);
    },
    play(bench) {
      return Array.from({ length: 50 }, () => {
        bench.clock!.advance(77_777);
        return read(bench, 0, 1);
      });
    },
  },
  port92: {
    create() {
      const a20 = new RecordingLine();
      return { devices: [new Port92({ a20, init: () => {} })], lines: [a20] };
    },
    prepare: (bench) => write(bench, 0, 0x02),
    play: (bench) => read(bench, 0),
  },
  'coprocessor error': {
    create() {
      const irq = new RecordingLine();
      return { devices: [new CoprocessorError({ irq })], lines: [irq] };
    },
    prepare: (bench) => void (bench.devices[0] as CoprocessorError).setFerr(1),
    play: (bench) => write(bench, 0, 0),
  },
  'debug ports': {
    create: () => ({
      devices: [bochsConsole(() => {}), new DebugExit({ exit: () => {} }), new PostCode()],
      lines: [],
    }),
    prepare: (bench) => write(bench, 0, 0x5a, 2),
    play: (bench) => [read(bench, 0, 0), read(bench, 0, 1), read(bench, 0, 2)],
  },
  vga: {
    create() {
      const { vga, clock } = createVgaText();
      return { devices: [vga], clock, lines: [] };
    },
    prepare(bench) {
      const vga = bench.devices[0] as ReturnType<typeof createVgaText>['vga'];
      for (const [index, character] of [...'saved'].entries()) vga.writeMemory(2 * index, character.charCodeAt(0), 1);
      write(bench, 0x14, 0x0f);
      write(bench, 0x15, 7);
      write(bench, 0x00, 0x11); // attribute index: data comes next
      bench.clock!.advance(5_432_100);
    },
    play(bench) {
      const vga = bench.devices[0] as ReturnType<typeof createVgaText>['vga'];
      write(bench, 0x00, 0x2a);
      const status = Array.from({ length: 50 }, () => {
        bench.clock!.advance(300_000);
        return read(bench, 0x1a);
      });
      return [vga.text()[0], vga.cursor, read(bench, 0x15), read(bench, 0x01), status];
    },
  },
};

/** PCI chips are written and read at random, before and after, by the same random numbers. */
const pciCase = (create: () => PciBench): Case => ({
  create,
  prepare(bench) {
    randomAccesses(bench as PciBench, { seed: 1, count: 2000 });
    (bench as PciBench).calm?.();
  },
  play: (bench) => randomAccesses(bench as PciBench, { seed: 2, count: 2000 }),
});
for (const [name, create] of Object.entries(PCI_BENCHES)) CASES[name] = pciCase(create);

/** Levels now and all edges from now on. */
function watch(lines: readonly RecordingLine[]) {
  const before = lines.map(({ level, rising, falling }) => ({ level, rising: rising.length, falling: falling.length }));
  return () =>
    lines.map(({ level, rising, falling }, index) => ({
      first: before[index].level,
      last: level,
      rising: rising.slice(before[index].rising),
      falling: falling.slice(before[index].falling),
    }));
}

describe('every device: save → restore → same behaviour', () => {
  it.each(Object.entries(CASES))('%s', (_, { create, prepare, play }) => {
    const original = create();
    prepare(original);
    const saved = original.devices.map(({ state }) => structuredClone(state));
    const moment = original.clock?.now ?? 0;

    const restored = create();
    restored.clock?.advanceTo(moment);
    for (const [index, device] of restored.devices.entries()) Object.assign(device.state as object, saved[index]);
    for (const device of restored.devices) device.resume();
    expect(restored.devices.map(({ state }) => state)).toEqual(saved);

    const [watchOriginal, watchRestored] = [watch(original.lines), watch(restored.lines)];
    const expected = play(original);
    expect(play(restored)).toEqual(expected);
    expect(watchRestored()).toEqual(watchOriginal());
    expect(restored.devices.map(({ state }) => state)).toEqual(original.devices.map(({ state }) => state));
  });

  it.each(Object.entries(CASES))('%s: the saved copy is apart from the device', (_, { create, prepare, play }) => {
    const bench = create();
    prepare(bench);
    const saved = bench.devices.map(({ state }) => structuredClone(state));
    const copy = structuredClone(saved);
    play(bench);
    resetDevices(bench.devices);
    expect(saved).toEqual(copy);
  });

  it.each(Object.entries(CASES))('%s: every device has a name and a state version', (_, { create }) => {
    for (const { name, stateVersion } of create().devices) {
      expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(stateVersion).toBeGreaterThanOrEqual(1);
    }
  });
});
