/** Configuration space as the PCI Local Bus Specification 2.1, chapter 6, has it. */
import { describe, expect, it } from 'vitest';
import { InternalError } from '../../../../src/base/errors.ts';
import type { BaseAddress } from '../../../../src/bus/pci/base-address.ts';
import { COMMAND, type ConfigDeclaration, ConfigSpace } from '../../../../src/bus/pci/config-space.ts';

const ports = { name: 'ports', readPort: () => 0, writePort: () => {} };
const memory = { name: 'memory', readMemory: () => 0, writeMemory: () => {} };

function createSpace(declaration: Partial<ConfigDeclaration> = {}) {
  const state = { config: new Uint8Array(256) };
  const space = new ConfigSpace({ vendor: 0x1234, device: 0x5678, classCode: 0x0a_0b_0c, ...declaration }, state);
  let changes = 0;
  space.onChange(() => changes++);
  /** What software finds when it asks for the size. */
  const size = (number: number) => {
    space.write(0x10 + 4 * number, 0xffff_ffff, 4);
    return space.read(0x10 + 4 * number, 4);
  };
  return { space, state, size, changes: () => changes };
}

const withBar = (declared: BaseAddress) => createSpace({ baseAddresses: { 0: declared } });

describe('the header', () => {
  it('identifies the function; these registers are read-only', () => {
    const subsystem = { vendor: 0x1af4, device: 0x1100 };
    const { space } = createSpace({ revision: 7, subsystem, multifunction: true, interruptPin: 'C', status: 0x0280 });
    const look = () => [0x00, 0x04, 0x08, 0x0c, 0x2c, 0x34, 0x3c].map((offset) => space.read(offset, 4));
    const before = look();
    expect(before).toEqual([0x5678_1234, 0x0280_0000, 0x0a0b_0c07, 0x0080_0000, 0x1100_1af4, 0, 0x0300]);
    for (const offset of [0x00, 0x06, 0x08, 0x0c, 0x2c, 0x34]) space.write(offset, 0xffff_ffff, offset === 6 ? 2 : 4);
    expect(look()).toEqual(before);
  });

  it('all widths; the interrupt line is the software’s own', () => {
    const { space } = createSpace();
    space.write(0x3c, 0xffff_ff0b, 4);
    expect([space.read(0x3c, 1), space.read(0x3c, 2), space.read(0x02, 2), space.read(0x0b, 1)]).toEqual([
      0x0b, 0x0b, 0x5678, 0x0a,
    ]);
  });

  it('of the command register only what the function has can be written', () => {
    const { space } = createSpace({ command: { reset: 0x06, writable: COMMAND.SERR } });
    space.write(0x04, 0xffff, 2);
    expect(space.command).toBe(0x106);
    expect(createSpace().space.command).toBe(0);
  });

  it('registers of its own: written, read-only and cleared bits; a reset brings the values back', () => {
    const registers = [{ offset: 0x40, size: 4, reset: 0x8000_ff01, writable: 0x00f0, cleared: 0xff00 }] as const;
    const { space, changes } = createSpace({ registers });
    space.write(0x41, 0x0f, 1);
    expect(space.read(0x40, 4)).toBe(0x8000_f001);
    space.write(0x40, 0x00ff, 2);
    expect(space.read(0x40, 4)).toBe(0x8000_f0f1);
    expect(changes()).toBe(2);
    space.reset();
    expect(space.read(0x40, 4)).toBe(0x8000_ff01);
    expect(changes()).toBe(2);
    space.resume();
    expect(changes()).toBe(3);
  });

  it('capabilities form a list, which the status register announces', () => {
    const message = {
      id: 0x05,
      offset: 0x60,
      registers: [{ offset: 0x62, size: 2, reset: 0x80, writable: 1 }],
    } as const;
    const { space } = createSpace({ capabilities: [{ id: 0x01, offset: 0x50, registers: [] }, message] });
    expect([space.read(0x06, 2), space.read(0x34, 1)]).toEqual([0x10, 0x50]);
    expect([space.read(0x50, 2), space.read(0x60, 4)]).toEqual([0x6001, 0x0080_0005]);
  });
});

