/** 82371AB (PIIX4), function 3: ACPI registers, the power management timer, SMI command. */
import { describe, expect, it } from 'vitest';
import { resetDevices } from '../../../../src/bus/device.ts';
import { timeOfTick } from '../../../../src/devices/crystal.ts';
import { PM_TIMER_HZ } from '../../../../src/devices/pci/piix4-power.ts';
import { createPiix4Power, PM_BASE } from '../../../support/pci.ts';

const PMSTS = PM_BASE;
const PMEN = PM_BASE + 2;
const PMCNTRL = PM_BASE + 4;
const PMTMR = PM_BASE + 8;
const HALF = 2 ** 23;

/** With ACPI on. */
function createAcpi() {
  const bench = createPiix4Power();
  bench.ports.write(0xb2, 0xf1, 1);
  return bench;
}

describe('PIIX4 power management', () => {
  it('after reset', () => {
    const { chip, read, ports } = createPiix4Power();
    resetDevices([chip]);
    expect([read(0, 4), read(4, 4), read(8, 4), read(0x3c, 2)]).toEqual([
      0x7113_8086, 0x0280_0000, 0x0680_0003, 0x0100,
    ]);
    expect([read(0x40, 4), read(0x58, 4), read(0x80), read(0x90, 4)]).toEqual([1, 0x0200_0000, 0, 1]);
    expect(ports.read(PMTMR, 4)).toBe(0xffff_ffff);
  });

  it('PMBA: 64 ports at bits 15–6, while PMREGMISC enables them, whatever the command register says', () => {
    const { read, write, ports, clock } = createPiix4Power();
    clock.advance(1_000_000);
    expect(ports.read(PMTMR, 4)).toBe(3579);
    write(0x40, 0xffff_ffff, 4);
    expect(read(0x40, 4)).toBe(0xffc1);
    write(0x40, 0x0600, 4);
    expect([ports.read(PMTMR, 4), ports.read(0x0608, 4)]).toEqual([0xffff_ffff, 3579]);
    write(0x80, 0);
    expect(ports.read(0x0608, 4)).toBe(0xffff_ffff);
  });

  it('PMTMR counts 3.579545 MHz in 24 bits, read whole or by bytes', () => {
    const { ports, clock } = createPiix4Power();
    clock.advanceTo(1_000_000_000);
    expect(ports.read(PMTMR, 4)).toBe(3_579_545);
    expect([0, 1, 2, 3].map((offset) => ports.read(PMTMR + offset, 1))).toEqual([0x99, 0x9e, 0x36, 0]);
    clock.advanceTo(10_000_000_000);
    expect(ports.read(PMTMR, 4)).toBe(35_795_450 % 2 ** 24);
    // After 20 minutes the count has outgrown 32 bits.
    clock.advanceTo(2_000_000_000_000);
    expect(ports.read(PMTMR, 4)).toBe((2000 * 3_579_545) % 2 ** 24);
    ports.write(PMTMR, 0, 4);
    expect(ports.read(PMTMR, 4)).toBe((2000 * 3_579_545) % 2 ** 24);
  });

  it('TMROF_STS: set whenever bit 23 changes, cleared by a one', () => {
    const { ports, clock } = createPiix4Power();
    for (let half = 1; half < 5; half++) {
      clock.advanceTo(timeOfTick(half * HALF, PM_TIMER_HZ) - 1);
      expect(ports.read(PMSTS, 2)).toBe(0);
      clock.advance(1);
      expect(ports.read(PMSTS, 2)).toBe(1);
      ports.write(PMSTS, 0, 2);
      expect(ports.read(PMSTS, 2)).toBe(1);
      ports.write(PMSTS, 1, 2);
      expect(ports.read(PMSTS, 2)).toBe(0);
    }
  });

  it('TMROF_EN: an SCI at the moment of the overflow, a level until the status is cleared', () => {
    const { ports, clock, sci } = createAcpi();
    ports.write(PMEN, 1, 2);
    const first = timeOfTick(HALF, PM_TIMER_HZ);
    clock.advanceTo(first + 1_000_000);
    expect(sci.rising).toEqual([first]);
    expect(sci.level).toBe(1);
    ports.write(PMSTS, 1, 1);
    expect(sci.level).toBe(0);
    const second = timeOfTick(2 * HALF, PM_TIMER_HZ);
    clock.advanceTo(second);
    expect(sci.rising).toEqual([first, second]);
    ports.write(PMEN, 0, 2);
    expect(sci.level).toBe(0);
    expect(clock.nextAlarm).toBe(Number.POSITIVE_INFINITY);
  });

  it('PMEN: bits that can interrupt read back', () => {
    const { ports } = createPiix4Power();
    ports.write(PMEN, 0xffff, 2);
    expect([ports.read(PMEN, 2), ports.read(PMSTS, 4)]).toEqual([0x0521, 0x0521_0000]);
    ports.write(PMEN + 1, 0, 1);
    expect(ports.read(PMEN, 2)).toBe(0x0021);
    ports.write(PMSTS, 0x0100_0000, 4);
    expect(ports.read(PMEN, 2)).toBe(0x0100);
  });

  it('the power button: PWRBTN_STS, and an SCI where it is enabled', () => {
    const { chip, ports, sci } = createAcpi();
    chip.pressPowerButton();
    expect([ports.read(PMSTS, 2), sci.level]).toEqual([0x0100, 0]);
    ports.write(PMEN, 0x0100, 2);
    expect(sci.level).toBe(1);
    ports.write(PMSTS + 1, 1, 1);
    expect([ports.read(PMSTS, 2), sci.level]).toEqual([0, 0]);
    chip.pressPowerButton();
    expect(sci.level).toBe(1);
  });

  it('SMI command port: F1h sets SCI_EN, F0h clears it; both ports read back', () => {
    const { chip, ports, sci } = createPiix4Power();
    ports.write(PMEN, 0x0100, 2);
    chip.pressPowerButton();
    expect([ports.read(PMCNTRL, 2), sci.level]).toEqual([0, 0]);
    ports.write(0xb2, 0xf1, 1);
    expect([ports.read(PMCNTRL, 2), sci.level, ports.read(0xb2, 1)]).toEqual([1, 1, 0xf1]);
    ports.write(0xb3, 0x5a, 1);
    ports.write(0xb2, 0xf0, 1);
    expect([ports.read(PMCNTRL, 2), sci.level, ports.read(0xb2, 2)]).toEqual([0, 0, 0x5af0]);
    ports.write(0xb2, 0x00, 1);
    expect(ports.read(PMCNTRL, 2)).toBe(0);
  });

  it('SUS_EN with SUS_TYP 0: soft off, once; SUS_EN reads as 0', () => {
    const { ports, powerOffs } = createAcpi();
    ports.write(PMCNTRL, 0x0001, 2);
    expect(powerOffs()).toBe(0);
    // Linux writes the type first, then both.
    ports.write(PMCNTRL, 0x2001, 2);
    expect([powerOffs(), ports.read(PMCNTRL, 2)]).toEqual([1, 0x0001]);
    ports.write(PMCNTRL + 1, 0x20, 1);
    expect(powerOffs()).toBe(2);
  });

  it('SUS_EN with another type changes nothing', () => {
    const { ports, powerOffs } = createAcpi();
    for (let type = 1; type < 8; type++) {
      ports.write(PMCNTRL, 0x2001 | (type << 10), 2);
      expect(ports.read(PMCNTRL, 2)).toBe(0x0001 | (type << 10));
    }
    expect(powerOffs()).toBe(0);
  });

  it('general-purpose events: two bytes of status, cleared by ones, two of enables', () => {
    const { chip, ports, sci } = createAcpi();
    ports.write(0xafe2, 0x1234, 2);
    expect(ports.read(0xafe0, 4)).toBe(0x1234_0000);
    chip.state.gpe.status = 0x0204;
    ports.write(0xafe2, 0x0204, 2);
    expect(sci.level).toBe(1);
    ports.write(0xafe0, 0x04, 1);
    expect([ports.read(0xafe0, 2), sci.level]).toEqual([0x0200, 1]);
    ports.write(0xafe1, 0x02, 1);
    expect([ports.read(0xafe0, 2), sci.level]).toEqual([0, 0]);
  });

  it('registers that are not modelled read 0 and take writes', () => {
    const { ports } = createPiix4Power();
    for (let offset = 0x0c; offset < 0x40; offset++) {
      ports.write(PM_BASE + offset, 0xff, 1);
      expect(ports.read(PM_BASE + offset, 1)).toBe(0);
    }
  });

  it('a reset ends all events and moves the registers away; the timer goes on', () => {
    const { chip, ports, clock, sci, write } = createAcpi();
    ports.write(PMEN, 0x0101, 2);
    chip.pressPowerButton();
    clock.advanceTo(timeOfTick(HALF, PM_TIMER_HZ) + 5);
    resetDevices([chip]);
    expect([sci.level, clock.nextAlarm, ports.read(PMSTS, 2)]).toEqual([0, Number.POSITIVE_INFINITY, 0xffff]);
    write(0x40, PM_BASE, 4);
    write(0x80, 1);
    expect([ports.read(PMSTS, 4), ports.read(PMTMR, 4)]).toEqual([0, HALF]);
  });
});
