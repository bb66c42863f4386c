/** A virtio device on a bench: a PCI function over a guest's memory, and drivers of both kinds that talk to it. */
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import { PciBus } from '../../src/bus/pci/pci-bus.ts';
import { PortBus } from '../../src/bus/port-bus.ts';
import { VirtioBalloon, type VirtioBalloonWiring } from '../../src/devices/virtio/virtio-balloon.ts';
import type { VirtioDevice, VirtioTransport } from '../../src/devices/virtio/virtio-device.ts';
import { VirtioPci, type VirtioPciWiring } from '../../src/devices/virtio/virtio-pci.ts';
import { guestDma } from '../../src/machine/guest-dma.ts';
import { GuestMemory, type PageRange } from '../../src/memory/guest-memory.ts';
import { Pool } from '../../src/memory/pool.ts';
import { RecordingLine } from './devices.ts';
import { registersOf } from './pci.ts';

const MIB = 2 ** 20;
export const PLACE = { device: 3, function: 0 };
/** Where firmware puts what it can be reached by, and drivers their rings: a page and more for each queue. */
export const IO = 0xc040;
export const BAR4 = 0xe000_0000;
export const COMMON = BAR4;
export const ISR_AT = BAR4 + 0x1000;
export const CONFIG_AT = BAR4 + 0x2000;
export const NOTIFY_AT = BAR4 + 0x3000;
const RINGS = 0x10_0000;
const RING_BYTES = 0x8000;
/** Where drivers put their buffers. */
export const BUFFERS = 0x8_0000;
export const STATUS = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 0x40 } as const;
export const VERSION_1 = 32;

/** What a bench's device does is the test's own. */
export class TestDevice implements VirtioDevice {
  readonly name = 'test-device';
  readonly stateVersion = 1;
  readonly type = 5;
  readonly classCode = 0xff_00_00;
  readonly features: readonly number[] = [0, 5];
  readonly queueSizes: readonly number[] = [16, 128, 8];
  readonly configSize = 6;
  readonly state = { config: new Uint8Array(6) };
  readonly log: string[] = [];
  transport!: VirtioTransport;
  serve: (queue: number) => void = () => {};

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }
  readConfig(offset: number): number {
    return this.state.config[offset];
  }
  writeConfig(offset: number, value: number): void {
    this.state.config[offset] = value;
  }
  onNotify(queue: number): void {
    this.log.push(`notify ${queue}`);
    this.serve(queue);
  }
  onReady(): void {
    this.log.push('ready');
  }
  onQueueReset(queue: number): void {
    this.log.push(`queue ${queue} reset`);
  }
  onDriverReset(): void {
    this.log.push('reset');
  }
  reset(): void {
    this.state.config.fill(0);
  }
  resume(): void {}
}

interface BenchOptions {
  readonly kind?: VirtioPciWiring['kind'] | undefined;
  readonly memory?: number;
  /** As firmware leaves the function. Default: true. */
  readonly configured?: boolean;
}

function createBench<D extends VirtioDevice>(create: (memory: GuestMemory) => D, options: BenchOptions = {}) {
  const clock = new VirtualClock();
  const memory = new GuestMemory(Pool.create(), { size: options.memory ?? 8 * MIB });
  const ports = new PortBus();
  const bus = new PciBus({ ports, memory });
  const pin = new RecordingLine(clock);
  const device = create(memory);
  const { kind } = options;
  const chip = new VirtioPci({ clock, memory: guestDma(memory), device, pin, ...(kind ? { kind } : {}) });
  bus.attach(PLACE, chip);
  const config = registersOf(bus, PLACE);
  const configure = () => {
    config.write(0x10, IO, 4);
    config.write(0x20, BAR4, 4);
    config.write(0x04, 7, 2);
  };
  if (options.configured !== false) configure();
  const devices = [chip, ...chip.parts];
  return { chip, device, clock, memory, ports, bus, pin, config, configure, devices };
}

export const createTestVirtio = (options: BenchOptions = {}) => createBench(() => new TestDevice(), options);
export type VirtioBench = Omit<ReturnType<typeof createTestVirtio>, 'device'>;

export function createBalloon(options: BenchOptions & Partial<Omit<VirtioBalloonWiring, 'memory'>> = {}) {
  const { kind, memory, configured, ...wiring } = options;
  const hints: PageRange[] = [];
  const bench = createBench(
    (guest) =>
      new VirtioBalloon({
        memory: guest,
        onHint: (ranges) => void hints.push(...ranges),
        ...wiring,
      }),
    { kind, ...(memory ? { memory } : {}), ...(configured === false ? { configured } : {}) },
  );
  return { ...bench, balloon: bench.device, hints };
}

