import { describe, expect, it } from 'vitest';
import { createIde, STATUS } from '../../../support/ide.ts';
import { BytesMedium, pattern } from '../../../support/media.ts';

const READY = STATUS.DRDY | STATUS.DSC;
const TABLE = 0x1000;
const MASTER = { ACTIVE: 1, ERROR: 2, INTERRUPT: 4 } as const;
const SECTORS = 4096;

function createDisk() {
  const medium = new BytesMedium(SECTORS * 512);
  const bench = createIde({ primary: [{ disk: medium }, undefined] });
  const inMemory = (address: number, length: number) => bench.memory.bytes.slice(address, address + length);
  return { ...bench, medium, inMemory };
}
const sectors = (lba: number, count: number) => pattern(SECTORS * 512).slice(lba * 512, (lba + count) * 512);

describe('READ DMA', () => {
  it('one region: data, INTRQ, interrupt bit set, active bit clear', () => {
    const { primary, memory, lines, inMemory } = createDisk();
    memory.putTable(TABLE, [[0x2000, 1024]]);
    expect(primary.dma(TABLE, 'to-memory', 0xc8, { count: 2, lba: 300 })).toEqual({
      master: MASTER.INTERRUPT,
      status: READY,
    });
    expect(inMemory(0x2000, 1024)).toEqual(sectors(300, 2));
    expect(lines[0].rising).toHaveLength(1);
    expect(lines[0].level).toBe(0);
  });

  it('regions of odd places and sizes, across pages', () => {
    const { primary, memory, inMemory } = createDisk();
    memory.putTable(TABLE, [
      [0x2ffe, 4],
      [0x8000, 506],
      [0x5f01, 514], // bit 0 of an address is not there
    ]);
    expect(primary.dma(TABLE, 'to-memory', 0x25, { count: 2, lba: 9, extended: true }).status).toBe(READY);
    const expected = sectors(9, 2);
    expect(inMemory(0x2ffe, 4)).toEqual(expected.slice(0, 4));
    expect(inMemory(0x8000, 506)).toEqual(expected.slice(4, 510));
    expect(inMemory(0x5f00, 514)).toEqual(expected.slice(510));
    expect(inMemory(0x5f00 + 514, 16)).toEqual(new Uint8Array(16));
  });

  it('a count of 0 is 64 KiB; more than a chunk goes in several', () => {
    const { primary, memory, medium, inMemory } = createDisk();
    memory.putTable(TABLE, [
      [0x1_0000, 0],
      [0x3_0000, 0],
      [0x5_0000, 0],
    ]);
    expect(primary.dma(TABLE, 'to-memory', 0x25, { count: 384, lba: 1, extended: true }).status).toBe(READY);
    const expected = sectors(1, 384);
    for (const [index, address] of [0x1_0000, 0x3_0000, 0x5_0000].entries()) {
      const part = expected.subarray(index * 0x1_0000, (index + 1) * 0x1_0000);
      expect(Buffer.compare(inMemory(address, 0x1_0000), part)).toBe(0);
    }
    expect(medium.log).toEqual([`read 512 ${128 * 1024}`, `read ${257 * 512} ${64 * 1024}`]);
  });

  it('regions larger than the transfer: interrupt and active; stopping clears active', () => {
    const { primary, memory } = createDisk();
    memory.putTable(TABLE, [[0x2000, 4096]]);
    expect(primary.dma(TABLE, 'to-memory', 0xc8, { count: 1 }).master).toBe(MASTER.INTERRUPT | MASTER.ACTIVE);
    expect(primary.masterStatus).toBe(MASTER.INTERRUPT);
    primary.masterStatus = MASTER.INTERRUPT;
    expect(primary.masterStatus).toBe(0);
  });

  it('regions smaller than the transfer: neither interrupt nor active; the drive waits for a reset', () => {
    const { primary, memory, clock, inMemory } = createDisk();
    memory.putTable(TABLE, [[0x2000, 512]]);
    expect(primary.dma(TABLE, 'to-memory', 0xc8, { count: 2 })).toEqual({ master: 0, status: READY | STATUS.DRQ });
    expect(inMemory(0x2000, 512)).toEqual(sectors(0, 1));
    clock.advance(1e9);
    expect(primary.altStatus).toBe(READY | STATUS.DRQ);
    primary.control = 4;
    primary.control = 0;
    primary.settle();
    expect(primary.status).toBe(READY);
  });

  it('the bus master may be started before the command, or long after', () => {
    const { primary, memory, clock, inMemory } = createDisk();
    memory.putTable(TABLE, [[0x2000, 512]]);
    primary.startDma(TABLE, 'to-memory', () => {});
    primary.command(0xc8, { count: 1, lba: 5 });
    primary.settle();
    // What the bus master moves is moved a little later.
    clock.advance(1000);
    expect(inMemory(0x2000, 512)).toEqual(sectors(5, 1));
    primary.masterCommand = 0;
    primary.startDma(TABLE, 'to-memory', () => {
      primary.command(0xc8, { count: 1, lba: 6 });
      clock.advance(1e9);
      expect(primary.altStatus).toBe(READY | STATUS.DRQ);
      expect(inMemory(0x2000, 512)).toEqual(sectors(5, 1));
    });
    clock.advance(1000);
    expect(primary.status).toBe(READY);
    expect(inMemory(0x2000, 512)).toEqual(sectors(6, 1));
  });

  it('the wrong direction moves nothing', () => {
    const { primary, memory, inMemory } = createDisk();
    memory.putTable(TABLE, [[0x2000, 512]]);
    expect(primary.dma(TABLE, 'from-memory', 0xc8, { count: 1 }).status).toBe(READY | STATUS.DRQ);
    expect(inMemory(0x2000, 512)).toEqual(new Uint8Array(512));
  });

  it('without leave to be bus master nothing moves, until there is leave', () => {
    const { primary, memory, config, clock } = createDisk();
    memory.putTable(TABLE, [[0x2000, 512]]);
    config.write(4, 1, 2);
    primary.startDma(TABLE, 'to-memory', () => primary.command(0xc8, { count: 1 }));
    expect(primary.settle()).toBe(READY | STATUS.DRQ);
    config.write(4, 5, 2);
    clock.advance(1000);
    expect(primary.status).toBe(READY);
  });

  it('nIEN: no interrupt, and no interrupt bit', () => {
    const { primary, memory, lines } = createDisk();
    memory.putTable(TABLE, [[0x2000, 512]]);
    primary.control = 2;
    expect(primary.dma(TABLE, 'to-memory', 0xc8, { count: 1 })).toEqual({ master: 0, status: READY });
    expect(lines[0].rising).toEqual([]);
  });
});

