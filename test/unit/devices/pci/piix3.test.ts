/** 82371SB (PIIX3): PIRQ routing and reset control. */
import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../../src/bus/device.ts';
import { pirqOf } from '../../../../src/machine/pc-map.ts';
import { createPiix3 } from '../../../support/pci.ts';

describe('PIIX3', () => {
  it('after reset', () => {
    const { read } = createPiix3();
    expect([read(0, 4), read(4, 4), read(8, 4), read(0x0c, 4)]).toEqual([
      0x7000_8086, 0x0200_0007, 0x0601_0000, 0x0080_0000,
    ]);
    expect([read(0x4c), read(0x4e, 2), read(0x60, 4), read(0x69), read(0x76, 2), read(0xa0), read(0xa8)]).toEqual([
      0x4d, 0x0003, 0x8080_8080, 0x02, 0x0c0c, 0x08, 0x0f,
    ]);
  });

  it('I/O, memory and bus master are always on; special cycles can be enabled', () => {
    const { read, write } = createPiix3();
    write(4, 0, 2);
    expect(read(4, 2)).toBe(0x0007);
    write(4, 0xffff, 2);
    expect(read(4, 2)).toBe(0x000f);
  });

  it('PIRQRC: bit 7 disables; bits 3–0 name the interrupt; reserved ones reach none', () => {
    const { chip, read, write, asserted } = createPiix3();
    const line = chip.pirq(2);
    line.set(1);
    expect(asserted()).toEqual([]);
    for (let irq = 0; irq < 16; irq++) {
      write(0x62, 0x70 | irq);
      expect(read(0x62)).toBe(irq);
      expect(asserted()).toEqual([0, 1, 2, 8, 13].includes(irq) ? [] : [irq]);
      write(0x62, 0x80 | irq);
      expect(asserted()).toEqual([]);
    }
  });

  it('sources of a PIRQ, and PIRQs of an interrupt, share it: it is asserted while any of them is', () => {
    const { chip, write, asserted, lines } = createPiix3();
    write(0x60, 0x0b0b_0a0a, 4);
    const [first, second, other] = [chip.pirq(0), chip.pirq(0), chip.pirq(1)];
    first.set(1);
    first.set(1);
    second.set(1);
    expect(asserted()).toEqual([10]);
    first.set(0);
    expect(asserted()).toEqual([10]);
    other.set(1);
    second.set(0);
    expect(asserted()).toEqual([10]);
    other.set(0);
    expect(asserted()).toEqual([]);
    expect(lines[10].rising.length).toBe(1);
  });

  it('a route that changes while an interrupt is asserted moves it', () => {
    const { chip, write, asserted } = createPiix3();
    write(0x63, 5);
    chip.pirq(3).set(1);
    expect(asserted()).toEqual([5]);
    write(0x63, 11);
    expect(asserted()).toEqual([11]);
  });

  it('after a reset the routes are gone, a restored state brings them back', () => {
    const { chip, write, asserted } = createPiix3();
    write(0x61, 9);
    chip.pirq(1).set(1);
    const saved = structuredClone(chip.state);
    resetDevices([chip]);
    expect(asserted()).toEqual([]);
    Object.assign(chip.state, saved);
    chip.resume();
    expect(asserted()).toEqual([9]);
  });

  it('interrupt pins of neighbours are wired to different PIRQs', () => {
    expect([1, 2, 3, 4, 5].map((device) => pirqOf(device, 0))).toEqual([0, 1, 2, 3, 0]);
    expect([0, 1, 2, 3].map((pin) => pirqOf(3, pin))).toEqual([2, 3, 0, 1]);
  });
});

describe('reset control (CF9h)', () => {
  it('RCPU from 0 to 1 resets, as SRST says', () => {
    const { chip, resets } = createPiix3();
    const write = (value: number) => chip.resetControl.writePort(1, value, 1);
    for (const value of [0x02, 0x06, 0x06, 0x02]) write(value);
    expect(resets).toEqual(['hard']);
    for (const value of [0x00, 0x04]) write(value);
    expect(resets).toEqual(['hard', 'soft']);
    expect(chip.resetControl.readPort(1, 1)).toBe(0x04);
  });

  it('other bits are not there, nor are its neighbours; a reset clears it', () => {
    const { chip, resets } = createPiix3();
    chip.resetControl.writePort(1, 0xfb, 1);
    for (const offset of [0, 2, 3]) chip.resetControl.writePort(offset, 0xff, 1);
    expect([0, 1, 2, 3].map((offset) => chip.resetControl.readPort(offset, 1))).toEqual([0xff, 0x02, 0xff, 0xff]);
    resetDevices([chip]);
    expect(chip.resetControl.readPort(1, 1)).toBe(0);
    expect(resets).toEqual([]);
  });
});
