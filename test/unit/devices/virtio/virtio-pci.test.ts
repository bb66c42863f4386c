/** The PCI transport, by the sentences of "Virtual I/O Device (VIRTIO) Version 1.2", chapters 2 to 4, and by what drivers do. */
import { describe, expect, it } from 'vitest';
import {
  BUFFERS,
  COMMON,
  CONFIG_AT,
  createTestVirtio,
  DRIVERS,
  IO,
  LegacyDriver,
  ModernDriver,
  NOTIFY_AT,
  STATUS,
  VERSION_1,
} from '../../../support/virtio.ts';

const RING_RESET = 40;
const KINDS = Object.keys(DRIVERS) as (keyof typeof DRIVERS)[];

/** The list of vendor capabilities, by type. */
function capabilities({ config }: ReturnType<typeof createTestVirtio>) {
  const found = new Map<number, { at: number; length: number; bar: number; offset: number; bytes: number }>();
  for (let at = config.read(0x34); at !== 0; at = config.read(at + 1)) {
    expect(config.read(at)).toBe(9);
    const [length, bar] = [config.read(at + 2), config.read(at + 4)];
    found.set(config.read(at + 3), { at, length, bar, offset: config.read(at + 8, 4), bytes: config.read(at + 12, 4) });
  }
  return found;
}

/** A device that uses everything it finds. */
function createEcho(kind: keyof typeof DRIVERS) {
  const bench = createTestVirtio();
  bench.device.serve = (number) => {
    const queue = bench.device.transport.queue(number);
    for (let chain = queue.take(); chain; chain = queue.take()) queue.put(chain.head, 0);
  };
  const { create, base } = DRIVERS[kind];
  return { ...bench, driver: create(bench), base };
}

describe('4.1.2: PCI device discovery', () => {
  it('a transitional device has an ID from 1000h on, revision 0, and its type as subsystem ID', () => {
    const { config } = createTestVirtio();
    expect([config.read(0, 4), config.read(8), config.read(0x2e, 2)]).toEqual([0x1002_1af4, 0, 5]);
  });

  it('another has 1040h and its type, a revision from 1 on, and no ports', () => {
    const { config } = createTestVirtio({ kind: 'modern' });
    expect([config.read(0, 4), config.read(8), config.read(0x2e, 2)]).toEqual([0x1045_1af4, 1, 5]);
    config.write(0x10, 0xffff_ffff, 4);
    expect(config.read(0x10, 4)).toBe(0);
  });
});

describe('4.1.4: virtio structure PCI capabilities', () => {
  it('there is one of each type, aligned to 4, its structure within the base address', () => {
    const bench = createTestVirtio();
    const found = capabilities(bench);
    expect([...found.keys()]).toEqual([1, 2, 3, 4, 5]);
    for (const [type, { at, length, bar, offset, bytes }] of found) {
      expect(at % 4).toBe(0);
      expect(length).toBe(type === 2 || type === 5 ? 20 : 16);
      if (type === 5) continue;
      expect([bar, offset % 4]).toEqual([4, 0]);
      expect(offset + bytes).toBeLessThanOrEqual(0x4000);
    }
    expect(found.get(1)!.bytes).toBeGreaterThanOrEqual(56);
    expect(found.get(4)!.bytes).toBe(6);
  });

  it('4.1.4.4: notifications go to offset + queue_notify_off × multiplier, within the structure', () => {
    const bench = createTestVirtio();
    const driver = new ModernDriver(bench);
    const { at, bytes } = capabilities(bench).get(2)!;
    const multiplier = bench.config.read(at + 16, 4);
    for (const queue of [0, 1, 2]) {
      driver.select(queue);
      expect(driver.read(0x1e, 2) * multiplier + 2).toBeLessThanOrEqual(bytes);
    }
  });

  it('4.1.4.9: the window in the configuration space shows what its fields say', () => {
    const bench = createTestVirtio();
    const { at } = capabilities(bench).get(5)!;
    const { config, device } = bench;
    const point = (offset: number, length: number, bar = 4) => {
      config.write(at + 4, bar);
      config.write(at + 8, offset, 4);
      config.write(at + 12, length, 4);
    };
    point(0x12, 2);
    expect(config.read(at + 16, 2)).toBe(3);
    point(0x14, 1);
    config.write(at + 16, STATUS.ACKNOWLEDGE, 1);
    expect([config.read(at + 16), new ModernDriver(bench).status()]).toEqual([1, 1]);
    point(0x2000, 4);
    config.write(at + 16, 0x1234_5678, 4);
    expect([...device.state.config]).toEqual([0x78, 0x56, 0x34, 0x12, 0, 0]);
    // Of another width, elsewhere, or beyond the structures: nothing.
    for (const [offset, length, bar] of [
      [0x12, 4, 4],
      [0x12, 2, 0],
      [0x3ffe, 4, 4],
      [0xffff_fffe, 2, 4],
    ]) {
      point(offset, length, bar);
      config.write(at + 16, 0xffff, 2);
      expect(config.read(at + 16, 2)).toBe(0);
    }
  });
});

