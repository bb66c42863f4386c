import { describe, expect, it } from 'vitest';
import { awaitInterrupt, createIde, STATUS, type TestMemory } from '../../../support/ide.ts';
import { BytesMedium, pattern } from '../../../support/media.ts';

const READY = STATUS.DRDY | STATUS.DSC;
const FAILED = READY | STATUS.ERR;
const SECTOR = 512;

function createDisk(sectors = 4096, options: { readOnly?: boolean; memory?: TestMemory } = {}) {
  const medium = new BytesMedium(sectors * SECTOR, options);
  const bench = createIde({ primary: [{ disk: medium }, undefined], ...options });
  const identify = () => {
    const { data } = bench.primary.read(0xec, {});
    return new Uint16Array(data.buffer, 0, 256);
  };
  return {
    ...bench,
    medium,
    identify,
    sectors: (lba: number, count: number) => pattern(sectors * SECTOR).slice(lba * SECTOR, (lba + count) * SECTOR),
  };
}

/** Of a disk of `size` bytes, which takes no memory. */
function identifyLarge(size: number): Uint16Array {
  const medium = { size, readOnly: false, read: () => new Uint8Array(0), write: () => {}, flush: () => {} };
  const { primary } = createIde({ primary: [{ disk: medium }, undefined] });
  return new Uint16Array(primary.read(0xec, {}).data.buffer, 0, 256);
}

/** In bulk: `toEqual` looks at each byte. */
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

const text = (words: Uint16Array, first: number, count: number): string =>
  [...words.subarray(first, first + count)]
    .map((word) => String.fromCharCode(word >>> 8, word & 0xff))
    .join('')
    .trimEnd();

