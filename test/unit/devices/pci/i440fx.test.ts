/** 82441FX: what it is, PAM and SMRAM. */
import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../../src/bus/device.ts';
import { createI440fx } from '../../../support/pci.ts';

const RAM = { reads: 'ram', writes: 'ram' };
const BUS = { reads: 'bus', writes: 'bus' };

describe('the host bridge', () => {
  it('after reset', () => {
    const { read, routes, smram } = createI440fx();
    expect([read(0, 4), read(4, 4), read(8, 4), read(0x2c, 4)]).toEqual([
      0x1237_8086, 0x0280_0006, 0x0600_0002, 0x1100_1af4,
    ]);
    for (let register = 0x59; register <= 0x5f; register++) expect(read(register)).toBe(0);
    expect(read(0x72)).toBe(0x02);
    expect(routes).toEqual(Array(13).fill(BUS));
    expect(smram()).toEqual(BUS);
  });

  it('PAM: RE sends reads to DRAM, WE writes; each half of a register has a segment', () => {
    const { write, routes } = createI440fx();
    for (const [attributes, route] of [
      [0x1, { reads: 'ram', writes: 'bus' }],
      [0x2, { reads: 'bus', writes: 'ram' }],
      [0x3, RAM],
      [0x0, BUS],
      [0xc, BUS],
    ] as const) {
      for (let segment = 0; segment < 13; segment++) {
        const half = segment + 1;
        write(0x59 + (half >> 1), attributes << (4 * (half & 1)));
        expect(routes).toEqual(Array.from({ length: 13 }, (_, index) => (index === segment ? route : BUS)));
        write(0x59 + (half >> 1), 0);
      }
    }
  });

  it('PAM: reserved bits read as zero', () => {
    const { read, write } = createI440fx();
    write(0x58, 0xffff_ffff, 4);
    write(0x5c, 0xffff_ffff, 4);
    expect([read(0x58, 4), read(0x5c, 4)]).toEqual([0x7777_70ff, 0x7777_7777]);
  });

  it('a doubleword switches all its segments at once, as SeaBIOS does it', () => {
    const { write, routes } = createI440fx();
    write(0x58, 0x3333_3010, 4);
    write(0x5c, 0x3333_3333, 4);
    expect(routes).toEqual(Array(13).fill(RAM));
    write(0x59, 0x10);
    expect(routes[0]).toEqual({ reads: 'ram', writes: 'bus' });
  });

  it('SMRAM: open while DOPEN and SMRAME are set', () => {
    const { read, write, smram } = createI440fx();
    for (const [value, route] of [
      [0x4a, RAM],
      [0x0a, BUS],
      [0x42, BUS],
      [0x4a, RAM],
      [0x00, BUS],
    ] as const) {
      write(0x72, value);
      expect(smram()).toEqual(route);
      expect(read(0x72)).toBe(value | 0x02);
    }
  });

  it('SMRAM: DLCK closes it, and holds until a reset', () => {
    const { chip, read, write, smram } = createI440fx();
    write(0x72, 0x4a);
    write(0x72, 0x5a);
    expect([smram(), read(0x72)]).toEqual([BUS, 0x1a]);
    write(0x72, 0x4a);
    expect([smram(), read(0x72)]).toEqual([BUS, 0x1a]);
    resetDevices([chip]);
    write(0x72, 0x4a);
    expect([smram(), read(0x72)]).toEqual([RAM, 0x4a]);
  });

  it('a reset switches all RAM off again; a restored state brings its own', () => {
    const { chip, write, routes, smram } = createI440fx();
    write(0x5a, 0x31);
    write(0x72, 0x4a);
    const saved = structuredClone(chip.state);
    resetDevices([chip]);
    expect([...routes, smram()]).toEqual(Array(14).fill(BUS));
    Object.assign(chip.state, saved);
    chip.resume();
    expect([routes[1], routes[2], smram()]).toEqual([{ reads: 'ram', writes: 'bus' }, RAM, RAM]);
  });
});
