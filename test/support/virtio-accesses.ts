/** What a hostile guest, or a confused driver, does to a balloon: registers of both kinds, and rings with anything in them. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Device } from '../../src/bus/device.ts';
import type { MmioDevice } from '../../src/bus/mmio.ts';
import { PciBus } from '../../src/bus/pci/pci-bus.ts';
import { PortBus } from '../../src/bus/port-bus.ts';
import { VirtioBalloon } from '../../src/devices/virtio/virtio-balloon.ts';
import { VirtioPci } from '../../src/devices/virtio/virtio-pci.ts';
import type { Random } from '../../src/difftest/random.ts';
import { MmioMap } from '../../src/memory/mmio-map.ts';
import { RecordingLine } from './devices.ts';
import { TestMemory } from './ide.ts';
import { registersOf } from './pci.ts';
import { BAR4, COMMON, CONFIG_AT, IO, ISR_AT, NOTIFY_AT, PLACE } from './virtio.ts';

const MEMORY = 0x1_0000;
const QUEUES = 5;
/** The rings of all queues lie at the same few places, as legacy drivers have them. */
const SIZE = 128;
const RING_PAGES = [1, 3, 5, 7, 9] as const;
const BUFFERS = 0xc000;
/** Addresses worth a descriptor. */
const ADDRESSES = [0, BUFFERS, BUFFERS + 4094, MEMORY - 2, MEMORY, 0xffff_ffff] as const;
const LENGTHS = [0, 1, 4, 8, 10, 16, 4096, 8192, 0x1_0000, 0x10_0000, 0x7fff_ffff, 0xffff_ffff] as const;

const pageOfQueue = (queue: number): number => RING_PAGES[queue];

