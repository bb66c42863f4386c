/** RESET# to chips that are wired to each other: whatever each of them held, in whatever order they take it. */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import { type Device, resetDevices } from '../../../src/bus/device.ts';
import { CoprocessorError } from '../../../src/devices/coprocessor-error.ts';
import { I8042 } from '../../../src/devices/i8042.ts';
import { ConfigMechanism } from '../../../src/devices/pci/config-mechanism.ts';
import { I440fx } from '../../../src/devices/pci/i440fx.ts';
import { Piix3 } from '../../../src/devices/pci/piix3.ts';
import { Piix4Power } from '../../../src/devices/pci/piix4-power.ts';
import { PicPair } from '../../../src/devices/pic8259.ts';
import { Pit8254 } from '../../../src/devices/pit8254.ts';
import { Port61 } from '../../../src/devices/port61.ts';
import { Port92 } from '../../../src/devices/port92.ts';
import { Ps2Keyboard } from '../../../src/devices/ps2-keyboard.ts';
import { Rtc146818 } from '../../../src/devices/rtc146818.ts';
import { Uart16550 } from '../../../src/devices/uart16550.ts';
import { Random } from '../../../src/difftest/random.ts';
import { OrLine } from '../../../src/machine/or-line.ts';
import { RecordingLine } from '../../support/devices.ts';
import { createPciBus } from '../../support/pci.ts';

/** The chips of a PC that have wires between them, wired as there, and powered on at time 0. */
function createBoard() {
  const clock = new VirtualClock();
  const intr = new RecordingLine(clock);
  const a20 = new RecordingLine(clock);
  const gate = new OrLine(a20, 2);
  const pic = new PicPair({ intr });
  const pit = new Pit8254({ clock, out0: pic.line(0) });
  const rtc = new Rtc146818({ clock, irq: pic.line(8), startTime: 0 });
  const uart = new Uart16550({ clock, irq: pic.line(4), backend: { transmit: () => {} }, transmitPacing: 'line' });
  const keyboard = new Ps2Keyboard();
  const irqs = { keyboardIrq: pic.line(1), auxIrq: pic.line(12) };
  const i8042 = new I8042({ clock, keyboard, ...irqs, a20: gate.input(1), reset: () => {} });
  const port61 = new Port61({ clock, timer: pit });
  const port92 = new Port92({ a20: gate.input(0), init: () => {} });
  const coprocessor = new CoprocessorError({ irq: pic.line(13) });
  const { bus } = createPciBus();
  const shared = new OrLine(pic.line(9), 2);
  const hostBridge = new I440fx({ routeSegment: () => {}, routeSmram: () => {} });
  const isaBridge = new Piix3({ irq: (irq) => (irq === 9 ? shared.input(0) : new RecordingLine()), reset: () => {} });
  const power = new Piix4Power({ clock, sci: shared.input(1), powerOff: () => {} });
  const config = new ConfigMechanism({ bus, behind: isaBridge.resetControl });
  bus.attach({ device: 0, function: 0 }, hostBridge);
  bus.attach({ device: 1, function: 0 }, isaBridge);
  bus.attach({ device: 1, function: 3 }, power);
  const chips = { pit, rtc, uart, keyboard, i8042, port61, port92, coprocessor, hostBridge, isaBridge, power, config };
  const devices: Device[] = [pic.primary, pic.secondary, ...Object.values(chips)];
  /** Everything that can be told from outside, and when the board will next move by itself. */
  const look = () => ({
    states: JSON.stringify(devices.map(({ name, state }) => [name, state])),
    lines: [intr.level, a20.level],
    nextAlarm: clock.nextAlarm,
  });
  return { ...chips, pic, clock, devices, look };
}
type Board = ReturnType<typeof createBoard>;

/** What a guest and its user may have done before. None touches what outlives a reset: time, CMOS RAM, baud rate. */
const DEEDS: Record<string, (board: Board) => void> = {
  'an interrupt is in service, others are unmasked'({ pic }) {
    for (const [chip, words] of [
      [pic.primary, [0x08, 0x04, 0x01, 0x00]],
      [pic.secondary, [0x70, 0x02, 0x01, 0x00]],
    ] as const) {
      chip.writePort(0, 0x11);
      for (const word of words) chip.writePort(1, word);
    }
    pic.elcr.writePort(1, 0x02, 1);
    pic.line(3).set(1);
    pic.acknowledge();
    pic.line(3).set(0);
    pic.primary.writePort(0, 0x0b);
  },
  'the timer runs, OUT0 high; a count is half written and half read'({ pit }) {
    for (const [offset, value] of [
      [3, 0x34],
      [0, 0x00],
      [0, 0x10],
      [0, 0x55],
      [3, 0xc2],
    ] as const)
      pit.writePort(offset, value);
    pit.readPort(0);
  },
  'the speaker sounds'({ port61, pit }) {
    port61.writePort(0, 0x03);
    for (const [offset, value] of [
      [3, 0xb6],
      [2, 0xa9],
      [2, 0x04],
    ] as const)
      pit.writePort(offset, value);
  },
  'the clock interrupts 1024 times a second'({ rtc, clock }) {
    rtc.writeCmos(0x0b, 0x72);
    clock.advance(1_000_000);
    rtc.writePort(0, 0x8b);
  },
  'keys are pending'({ keyboard }) {
    keyboard.press('KeyB');
    keyboard.release('KeyB');
    keyboard.press('Pause');
  },
  'a command waits for its data, an answer to be read'({ i8042 }) {
    i8042.writePort(4, 0x20);
    i8042.writePort(4, 0xd0);
    i8042.writePort(4, 0x60);
  },
  'the keyboard has answers, its interface is disabled'({ i8042 }) {
    i8042.writePort(0, 0xf2);
    i8042.writePort(4, 0xad);
    i8042.writePort(0, 0xed);
  },
  'A20 is closed by the controller'({ i8042 }) {
    i8042.writePort(4, 0xd1);
    i8042.writePort(0, 0xdd);
  },
  'A20 is open by port 92h as well'({ port92 }) {
    port92.writePort(0, 0x02);
  },
  'COM1 has received, interrupts and is sending'({ uart, clock }) {
    for (const [offset, value] of [
      [3, 0x03],
      [2, 0x81],
      [4, 0x0b],
      [1, 0x0f],
      [7, 0x00],
    ] as const)
      uart.writePort(offset, value);
    uart.receive(Uint8Array.of(1, 2, 3));
    clock.advance(1_000_000);
    for (const byte of [4, 5, 6]) uart.writePort(0, byte);
  },
  'COM1 is in loopback, with a break and an error'({ uart }) {
    uart.writePort(3, 0x43);
    uart.writePort(4, 0x1f);
    uart.writePort(0, 0x77);
  },
  'PCI is set up, and power management asks for IRQ 9'({ config, power }) {
    for (const [address, value] of [
      [0x8000_0058, 0x3333_3010],
      [0x8000_0860, 0x0b0b_0a09],
      [0x8000_0b40, 0x0000_b000],
    ] as const) {
      config.writePort(0, address, 4);
      config.writePort(4, value, 4);
    }
    config.writePort(1, 0x02, 1);
    power.smiCommand.writePort(0, 0xf1, 1);
    power.state.enable = 0x101;
    power.pressPowerButton();
  },
  'the coprocessor asks for IRQ 13'({ coprocessor }) {
    coprocessor.setFerr(1);
  },
};

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const rest = [...items];
  return items.map(() => rest.splice(random.below(rest.length), 1)[0]);
}

