/** Split virtqueues, by the sentences of "Virtual I/O Device (VIRTIO) Version 1.2", section 2.7, with both kinds of drivers. */
import { describe, expect, it } from 'vitest';
import type { Chain } from '../../../../src/devices/virtio/virtqueue.ts';
import { BUFFERS, createTestVirtio, DRIVERS, STATUS } from '../../../support/virtio.ts';

const INDIRECT_DESC = 28;
const EVENT_IDX = 29;
const QUEUE = 1;
const TABLE = 0x9_0000;
const NEXT = 1;
const INDIRECT = 4;

type Kind = keyof typeof DRIVERS;

interface IndirectFault {
  readonly features?: readonly number[];
  readonly nested?: boolean;
  readonly flags?: number;
  readonly length?: number;
  readonly next?: number;
  readonly address?: number;
}

const INDIRECT_FAULTS: [string, IndirectFault][] = [
  ['without the feature', { features: [] }],
  ['within another', { nested: true }],
  ['with a next one', { flags: INDIRECT | NEXT }],
  ['of no bytes', { length: 0 }],
  ['of part of a descriptor', { length: 24 }],
  ['of a million descriptors', { length: 0x100_0000 }],
  ['that ends beyond itself', { next: 1 }],
  ['where there is no memory', { address: 0x4000_0000 }],
];

/** A device that takes all chains of queue 1 and gives them back, `written` bytes long. */
function create(kind: Kind, features: readonly number[] = [], { written = 0, size = 128 } = {}) {
  const bench = createTestVirtio();
  const taken: Chain[] = [];
  const { create: createDriver, base } = DRIVERS[kind];
  const driver = createDriver(bench);
  bench.device.serve = (number) => {
    const queue = bench.device.transport.queue(number);
    for (let chain = queue.take(); chain; chain = queue.take()) {
      taken.push(chain);
      queue.put(chain.head, written);
    }
  };
  driver.negotiate([...base, ...features]);
  const ring = driver.setUpQueue(QUEUE, kind === 'legacy' ? 128 : size);
  driver.status(driver.status() | STATUS.DRIVER_OK);
  const needsReset = () => (driver.status() & STATUS.NEEDS_RESET) !== 0;
  const part = (offset: number, length: number, write = false) => ({ address: BUFFERS + offset, length, write });
  return { ...bench, driver, taken, ring, needsReset, part };
}