describe('WRITE DMA', () => {
  it('gathers regions', () => {
    const { primary, memory, medium } = createDisk();
    const bytes = Uint8Array.from({ length: 300 * 512 }, (_, index) => index % 253);
    memory.bytes.set(bytes.subarray(0, 0x1_0000), 0x2_0000);
    memory.bytes.set(bytes.subarray(0x1_0000), 0x4_0000);
    memory.putTable(TABLE, [
      [0x2_0000, 0],
      [0x4_0000, 0x1_0000],
      [0x5_0000, bytes.length - 0x2_0000],
    ]);
    expect(primary.dma(TABLE, 'from-memory', 0x35, { count: 300, lba: 40, extended: true })).toEqual({
      master: MASTER.INTERRUPT,
      status: READY,
    });
    expect(Buffer.compare(medium.bytes.subarray(40 * 512, 340 * 512), bytes)).toBe(0);
    expect(medium.log).toHaveLength(2);
  });

  it('FUA ends with a flush', () => {
    const { primary, memory, medium } = createDisk();
    memory.putTable(TABLE, [[0x2000, 512]]);
    expect(primary.dma(TABLE, 'from-memory', 0x3d, { count: 1, extended: true }).status).toBe(READY);
    expect(medium.log).toEqual(['write 0 512', 'flush']);
  });

  it('nothing is written before all of a chunk has come', () => {
    const { primary, memory, medium } = createDisk();
    memory.putTable(TABLE, [[0x2000, 256]]);
    expect(primary.dma(TABLE, 'from-memory', 0xca, { count: 1 }).status).toBe(READY | STATUS.DRQ);
    expect(medium.log).toEqual([]);
  });
});

describe('where no memory is', () => {
  it.each([
    ['a region', 0x1000, 0xf_ff00],
    ['a region far away', 0x1000, 0xffff_fff0],
    ['the table', 0xffff_fff8, 0x2000],
  ])('%s: error bit, not active; the drive waits', (_, table, region) => {
    const { primary, memory } = createDisk();
    if (table < 0x10_0000) memory.putTable(table, [[region, 1024]]);
    const { master, status } = primary.dma(table, 'to-memory', 0xc8, { count: 2 });
    expect([master, status]).toEqual([MASTER.ERROR, READY | STATUS.DRQ]);
    expect(memory.strayed).toBe(0);
    primary.masterStatus = MASTER.ERROR;
    expect(primary.masterStatus).toBe(0);
  });
});

describe('registers', () => {
  it('capable bits are stored, active and simplex are not; the table pointer is a doubleword', () => {
    const { primary, ports } = createDisk();
    primary.masterStatus = 0xff;
    expect(primary.masterStatus).toBe(0x60);
    ports.write(0xc004, 0x1234_5677, 4);
    expect(ports.read(0xc004, 4)).toBe(0x1234_5674);
    expect([0xc004, 0xc005, 0xc006, 0xc007].map((port) => ports.read(port, 1))).toEqual([0x74, 0x56, 0x34, 0x12]);
    ports.write(0xc000, 0xfe, 1);
    expect(ports.read(0xc000, 1)).toBe(8);
    expect([0xc001, 0xc003].map((port) => ports.read(port, 1))).toEqual([0, 0]);
  });

  it('the interrupt bit follows INTRQ’s rising, of PIO commands, too', () => {
    const { primary } = createDisk();
    primary.run(0xe7);
    expect(primary.masterStatus).toBe(MASTER.INTERRUPT);
    primary.masterStatus = MASTER.INTERRUPT;
    expect(primary.masterStatus).toBe(0);
  });

  it('channels are apart', () => {
    const { secondary, primary } = createIde({ secondary: [{ disk: new BytesMedium(pattern(51_200)) }, undefined] });
    secondary.run(0xe7);
    expect([primary.masterStatus, secondary.masterStatus]).toEqual([0, MASTER.INTERRUPT]);
  });
});