describe('IDENTIFY DEVICE', () => {
  it('says what guests act upon', () => {
    const words = identifyLarge(4_194_304 * 512);
    expect(words[0]! & 0x8000).toBe(0);
    expect([words[1], words[3], words[6]]).toEqual([4161, 16, 63]);
    expect(text(words, 10, 10)).toBe('V0001');
    expect(text(words, 23, 4)).toBe('1.0');
    expect(text(words, 27, 20)).toBe('VETRO HARDDISK');
    expect(words[47]).toBe(0x8010);
    expect(words[49]! & 0x0f00).toBe(0x0f00);
    expect(words[53]).toBe(7);
    expect(words[59]).toBe(0x0110);
    expect(words[60]! + 0x10000 * words[61]!).toBe(4_194_304);
    expect(words[63]).toBe(0x0407);
    expect(words[64]).toBe(3);
    expect(words[75]).toBe(0);
    expect(words[80]! & 0x40).toBe(0x40); // ATA/ATAPI-6
    expect(words[82]! & 0x0003).toBe(0); // no SMART, no security
    for (const index of [83, 87]) expect(words[index]! & 0xc000).toBe(0x4000);
    expect(words[83]! & 0x3400).toBe(0x3400); // LBA48, FLUSH CACHE, FLUSH CACHE EXT
    expect(words[88]).toBe(0x003f);
    expect(words[100]! + 0x10000 * words[101]!).toBe(4_194_304);
  });

  it('caps CHS at 16383/16/63', () => {
    const words = identifyLarge(2 ** 48);
    expect([words[1], words[3], words[6]]).toEqual([16_383, 16, 63]);
    expect(words[60]! + 0x10000 * words[61]!).toBe(0x0fff_ffff);
    expect([words[100], words[101], words[102], words[103]]).toEqual([0, 0, 0x80, 0]);
  });

  it('ends with a checksum: all bytes add up to 0', () => {
    const { primary } = createDisk();
    const { data } = primary.read(0xec, {});
    expect(data[510]).toBe(0xa5);
    expect(data.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
  });

  it('interrupts once, before its data', () => {
    const { primary, lines } = createDisk();
    primary.command(0xec);
    expect(primary.altStatus).toBe(STATUS.BSY);
    expect(primary.settle()).toBe(READY | STATUS.DRQ);
    expect(lines[0].rising).toHaveLength(1);
    expect(primary.status).toBe(READY | STATUS.DRQ);
    primary.readWords(512);
    expect(primary.altStatus).toBe(READY);
    expect(lines[0].rising).toHaveLength(1);
  });

  it('a disk of a few sectors has a geometry, too', () => {
    const words = createDisk(100).identify();
    expect([words[1], words[3], words[6]]).toEqual([1, 1, 63]);
  });

  it('a disk without a sector is refused', () => {
    expect(() => createIde({ primary: [{ disk: new BytesMedium(511) }, undefined] })).toThrow(
      /511 bytes has no sector/,
    );
  });
});

describe('PIO', () => {
  it('READ SECTOR(S): an interrupt and a block for each sector, none at the end', () => {
    const { primary, lines, sectors } = createDisk();
    const { data, status } = primary.read(0x20, { count: 3, lba: 1000 }, { blocks: 3 });
    expect(data).toEqual(sectors(1000, 3));
    expect(status).toBe(READY);
    expect(lines[0].rising).toHaveLength(1); // polled by alternate status: it stayed high
  });

  it('READ SECTOR(S) by interrupts: one for each sector', () => {
    const bench = createDisk();
    const { primary, lines, clock, sectors } = bench;
    primary.command(0x20, { count: 4, lba: 9 });
    for (let index = 0; index < 4; index++) {
      awaitInterrupt(bench);
      expect(primary.status).toBe(READY | STATUS.DRQ);
      expect(primary.readWords(512)).toEqual(sectors(9 + index, 1));
    }
    clock.advance(1_000_000);
    expect(lines[0].rising).toHaveLength(4);
    expect(primary.status).toBe(READY);
  });

  it('count 0 is 256 sectors; 65,536 with EXT commands', () => {
    const { primary, sectors, medium } = createDisk(70_000);
    const { data } = primary.read(0x20, { lba: 5 }, { blocks: 300 });
    expect(data.length).toBe(256 * 512);
    expect(same(data, sectors(5, 256))).toBe(true);
    medium.log.length = 0;
    expect(primary.run(0x42, { lba: 7, extended: true })).toBe(READY);
    expect(medium.log.length * 128 * 1024).toBe(65_536 * 512);
    expect(medium.log.at(-1)).toBe(`read ${(7 + 65_536 - 256) * 512} ${128 * 1024}`);
    expect(medium.largest).toBeLessThanOrEqual(128 * 1024);
  });

  it('WRITE SECTOR(S): no interrupt before the first block, one after each', () => {
    const bench = createDisk();
    const { primary, lines, medium } = bench;
    const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index * 7);
    primary.command(0x30, { count: 2, lba: 77 });
    expect(primary.altStatus).toBe(READY | STATUS.DRQ);
    expect(lines[0].rising).toEqual([]);
    primary.writeWords(bytes.subarray(0, 512));
    expect(primary.altStatus).toBe(STATUS.BSY);
    awaitInterrupt(bench);
    expect(primary.status).toBe(READY | STATUS.DRQ);
    primary.writeWords(bytes.subarray(512));
    awaitInterrupt(bench);
    expect(primary.status).toBe(READY);
    expect(lines[0].rising).toHaveLength(2);
    expect(medium.bytes.slice(77 * 512, 79 * 512)).toEqual(bytes);
  });

  it('writes of more than a chunk', () => {
    const { primary, medium } = createDisk();
    const bytes = Uint8Array.from({ length: 700 * 512 }, (_, index) => index % 251);
    expect(primary.write(0x34, { count: 700, lba: 100, extended: true }, bytes)).toBe(READY);
    expect(same(medium.bytes.subarray(100 * 512, 800 * 512), bytes)).toBe(true);
    expect(medium.largest).toBeLessThanOrEqual(128 * 1024);
  });

  it('READ and WRITE MULTIPLE: blocks as SET MULTIPLE MODE says, the last one shorter', () => {
    const { primary, sectors, identify, medium } = createDisk();
    expect(primary.run(0xc6, { count: 8 })).toBe(READY);
    expect(identify()[59]).toBe(0x0108);
    primary.command(0xc4, { count: 20, lba: 50 });
    const parts = [8, 8, 4].map((count) => {
      expect(primary.settle()).toBe(READY | STATUS.DRQ);
      return primary.readWords(count * 512);
    });
    expect(primary.altStatus).toBe(READY);
    expect(parts.map((part) => part.length / 512)).toEqual([8, 8, 4]);
    expect(same(Buffer.concat(parts), sectors(50, 20))).toBe(true);
    expect(primary.write(0xc5, { count: 10, lba: 0 }, sectors(50, 10), { block: 8 * 512 })).toBe(READY);
    expect(medium.bytes.slice(0, 10 * 512)).toEqual(sectors(50, 10));
    const many = primary.read(0x29, { count: 600, lba: 1, extended: true }, { blocks: 75, block: 8 * 512 });
    expect(same(many.data, medium.bytes.subarray(512, 601 * 512))).toBe(true);
  });

  it('SET MULTIPLE MODE: 0 turns it off, 3 and 32 are aborted', () => {
    const { primary, identify } = createDisk();
    for (const count of [3, 32]) {
      expect(primary.run(0xc6, { count })).toBe(FAILED);
      expect(primary.error).toBe(0x04);
    }
    expect(identify()[59]).toBe(0x0110);
    expect(primary.run(0xc6, { count: 0 })).toBe(READY);
    expect(identify()[59]).toBe(0);
    expect(primary.run(0xc4, { count: 1 })).toBe(FAILED);
  });

  it('READ VERIFY moves no data', () => {
    const { primary, lines, medium } = createDisk();
    expect(primary.run(0x40, { count: 0, lba: 3 })).toBe(READY);
    expect(primary.run(0x42, { count: 1000, lba: 3, extended: true })).toBe(READY);
    expect(lines[0].rising).toHaveLength(2);
    expect(medium.log.length).toBe(1 + 4);
  });
});

