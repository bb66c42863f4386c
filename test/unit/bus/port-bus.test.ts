import { describe, expect, it } from 'vitest';
import { PortBus, type PortDevice } from '../../../src/bus/port-bus.ts';

/** Writes down every access as [r|w, offset, value or size, size]. */
function recorder(name: string, portWidths?: readonly (1 | 2 | 4)[]) {
  const accesses: (string | number)[][] = [];
  const device: PortDevice = {
    name,
    portWidths,
    readPort(offset, size) {
      accesses.push(['r', offset, size]);
      return 0x10 + offset;
    },
    writePort(offset, value, size) {
      accesses.push(['w', offset, value, size]);
    },
  };
  return { device, accesses };
}

describe('port bus', () => {
  it('a device sees offsets from its first port', () => {
    const bus = new PortBus();
    const { device, accesses } = recorder('chip');
    bus.attach([0x3f8, 8], device);
    expect(bus.read(0x3fa, 1)).toBe(0x12);
    bus.write(0x3ff, 0x55, 1);
    expect(accesses).toEqual([
      ['r', 2, 1],
      ['w', 7, 0x55, 1],
    ]);
  });

  it('a device may be attached in several ranges, with an offset', () => {
    const bus = new PortBus();
    const { device } = recorder('i8042');
    bus.attach([0x60, 1], device);
    bus.attach([0x64, 1], device, 4);
    expect([bus.read(0x60, 1), bus.read(0x64, 1)]).toEqual([0x10, 0x14]);
  });

  it('overlap throws, names both devices and attaches nothing', () => {
    const bus = new PortBus();
    bus.attach([0x70, 2], recorder('rtc').device);
    expect(() => bus.attach([0x6e, 4], recorder('other').device)).toThrow(/70h: other overlaps rtc/);
    expect(bus.read(0x6e, 1)).toBe(0xff);
  });

  it('unclaimed ports float: reads give ones, writes are lost', () => {
    const bus = new PortBus();
    bus.write(0x1234, 0, 4);
    expect([bus.read(0x1234, 1), bus.read(0x1234, 2), bus.read(0x1234, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  });

  it('a wide access of a byte-wide device is split, low byte first', () => {
    const bus = new PortBus();
    const { device, accesses } = recorder('chip');
    bus.attach([0x40, 3], device);
    expect(bus.read(0x40, 4)).toBe(0xff12_1110);
    bus.write(0x41, 0x1122_3344, 4);
    expect(accesses.slice(3)).toEqual([
      ['w', 1, 0x44, 1],
      ['w', 2, 0x33, 1],
    ]);
  });

  it('a device gets the widths it takes whole', () => {
    const bus = new PortBus();
    const { device, accesses } = recorder('wide', [1, 4]);
    bus.attach([0xcf8, 4], device);
    bus.write(0xcf8, 0x8000_0000, 4);
    bus.write(0xcf8, 0x1234, 2);
    expect(accesses).toEqual([
      ['w', 0, 0x8000_0000, 4],
      ['w', 0, 0x34, 1],
      ['w', 1, 0x12, 1],
    ]);
  });

  it('what is not aligned is split, even for a device that takes its width: it may end behind it', () => {
    const bus = new PortBus();
    const { device, accesses } = recorder('wide', [1, 2, 4]);
    bus.attach([0xcf8, 4], device);
    expect(bus.read(0xcfa, 4)).toBe(0xffff_1312);
    bus.write(0xcf9, 0x1122, 2);
    expect(accesses).toEqual([
      ['r', 2, 1],
      ['r', 3, 1],
      ['w', 1, 0x22, 1],
      ['w', 2, 0x11, 1],
    ]);
  });

  it('a range that is mapped answers until it is unmapped, behind what is attached', () => {
    const bus = new PortBus();
    const [fixed, mapped] = [recorder('fixed'), recorder('mapped', [4])];
    bus.attach([0xc104, 4], fixed.device);
    const unmap = bus.map([0xc100, 16], mapped.device, 0);
    expect([bus.read(0xc100, 1), bus.read(0xc105, 1), bus.read(0xc108, 1)]).toEqual([0x10, 0x11, 0x18]);
    bus.write(0xc10c, 0x1234_5678, 4);
    expect(mapped.accesses.at(-1)).toEqual(['w', 12, 0x1234_5678, 4]);
    unmap();
    unmap();
    expect([bus.read(0xc100, 1), bus.read(0xc105, 1)]).toEqual([0xff, 0x11]);
  });

  it('of ranges that are mapped over each other, the lowest in order answers', () => {
    const bus = new PortBus();
    const [first, second] = [recorder('first'), recorder('second')];
    bus.map([0xc104, 4], second.device, 2);
    const unmap = bus.map([0xc100, 8], first.device, 1);
    expect(bus.read(0xc104, 1)).toBe(0x14);
    unmap();
    expect(bus.read(0xc104, 1)).toBe(0x10);
  });

  it('the space wraps around at 64 Ki ports', () => {
    const bus = new PortBus();
    const { device } = recorder('first');
    bus.attach([0, 1], device);
    expect(bus.read(0xffff, 2)).toBe(0x10ff);
  });
});