describe('C1: RESET# to chips that are wired to each other', () => {
  const names = Object.keys(DEEDS);
  const afterReset = (deeds: readonly string[], order: (devices: Device[]) => Device[], time: number) => {
    const board = createBoard();
    for (const deed of deeds) DEEDS[deed](board);
    expect(board.clock.now).toBeLessThanOrEqual(time);
    board.clock.advanceTo(time);
    resetDevices(order(board.devices));
    return board.look();
  };

  it('each deed leaves traces, else it would prove nothing', () => {
    const fresh = createBoard().look();
    for (const name of names) {
      const board = createBoard();
      const before = board.look();
      DEEDS[name](board);
      expect(board.look(), name).not.toEqual(before);
    }
    expect(fresh.lines).toEqual([0, 1]);
  });

  it('at the moment of power-on it changes nothing', () => {
    const fresh = createBoard().look();
    expect(afterReset([], (devices) => devices, 0)).toEqual(fresh);
    expect(afterReset([], (devices) => devices.toReversed(), 0)).toEqual(fresh);
  });

  it('after every set of deeds, in any order: the state after power-on', () => {
    const random = new Random(0xc1);
    const time = 5_000_000;
    const expected = afterReset([], (devices) => devices, time);
    for (let set = 0; set < 1 << names.length; set++) {
      const deeds = shuffled(
        names.filter((_, index) => (set >> index) & 1),
        random,
      );
      let order: Device[] = [];
      const found = afterReset(deeds, (devices) => (order = shuffled(devices, random)), time);
      // Seldom looked at by expect, since this is done thousands of times.
      const same = found.states === expected.states && found.lines.join() === '0,1';
      if (!same || found.nextAlarm !== expected.nextAlarm)
        expect(found, `${deeds.join('; ')}; ${order.map(({ name }) => name).join(' ')}`).toEqual(expected);
    }
  });

  it('the first and the last chip may be any two', () => {
    const time = 5_000_000;
    const expected = afterReset([], (devices) => devices, time);
    const { length } = createBoard().devices;
    for (let first = 0; first < length; first++) {
      for (let last = 0; last < length; last++) {
        if (first === last) continue;
        const order = (devices: Device[]) => {
          const others = devices.filter((_, index) => index !== first && index !== last);
          return [devices[first], ...others, devices[last]];
        };
        expect(afterReset(names, order, time)).toEqual(expected);
      }
    }
  });

  it('what the host has queued for COM1 comes after the reset, from its first character on', () => {
    const { uart, clock, devices } = createBoard();
    for (const [offset, value] of [
      [3, 0x03],
      [7, 0x5a],
    ] as const)
      uart.writePort(offset, value);
    uart.receive(new TextEncoder().encode('abc'));
    uart.receive(new TextEncoder().encode('def'));
    expect(uart.readPort(0)).toBe(0x61);
    clock.advance(1_000_000);
    expect(uart.pendingInput).toBe(4); // b is in RBR: it is lost
    resetDevices(devices);

    const fresh = createBoard();
    fresh.clock.advanceTo(clock.now);
    fresh.uart.writePort(7, 0x5a);
    fresh.uart.receive(new TextEncoder().encode('c'));
    fresh.uart.receive(new TextEncoder().encode('def'));
    expect(uart.state).toEqual(fresh.uart.state);
    expect([uart.pendingInput, clock.nextAlarm]).toEqual([3, fresh.clock.nextAlarm]);
    // Master Reset leaves five-bit characters; the guest sets eight and takes the rest whole.
    uart.readPort(0);
    uart.writePort(3, 0x03);
    let text = '';
    while (uart.pendingInput > 0 || uart.readPort(5) & 1) {
      clock.advance(200_000);
      text += String.fromCharCode(uart.readPort(0));
    }
    expect(text).toBe('def');
  });
});