describe('addresses', () => {
  it('CHS as the current translation has it', () => {
    const { primary, sectors, identify } = createDisk(20_000);
    const read = (cylinder: number, head: number, sector: number) =>
      primary.read(0x20, { device: 0xa0 | head, count: 1, lba: sector + 0x100 * cylinder });
    expect(read(2, 5, 7).data).toEqual(sectors((2 * 16 + 5) * 63 + 6, 1));
    expect(primary.run(0x91, { device: 0xa3, count: 17 })).toBe(READY);
    const words = identify();
    expect([words[54], words[55], words[56]]).toEqual([294, 4, 17]);
    expect(words[57]! + 0x10000 * words[58]!).toBe(294 * 4 * 17);
    expect(words[1]).toBe(19);
    expect(read(100, 3, 17).data).toEqual(sectors((100 * 4 + 3) * 17 + 16, 1));
    for (const [cylinder, head, sector] of [
      [0, 4, 1],
      [0, 0, 0],
      [0, 0, 18],
      [294, 0, 15],
    ] as const) {
      const { data, status } = read(cylinder, head, sector);
      expect([data.length, status, primary.error]).toEqual([0, FAILED, 0x10]);
    }
    expect(primary.run(0x91, { device: 0xa3, count: 0 })).toBe(FAILED);
  });

  it('IDNF beyond the end: nothing is moved, and the address is the first that is not there', () => {
    const { primary, medium } = createDisk(1000);
    expect(primary.read(0x20, { count: 1, lba: 999 }).status).toBe(READY);
    medium.log.length = 0;
    for (const [opcode, count, lba] of [
      [0x20, 1, 1000],
      [0x20, 2, 999],
      [0x30, 2, 999],
      [0xc8, 255, 900],
      [0xca, 1, 0xfff_ffff],
    ] as const) {
      expect(primary.run(opcode, { count, lba })).toBe(FAILED);
      expect(primary.error).toBe(0x10);
      if (lba < 1000) expect(primary.signature.slice(1)).toEqual([0xe8, 0x03, 0]);
    }
    expect(primary.run(0x25, { count: 1, lba: 2 ** 47, extended: true })).toBe(FAILED);
    expect(primary.run(0x70, { lba: 1000 })).toBe(FAILED);
    expect(primary.run(0x70, { lba: 999 })).toBe(READY);
    expect(medium.log).toEqual([]);
  });

  it('LBA48: high halves are what was written first', () => {
    const reads: string[] = [];
    const size = 2 ** 41;
    const read = (offset: number, length: number) => {
      reads.push(`${offset / 512} ${length / 512}`);
      return new Uint8Array(length);
    };
    const medium = { size, readOnly: false, read, write: () => {}, flush: () => {} };
    const { primary } = createIde({ primary: [{ disk: medium }, undefined] });
    const { status } = primary.read(0x24, { count: 1, lba: 0xa_1234_5678 / 16, extended: true });
    expect(status).toBe(READY);
    expect(reads).toEqual([`${0xa123_4567} 1`]);
    expect(primary.run(0x27)).toBe(READY);
    expect(primary.signature.slice(1)).toEqual([0xff, 0xff, 0xff]);
    primary.control = 0x80;
    expect(primary.signature.slice(1)).toEqual([0xff, 0, 0]);
    primary.control = 0;
    expect(primary.run(0xf8)).toBe(READY);
    expect([...primary.signature.slice(1), primary.in(6) & 0xf]).toEqual([0xff, 0xff, 0xff, 0xf]);
  });

  it('READ NATIVE MAX ADDRESS is the last sector', () => {
    const { primary } = createDisk(0x12345);
    expect(primary.run(0xf8)).toBe(READY);
    expect([...primary.signature.slice(1), primary.in(6) & 0xf]).toEqual([0x44, 0x23, 0x01, 0]);
  });
});

