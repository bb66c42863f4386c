/** What real software does, step by step: SeaBIOS, GRUB and Linux's libata, as their sources have it. */
import { describe, expect, it } from 'vitest';
import { awaitInterrupt, createIde, type IdeBench, type Software, STATUS } from '../../../support/ide.ts';
import { BytesMedium, pattern } from '../../../support/media.ts';

const SIZE = 4096 * 512;
const TABLE = 0x1000;
const createPc = () =>
  createIde({
    primary: [{ disk: new BytesMedium(SIZE) }, undefined],
    secondary: [{ cd: new BytesMedium(pattern(400 * 2048), { readOnly: true }) }, undefined],
  });
const sectors = (lba: number, count: number) => pattern(SIZE).slice(lba * 512, (lba + count) * 512);
const words = (bytes: Uint8Array) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);

describe('SeaBIOS (src/hw/ata.c)', () => {
  /** Interrupts off, SRST, then what answers: 'ata', 'atapi' or nothing. */
  function detect({ clock }: IdeBench, software: Software, slave: 0 | 1): 'ata' | 'atapi' | undefined {
    software.out(6, 0xa0 | (slave << 4));
    clock.advance(1000);
    if (software.status === 0xff || software.settle() & STATUS.BSY) return undefined;
    const device = software.in(6);
    if ((device & ~0xa0) !== slave << 4) return undefined;
    software.control = 0x0e;
    clock.advance(5000);
    software.control = 0x0a;
    clock.advance(2_000_000);
    software.settle();
    software.out(6, 0xa0 | (slave << 4));
    if ((software.in(6) & 0x10) >>> 4 !== slave) return undefined;
    const packet = software.read(0xa1, { device: 0xa0 | (slave << 4) });
    if (packet.data.length === 512) return 'atapi';
    if (!(software.altStatus & STATUS.DRDY)) return undefined;
    const { data } = software.read(0xec, { device: 0xa0 | (slave << 4) });
    return data.length === 512 ? 'ata' : undefined;
  }

  it('finds the drives there are, without an interrupt', () => {
    const bench = createPc();
    const { primary, secondary } = bench;
    expect([detect(bench, primary, 0), detect(bench, primary, 1)]).toEqual(['ata', undefined]);
    expect([detect(bench, secondary, 0), detect(bench, secondary, 1)]).toEqual(['atapi', undefined]);
    expect(bench.lines.map(({ rising }) => rising)).toEqual([[], []]);
  });

  it('reads many sectors with an EXT command', () => {
    const { primary } = createPc();
    primary.control = 0x0a;
    const { data, status } = primary.read(0x24, { count: 256, lba: 40, extended: true }, { blocks: 256 });
    expect([Buffer.compare(data, sectors(40, 256)), status & STATUS.ERR]).toEqual([0, 0]);
  });

  it('a CD: TEST UNIT READY and REQUEST SENSE until it is ready, READ CAPACITY, READ(10)', () => {
    const { secondary } = createPc();
    secondary.control = 0x0a;
    const senses: number[][] = [];
    while (secondary.packet([0], { limit: 2048 }).status & STATUS.ERR) {
      const { data } = secondary.packet([0x03, 0, 0, 0, 18], { limit: 2048 });
      senses.push([data[2]!, data[12]!]);
      expect(senses.length).toBeLessThan(5);
    }
    expect(senses).toEqual([[6, 0x29]]);
    const { data } = secondary.packet([0x25], { limit: 2048 });
    expect(new DataView(data.buffer).getUint32(0)).toBe(399);
    const read = secondary.packet([0x28, 0, 0, 0, 0, 16, 0, 0, 2], { limit: 2048 });
    expect([read.sizes, read.data]).toEqual([[2048, 2048], pattern(400 * 2048).slice(16 * 2048, 18 * 2048)]);
  });
});

describe('GRUB (grub-core/disk/ata.c, pata.c)', () => {
  it('resets, looks at the signature, identifies, reads with 48-bit addresses', () => {
    const { primary, secondary, clock } = createPc();
    for (const software of [primary, secondary]) {
      software.control = 0x06;
      clock.advance(1_000_000);
      software.control = 0x02;
      clock.advance(2_000_000);
      software.settle();
    }
    expect([primary.signature, secondary.signature]).toEqual([
      [1, 1, 0, 0],
      [1, 1, 0x14, 0xeb],
    ]);
    const identity = words(primary.read(0xec, {}).data);
    expect(identity[83]! & 0x0400).toBe(0x0400);
    expect(identity[100]).toBe(4096);
    expect(primary.read(0x24, { count: 8, lba: 63, extended: true }, { blocks: 8 }).data).toEqual(sectors(63, 8));
  });
});

