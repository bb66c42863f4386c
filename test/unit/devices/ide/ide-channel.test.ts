import { describe, expect, it } from 'vitest';
import { createIde, STATUS } from '../../../support/ide.ts';
import { BytesMedium } from '../../../support/media.ts';

const disk = (sectors = 4096) => ({ disk: new BytesMedium(sectors * 512) });
const READY = STATUS.DRDY | STATUS.DSC;

describe('presence', () => {
  it('an empty channel reads 0: never BSY, and nothing that is written comes back', () => {
    const { secondary } = createIde({ primary: [disk(), undefined] });
    for (const device of [0xa0, 0xb0]) {
      secondary.out(6, device);
      for (const [offset, value] of [
        [2, 0x55],
        [3, 0xaa],
      ] as const)
        secondary.out(offset, value);
      expect([secondary.status, secondary.altStatus, ...secondary.signature]).toEqual([0, 0, 0, 0, 0, 0]);
      secondary.command(0xec, { device });
      expect(secondary.status).toBe(0);
    }
  });

  it('device 0 answers for an absent device 1: registers come back, status is 00h, commands are ignored', () => {
    const { primary, clock, lines } = createIde({ primary: [disk(), undefined] });
    primary.out(6, 0xb0);
    primary.out(2, 0x55);
    primary.out(3, 0xaa);
    expect(primary.signature.slice(0, 2)).toEqual([0x55, 0xaa]);
    expect([primary.status, primary.altStatus]).toEqual([0, 0]);
    for (const opcode of [0xec, 0xa1, 0x20, 0xe7]) {
      primary.out(7, opcode);
      clock.advance(1_000_000);
      expect([primary.status, primary.altStatus]).toEqual([0, 0]);
    }
    expect(lines[0].rising).toEqual([]);
    primary.out(6, 0xa0);
    expect(primary.status).toBe(READY);
  });

  it('device 1 alone does not answer for device 0', () => {
    const { primary } = createIde({ primary: [undefined, disk()] });
    primary.out(6, 0xa0);
    expect([primary.status, ...primary.signature]).toEqual([0, 0, 0, 0, 0]);
    primary.out(6, 0xb0);
    expect([primary.status, ...primary.signature]).toEqual([READY, 1, 1, 0, 0]);
  });

  it('what is written to a register reaches both drives; results are a drive’s own', () => {
    const { primary } = createIde({ primary: [disk(), disk(100)] });
    expect(primary.run(0xf8, { device: 0xe0 })).toBe(READY);
    expect(primary.signature.slice(1)).toEqual([0xff, 0x0f, 0x00]);
    primary.out(6, 0xf0);
    expect(primary.signature.slice(1)).toEqual([0, 0, 0]);
    primary.out(3, 0x77);
    primary.out(6, 0xe0);
    expect(primary.in(3)).toBe(0x77);
  });
});

describe('resets and signatures', () => {
  it.each(['power-on', 'SRST', 'diagnostic'])('after %s: 01/01/00/00 and 14/EB, error 01h', (how) => {
    const { primary, clock } = createIde({ primary: [disk(), { cd: undefined }] });
    if (how === 'SRST') {
      primary.out(6, 0xb0);
      primary.control = 4;
      expect(primary.altStatus).toBe(STATUS.BSY);
      clock.advance(5000);
      expect(primary.altStatus).toBe(STATUS.BSY);
      primary.control = 0;
      expect(primary.altStatus).toBe(STATUS.BSY);
    }
    if (how === 'diagnostic') {
      primary.out(6, 0xb0);
      primary.out(7, 0x90);
      expect(primary.altStatus).toBe(STATUS.BSY);
    }
    primary.settle();
    expect(primary.in(6) & 0x10).toBe(0); // device 0 is selected
    expect([primary.altStatus, primary.error, ...primary.signature]).toEqual([READY, 1, 1, 1, 0, 0]);
    primary.out(6, 0xb0);
    expect([primary.altStatus, primary.error, ...primary.signature]).toEqual([0, 1, 1, 1, 0x14, 0xeb]);
  });

  it('the diagnostic interrupts, SRST does not', () => {
    const { primary, lines, clock } = createIde({ primary: [disk(), disk()] });
    primary.control = 4;
    primary.control = 0;
    clock.advance(1_000_000);
    expect(lines[0].rising).toEqual([]);
    primary.out(7, 0x90);
    primary.settle();
    expect(lines[0].rising).toHaveLength(1);
    expect(primary.status).toBe(READY);
    expect(lines[0].level).toBe(0);
  });

  it('while BSY, registers keep their contents and commands are ignored', () => {
    const { primary } = createIde({ primary: [disk(), undefined] });
    primary.control = 4;
    primary.out(2, 0x55);
    primary.out(7, 0xec);
    primary.control = 0;
    primary.out(6, 0xb0);
    expect(primary.settle()).toBe(READY);
    expect(primary.signature).toEqual([1, 1, 0, 0]);
  });

  it('DEVICE RESET: abort from a disk, signature without an interrupt from a packet device, even in a transfer', () => {
    const { primary, lines } = createIde({ primary: [disk(), { cd: undefined }] });
    expect(primary.run(0x08, { device: 0xa0 })).toBe(READY | STATUS.ERR);
    primary.command(0xa1, { device: 0xb0 });
    expect(primary.settle() & STATUS.DRQ).toBe(STATUS.DRQ);
    let interrupts = lines[0].rising.length;
    primary.out(7, 0x08);
    expect(primary.settle()).toBe(0);
    expect([primary.error, ...primary.signature]).toEqual([1, 1, 1, 0x14, 0xeb]);
    expect(primary.in(6)).toBe(0x10); // device 1 stays selected
    expect(primary.run(0xec, { device: 0xb0 })).toBe(READY | STATUS.ERR);
    expect(primary.in(6)).toBe(0x10);
    interrupts++;
    expect(lines[0].rising).toHaveLength(interrupts);
  });
});