describe('other commands', () => {
  it('aborts what it does not have', () => {
    const { primary } = createDisk();
    // NOP, READ LOG EXT, SMART, configuration, PACKET and its IDENTIFY, microcode, security, SET MAX, READ LONG
    for (const opcode of [0x00, 0x2f, 0xb0, 0xb1, 0xa0, 0xa1, 0x92, 0xf1, 0xf2, 0xf4, 0xf5, 0xf6, 0xf9, 0x22]) {
      expect(primary.run(opcode)).toBe(FAILED);
      expect(primary.error).toBe(0x04);
    }
    expect(primary.run(0x10)).toBe(READY); // RECALIBRATE
    expect(primary.error).toBe(0);
  });

  it('power management', () => {
    const { primary, lines } = createDisk();
    const mode = () => {
      expect(primary.run(0xe5)).toBe(READY);
      return primary.in(2);
    };
    expect(mode()).toBe(0xff);
    expect(primary.run(0xe0)).toBe(READY);
    expect(mode()).toBe(0x00);
    expect(primary.run(0xe3)).toBe(READY);
    expect(mode()).toBe(0x80);
    expect(primary.read(0x20, { count: 1 }).data.length).toBe(512);
    expect(mode()).toBe(0xff);
    expect(primary.run(0xe6)).toBe(READY);
    const interrupts = lines[0].rising.length;
    expect(primary.read(0xec, {}).data.length).toBe(0); // asleep
    expect(lines[0].rising).toHaveLength(interrupts);
    primary.control = 4;
    primary.control = 0;
    primary.settle();
    expect(primary.read(0xec, {}).data.length).toBe(512);
  });

  it('SET FEATURES: transfer modes', () => {
    const { primary, identify } = createDisk();
    for (const [count, multiword, ultra] of [
      [0x21, 0x0207, 0x003f],
      [0x45, 0x0007, 0x203f],
      [0x0c, 0x0007, 0x203f], // PIO 4
      [0x20, 0x0107, 0x003f],
    ] as const) {
      expect(primary.run(0xef, { features: 0x03, count })).toBe(READY);
      expect([identify()[63], identify()[88]]).toEqual([multiword, ultra]);
    }
    for (const count of [0x23, 0x46, 0x0d, 0x10, 0x80]) expect(primary.run(0xef, { features: 3, count })).toBe(FAILED);
    expect(primary.run(0xef, { features: 0x05, count: 1 })).toBe(FAILED);
  });

  it('SET FEATURES: what a soft reset takes back', () => {
    const { primary, identify } = createDisk();
    const softReset = () => {
      primary.control = 4;
      primary.control = 0;
      primary.settle();
    };
    expect(primary.run(0xef, { features: 0x82 })).toBe(READY);
    expect(primary.run(0xef, { features: 0x55 })).toBe(READY);
    expect(identify()[85]! & 0x60).toBe(0);
    softReset();
    expect(identify()[85]! & 0x60).toBe(0x60);
    expect(primary.run(0xef, { features: 0x66 })).toBe(READY);
    expect(primary.run(0xef, { features: 0x82 })).toBe(READY);
    softReset();
    expect(identify()[85]! & 0x60).toBe(0x40);
  });
});