describe.each(KINDS)('a %s driver', (kind) => {
  const create = () => createEcho(kind);

  it('2.2: finds the features offered', () => {
    const { driver } = create();
    const offered = [0, 5, 27, 28, 29, ...(kind === 'legacy' ? [] : [VERSION_1, RING_RESET])];
    expect(driver.offered()).toEqual(offered);
  });

  it('3.1.1: goes from reset to DRIVER_OK; the device hears of it', () => {
    const { driver, device, base } = create();
    driver.start([...base, 5], [0, 1, 2]);
    expect(driver.status()).toBe(kind === 'legacy' ? 7 : 15);
    expect(device.log).toEqual(['reset', 'ready']);
    expect([0, 5, 27].map((feature) => device.transport.has(feature))).toEqual([false, true, false]);
    expect([device.transport.ready, device.transport.legacy]).toEqual([true, kind === 'legacy']);
  });

  it('2.1: status 0 resets the device: queues, features, interrupt', () => {
    const { driver, device, base, pin } = create();
    driver.start([...base, 5], [1]);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect(pin.level).toBe(1);
    driver.status(0);
    expect([driver.status(), pin.level, driver.isr()]).toEqual([0, 0, 0]);
    expect([device.transport.has(5), device.transport.ready, device.transport.queue(1).state.enabled]).toEqual([
      ...[false, false, false],
    ]);
    driver.notify(1);
    driver.bench.clock.advance(10_000);
    expect(device.log).toEqual(['reset', 'ready', 'notify 1', 'reset']);
  });

  it('2.1.2: after an error the device does nothing until it is reset, and keeps DEVICE_NEEDS_RESET', () => {
    const { driver, device, base, pin } = create();
    driver.start([...base], [1]);
    driver.offer(1, 999);
    driver.kick(1);
    expect(driver.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
    // 2.1.2: with DRIVER_OK set, a configuration change notification follows; old drivers know no such thing.
    expect([pin.level, driver.isr()]).toEqual(kind === 'legacy' ? [0, 0] : [1, 2]);
    driver.status(15);
    expect(driver.status() & STATUS.NEEDS_RESET).toBe(STATUS.NEEDS_RESET);
    driver.kick(1);
    expect(device.log.filter((line) => line === 'notify 1').length).toBe(1);
    driver.start([...base], [1]);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect(driver.used(1)).toEqual([[0, 0]]);
  });

  it('2.5: reads and writes the device configuration, by any width; behind it there is nothing', () => {
    const { driver, device } = create();
    driver.writeConfig(0, 0x1234_5678, 4);
    driver.writeConfig(4, 0xabcd, 2);
    driver.writeConfig(6, 0xff, 1);
    expect([...device.state.config]).toEqual([0x78, 0x56, 0x34, 0x12, 0xcd, 0xab]);
    expect([driver.config(2, 1), driver.config(2, 2), driver.config(4, 4)]).toEqual([0x34, 0x1234, 0xabcd]);
  });

  it('4.1.4.5: reading ISR clears it and lowers the interrupt: bit 0 for queues, bit 1 for the configuration', () => {
    const { driver, device, base, pin } = create();
    driver.start([...base], [1]);
    device.transport.configChanged();
    expect([pin.level, driver.isr(), pin.level, driver.isr()]).toEqual([1, 2, 0, 0]);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    device.transport.configChanged();
    expect([pin.level, driver.isr(), pin.level]).toEqual([1, 3, 0]);
  });

  it('a change of the configuration is no interrupt before DRIVER_OK', () => {
    const { driver, device, base, pin } = create();
    driver.negotiate([...base]);
    device.transport.configChanged();
    expect([pin.level, driver.isr()]).toEqual([0, 0]);
  });

  it('the command register may keep the interrupt from the pin, and later let it through', () => {
    const { driver, device, base, pin, config } = create();
    driver.start([...base], []);
    config.write(4, 0x407, 2);
    device.transport.configChanged();
    expect(pin.level).toBe(0);
    config.write(4, 0x007, 2);
    expect(pin.level).toBe(1);
  });

  it('notifies a queue, which is served soon, once, and not within the instruction', () => {
    const { driver, device, base, clock, ports, memory } = create();
    driver.start([...base], [0, 1, 2]);
    for (const queue of [1, 0, 1]) driver.notify(queue);
    expect(device.log).toEqual(['reset', 'ready']);
    clock.advance(10_000);
    expect(device.log).toEqual(['reset', 'ready', 'notify 0', 'notify 1']);
    // Of queues that there are not.
    ports.write(IO + 0x10, 7, 2);
    memory.write(NOTIFY_AT + 28, 7, 2);
    clock.advance(10_000);
    expect(device.log.length).toBe(4);
  });

  it('a device that is occupied serves later', () => {
    const { driver, device, base, clock } = create();
    driver.start([...base], [0, 1]);
    device.serve = () => device.transport.occupy(5_000_000);
    driver.notify(0);
    clock.advance(10_000);
    driver.notify(1);
    clock.advance(4_900_000);
    expect(device.log.at(-1)).toBe('notify 0');
    clock.advance(200_000);
    expect(device.log.at(-1)).toBe('notify 1');
  });

  it('a device that goes on by itself is asked again, and the driver hears of what it used', () => {
    const { driver, device, base } = create();
    driver.start([...base], [1]);
    device.serve = (number) => {
      const queue = device.transport.queue(number);
      const chain = queue.take();
      if (chain === undefined) return;
      queue.put(chain.head, 0);
      device.transport.schedule(number);
    };
    for (let count = 0; count < 5; count++) driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect(driver.used(1).length).toBe(5);
  });
});

describe('a legacy driver', () => {
  const create = () => {
    const bench = createEcho('legacy');
    return { ...bench, driver: bench.driver as LegacyDriver };
  };

  it('2.7.2 (legacy): the ring lies in a row, the used ring on a page of its own', () => {
    const { driver, device } = create();
    driver.negotiate([]);
    driver.write(0x0e, 1, 2);
    driver.write(0x08, 0x123, 4);
    const { descriptors, driver: available, device: used } = device.transport.queue(1).state;
    expect([descriptors, available, used]).toEqual([
      [0x12_3000, 0],
      [0x12_3800, 0],
      [0x12_4000, 0],
    ]);
    expect(driver.read(0x08, 4)).toBe(0x123);
    driver.write(0x08, 0xffff_ffff, 4);
    expect(driver.read(0x08, 4)).toBe(0xffff_ffff);
  });

  it('4.1.5.1.4.1 (legacy): page 0 gives the queue up', () => {
    const { driver, device, clock } = create();
    driver.start([], [1]);
    driver.write(0x0e, 1, 2);
    driver.write(0x08, 0, 4);
    expect([driver.read(0x08, 4), device.transport.queue(1).state.enabled]).toEqual([0, false]);
    driver.notify(1);
    clock.advance(10_000);
    expect(device.log).toEqual(['reset', 'ready', 'queue 1 reset']);
  });

  it('4.1.4.3.1 (legacy): the size of a queue cannot be changed; of one that there is not it is 0', () => {
    const { driver } = create();
    expect([0, 1, 2, 3, 0xffff].map((queue) => driver.queueSize(queue))).toEqual([16, 128, 8, 0, 0]);
    driver.queueSize(1);
    driver.write(0x0c, 8, 2);
    expect(driver.queueSize(1)).toBe(128);
  });

  it('3.1.2 (legacy): uses queues before it sets DRIVER_OK, and without being a bus master', () => {
    const { driver, config } = create();
    config.write(4, 3, 2);
    driver.negotiate([]);
    driver.setUpQueue(1);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect(driver.used(1)).toEqual([[0, 0]]);
  });

  it('2.2.3 (legacy): features above bit 31 are not negotiated', () => {
    const { driver, device } = create();
    driver.start([0, 5], []);
    expect([VERSION_1, RING_RESET, 0].map((feature) => device.transport.has(feature))).toEqual([false, false, true]);
  });

  it('registers may be read and written by any width', () => {
    const { driver, ports, pin, device } = create();
    driver.start([], []);
    for (const [at, byte] of [5, 0, 0, 0].entries()) ports.write(IO + 4 + at, byte, 1);
    driver.status(0);
    for (const [at, byte] of [0x21, 0, 0, 0].entries()) ports.write(IO + 4 + at, byte, 1);
    expect([ports.read(IO + 4, 2), ports.read(IO, 1)]).toEqual([0x21, 0x21]);
    driver.status(STATUS.DRIVER_OK);
    device.transport.configChanged();
    // Status and ISR as one word.
    expect([ports.read(IO + 0x12, 2), pin.level]).toEqual([0x0204, 0]);
  });
});

describe('a modern driver', () => {
  const create = () => {
    const bench = createEcho('modern');
    return { ...bench, driver: bench.driver as ModernDriver };
  };

  it.each([
    ['without version 1', [0]],
    ['with one that was not offered', [VERSION_1, 1]],
    ['with one that was not offered above bit 31', [VERSION_1, 33]],
  ])('2.2.2: features %s are refused: FEATURES_OK stays 0', (_, features) => {
    const { driver, device } = create();
    driver.negotiate(features);
    expect([driver.status(), device.transport.has(0)]).toEqual([3, false]);
    driver.writeFeatures([VERSION_1, 0]);
    expect([driver.status(), device.transport.has(0)]).toEqual([11, true]);
  });

  it('3.1.1: features do not change once they are agreed upon, nor does FEATURES_OK', () => {
    const { driver, device } = create();
    driver.negotiate([VERSION_1, 0]);
    driver.writeFeatures([VERSION_1, 5]);
    driver.status(3);
    expect([driver.status(), device.transport.has(0), device.transport.has(5)]).toEqual([11, true, false]);
  });

  it('4.1.4.3.1: device_feature of a word that there is not is 0', () => {
    const { driver, memory } = create();
    memory.write(COMMON, 2, 4);
    expect(driver.read(4, 4)).toBe(0);
    memory.write(COMMON, 0xffff_ffff, 4);
    expect(driver.read(4, 4)).toBe(0);
  });

  it('2.1.2: the device uses no buffers before DRIVER_OK; then it does', () => {
    const { driver, device, clock } = create();
    driver.negotiate([VERSION_1]);
    driver.setUpQueue(1);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect([driver.used(1), device.log]).toEqual([[], ['reset']]);
    driver.status(driver.status() | STATUS.DRIVER_OK);
    clock.advance(10_000);
    expect(driver.used(1)).toEqual([[0, 0]]);
  });

  it('a function that is no bus master reaches no memory until it is', () => {
    const { driver, config, clock } = create();
    driver.start([VERSION_1], [1]);
    config.write(4, 3, 2);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect(driver.used(1)).toEqual([]);
    config.write(4, 7, 2);
    clock.advance(10_000);
    expect(driver.used(1)).toEqual([[0, 0]]);
  });

  it('4.1.4.3.1: num_queues; queue_size 0 where there is no queue; queue_enable 0 at first', () => {
    const { driver } = create();
    expect(driver.read(0x12, 2)).toBe(3);
    expect([0, 1, 2, 3, 0xffff].map((queue) => driver.queueSize(queue))).toEqual([16, 128, 8, 0, 0]);
    driver.select(1);
    expect(driver.read(0x1c, 2)).toBe(0);
    driver.write(0x1c, 1, 2);
    expect(driver.read(0x1c, 2)).toBe(1);
    driver.write(0x1c, 0, 2);
    expect(driver.read(0x1c, 2)).toBe(1);
  });

  it('4.1.4.3.2: queue_size may be made smaller, to a power of two, and not of a queue that is enabled', () => {
    const { driver } = create();
    driver.select(1);
    const sizes: number[] = [];
    for (const size of [64, 0, 48, 256, 0xffff, 32]) {
      driver.write(0x18, size, 2);
      sizes.push(driver.read(0x18, 2));
    }
    expect(sizes).toEqual([64, 64, 64, 64, 64, 32]);
    driver.write(0x1c, 1, 2);
    driver.write(0x18, 16, 2);
    driver.write(0x20, 0x1234_5000, 4);
    expect([driver.read(0x18, 2), driver.read(0x20, 4)]).toEqual([32, 0]);
  });

  it('4.1.3.1: 64-bit fields are two doublewords', () => {
    const { driver } = create();
    driver.select(2);
    for (const [index, at] of [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34].entries()) driver.write(at, 0x8000_0000 + index, 4);
    expect([0x20, 0x24, 0x28, 0x2c, 0x30, 0x34].map((at) => driver.read(at, 4) - 0x8000_0000)).toEqual([
      ...[0, 1, 2, 3, 4, 5],
    ]);
    driver.select(0);
    expect(driver.read(0x20, 4)).toBe(0);
  });

  it('4.1.5.1.2: without MSI-X, vectors read as NO_VECTOR', () => {
    const { driver } = create();
    driver.write(0x10, 0, 2);
    driver.write(0x1a, 1, 2);
    expect([driver.read(0x10, 2), driver.read(0x1a, 2)]).toEqual([0xffff, 0xffff]);
  });

  it('4.1.4.3.1: config_generation changes when the configuration does after it was read', () => {
    const { driver, device } = create();
    const generation = () => driver.read(0x15, 1);
    driver.start([VERSION_1], []);
    const first = generation();
    driver.config(0);
    device.transport.configChanged();
    const second = generation();
    expect(second).not.toBe(first);
    expect(generation()).toBe(second);
    driver.config(4, 1);
    device.transport.configChanged();
    expect([first, second]).not.toContain(generation());
  });

  it('2.6.1: queue_reset gives a queue up; it can be enabled again', () => {
    const { driver, device } = create();
    driver.start([VERSION_1, RING_RESET], [1]);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    driver.select(1);
    driver.write(0x3a, 1, 2);
    expect([driver.read(0x3a, 2), driver.read(0x1c, 2), driver.read(0x18, 2)]).toEqual([0, 0, 128]);
    expect(device.log.at(-1)).toBe('queue 1 reset');
    driver.setUpQueue(1, 64);
    driver.add(1, [{ address: BUFFERS, length: 1 }]);
    driver.kick(1);
    expect(driver.used(1)).toEqual([[0, 0]]);
  });

  it('a state with a queue of a size that cannot be is resumed with that queue at rest', () => {
    const { driver, device, chip } = create();
    driver.start([VERSION_1], [0, 1, 2]);
    for (const size of [0, 3, 1.5, -2, 256, 2 ** 40]) {
      chip.core.state.queues[1].size = size;
      chip.core.resume();
      expect(device.transport.queue(1).state).toMatchObject({ size: 128, enabled: false });
    }
    expect(device.transport.queue(0).state.enabled).toBe(true);
  });

  it('accesses across registers, and where there are none, do no harm', () => {
    const { driver, memory } = create();
    memory.write(COMMON + 0x14, 0xffff_ff01, 4);
    expect(driver.status()).toBe(1);
    expect([memory.read(COMMON + 0x3c, 4), memory.read(COMMON + 0xffc, 4), memory.read(NOTIFY_AT, 4)]).toEqual([
      ...[0, 0, 0],
    ]);
    expect(memory.read(CONFIG_AT + 6, 2)).toBe(0);
  });
});

/**
 * What probes of drivers look at, in their order: Linux 2.6.25 to 3.x by ports alone; from 4.0 on by structures, and by
 * ports only where there are none.
 */
describe('probes', () => {
  it('Linux up to 3.x: device IDs 1000h–103Fh, revision 0, the type from the subsystem, ports', () => {
    const { config, driver } = createEcho('legacy');
    const id = config.read(2, 2);
    expect([id >= 0x1000 && id <= 0x103f, config.read(8), config.read(0x2e, 2)]).toEqual([true, 0, 5]);
    expect(config.read(0x10, 4)).toBe(IO | 1);
    driver.start([5], [0, 1]);
    driver.add(0, [{ address: BUFFERS, length: 4 }]);
    driver.kick(0);
    expect(driver.used(0).length).toBe(1);
  });

  it.each(['transitional', 'modern'] as const)('Linux from 4.0 on, %s: capabilities, queues, enables last', (kind) => {
    const bench = createTestVirtio({ kind });
    expect([...capabilities(bench).keys()].slice(0, 4)).toEqual([1, 2, 3, 4]);
    const driver = new ModernDriver(bench);
    driver.status(0);
    expect(driver.status()).toBe(0);
    driver.start([VERSION_1], [0, 1]);
    expect(driver.status()).toBe(15);
  });

  it('a device that only has structures answers no ports', () => {
    const bench = createTestVirtio({ kind: 'modern' });
    expect(new LegacyDriver(bench).read(0, 4)).toBe(0xffff_ffff);
  });
});
