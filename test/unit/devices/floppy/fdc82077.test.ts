/** Registers and control commands. Those that touch the disk: transfer.test.ts. */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../../src/base/errors.ts';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { resetDevices } from '../../../../src/bus/device.ts';
import { Fdc82077 } from '../../../../src/devices/floppy/fdc82077.ts';
import { RecordingLine } from '../../../support/devices.ts';
import { BenchMedium, createDma, createFdc } from '../../../support/floppy.ts';

const MS = 1_000_000;

describe('82077AA reset', () => {
  const powerOn = () => {
    const clock = new VirtualClock();
    const irq = new RecordingLine(clock);
    const fdc = new Fdc82077({ clock, irq, dma: createDma().pair.channel(2), drives: [{}] });
    return { fdc, clock, irq };
  };

  it('at power-on it is held in reset: MSR 00, no interrupt, 250 kbit/s', () => {
    const { fdc, clock, irq } = powerOn();
    clock.advance(1000 * MS);
    expect([fdc.readPort(4), fdc.readPort(2), irq.level, fdc.state.dsr]).toEqual([0, 0, 0, 2]);
    fdc.writePort(5, 0x10);
    expect(fdc.state.command).toEqual([]);
  });

  it('only an edge of DOR bit 2 raises the interrupt; four SENSE INTERRUPT STATUS tell C0–C3, a fifth is invalid', () => {
    const { fdc, clock, irq, command, result, sense } = createFdc();
    expect(irq.rising).toHaveLength(1);
    for (const value of [0x3c, 0x0c, 0x1d, 0x0c]) fdc.writePort(2, value);
    clock.advance(1000 * MS);
    expect(irq.rising).toHaveLength(1);
    fdc.writePort(2, 0x08);
    expect(fdc.readPort(4)).toBe(0);
    fdc.writePort(2, 0x0c);
    expect([fdc.readPort(4), irq.level]).toEqual([0, 0]);
    clock.advance(MS);
    expect([fdc.readPort(4), irq.level]).toEqual([0x80, 1]);
    command(0x08);
    expect(irq.level).toBe(0);
    expect(result()).toEqual([0xc0, 0]);
    expect([sense(), sense(), sense(), sense()]).toEqual([[0xc1, 0], [0xc2, 0], [0xc3, 0], [0x80]]);
    expect(irq.rising).toHaveLength(2);
  });

  it('DSR bit 7 resets and clears itself; within a reset by DOR it does nothing', () => {
    const { fdc, clock, irq, enable } = createFdc();
    fdc.writePort(4, 0x83);
    clock.advance(MS);
    expect([irq.level, fdc.state.dsr]).toEqual([1, 3]);
    fdc.writePort(2, 0x08);
    fdc.writePort(4, 0x80);
    clock.advance(MS);
    expect([irq.level, fdc.readPort(4)]).toEqual([0, 0]);
    expect(enable()).toEqual([
      [0xc0, 0],
      [0xc1, 0],
      [0xc2, 0],
      [0xc3, 0],
    ]);
  });

  it('DMAGATE (DOR bit 3) lets the interrupt out', () => {
    const { fdc, clock, irq } = createFdc();
    fdc.writePort(2, 0x00);
    fdc.writePort(2, 0x04);
    clock.advance(MS);
    expect(irq.level).toBe(0);
    fdc.writePort(2, 0x0c);
    expect(irq.level).toBe(1);
    fdc.writePort(2, 0x04);
    expect(irq.level).toBe(0);
  });

  it('LOCK keeps EFIFO, FIFOTHR and PRETRK; SPECIFY and the perpendicular drives stay anyhow', () => {
    const { command, run, enable, fdc } = createFdc();
    const reset = () => {
      fdc.writePort(2, 0);
      enable();
    };
    command(0x13, 0, 0x57, 0x21);
    command(0x12, 0x87);
    expect(run(0x94)).toEqual([0x10]);
    expect(run(0x0e)).toEqual([0, 0, 0, 0, 0xdf, 2, 0, 0x87, 0x57, 0x21]);
    reset();
    expect(run(0x0e)).toEqual([0, 0, 0, 0, 0xdf, 2, 0, 0x84, 0x17, 0x21]);
    expect(run(0x14)).toEqual([0]);
    reset();
    expect(run(0x0e)).toEqual([0, 0, 0, 0, 0xdf, 2, 0, 0x04, 0x20, 0]);
  });

  it('the reset pin leaves the drives alone', () => {
    const { fdc, seek } = createFdc();
    seek(0, 33);
    resetDevices([fdc]);
    expect(fdc.state).toMatchObject({ dor: 0, phase: 'reset', presentCylinders: [0, 0, 0, 0] });
    expect(fdc.state.drives[0]).toMatchObject({ cylinder: 33, changed: false });
  });
});