describe('the write cache', () => {
  const bytes = new Uint8Array(512).fill(0xa5);

  it('on: a write ends when the medium has it; FLUSH CACHE (EXT) brings it to stable storage', () => {
    const { primary, medium } = createDisk();
    expect(primary.write(0x30, { count: 1, lba: 2 }, bytes)).toBe(READY);
    expect(medium.log).toEqual(['write 1024 512']);
    expect(primary.run(0xe7)).toBe(READY);
    expect(primary.run(0xea)).toBe(READY);
    expect(medium.log).toEqual(['write 1024 512', 'flush', 'flush']);
  });

  it('off: every write is followed by a flush; so is one with FUA', () => {
    const { primary, medium } = createDisk();
    expect(primary.write(0xce, { count: 1, lba: 2, extended: true }, bytes)).toBe(READY);
    expect(medium.log).toEqual(['write 1024 512', 'flush']);
    expect(primary.run(0xef, { features: 0x82 })).toBe(READY);
    medium.log.length = 0;
    expect(primary.write(0x30, { count: 2, lba: 2 }, new Uint8Array(1024))).toBe(READY);
    expect(medium.log).toEqual(['write 1024 1024', 'flush']);
  });
});

describe('errors of the medium', () => {
  it('UNC names the sector that cannot be read, after those before it have been given', () => {
    const { primary, medium, sectors, errors } = createDisk();
    medium.bad.add(503 * 512 + 17);
    const { data, status } = primary.read(0x20, { count: 10, lba: 500 }, { blocks: 10 });
    expect(status).toBe(FAILED);
    expect(primary.error).toBe(0x40);
    expect(data).toEqual(sectors(500, 3));
    expect([...primary.signature.slice(1), primary.in(6) & 0xf]).toEqual([0xf7, 0x01, 0, 0]);
    expect(primary.read(0x24, { count: 10, lba: 500, extended: true }, { blocks: 10 }).status).toBe(FAILED);
    expect(primary.run(0x40, { count: 10, lba: 500 })).toBe(FAILED);
    expect(primary.read(0x20, { count: 3, lba: 504 }, { blocks: 3 }).data).toEqual(sectors(504, 3));
    expect(errors).toEqual(['drive-0-0: I/O error at 257553']);
  });

  it('READ MULTIPLE keeps its blocks', () => {
    const { primary, medium } = createDisk();
    medium.bad.add(120 * 512);
    const { data, status } = primary.read(0xc4, { count: 100, lba: 64 }, { blocks: 10, block: 16 * 512 });
    expect([data.length, status, primary.error]).toEqual([48 * 512, FAILED, 0x40]);
    expect(primary.in(3)).toBe(112);
  });

  it('a failed write or flush is a device fault', () => {
    const { primary, medium, errors } = createDisk();
    medium.bad.add(5 * 512);
    expect(primary.write(0x30, { count: 4, lba: 3 }, new Uint8Array(2048))).toBe(FAILED | STATUS.DF);
    expect(primary.error).toBe(0x04);
    medium.flushFails = true;
    expect(primary.run(0xe7)).toBe(FAILED | STATUS.DF);
    expect(primary.write(0xce, { count: 1, lba: 0, extended: true }, new Uint8Array(512))).toBe(FAILED | STATUS.DF);
    medium.flushFails = false;
    expect(primary.run(0xe7)).toBe(READY);
    expect(errors).toHaveLength(1);
  });

  it('too few bytes are an error, too', () => {
    const medium = new BytesMedium(4096 * 512);
    const short = {
      size: medium.size,
      readOnly: false,
      read: () => new Uint8Array(100),
      write: () => {},
      flush: () => {},
    };
    const { primary, errors } = createIde({ primary: [{ disk: short }, undefined] });
    expect(primary.read(0x20, { count: 1 }).status).toBe(FAILED);
    expect(errors).toEqual(['drive-0-0: 100 bytes have come instead of 512']);
  });

  it('a read-only medium aborts writes', () => {
    const { primary } = createDisk(4096, { readOnly: true });
    expect(primary.run(0x30, { count: 1 })).toBe(FAILED);
    expect(primary.error).toBe(0x04);
    expect(primary.read(0x20, { count: 1 }).status).toBe(READY);
  });

  it('what the medium gives is copied', () => {
    const { primary, medium, sectors } = createDisk();
    primary.command(0x20, { count: 2, lba: 8 });
    primary.settle();
    medium.bytes.fill(0, 8 * 512, 10 * 512);
    expect(primary.readWords(512)).toEqual(sectors(8, 1));
  });
});