interface Part {
  readonly address: number;
  readonly length: number;
  readonly write?: boolean;
}

/** A queue as its driver sees it. */
interface Ring {
  readonly size: number;
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  free: number;
  available: number;
  seen: number;
}

/** What drivers of both kinds do; how they reach the registers is theirs. */
export abstract class VirtioDriver {
  readonly bench: VirtioBench;
  readonly rings = new Map<number, Ring>();
  features: readonly number[] = [];

  constructor(bench: VirtioBench) {
    this.bench = bench;
  }

  abstract offered(): number[];
  abstract writeFeatures(features: readonly number[]): void;
  abstract status(value?: number): number;
  abstract queueSize(queue: number): number;
  abstract installQueue(queue: number, ring: Ring): void;
  abstract notify(queue: number): void;
  abstract isr(): number;
  abstract config(offset: number, size?: 1 | 2 | 4): number;
  abstract writeConfig(offset: number, value: number, size?: 1 | 2 | 4): void;

  /** From reset to DRIVER_OK, as Linux does it. */
  start(features: readonly number[], queues: readonly number[]): void {
    this.negotiate(features);
    for (const queue of queues) this.setUpQueue(queue);
    this.status(this.status() | STATUS.DRIVER_OK);
  }

  negotiate(features: readonly number[]): void {
    this.features = features;
    this.status(0);
    this.status(STATUS.ACKNOWLEDGE);
    this.status(STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    this.writeFeatures(features);
  }

  setUpQueue(queue: number, size = this.queueSize(queue)): Ring {
    const descriptors = RINGS + RING_BYTES * queue;
    const driver = descriptors + 16 * size;
    const device = (driver + 6 + 2 * size + 4095) & ~4095;
    const ring = { size, descriptors, driver, device, free: 0, available: 0, seen: 0 };
    this.bench.memory.copyIn(descriptors, new Uint8Array(RING_BYTES));
    this.rings.set(queue, ring);
    this.installQueue(queue, ring);
    return ring;
  }

  descriptor(at: number, part: Part, { next, flags = 0 }: { next?: number | undefined; flags?: number } = {}): void {
    const { memory } = this.bench;
    memory.write(at, part.address % 2 ** 32, 4);
    memory.write(at + 4, Math.floor(part.address / 2 ** 32), 4);
    memory.write(at + 8, part.length, 4);
    memory.write(at + 12, flags | (part.write ? 2 : 0) | (next === undefined ? 0 : 1), 2);
    memory.write(at + 14, next ?? 0, 2);
  }

  /** Makes a chain available, of descriptors in a row. @returns its head */
  add(queue: number, parts: readonly Part[]): number {
    const ring = this.rings.get(queue)!;
    const head = ring.free;
    parts.forEach((part, index) => {
      const at = (head + index) % ring.size;
      const next = index === parts.length - 1 ? undefined : (at + 1) % ring.size;
      this.descriptor(ring.descriptors + 16 * at, part, { next });
    });
    ring.free = (head + parts.length) % ring.size;
    this.offer(queue, head);
    return head;
  }

  /** Puts a head into the available ring. */
  offer(queue: number, head: number): void {
    const { memory } = this.bench;
    const ring = this.rings.get(queue)!;
    memory.write(ring.driver + 4 + 2 * (ring.available % ring.size), head, 2);
    ring.available = (ring.available + 1) & 0xffff;
    memory.write(ring.driver + 2, ring.available, 2);
  }

  /** Bytes in a buffer that the device may read, then a notification, and the time that it takes. */
  send(queue: number, bytes: Uint8Array, address = BUFFERS): void {
    this.bench.memory.copyIn(address, bytes);
    this.add(queue, [{ address, length: bytes.length }]);
    this.kick(queue);
  }

  kick(queue: number): void {
    this.notify(queue);
    this.bench.clock.advance(10_000_000);
  }

  /** What has been used since this was called last: heads and lengths. */
  used(queue: number): [id: number, length: number][] {
    const { memory } = this.bench;
    const ring = this.rings.get(queue)!;
    const found: [number, number][] = [];
    for (; ring.seen !== memory.read(ring.device + 2, 2); ring.seen = (ring.seen + 1) & 0xffff) {
      const at = ring.device + 4 + 8 * (ring.seen % ring.size);
      found.push([memory.read(at, 4), memory.read(at + 4, 4)]);
    }
    return found;
  }
}

const bitsOf = (word: number, first: number): number[] =>
  Array.from({ length: 32 }, (_, bit) => bit).flatMap((bit) => ((word >>> bit) & 1 ? [first + bit] : []));
const wordOf = (features: readonly number[], select: number): number =>
  features.reduce((word, bit) => (bit >>> 5 === select ? word | (1 << (bit & 31)) : word), 0) >>> 0;

/** By the ports of before version 1. */
export class LegacyDriver extends VirtioDriver {
  read(offset: number, size: 1 | 2 | 4): number {
    return this.bench.ports.read(IO + offset, size);
  }
  write(offset: number, value: number, size: 1 | 2 | 4): void {
    this.bench.ports.write(IO + offset, value, size);
  }

