import { describe, expect, it } from 'vitest';
import { InternalError } from '../../../../src/base/errors.ts';
import { type AddressWindow, COMMAND, ConfigSpace } from '../../../../src/bus/pci/config-space.ts';
import { configAddress, PciBus, type PciFunction } from '../../../../src/bus/pci/pci-bus.ts';
import { PortBus } from '../../../../src/bus/port-bus.ts';
import { GuestMemory } from '../../../../src/memory/guest-memory.ts';
import { Pool } from '../../../../src/memory/pool.ts';

const HIGH = 0xe000_0000;

/** A function with eight ports and 4 KiB of registers, all of which read as `number`. */
function createFunction(number: number, more: () => AddressWindow[] = () => []): PciFunction {
  const config = new ConfigSpace(
    {
      vendor: 0x1234,
      device: number,
      classCode: 0xff_00_00,
      baseAddresses: {
        0: { kind: 'io', size: 8, device: { name: 'ports', readPort: () => number, writePort: () => {} } },
        1: { kind: 'memory', size: 4096, device: { name: 'regs', readMemory: () => number, writeMemory: () => {} } },
      },
    },
    { config: new Uint8Array(256) },
  );
  return { name: `function ${number}`, config, windows: more };
}

function createBus() {
  const ports = new PortBus();
  const memory = new GuestMemory(Pool.create(), { size: 2 ** 20 });
  const bus = new PciBus({ ports, memory });
  const place = (device: number, register = 0, number = 0) => configAddress({ device, function: number }, register);
  return { ports, memory, bus, place };
}

describe('configuration cycles', () => {
  it('reach the function at that place; elsewhere the master aborts: all ones, and writes are lost', () => {
    const { bus, place } = createBus();
    bus.attach({ device: 3, function: 0 }, createFunction(0x11));
    bus.attach({ device: 3, function: 5 }, createFunction(0x22));
    expect([bus.read(place(3, 2), 2), bus.read(place(3, 0, 5), 4)]).toEqual([0x11, 0x0022_1234]);
    bus.write(place(3, 0x3c, 5), 9, 1);
    expect([bus.read(place(3, 0x3c), 1), bus.read(place(3, 0x3c, 5), 1)]).toEqual([0, 9]);
    for (const [size, ones] of [
      [1, 0xff],
      [2, 0xffff],
      [4, 0xffff_ffff],
    ] as const) {
      bus.write(place(4), 0, size);
      expect([bus.read(place(4), size), bus.read(place(3, 0, 1), size)]).toEqual([ones, ones]);
    }
  });

  it('of type 1, for another bus, end in a master abort; special cycles reach nobody', () => {
    const { bus, place } = createBus();
    bus.attach({ device: 0, function: 0 }, createFunction(1));
    bus.attach({ device: 31, function: 7 }, createFunction(2));
    for (const number of [1, 0x80, 0xff]) expect(bus.read((number << 16) | place(0), 4)).toBe(0xffff_ffff);
    bus.write(place(31, 0, 7), 0x0001, 4);
    expect(bus.read(place(31, 0, 7), 4)).toBe(0x0002_1234);
  });

  it('a place is taken once', () => {
    const { bus } = createBus();
    bus.attach({ device: 1, function: 0 }, createFunction(1));
    expect(() => bus.attach({ device: 1, function: 0 }, createFunction(2))).toThrow(InternalError);
  });
});

describe('claimed ranges', () => {
  it('are mapped, moved and unmapped as the registers are written', () => {
    const { bus, ports, memory, place } = createBus();
    bus.attach({ device: 2, function: 0 }, createFunction(0x42));
    const seen = () => [
      ports.read(0xc100, 1),
      ports.read(0xd000, 1),
      memory.read(HIGH, 1),
      memory.read(HIGH + 0x10000, 1),
    ];
    bus.write(place(2, 0x10), 0xc100, 4);
    bus.write(place(2, 0x14), HIGH, 4);
    expect(seen()).toEqual([0xff, 0xff, 0xff, 0xff]);
    bus.write(place(2, 4), COMMAND.IO, 2);
    expect(seen()).toEqual([0x42, 0xff, 0xff, 0xff]);
    bus.write(place(2, 4), COMMAND.IO | COMMAND.MEMORY, 2);
    expect(seen()).toEqual([0x42, 0xff, 0x42, 0xff]);
    bus.write(place(2, 0x10), 0xd000, 4);
    bus.write(place(2, 0x16), (HIGH >>> 16) + 1, 2);
    expect(seen()).toEqual([0xff, 0x42, 0xff, 0x42]);
    bus.write(place(2, 4), 0, 2);
    expect(seen()).toEqual([0xff, 0xff, 0xff, 0xff]);
  });

  it('of several functions in one place the lowest one answers, whoever came first', () => {
    const { bus, ports, place } = createBus();
    for (const device of [5, 4]) {
      bus.attach({ device, function: 0 }, createFunction(device));
      bus.write(place(device, 0x10), 0xc100, 4);
      bus.write(place(device, 4), COMMAND.IO, 2);
    }
    expect(ports.read(0xc100, 1)).toBe(4);
    bus.write(place(4, 4), 0, 2);
    expect(ports.read(0xc100, 1)).toBe(5);
  });

  it('while it is sized, a range that is decoded wanders off and comes back', () => {
    const { bus, ports, memory, place } = createBus();
    bus.attach({ device: 2, function: 0 }, createFunction(0x42));
    bus.write(place(2, 0x10), 0xc100, 4);
    bus.write(place(2, 0x14), HIGH, 4);
    bus.write(place(2, 4), 7, 2);
    for (const register of [0x10, 0x14]) {
      const before = bus.read(place(2, register), 4);
      bus.write(place(2, register), 0xffff_ffff, 4);
      bus.write(place(2, register), before, 4);
    }
    expect([ports.read(0xc100, 1), memory.read(HIGH, 1), memory.read(0xffff_f000, 1)]).toEqual([0x42, 0x42, 0xff]);
  });

  it('a function may claim others, by registers of its own', () => {
    const { bus, ports, place } = createBus();
    const device = { name: 'legacy', readPort: () => 0x77, writePort: () => {} };
    let on = false;
    const more = (): AddressWindow[] => (on ? [{ space: 'io', first: 0x1f0, length: 8, device }] : []);
    bus.attach({ device: 1, function: 1 }, createFunction(1, more));
    expect(ports.read(0x1f0, 1)).toBe(0xff);
    on = true;
    bus.write(place(1, 0x40, 1), 0, 1);
    expect(ports.read(0x1f7, 1)).toBe(0x77);
  });

  it('beyond 64 Ki ports or the address space nothing is found, and nothing goes wrong', () => {
    const { bus, ports, memory, place } = createBus();
    bus.attach({ device: 2, function: 0 }, createFunction(0x42));
    bus.write(place(2, 4), 7, 2);
    bus.write(place(2, 0x10), 0x1_0000, 4);
    expect(ports.read(0, 1)).toBe(0xff);
    bus.write(place(2, 0x14), 0, 4);
    memory.write(0, 5, 1);
    expect(memory.read(0, 1)).toBe(5); // RAM comes first
  });
});