export function createVirtioAccesses() {
  const clock = new VirtualClock();
  const memory = new TestMemory(MEMORY);
  const ports = new PortBus();
  const mmio = new MmioMap();
  const bus = new PciBus({
    ports,
    memory: { mapMmio: ([first, length], device: MmioDevice, order) => mmio.map({ first, length, device, order }) },
  });
  const pin = new RecordingLine(clock);
  let seen = 0;
  const counts = { served: 0, failed: 0, discarded: 0, hinted: 0, updates: 0 };
  const balloon = new VirtioBalloon({
    memory: {
      discard(ranges) {
        for (const { first, pages } of ranges) {
          const [from, to] = [first * 4096, Math.min((first + pages) * 4096, MEMORY)];
          if (from >= to) continue;
          memory.bytes.fill(0, from, to);
          counts.discarded++;
        }
        return ranges.length;
      },
    },
    onHint: (ranges) => {
      counts.hinted += ranges.length;
    },
  });
  const chip = new VirtioPci({ clock, memory, device: balloon, pin });
  bus.attach(PLACE, chip);
  const config = registersOf(bus, PLACE);
  const state = { bytes: memory.bytes };
  const content: Device = {
    ...{ name: 'memory', stateVersion: 1, state },
    reset() {},
    // A restored copy goes where the chip looks.
    resume() {
      memory.bytes.set(state.bytes);
      state.bytes = memory.bytes;
    },
  };
  const view = new DataView(memory.bytes.buffer);

  const access = (random: Random, address: number): void => {
    const found = mmio.find(address);
    if (found === undefined) return;
    const size = random.pick([1, 2, 4, 8] as const);
    const offset = address - found.first;
    if (offset + size > found.length) return;
    if (random.oneIn(2)) found.device.writeMemory(offset, Number(random.bits(size === 8 ? 48 : 8 * size)), size);
    else {
      const value = found.device.readMemory(offset, size);
      if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size))) throw new Error(`${value} was read`);
    }
  };
  const put = (address: number, value: number, size: 2 | 4): void => {
    const found = mmio.find(address);
    if (found) found.device.writeMemory(address - found.first, value, size);
  };
  const configure = (): void => {
    config.write(0x10, IO, 4);
    config.write(0x20, BAR4, 4);
    config.write(0x04, 7, 2);
  };
  /** As a driver does it, but for what it agrees upon. */
  const start = (random: Random): void => {
    configure();
    const isLegacy = random.oneIn(2);
    ports.write(IO + 0x12, 0, 1);
    const features = (Number(random.bits(32)) & 0x3800_003e) >>> 0;
    if (isLegacy) ports.write(IO + 4, features, 4);
    else {
      for (const [select, word] of [
        [0, features],
        [1, 0x101],
      ]) {
        put(COMMON + 8, select, 4);
        put(COMMON + 0x0c, word, 4);
      }
      put(COMMON + 0x14, 0x0b, 2);
    }
    for (let queue = 0; queue < QUEUES; queue++) {
      const at = pageOfQueue(queue) * 4096;
      memory.bytes.fill(0, at, at + 8192);
      if (random.oneIn(8)) continue;
      if (isLegacy) {
        ports.write(IO + 0x0e, queue, 2);
        ports.write(IO + 0x08, pageOfQueue(queue), 4);
        continue;
      }
      put(COMMON + 0x16, queue, 2);
      for (const [offset, address] of [
        [0x20, at],
        [0x28, at + 16 * SIZE],
        [0x30, at + 4096],
      ])
        put(COMMON + offset, address, 4);
      put(COMMON + 0x1c, 1, 2);
    }
    if (isLegacy) ports.write(IO + 0x12, 7, 1);
    else put(COMMON + 0x14, 0x0f, 2);
  };
  const descriptor = (random: Random): void => {
    const at = pageOfQueue(random.below(QUEUES)) * 4096 + 16 * random.below(random.oneIn(2) ? 8 : SIZE);
    view.setUint32(at, random.oneIn(4) ? Number(random.bits(32)) : random.pick(ADDRESSES), true);
    view.setUint32(at + 4, random.oneIn(20) ? Number(random.bits(32)) : 0, true);
    view.setUint32(at + 8, random.pick(LENGTHS), true);
    view.setUint16(at + 12, random.oneIn(4) ? Number(random.bits(16)) : random.below(8), true);
    view.setUint16(at + 14, random.oneIn(8) ? Number(random.bits(16)) : random.below(8), true);
  };
  /** A chain of one buffer, as the queue has it; or whatever lies there. */
  const offer = (random: Random): void => {
    const queue = random.below(QUEUES);
    const ring = pageOfQueue(queue) * 4096 + 16 * SIZE;
    const index = view.getUint16(ring + 2, true);
    const head = random.oneIn(30) ? Number(random.bits(16)) : random.below(8);
    if (head < SIZE && !random.oneIn(6)) {
      const at = pageOfQueue(queue) * 4096 + 16 * head;
      const address = BUFFERS + 4 * random.below(64);
      view.setUint32(at, address, true);
      view.setUint32(at + 4, 0, true);
      view.setUint32(at + 8, random.oneIn(2) ? 8192 : 4 * random.below(20), true);
      view.setUint16(at + 12, queue === 4 || (queue === 3 && random.oneIn(2)) ? 2 : 0, true);
    }
    view.setUint16(ring + 4 + 2 * (index % SIZE), head, true);
    view.setUint16(ring + 2, random.oneIn(100) ? Number(random.bits(16)) : index + 1, true);
    if (random.oneIn(4)) view.setUint16(ring, random.below(2), true);
    ports.write(IO + 0x10, queue, 2);
    put(NOTIFY_AT + 4 * queue, queue, 2);
  };
  /** A run of hints, as a driver gives it. */
  const hint = (): void => {
    balloon.startHinting();
    const at = pageOfQueue(3) * 4096;
    const ring = at + 16 * SIZE;
    const index = view.getUint16(ring + 2, true);
    view.setUint32(BUFFERS, balloon.state.hintCommand, true);
    for (const [head, length, flags] of [
      [0, 4, 0],
      [1, 8192, 2],
    ]) {
      view.setUint32(at + 16 * head, BUFFERS, true);
      view.setUint32(at + 16 * head + 4, 0, true);
      view.setUint32(at + 16 * head + 8, length, true);
      view.setUint16(at + 16 * head + 12, flags, true);
      view.setUint16(ring + 4 + 2 * ((index + head) % SIZE), head, true);
    }
    view.setUint16(ring + 2, index + 2, true);
    put(NOTIFY_AT + 12, 3, 2);
  };
  /** Page numbers, commands, statistics: small numbers mostly. */
  const fill = (random: Random): void => {
    const at = BUFFERS + 4 * random.below(80);
    view.setUint32(at, random.oneIn(3) ? balloon.state.hintCommand : random.below(20), true);
  };
  const moves: ((random: Random) => void)[] = [
    ...Array.from({ length: 12 }, () => offer),
    ...Array.from({ length: 3 }, () => descriptor),
    ...[fill, fill, hint, configure],
    (random) => access(random, random.pick([COMMON, COMMON, ISR_AT, CONFIG_AT, NOTIFY_AT]) + random.below(72)),
    (random) => access(random, BAR4 + random.below(0x4000)),
    (random) => balloon.setTarget(random.below(1 << 20)),
    () => void balloon.requestStatistics(),
    (random) => (random.oneIn(3) ? balloon.endHinting() : void balloon.startHinting()),
  ];
  const disturb = (random: Random): void => {
    // Few accesses at random bring a device to life.
    if (random.oneIn(40) || (!chip.core.ready && random.oneIn(3))) start(random);
    for (let count = random.below(8); count > 0; count--) random.pick(moves)(random);
    clock.advance(random.below(20_000));
    if (chip.core.state.status & 0x40) counts.failed++;
    const { updates } = balloon.statistics;
    counts.updates += Math.max(0, updates - seen);
    seen = updates;
    counts.served += chip.core.state.queues.reduce((sum, { used }) => sum + (used > 0 ? 1 : 0), 0);
  };
  return {
    ...{ devices: [chip, ...chip.parts, content], clock, lines: [pin], bus, ports, place: PLACE, counts, disturb },
    ranges: [[IO, 64]] as const,
  };
}