  offered(): number[] {
    return bitsOf(this.read(0, 4), 0);
  }
  writeFeatures(features: readonly number[]): void {
    this.write(4, wordOf(features, 0), 4);
  }
  status(value?: number): number {
    if (value !== undefined) this.write(0x12, value, 1);
    return this.read(0x12, 1);
  }
  queueSize(queue: number): number {
    this.write(0x0e, queue, 2);
    return this.read(0x0c, 2);
  }
  installQueue(queue: number, { descriptors }: Ring): void {
    this.write(0x0e, queue, 2);
    this.write(0x08, descriptors / 4096, 4);
  }
  notify(queue: number): void {
    this.write(0x10, queue, 2);
  }
  isr(): number {
    return this.read(0x13, 1);
  }
  config(offset: number, size: 1 | 2 | 4 = 4): number {
    return this.read(0x14 + offset, size);
  }
  writeConfig(offset: number, value: number, size: 1 | 2 | 4 = 4): void {
    // Old drivers write bytes.
    for (let index = 0; index < size; index++) this.write(0x14 + offset + index, (value >>> (8 * index)) & 0xff, 1);
  }
}

/** By the structures in memory. */
export class ModernDriver extends VirtioDriver {
  read(offset: number, size: 1 | 2 | 4): number {
    return this.bench.memory.read(COMMON + offset, size);
  }
  write(offset: number, value: number, size: 1 | 2 | 4): void {
    this.bench.memory.write(COMMON + offset, value, size);
  }

  offered(): number[] {
    return [0, 1].flatMap((select) => {
      this.write(0, select, 4);
      return bitsOf(this.read(4, 4), 32 * select);
    });
  }
  writeFeatures(features: readonly number[]): void {
    for (const select of [0, 1]) {
      this.write(8, select, 4);
      this.write(0x0c, wordOf(features, select), 4);
    }
    this.status(this.status() | STATUS.FEATURES_OK);
  }
  status(value?: number): number {
    if (value !== undefined) this.write(0x14, value, 1);
    return this.read(0x14, 1);
  }
  select(queue: number): void {
    this.write(0x16, queue, 2);
  }
  queueSize(queue: number): number {
    this.select(queue);
    return this.read(0x18, 2);
  }
  installQueue(queue: number, { size, descriptors, driver, device }: Ring): void {
    this.select(queue);
    this.write(0x18, size, 2);
    for (const [offset, address] of [
      [0x20, descriptors],
      [0x28, driver],
      [0x30, device],
    ]) {
      this.write(offset, address, 4);
      this.write(offset + 4, 0, 4);
    }
    this.write(0x1c, 1, 2);
  }
  notify(queue: number): void {
    this.select(queue);
    this.bench.memory.write(NOTIFY_AT + 4 * this.read(0x1e, 2), queue, 2);
  }
  isr(): number {
    return this.bench.memory.read(ISR_AT, 1);
  }
  config(offset: number, size: 1 | 2 | 4 = 4): number {
    return this.bench.memory.read(CONFIG_AT + offset, size);
  }
  writeConfig(offset: number, value: number, size: 1 | 2 | 4 = 4): void {
    this.bench.memory.write(CONFIG_AT + offset, value, size);
  }
}

/** Drivers of both kinds. `base`: features that such a driver must take. */
export const DRIVERS = {
  legacy: { create: (bench: VirtioBench): VirtioDriver => new LegacyDriver(bench), base: [] },
  modern: { create: (bench: VirtioBench): VirtioDriver => new ModernDriver(bench), base: [VERSION_1] },
} as const satisfies Record<string, { create: (bench: VirtioBench) => VirtioDriver; base: readonly number[] }>;