describe.each(Object.keys(DRIVERS) as Kind[])('a split virtqueue of a %s driver', (kind) => {
  it('2.7.13: what is put into the available ring is used, in order, by the head of its chain', () => {
    const { driver, taken, part } = create(kind, [], { written: 7 });
    driver.add(QUEUE, [part(0, 100), part(100, 20), part(200, 50, true)]);
    driver.add(QUEUE, [part(300, 1, true)]);
    driver.kick(QUEUE);
    expect(taken.map(({ readable, writable }) => [readable.length, writable.length])).toEqual([
      [2, 1],
      [0, 1],
    ]);
    expect(taken[0].readable).toEqual([
      { address: BUFFERS, length: 100 },
      { address: BUFFERS + 100, length: 20 },
    ]);
    expect(driver.used(QUEUE)).toEqual([
      [0, 7],
      [3, 7],
    ]);
  });

  it('2.7.8.2: used idx starts at 0 and increments; both wrap around at 2^16', () => {
    const { driver, ring, memory, part, needsReset } = create(kind);
    for (let round = 0; round < 700; round++) {
      for (let count = 0; count < 100; count++) driver.add(QUEUE, [part(0, 4)]);
      driver.kick(QUEUE);
      expect(driver.used(QUEUE).length).toBe(100);
    }
    expect(memory.read(ring.device + 2, 2)).toBe(70_000 - 65_536);
    expect(needsReset()).toBe(false);
  });

  it('2.7.5: a chain may be as long as the queue', () => {
    const { driver, taken, part, needsReset } = create(kind);
    driver.add(
      QUEUE,
      Array.from({ length: 128 }, (_, index) => part(index, 1)),
    );
    driver.kick(QUEUE);
    expect(taken[0].readable.length).toBe(128);
    expect(needsReset()).toBe(false);
  });

  it('2.7.5: a chain with a loop needs a reset', () => {
    const { driver, taken, ring, part, needsReset } = create(kind);
    driver.descriptor(ring.descriptors, part(0, 1), { next: 5 });
    driver.descriptor(ring.descriptors + 16 * 5, part(0, 1), { next: 0 });
    driver.offer(QUEUE, 0);
    driver.kick(QUEUE);
    expect([taken.length, needsReset(), driver.used(QUEUE)]).toEqual([0, true, []]);
  });

  it('2.7.4.2: nothing that is read comes behind what is written', () => {
    const { driver, taken, part, needsReset } = create(kind);
    driver.add(QUEUE, [part(0, 1), part(1, 1, true), part(2, 1)]);
    driver.kick(QUEUE);
    expect([taken.length, needsReset()]).toEqual([0, true]);
  });

  it('2.7.5.2: a chain has at most 2^32 bytes', () => {
    const { driver, taken, part, needsReset } = create(kind);
    driver.add(QUEUE, [part(0, 0x8000_0000), part(0, 0x8000_0000)]);
    driver.kick(QUEUE);
    expect([taken.length, needsReset()]).toEqual([1, false]);
    driver.add(QUEUE, [part(0, 0x8000_0000), part(0, 0x8000_0000), part(0, 1)]);
    driver.kick(QUEUE);
    expect([taken.length, needsReset()]).toEqual([1, true]);
  });

  it.each([
    ['a head', 128, 0],
    ['the next of a chain', 0, 128],
  ])('2.7.5: %s lies in the table', (_, head, next) => {
    const { driver, taken, ring, part, needsReset } = create(kind);
    driver.descriptor(ring.descriptors, part(0, 1), next ? { next } : {});
    driver.offer(QUEUE, head);
    driver.kick(QUEUE);
    expect([taken.length, needsReset()]).toEqual([0, true]);
  });

  it('2.7.13.3: idx runs ahead of what was taken by at most the size of the queue', () => {
    const { driver, taken, ring, memory, needsReset } = create(kind);
    memory.write(ring.driver + 2, 129, 2);
    driver.kick(QUEUE);
    expect([taken.length, needsReset()]).toEqual([0, true]);
  });

  it('2.7.5.3: an indirect descriptor refers to a table, if the feature was negotiated', () => {
    const { driver, taken, ring, part, needsReset } = create(kind, [INDIRECT_DESC]);
    for (const index of [0, 1, 2])
      driver.descriptor(TABLE + 16 * index, part(100 * index, 10, index === 2), index < 2 ? { next: index + 1 } : {});
    driver.descriptor(ring.descriptors, { address: TABLE, length: 48 }, { flags: INDIRECT });
    driver.offer(QUEUE, 0);
    driver.kick(QUEUE);
    expect(taken).toEqual([
      {
        head: 0,
        readable: [
          { address: BUFFERS, length: 10 },
          { address: BUFFERS + 100, length: 10 },
        ],
        writable: [{ address: BUFFERS + 200, length: 10 }],
      },
    ]);
    expect([needsReset(), driver.used(QUEUE)]).toEqual([false, [[0, 0]]]);
  });

  it('2.7.5.3.2: normal descriptors may be followed by a single indirect one', () => {
    const { driver, taken, ring, part, needsReset } = create(kind, [INDIRECT_DESC]);
    driver.descriptor(TABLE, part(200, 10, true));
    driver.descriptor(ring.descriptors, part(0, 5), { next: 3 });
    driver.descriptor(ring.descriptors + 48, { address: TABLE, length: 16 }, { flags: INDIRECT });
    driver.offer(QUEUE, 0);
    driver.kick(QUEUE);
    expect(taken[0]).toEqual({
      head: 0,
      readable: [{ address: BUFFERS, length: 5 }],
      writable: [{ address: BUFFERS + 200, length: 10 }],
    });
    expect(needsReset()).toBe(false);
  });

  it('2.7.5.3.2: of an indirect descriptor, the device ignores the write flag', () => {
    const { driver, taken, ring, part } = create(kind, [INDIRECT_DESC]);
    driver.descriptor(TABLE, part(0, 10));
    driver.descriptor(ring.descriptors, { address: TABLE, length: 16, write: true }, { flags: INDIRECT });
    driver.offer(QUEUE, 0);
    driver.kick(QUEUE);
    expect(taken[0].readable).toEqual([{ address: BUFFERS, length: 10 }]);
  });

  it.each(INDIRECT_FAULTS)('2.7.5.3.1: an indirect descriptor %s needs a reset', (_, fault) => {
    const { features = [INDIRECT_DESC], nested, flags = INDIRECT, length = 16, next, address = TABLE } = fault;
    const { driver, taken, ring, part, needsReset } = create(kind, features);
    driver.descriptor(TABLE, nested ? { address: TABLE, length: 16 } : part(0, 1), {
      next,
      flags: nested ? INDIRECT : 0,
    });
    driver.descriptor(ring.descriptors, { address, length }, { flags });
    driver.offer(QUEUE, 0);
    driver.kick(QUEUE);
    expect([taken.length, needsReset()]).toEqual([0, true]);
  });

  it('2.7.7: flags 1 in the available ring asks for no interrupt', () => {
    const { driver, ring, memory, part, pin } = create(kind);
    memory.write(ring.driver, 1, 2);
    driver.add(QUEUE, [part(0, 1)]);
    driver.kick(QUEUE);
    expect([driver.used(QUEUE).length, pin.level]).toEqual([1, 0]);
    memory.write(ring.driver, 0, 2);
    driver.add(QUEUE, [part(0, 1)]);
    driver.kick(QUEUE);
    expect([pin.level, driver.isr(), pin.level]).toEqual([1, 1, 0]);
  });

  it('2.7.7.2: with event indices, flags are ignored, and an interrupt comes when used_event is passed', () => {
    const { driver, ring, memory, part, pin } = create(kind, [EVENT_IDX]);
    const used: number[] = [];
    memory.write(ring.driver, 1, 2);
    for (let count = 1; count <= 10; count++) {
      // After the entry of this index has been used.
      if (count === 3) memory.write(ring.driver + 4 + 2 * ring.size, 6, 2);
      driver.add(QUEUE, [part(0, 1)]);
      driver.kick(QUEUE);
      if (pin.level) used.push(count);
      driver.isr();
    }
    expect(used).toEqual([1, 7]);
  });

  it('2.7.10.2: with event indices, the device asks to be notified of the next entry', () => {
    const { driver, ring, memory, part } = create(kind, [EVENT_IDX]);
    const availableEvent = () => memory.read(ring.device + 4 + 8 * ring.size, 2);
    for (const count of [3, 8]) {
      for (let index = 0; index < count; index++) driver.add(QUEUE, [part(0, 1)]);
      driver.kick(QUEUE);
      expect(availableEvent()).toBe(ring.available);
      expect(memory.read(ring.device, 2)).toBe(0);
    }
  });

  it('nothing to be used, no interrupt', () => {
    const { driver, pin } = create(kind);
    driver.kick(QUEUE);
    expect(pin.rising).toEqual([]);
  });

  it('a buffer where there is no memory needs a reset as soon as the device wants to read it', () => {
    const { device, driver, needsReset } = create(kind);
    device.serve = (number) => {
      const queue = device.transport.queue(number);
      queue.read(queue.take()!, 100);
    };
    driver.add(QUEUE, [{ address: 0x7f_fff0, length: 16 }]);
    driver.kick(QUEUE);
    expect(needsReset()).toBe(false);
    driver.add(QUEUE, [{ address: 0x7f_fff1, length: 16 }]);
    driver.kick(QUEUE);
    expect(needsReset()).toBe(true);
  });

  it('a buffer longer than the device has use for needs a reset', () => {
    const { device, driver, part, needsReset } = create(kind);
    device.serve = (number) => {
      const queue = device.transport.queue(number);
      queue.read(queue.take()!, 99);
    };
    driver.add(QUEUE, [part(0, 60), part(60, 40)]);
    driver.kick(QUEUE);
    expect(needsReset()).toBe(true);
  });
});

