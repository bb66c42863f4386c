import { describe, expect, it } from 'vitest';
import { createIde, Software, STATUS } from '../../../support/ide.ts';
import { BytesMedium } from '../../../support/media.ts';

const READY = STATUS.DRDY | STATUS.DSC;
const disk = () => ({ disk: new BytesMedium(100 * 512) });

describe('82371SB, function 1', () => {
  it('identifies itself: 8086:7010, class 01 01 80, no interrupt pin', () => {
    const { config } = createIde({ configured: false });
    expect(config.read(0, 4)).toBe(0x7010_8086);
    expect(config.read(8, 4)).toBe(0x0101_8000);
    expect(config.read(0x3d)).toBe(0);
    expect([0x10, 0x14, 0x18, 0x1c].map((register) => config.read(register, 4))).toEqual([0, 0, 0, 0]);
    config.write(0x09, 0x85);
    expect(config.read(0x09)).toBe(0x80);
  });

  it('BAR4 claims 16 ports', () => {
    const { config } = createIde({ configured: false });
    config.write(0x20, 0xffff_ffff, 4);
    expect(config.read(0x20, 4)).toBe(0xffff_fff1);
  });

  it('IDETIM bit 15 and I/O space decide whether a channel’s ports are there', () => {
    const { config, ports } = createIde({
      primary: [disk(), undefined],
      secondary: [disk(), undefined],
      configured: false,
    });
    const seen = () => [ports.read(0x1f7, 1), ports.read(0x3f6, 1), ports.read(0x177, 1), ports.read(0x376, 1)];
    expect(seen()).toEqual([0xff, 0xff, 0xff, 0xff]);
    config.write(0x04, 1, 2);
    expect(seen()).toEqual([0xff, 0xff, 0xff, 0xff]);
    config.write(0x40, 0x8000, 2);
    expect(seen()).toEqual([READY, READY, 0xff, 0xff]);
    config.write(0x43, 0x80);
    expect(seen()).toEqual([READY, READY, READY, READY]);
    expect(ports.read(0x3f7, 1)).toBe(0xff); // the floppy controller's
    config.write(0x04, 0, 2);
    expect(seen()).toEqual([0xff, 0xff, 0xff, 0xff]);
  });
});

describe('native mode, where the board has it', () => {
  function createSwitchable() {
    const bench = createIde({ primary: [disk(), undefined], secondary: [disk(), undefined], modes: 'switchable' });
    const native = new Software({ ...bench, base: 0xd000, control: 0xd012, master: 0xc000 });
    const switchPrimary = () => {
      bench.config.write(0x10, 0xd000, 4);
      bench.config.write(0x14, 0xd010, 4);
      bench.config.write(0x09, 0x81);
    };
    return { ...bench, native, switchPrimary };
  }

  it('says that it can be switched, and has base addresses and a pin', () => {
    const { config } = createSwitchable();
    expect([config.read(0x09), config.read(0x3d)]).toEqual([0x8a, 1]);
    for (const [register, size] of [
      [0x10, 8],
      [0x14, 4],
      [0x18, 8],
      [0x1c, 4],
    ] as const) {
      config.write(register, 0xffff_ffff, 4);
      expect(config.read(register, 4)).toBe(0x1_0001 - size);
    }
  });

  it('ports and interrupt move, for one channel', () => {
    const { native, primary, secondary, switchPrimary, ports, lines, pin } = createSwitchable();
    switchPrimary();
    expect(ports.read(0x1f7, 1)).toBe(0xff);
    native.command(0xe7);
    native.settle();
    expect([lines[0].level, pin.level]).toEqual([0, 1]);
    expect(primary.masterStatus).toBe(4);
    expect(native.status).toBe(READY);
    expect(pin.level).toBe(0);
    secondary.command(0xe7);
    secondary.settle();
    expect([lines[1].level, pin.level]).toEqual([1, 0]);
  });

  it('a pending interrupt moves with the mode', () => {
    const { primary, switchPrimary, lines, pin, config } = createSwitchable();
    primary.command(0xe7);
    primary.settle();
    expect([lines[0].level, pin.level]).toEqual([1, 0]);
    switchPrimary();
    expect([lines[0].level, pin.level]).toEqual([0, 1]);
    config.write(0x09, 0x80);
    expect([lines[0].level, pin.level]).toEqual([1, 0]);
  });
});