describe('82077AA registers', () => {
  it('status registers A and B, TDR', () => {
    const { fdc, command, clock } = createFdc();
    expect(fdc.readPort(0)).toBe(0b0100_0110); // one drive, at track 0, writable
    fdc.writePort(2, 0x1c);
    expect(fdc.readPort(1)).toBe(0xc1);
    command(0x0f, 0, 5);
    clock.advance(100 * MS);
    expect(fdc.readPort(0)).toBe(0b1101_0110);
    fdc.writePort(3, 0x02);
    expect(fdc.readPort(3)).toBe(0xfe);
    expect(fdc.readPort(6)).toBe(0xff);
  });

  it('disk change (DIR bit 7): set at power-on and when a disk goes, cleared by a step with a disk in', () => {
    const { fdc, seek } = createFdc({ drives: [{ medium: new BenchMedium() }, {}] });
    const changed = () => fdc.readPort(7) >>> 7;
    expect(changed()).toBe(1);
    seek(0, 0);
    expect(changed()).toBe(1);
    seek(0, 1);
    expect(changed()).toBe(0);
    fdc.eject(0);
    seek(0, 0);
    expect(changed()).toBe(1);
    fdc.insert(0, new BenchMedium(720 * 1024));
    expect(changed()).toBe(1);
    seek(0, 3);
    expect(changed()).toBe(0);
    fdc.writePort(2, 0x1d); // the other drive is empty
    seek(1, 7);
    expect(changed()).toBe(1);
    fdc.writePort(2, 0x1e); // nobody is there
    expect(changed()).toBe(0);
  });
});