describe('a split virtqueue', () => {
  it('2.7: is as large as the driver says, a power of two', () => {
    const { driver, taken, part } = create('modern', [], { size: 4 });
    for (let count = 0; count < 11; count++) {
      driver.add(QUEUE, [part(count, 1)]);
      driver.kick(QUEUE);
    }
    expect(taken.map(({ readable }) => readable[0].address - BUFFERS)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it.each(['descriptors', 'driver', 'device'] as const)('its %s area lies in memory, or it needs a reset', (area) => {
    const { driver, taken, ring, part, needsReset } = create('modern');
    driver.negotiate([32]);
    for (const address of [0x7f_ffff, 0xffff_ffff, 0xe000_0000]) {
      driver.negotiate([32]);
      const moved = driver.setUpQueue(QUEUE, 16);
      driver.status(driver.status() | STATUS.DRIVER_OK);
      expect(moved.size).toBe(16);
      driver.add(QUEUE, [part(0, 1)]);
      // The driver's own copy is somewhere else.
      Object.assign(driver.bench.chip.core.state.queues[QUEUE], { [area]: [address, 0] });
      driver.kick(QUEUE);
      expect(needsReset()).toBe(true);
    }
    expect(taken.length).toBeLessThan(4);
    expect(ring.size).toBe(128);
  });
});