describe('base addresses: all ones are written, and the size is read', () => {
  it.each([
    ['16 ports', { kind: 'io', size: 16, device: ports }, 0xffff_fff1],
    ['256 ports', { kind: 'io', size: 256, device: ports }, 0xffff_ff01],
    ['4 KiB', { kind: 'memory', size: 4096, device: memory }, 0xffff_f000],
    ['16 MiB, prefetchable', { kind: 'memory', size: 2 ** 24, device: memory, prefetchable: true }, 0xff00_0008],
    ['2 GiB', { kind: 'memory', size: 2 ** 31, device: memory }, 0x8000_0000],
  ] as const)('%s', (_, declared, expected) => {
    expect(withBar(declared).size(0)).toBe(expected);
  });

  it('a 64-bit one has two registers, and reads back what was written to both', () => {
    const { space, size } = withBar({ kind: 'memory', size: 2 ** 20, device: memory, width: 64 });
    expect([size(0), size(1), size(2)]).toEqual([0xfff0_0004, 0xffff_ffff, 0]);
    space.write(0x10, 0xe012_3456, 4);
    space.write(0x14, 0x0000_0008, 4);
    space.write(0x04, COMMAND.MEMORY, 2);
    expect([space.read(0x10, 4), space.read(0x14, 4)]).toEqual([0xe010_0004, 8]);
    expect(space.windows()).toMatchObject([{ space: 'memory', first: 0x8_e010_0000, length: 2 ** 20 }]);
  });

  it('one that is not there reads 0, whatever is written', () => {
    expect(createSpace().size(3)).toBe(0);
  });

  it('the expansion ROM: its size, and bit 0 to enable it', () => {
    const { space } = createSpace({ expansionRom: { size: 0x10000, device: memory } });
    space.write(0x30, 0xffff_fffe, 4);
    expect(space.read(0x30, 4)).toBe(0xffff_0000);
    space.write(0x04, COMMAND.MEMORY, 2);
    expect(space.windows()).toEqual([]);
    space.write(0x30, 0xfeb0_0001, 4);
    expect(space.windows()).toEqual([{ space: 'memory', first: 0xfeb0_0000, length: 0x10000, device: memory }]);
    space.write(0x04, COMMAND.IO, 2);
    expect(space.windows()).toEqual([]);
  });

  it.each([
    { kind: 'io', size: 3, device: ports },
    { kind: 'io', size: 512, device: ports },
    { kind: 'memory', size: 8, device: memory },
    { kind: 'memory', size: 3 * 4096, device: memory },
  ] as const)('what no register can say is refused: $kind, $size', (declared) => {
    expect(() => withBar(declared)).toThrow(InternalError);
  });
});

describe('what is decoded', () => {
  const both = (): ReturnType<typeof createSpace> =>
    createSpace({
      baseAddresses: {
        0: { kind: 'io', size: 8, device: ports },
        1: { kind: 'memory', size: 4096, device: memory },
      },
    });

  it('nothing after reset; each space as the command register says; where the registers say', () => {
    const { space } = both();
    expect(space.windows()).toEqual([]);
    space.write(0x10, 0xc100, 4);
    space.write(0x14, 0xfeb0_0000, 4);
    const io = { space: 'io', first: 0xc100, length: 8, device: ports };
    const mmio = { space: 'memory', first: 0xfeb0_0000, length: 4096, device: memory };
    for (const [command, expected] of [
      [COMMAND.IO, [io]],
      [COMMAND.MEMORY, [mmio]],
      [COMMAND.IO | COMMAND.MEMORY, [io, mmio]],
      [COMMAND.BUS_MASTER, []],
    ] as const) {
      space.write(0x04, command, 2);
      expect(space.windows()).toEqual(expected);
    }
  });

  it('ports have addresses of 16 bits', () => {
    const { space } = both();
    space.write(0x04, COMMAND.IO, 2);
    space.write(0x10, 0xffff_ffff, 4);
    expect(space.windows()).toEqual([]);
    space.write(0x10, 0xfff8, 4);
    expect(space.windows()).toMatchObject([{ first: 0xfff8 }]);
  });

  it('follows a state that was put in place', () => {
    const { space, state } = both();
    space.write(0x10, 0xc100, 4);
    space.write(0x04, COMMAND.IO, 2);
    const saved = state.config.slice();
    space.reset();
    expect(space.windows()).toEqual([]);
    state.config = saved;
    expect(space.windows()).toMatchObject([{ first: 0xc100 }]);
  });
});
