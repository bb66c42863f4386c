/** Save → restore into a fresh device → same behaviour afterwards: one test that every device goes through. */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { type Device, resetDevices } from '../../../src/bus/device.ts';
import type { PortDevice } from '../../../src/bus/port-bus.ts';
import { CoprocessorError } from '../../../src/devices/coprocessor-error.ts';
import { bochsConsole, DebugExit, PostCode } from '../../../src/devices/debug-ports.ts';
import type { Fdc82077 } from '../../../src/devices/floppy/fdc82077.ts';
import { FwCfg } from '../../../src/devices/fw-cfg.ts';
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
import {
  BenchMedium,
  BenchMemory,
  cascade,
  createDma,
  createFdc,
  DMA_READ,
  DMA_WRITE,
  program,
} from '../../support/floppy.ts';
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

/** A floppy controller with DMA; what it writes, in memory and on disk, counts as state. */
function floppy(prepare: (bench: Bench) => void): Case {
  return {
    create() {
      const medium = new BenchMedium(160 * 1024);
      const drives = [{ type: '360K', medium }, {}] as const;
      const { fdc, clock, irq, pair, memory } = createFdc({ drives });
      fdc.writePort(7, 2);
      const real = { memory: memory.bytes.subarray(0x2000, 0x3000), medium: medium.bytes.subarray(0, 0x2000) };
      const state = { ...real };
      // A restored copy goes where the chips look.
      const resume = () => {
        real.memory.set(state.memory);
        real.medium.set(state.medium);
        Object.assign(state, real);
      };
      const world = { name: 'world', stateVersion: 1, state, reset() {}, resume };
      return {
        devices: [fdc, pair.lower, pair.upper, pair.pages, Object.assign(world, { pair })],
        clock,
        lines: [irq],
      };
    },
    prepare,
    play(bench) {
      const fdc = bench.devices[0] as Fdc82077;
      const { memory, medium } = bench.devices[4].state as { memory: Uint8Array; medium: Uint8Array };
      const seen: number[] = [];
      for (let step = 0; step < 300; step++) {
        bench.clock!.advance(200_000);
        const status = fdc.readPort(4);
        seen.push(status, fdc.readPort(7), read(bench, 8, 1));
        if ((status & 0xc0) === 0xc0) seen.push(fdc.readPort(5));
        else if ((status & 0xe0) === 0xa0) fdc.writePort(5, step & 0xff);
        else if (status === 0x80) fdc.writePort(5, 0x08);
      }
      return [seen, memory.slice(), medium.slice()];
    },
  };
}

const command = (bench: Bench, ...bytes: number[]) => {
  for (const byte of bytes) write(bench, 5, byte);
};
const programFloppy = (bench: Bench, mode: number) => {
  const { pair } = bench.devices[4] as unknown as ReturnType<typeof createDma>;
  program(pair, 2, { address: 0x2000, bytes: 2048, mode });
};

const CASES: Record<string, Case> = {
  'fw-cfg': {
    create() {
      const clock = new VirtualClock();
      const memory = new BenchMemory(0x1_4000);
      const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => index % 253);
      const device = new FwCfg({ clock, memory, files: [{ name: 'etc/file', bytes }] });
      const state = { bytes: memory.bytes };
      const resume = () => {
        memory.bytes.set(state.bytes);
        state.bytes = memory.bytes;
      };
      return { devices: [device, { name: 'world', stateVersion: 1, state, reset() {}, resume }], clock, lines: [] };
    },
    prepare(bench) {
      const { bytes } = bench.devices[1].state as { bytes: Uint8Array };
      // Select file 20h and read 70,000 bytes to 1000h; the first piece has been moved.
      bytes.set([0, 0x20, 0, 0x0a, 0, 0x01, 0x11, 0x70, 0, 0, 0, 0, 0, 0, 0x10, 0], 0x100);
      ports(bench).writePort(8, 0x0001_0000, 4);
      bench.clock!.advance(2000);
      ports(bench).writePort(4, 0x0100_0000, 4);
    },
    play(bench) {
      const { bytes } = bench.devices[1].state as { bytes: Uint8Array };
      const seen = [bytes[0x1_1000 + 99]];
      bench.clock!.advance(100_000);
      for (let step = 0; step < 50; step++) seen.push(read(bench, 1));
      return [seen, Buffer.from(bytes).toString('base64')];
    },
  },
  dma: {
    create() {
      const { pair, memory } = createDma();
      const world = { name: 'world', stateVersion: 1, state: {}, reset() {}, resume() {} };
      return { devices: [pair.lower, pair.upper, pair.pages, Object.assign(world, { pair, memory })], lines: [] };
    },
    prepare(bench) {
      const { pair } = bench.devices[3] as unknown as ReturnType<typeof createDma>;
      cascade(pair);
      program(pair, 2, { address: 0x1_fff0, bytes: 40, mode: 0x54 });
      pair.channel(2).deliver(new Uint8Array(45).fill(3));
      pair.channel(2).request(1);
      pair.lower.writePort(4, 0x77); // the flip-flop is left high
      pair.lower.writePort(9, 0x05);
    },
    play(bench) {
      const { pair, memory } = bench.devices[3] as unknown as ReturnType<typeof createDma>;
      const progress = pair.channel(2).deliver(new Uint8Array(50).fill(9));
      const registers = Array.from({ length: 16 }, (_, offset) => read(bench, offset));
      return [progress, registers, memory.bytes.indexOf(9), memory.bytes.lastIndexOf(9)];
    },
  },
  'floppy: reading, the other drive seeks': floppy((bench) => {
    programFloppy(bench, DMA_WRITE);
    command(bench, 0x0f, 1, 9);
    command(bench, 0x46, 0, 0, 0, 2, 2, 8, 0x1b, 0xff);
    bench.clock!.advance(9_000_000);
  }),
  'floppy: writing': floppy((bench) => {
    (bench.devices[4].state as { memory: Uint8Array }).memory.fill(0x3c, 0, 0x800);
    programFloppy(bench, DMA_READ);
    command(bench, 0xc9, 0, 0, 0, 2, 2, 8, 0x1b, 0xff);
    bench.clock!.advance(5_000_000);
    expect((bench.devices[0] as Fdc82077).state.transfer?.step).toBe('write');
  }),
  'floppy: in the middle of a FIFO’s burst': floppy((bench) => {
    command(bench, 0x03, 0xdf, 0x03);
    command(bench, 0x13, 0, 0x47, 0);
    command(bench, 0x45, 0, 0, 0, 8, 2, 8, 0x1b, 0xff);
    bench.clock!.advance(1_000_000);
    for (let count = 0; count < 20; count++) write(bench, 5, count);
  }),
  'floppy: after a reset, not yet ready': floppy((bench) => {
    write(bench, 4, 0x81);
    bench.clock!.advance(50_000);
  }),
  'floppy: a result half read, a command half given before': floppy((bench) => {
    command(bench, 0x0e);
    read(bench, 5);
  }),

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