describe('interrupts', () => {
  it('reading status clears INTRQ, reading alternate status does not, a command does', () => {
    const { primary, lines } = createIde({ primary: [disk(), undefined] });
    const [line] = lines;
    primary.command(0xe7);
    primary.settle();
    expect(line.level).toBe(1);
    expect(primary.altStatus).toBe(READY);
    expect(line.level).toBe(1);
    expect(primary.status).toBe(READY);
    expect(line.level).toBe(0);
    primary.command(0xe7);
    primary.settle();
    primary.command(0xe7);
    expect(line.level).toBe(0);
  });

  it('nIEN keeps the line low; what is pending shows when it is cleared', () => {
    const { primary, lines } = createIde({ primary: [disk(), undefined] });
    primary.control = 2;
    primary.command(0xe7);
    primary.settle();
    expect(lines[0].rising).toEqual([]);
    primary.control = 0;
    expect(lines[0].level).toBe(1);
  });

  it('a drive drives the line only while it is selected', () => {
    const { primary, lines } = createIde({ primary: [disk(), disk()] });
    primary.command(0xe7, { device: 0xa0 });
    primary.settle();
    expect(lines[0].level).toBe(1);
    primary.out(6, 0xb0);
    expect(lines[0].level).toBe(0);
    primary.out(6, 0xa0);
    expect(lines[0].level).toBe(1);
  });

  it('channels have interrupts of their own', () => {
    const { secondary, lines } = createIde({ primary: [disk(), undefined], secondary: [disk(), undefined] });
    secondary.run(0xe7);
    expect(lines.map(({ rising }) => rising.length)).toEqual([0, 1]);
  });

  it('an unknown command: BSY clear, ABRT, INTRQ', () => {
    const { primary, lines } = createIde({ primary: [disk(), undefined] });
    primary.out(7, 0xff);
    expect(primary.altStatus).toBe(READY | STATUS.ERR);
    expect(lines[0].level).toBe(1);
    expect(primary.error).toBe(0x04);
  });
});

describe('registers', () => {
  it('HOB shows what was written before; writing a register clears it', () => {
    const { primary } = createIde({ primary: [disk(), undefined] });
    for (const [offset, first, second] of [
      [2, 0x11, 0x21],
      [3, 0x12, 0x22],
      [4, 0x13, 0x23],
      [5, 0x14, 0x24],
    ] as const) {
      primary.out(offset, first);
      primary.out(offset, second);
    }
    expect(primary.signature).toEqual([0x21, 0x22, 0x23, 0x24]);
    primary.control = 0x80;
    expect(primary.signature).toEqual([0x11, 0x12, 0x13, 0x14]);
    primary.out(6, 0xa0);
    expect(primary.signature).toEqual([0x21, 0x22, 0x23, 0x24]);
  });

  it('a doubleword at the data register is two words', () => {
    const medium = new BytesMedium(4096 * 512);
    const { primary, ports } = createIde({ primary: [{ disk: medium }, undefined] });
    primary.command(0x20, { count: 1, lba: 3 });
    primary.settle();
    expect(ports.read(0x1f0, 4)).toBe(3);
    expect(ports.read(0x1f0, 2)).toBe(medium.bytes[3 * 512 + 4]! | (medium.bytes[3 * 512 + 5]! << 8));
  });

  it('a word at other registers is two bytes', () => {
    const { ports, primary } = createIde({ primary: [disk(), undefined] });
    ports.write(0x1f2, 0x3412, 2);
    expect(primary.signature.slice(0, 2)).toEqual([0x12, 0x34]);
    expect(ports.read(0x1f2, 2)).toBe(0x3412);
  });

  it('data that are not due read 0 and go nowhere', () => {
    const medium = new BytesMedium(4096 * 512);
    const { ports } = createIde({ primary: [{ disk: medium }, undefined] });
    ports.write(0x1f0, 0x1234, 2);
    expect(ports.read(0x1f0, 2)).toBe(0);
    expect(medium.log).toEqual([]);
  });
});
