/** Random accesses to PCI chips, as a hostile guest or a confused driver makes them. */
import type { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Device } from '../../src/bus/device.ts';
import { configAddress, type PciBus, type PciPlace } from '../../src/bus/pci/pci-bus.ts';
import type { PortBus } from '../../src/bus/port-bus.ts';
import { Random } from '../../src/difftest/random.ts';
import type { RecordingLine } from './devices.ts';
import { createConfigMechanism, createI440fx, createPiix3, createPiix4Power, PM_BASE } from './pci.ts';
import { createVirtioAccesses } from './virtio-accesses.ts';

export interface PciBench {
  readonly devices: readonly Device[];
  readonly clock?: VirtualClock;
  readonly lines: readonly RecordingLine[];
  readonly bus: PciBus;
  readonly ports: PortBus;
  readonly place: PciPlace;
  /** Ports worth an access: first and count. */
  readonly ranges: readonly (readonly [number, number])[];
  /** What comes from outside meanwhile. */
  disturb?(random: Random): void;
  /** Takes back what `disturb` holds at the inputs: it is not in the chip's state. */
  calm?(): void;
  /** What can be told besides: routes, … */
  look?(): unknown;
}

const SIZES = [1, 2, 4] as const;

export const PCI_BENCHES = {
  'pci configuration mechanism'() {
    const { mechanism, tested, bus, ports } = createConfigMechanism();
    const place = { device: 2, function: 0 };
    return { devices: [mechanism, tested], lines: [], bus, ports, place, ranges: [[0xcf8, 8]] };
  },
  i440fx() {
    const { chip, bus, ports, routes, smram } = createI440fx();
    const look = () => [...routes, smram()].map(({ reads, writes }) => `${reads} ${writes}`);
    return { devices: [chip], lines: [], bus, ports, place: { device: 0, function: 0 }, ranges: [], look };
  },
  piix3() {
    const { chip, bus, ports, lines, clock } = createPiix3();
    ports.attach([0xcf8, 4], chip.resetControl);
    const pirqs = [0, 1, 2, 3, 0].map((number) => chip.pirq(number));
    return {
      devices: [chip],
      lines,
      clock,
      bus,
      ports,
      place: { device: 1, function: 0 },
      ranges: [[0xcf8, 4]],
      disturb: (random: Random) => random.pick(pirqs).set(random.below(2) as 0 | 1),
      calm() {
        for (const pirq of pirqs) pirq.set(0);
      },
    };
  },
  'piix4 power management'() {
    const { chip, bus, ports, clock, sci, write } = createPiix4Power();
    return {
      devices: [chip],
      lines: [sci],
      clock,
      bus,
      ports,
      place: { device: 1, function: 3 },
      ranges: [
        [PM_BASE, 64],
        [0xb2, 2],
        [0xafe0, 4],
      ],
      disturb(random: Random) {
        if (random.oneIn(2)) return chip.pressPowerButton();
        write(0x40, PM_BASE, 4);
        write(0x80, 1);
      },
    };
  },
  'virtio balloon': createVirtioAccesses,
} as const satisfies Record<string, () => PciBench>;

/** @returns what was read, and what `look` saw at the end. Every value read fits the width it was read with. */
export function randomAccesses(
  { bus, ports, clock, place, ranges, disturb, look }: PciBench,
  { seed, count }: { readonly seed: number; readonly count: number },
): unknown {
  const random = new Random(seed);
  const seen: number[] = [];
  const note = (value: number, size: 1 | 2 | 4): void => {
    if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size))) throw new Error(`${value} was read`);
    seen[seen.length % 4096] = value;
  };
  for (let step = 0; step < count; step++) {
    const size = random.pick(SIZES);
    const value = random.oneIn(8) ? random.pick([0, 2 ** (8 * size) - 1]) : Number(random.bits(8 * size));
    if (ranges.length === 0 || random.oneIn(2)) {
      const address = configAddress(place, random.below(256 / size) * size);
      if (random.oneIn(2)) note(bus.read(address, size), size);
      else bus.write(address, value, size);
    } else {
      const [first, length] = random.pick(ranges);
      const port = first + random.below(length);
      if (random.oneIn(2)) note(ports.read(port, size), size);
      else ports.write(port, value, size);
    }
    if (random.oneIn(20)) disturb?.(random);
    // Mostly microseconds, now and then up to a second.
    if (random.oneIn(4)) clock?.advance(random.below(random.oneIn(200) ? 1_000_000_000 : 5_000));
  }
  return [seen, look?.()];
}