describe('Linux (drivers/ata/libata-sff.c, libata-core.c, ata_piix.c)', () => {
  /** ata_devchk */
  function isThere(software: Software, device: 0 | 1): boolean {
    software.out(6, 0xa0 | (device << 4));
    for (const [first, second] of [
      [0x55, 0xaa],
      [0xaa, 0x55],
      [0x55, 0xaa],
    ] as const) {
      software.out(2, first);
      software.out(3, second);
    }
    return software.in(2) === 0x55 && software.in(3) === 0xaa;
  }

  it('probes: registers that come back, SRST, classification by signature and status', () => {
    const { primary, secondary, clock } = createPc();
    expect([isThere(primary, 0), isThere(primary, 1)]).toEqual([true, true]); // device 0 answers for device 1
    expect([isThere(secondary, 0), isThere(secondary, 1)]).toEqual([true, true]);
    primary.control = 0x08;
    primary.control = 0x0c;
    clock.advance(20_000);
    primary.control = 0x08;
    clock.advance(150_000_000);
    expect([primary.status, primary.error, ...primary.signature]).toEqual([0x50, 1, 1, 1, 0, 0]);
    primary.out(6, 0xb0);
    expect(primary.status).toBe(0); // ATA_DEV_NONE: "if (r_err && status == 0)"
  });

  it('sets up: modes, IDENTIFY by interrupt, READ NATIVE MAX', () => {
    const bench = createPc();
    const { primary } = bench;
    primary.control = 0x08;
    const identify = () => {
      primary.command(0xec, { device: 0xa0 });
      awaitInterrupt(bench);
      expect(primary.altStatus).toBe(0x58);
      expect(primary.status).toBe(0x58);
      return words(primary.readWords(512));
    };
    expect(identify()[63]! & 7).toBe(7);
    expect(primary.run(0xef, { device: 0xa0, features: 3, count: 0x0c })).toBe(0x50);
    expect(primary.run(0xef, { device: 0xa0, features: 3, count: 0x22 })).toBe(0x50);
    expect(identify()[63]).toBe(0x0407);
    expect(primary.run(0x27, { device: 0xe0, extended: true })).toBe(0x50);
    expect(primary.signature.slice(1)).toEqual([0xff, 0x0f, 0]);
  });

  it('READ and WRITE DMA EXT: the interrupt bit says that the interrupt is the drive’s', () => {
    const bench = createPc();
    const { primary, memory } = bench;
    memory.putTable(TABLE, [
      [0x1_0000, 0],
      [0x2_0000, 0x1_0000],
    ]);
    primary.startDma(TABLE, 'to-memory', () => primary.command(0x25, { count: 256, lba: 100, extended: true }));
    expect(primary.masterStatus & 4).toBe(0); // "not mine"
    awaitInterrupt(bench);
    expect(primary.masterStatus & 7).toBe(4);
    primary.masterCommand = 8;
    expect(primary.altStatus & STATUS.BSY).toBe(0);
    expect(primary.status & (STATUS.BSY | STATUS.DRQ | STATUS.ERR)).toBe(0);
    const seen = primary.masterStatus;
    primary.masterStatus = seen;
    expect(primary.masterStatus & 4).toBe(0);
    expect(Buffer.compare(memory.bytes.subarray(0x1_0000, 0x3_0000), sectors(100, 256))).toBe(0);
    primary.startDma(TABLE, 'from-memory', () => primary.command(0x35, { count: 256, lba: 1000, extended: true }));
    awaitInterrupt(bench);
    expect(primary.status & STATUS.ERR).toBe(0);
    primary.masterCommand = 0;
    expect(primary.run(0xea, { device: 0xe0 })).toBe(0x50);
  });

  it('a CD by DMA: INQUIRY, MODE SENSE of page 2Ah by PIO; a lost interrupt would be none', () => {
    const bench = createPc();
    const { secondary, memory } = bench;
    secondary.packet([0x03, 0, 0, 0, 18]);
    expect(secondary.packet([0x12, 0, 0, 0, 36], { limit: 36 }).sizes).toEqual([36]);
    expect(secondary.packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128], { limit: 128 }).sizes).toEqual([28]);
    memory.putTable(TABLE, [[0x1_0000, 4096]]);
    secondary.startDma(TABLE, 'to-memory', () => {
      secondary.command(0xa0, { device: 0xa0, features: 1 });
      expect(secondary.settle() & STATUS.DRQ).toBe(STATUS.DRQ);
      secondary.writeWords(Uint8Array.of(0x28, 0, 0, 0, 0, 20, 0, 0, 2, 0, 0, 0));
    });
    awaitInterrupt(bench, 1);
    expect(secondary.masterStatus & 4).toBe(4);
    expect(secondary.status).toBe(0x50);
    expect(memory.bytes.slice(0x1_0000, 0x1_1000)).toEqual(pattern(400 * 2048).slice(20 * 2048, 22 * 2048));
  });
});