describe('82077AA control commands', () => {
  it('VERSION, and what a later chip would know is invalid', () => {
    const { run, status } = createFdc();
    expect(run(0x10)).toEqual([0x90]);
    for (const invalid of [0x18, 0x00, 0x1f, 0x28, 0x83, 0x34, 0x8e, 0x01]) {
      expect(run(invalid)).toEqual([0x80]);
      expect(status()).toBe(0x80);
    }
  });

  it('MSR: 80 idle, 90 while bytes are taken, D0 while they are given, exactly 80 afterwards', () => {
    const { fdc, status } = createFdc();
    expect(status()).toBe(0x80);
    fdc.writePort(5, 0x04);
    expect(status()).toBe(0x90);
    fdc.writePort(5, 0x00);
    expect(status()).toBe(0xd0);
    fdc.writePort(5, 0x10); // not now
    expect(fdc.readPort(5)).toBe(0x38);
    expect(status()).toBe(0x80);
    expect(fdc.readPort(5)).toBe(0xff);
  });

  it('SENSE DRIVE STATUS: track 0, write protection, head and drive as asked', () => {
    const { run, seek } = createFdc({
      drives: [{ medium: new BenchMedium() }, { medium: new BenchMedium(1440 * 1024, { readOnly: true }) }],
    });
    expect(run(0x04, 0x05)).toEqual([0x7d]);
    seek(0, 2);
    expect(run(0x04, 0x00)).toEqual([0x28]);
    expect(run(0x04, 0x02)).toEqual([0x2a]); // no such drive
  });

  it('SEEK: step rate times cylinders, DRV BUSY meanwhile; seeks of two drives overlap', () => {
    const { clock, irq, command, status, sense } = createFdc({ drives: [{}, {}] });
    const start = clock.now;
    command(0x0f, 0, 40); // 3 ms a step
    command(0x0f, 1, 10);
    expect(status()).toBe(0x83);
    clock.advance(35 * MS);
    expect([status(), irq.level]).toEqual([0x81, 1]);
    expect(sense()).toEqual([0x21, 10]);
    clock.advance(100 * MS);
    expect([status(), irq.level]).toEqual([0x80, 1]);
    expect(sense()).toEqual([0x20, 40]);
    expect(irq.rising.slice(-2).map((at) => at - start)).toEqual([30.1 * MS, 120.1 * MS]);
    expect(sense()).toEqual([0x80]);
  });

  it('a second seek that ends while the first is being sensed raises the interrupt anew', () => {
    const { clock, irq, command, sense } = createFdc({ drives: [{}, {}] });
    command(0x0f, 0, 1);
    command(0x0f, 1, 1);
    clock.advance(10 * MS);
    const edges = irq.rising.length;
    expect(sense()).toEqual([0x20, 1]);
    expect([irq.level, irq.rising.length]).toEqual([1, edges + 1]);
    expect(sense()).toEqual([0x21, 1]);
    expect(irq.level).toBe(0);
  });

  it('RECALIBRATE: up to 79 pulses; beyond, or without a drive: equipment check', () => {
    const { clock, command, sense, seek, fdc } = createFdc();
    seek(0, 82);
    command(0x07, 0);
    clock.advance(1000 * MS);
    expect(sense()).toEqual([0x70, 0]);
    expect(fdc.state.drives[0].cylinder).toBe(3);
    command(0x07, 0);
    clock.advance(1000 * MS);
    expect(sense()).toEqual([0x20, 0]);
    command(0x07, 1);
    clock.advance(1000 * MS);
    expect(sense()).toEqual([0x71, 0]);
  });

  it('after a reset whose statuses were not all sensed, a seek is told first', () => {
    const { fdc, clock, command, sense } = createFdc();
    fdc.writePort(2, 0);
    fdc.writePort(2, 0x1c);
    clock.advance(MS);
    expect(sense()).toEqual([0xc0, 0]);
    command(0x07, 0);
    clock.advance(MS);
    expect(sense()).toEqual([0x20, 0]);
  });

  it('relative SEEK, both ways; outwards it ends at track 0 with an equipment check', () => {
    const { clock, command, sense, fdc } = createFdc();
    const relative = (direction: number, tracks: number) => {
      command(0x8f | direction, 0, tracks);
      clock.advance(1000 * MS);
      return [...sense(), fdc.state.drives[0].cylinder];
    };
    expect(relative(0x40, 20)).toEqual([0x20, 20, 20]);
    expect(relative(0, 5)).toEqual([0x20, 15, 15]);
    expect(relative(0, 16)).toEqual([0x70, 0, 0]);
  });

  it('PERPENDICULAR MODE: the drive bits change only with OW', () => {
    const { command, run } = createFdc();
    command(0x12, 0x9c);
    command(0x12, 0x03);
    expect(run(0x0e)[7]).toBe(0x1f);
    command(0x12, 0x20);
    expect(run(0x0e)[7]).toBe(0x1c);
  });
});

describe('CVE-2015-3456', () => {
  it('no command takes more bytes than it has; what comes beyond is dropped', () => {
    const { fdc, run, clock } = createFdc();
    for (const first of [0x8e, 0x0a, 0x4a, 0xcd, 0x06, 0x0e, 0x33, 0xff]) {
      fdc.writePort(5, first);
      for (let count = 0; count < 10_000; count++) fdc.writePort(5, count & 0x7f);
      expect(fdc.state.command.length).toBeLessThan(9);
      expect(JSON.stringify(fdc.state).length).toBeLessThan(2000);
      fdc.writePort(2, 0);
      fdc.writePort(2, 0x3c);
      clock.advance(MS);
    }
    expect(run(0x10)).toEqual([0x90]);
  });
});

describe('disks and drives', () => {
  it('a drive is what its disk was made for, 1.44 MB without one', () => {
    const types = [160, 180, 320, 360, 720, 1200, 1440, 1680, 2880].map((kib) => {
      const { fdc } = createFdc({ drives: [{ medium: new BenchMedium(kib * 1024) }, {}] });
      return fdc.drives.map(({ type }) => type);
    });
    expect(types.map(([first]) => first)).toEqual([
      ...['360K', '360K', '360K', '360K', '1.44M', '1.2M', '1.44M', '1.44M', '2.88M'],
    ]);
    expect(types[0][1]).toBe('1.44M');
  });

  it('a disk of another size, or for another drive, is refused in one line, and the old one stays', () => {
    const { fdc } = createFdc();
    const { medium } = fdc.drives[0];
    expect(() => fdc.insert(0, new BenchMedium(1000 * 1024))).toThrow(UserError);
    expect(() => fdc.insert(0, new BenchMedium(360 * 1024))).toThrow(
      'a floppy disk of 360 KB does not go into a 1.44M drive, but: 360K, 1.2M',
    );
    expect(fdc.drives[0].medium).toBe(medium);
  });
});
