/** 82441FX: CONFADD and CONFDATA. */
import { describe, expect, it } from 'vitest';
import { createConfigMechanism } from '../../../support/pci.ts';

const CONFADD = 0xcf8;
const CONFDATA = 0xcfc;
/** Device 2, function 0. */
const AT = 0x8000_1000;

describe('CONFADD', () => {
  it('is a doubleword; reserved bits read as zero', () => {
    const { ports } = createConfigMechanism();
    ports.write(CONFADD, 0xffff_ffff, 4);
    expect(ports.read(CONFADD, 4)).toBe(0x80ff_fffc);
    ports.write(CONFADD, 0x8000_0000, 4);
    expect(ports.read(CONFADD, 4)).toBe(0x8000_0000);
  });

  it('bytes and words at its ports are for who is behind the bridge', () => {
    const { ports, behind } = createConfigMechanism();
    ports.write(CONFADD, AT, 4);
    // As Linux and others look whether there is mechanism 1.
    ports.write(CONFADD + 3, 0x01, 1);
    ports.write(CONFADD + 2, 0x2211, 2);
    ports.write(CONFADD + 1, 0x06, 1);
    expect(behind).toEqual([
      [3, 0x01],
      [2, 0x11],
      [3, 0x22],
      [1, 0x06],
    ]);
    expect([ports.read(CONFADD + 1, 1), ports.read(CONFADD, 2)]).toEqual([0x51, 0x5150]);
    expect(ports.read(CONFADD, 4)).toBe(AT);
  });
});

describe('CONFDATA', () => {
  it('is the doubleword of configuration space that CONFADD selects, in any width', () => {
    const { ports } = createConfigMechanism();
    ports.write(CONFADD, AT, 4);
    expect([ports.read(CONFDATA, 4), ports.read(CONFDATA + 2, 2), ports.read(CONFDATA + 3, 1)]).toEqual([
      0x5678_1234, 0x5678, 0x56,
    ]);
    ports.write(CONFADD, AT | 0x3c, 4);
    ports.write(CONFDATA, 0x0b, 1);
    expect(ports.read(CONFDATA, 2)).toBe(0x010b);
  });

  it('a word that is not aligned is two bytes', () => {
    const { ports } = createConfigMechanism();
    ports.write(CONFADD, AT, 4);
    expect(ports.read(CONFDATA + 1, 2)).toBe(0x7812);
  });

  it('without the enable bit there is no configuration cycle', () => {
    const { ports } = createConfigMechanism();
    ports.write(CONFADD, AT & 0x7fff_ffff, 4);
    ports.write(CONFDATA, 0, 4);
    expect([ports.read(CONFDATA, 4), ports.read(CONFDATA, 1)]).toEqual([0xffff_ffff, 0xff]);
  });

  it('where no function is, and on other buses: all ones', () => {
    const { ports } = createConfigMechanism();
    for (const address of [0x8000_0800, 0x8000_1100, 0x8001_1000, 0x80ff_f800]) {
      ports.write(CONFADD, address, 4);
      expect([ports.read(CONFDATA, 4), ports.read(CONFDATA, 2)]).toEqual([0xffff_ffff, 0xffff]);
    }
  });

  it('a reset clears CONFADD', () => {
    const { ports, mechanism } = createConfigMechanism();
    ports.write(CONFADD, AT, 4);
    mechanism.reset();
    expect([ports.read(CONFADD, 4), ports.read(CONFDATA, 4)]).toEqual([0, 0xffff_ffff]);
  });
});
