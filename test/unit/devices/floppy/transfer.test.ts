/** Commands that read and write the disk. */
import { describe, expect, it } from 'vitest';
import { BenchMedium, createFdc, DMA_READ, DMA_WRITE } from '../../../support/floppy.ts';

const MS = 1_000_000;
const ADDRESS = 0x2000;
type Bench = ReturnType<typeof createFdc>;

/** Numbers of the sectors that lie one after the other in memory. */
const sectorsAt = ({ memory }: Bench, count: number, address = ADDRESS) => {
  const view = new DataView(memory.bytes.buffer);
  return Array.from({ length: count }, (_, index) => view.getUint32(address + 512 * index, true));
};
const fill = ({ memory }: Bench, value: number, bytes: number) => memory.bytes.fill(value, ADDRESS, ADDRESS + bytes);

describe('READ DATA by DMA', () => {
  it('reads up to TC, wherever EOT is; the result names the sector after', () => {
    const bench = createFdc();
    bench.seek(0, 3);
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(0xe6, 4, 3, 1, 5, 2, 18, 0x1b, 0xff)).toEqual([0x04, 0, 0, 3, 1, 6, 2]);
    expect(sectorsAt(bench, 2)).toEqual([3 * 36 + 18 + 4, 0]);
    expect(bench.irq.level).toBe(0);
  });

  it('ends at EOT without TC: end of cylinder, an abnormal termination', () => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 0x8000);
    expect(bench.run(0x46, 0, 0, 0, 17, 2, 18, 0x1b, 0xff)).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
    expect(sectorsAt(bench, 3)).toEqual([16, 17, 0]);
  });

  it('TC with the last sector of a track: the next cylinder; multi-track: the other head, then the next cylinder', () => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 1, 0, 1, 2]);
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(0xc6, 0, 0, 0, 18, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 0, 1, 1, 2]);
    bench.dma(DMA_WRITE, 3 * 512);
    expect(bench.run(0xc6, 0, 0, 0, 17, 2, 18, 0x1b, 0xff)).toEqual([4, 0, 0, 0, 1, 2, 2]);
    expect(sectorsAt(bench, 3)).toEqual([16, 17, 18]);
    bench.dma(DMA_WRITE, 0x8000);
    expect(bench.run(0xc6, 4, 0, 1, 18, 2, 18, 0x1b, 0xff)).toEqual([0x44, 0x80, 0, 1, 0, 1, 2]);
  });

  it('TC in the middle of a sector', () => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 700);
    expect(bench.run(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 0, 0, 3, 2]);
    expect(bench.memory.bytes[ADDRESS + 699]).toBe(1);
    expect(bench.memory.bytes[ADDRESS + 700]).toBe(0);
  });

  it.each<[string, number[], number[]]>([
    ['no such sector', [0xe6, 0, 0, 0, 19, 2, 18, 0x1b, 0xff], [0x40, 0x04, 0, 0, 0, 19, 2]],
    ['sector 0', [0xe6, 0, 0, 0, 0, 2, 18, 0x1b, 0xff], [0x40, 0x04, 0, 0, 0, 0, 2]],
    ['another cylinder', [0xe6, 0, 4, 0, 1, 2, 18, 0x1b, 0xff], [0x40, 0x04, 0x10, 4, 0, 1, 2]],
    ['another head in the identification field', [0xe6, 0, 0, 1, 1, 2, 18, 0x1b, 0xff], [0x40, 0x04, 0, 0, 1, 1, 2]],
    ['another size', [0xe6, 0, 0, 0, 1, 3, 18, 0x1b, 0xff], [0x40, 0x04, 0, 0, 0, 1, 3]],
    ['FM', [0xa6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff], [0x40, 0x01, 0, 0, 0, 1, 2]],
    ['an absent drive', [0xe6, 2, 0, 0, 1, 2, 18, 0x1b, 0xff], [0x42, 0x01, 0, 0, 0, 1, 2]],
  ])('%s', (_, bytes, result) => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(...bytes)).toEqual(result);
    expect(sectorsAt(bench, 1)).toEqual([0]);
  });

  it('the second side of a disk with one side is not there', () => {
    const bench = createFdc({ drives: [{ medium: new BenchMedium(180 * 1024) }] });
    bench.fdc.writePort(7, 2);
    bench.dma(DMA_WRITE, 1024);
    expect(bench.run(0xe6, 0, 0, 0, 9, 2, 9, 0x1b, 0xff)).toEqual([0x44, 0x01, 0, 0, 1, 1, 2]);
    expect(sectorsAt(bench, 2)).toEqual([8, 0]);
  });

  it.each<[string, (bench: Bench) => void]>([
    ['a masked channel', ({ pair }) => pair.lower.writePort(0x0a, 6)],
    ['DMAGATE off', ({ fdc }) => fdc.writePort(2, 0x34)],
  ])('%s: overrun', (_, hinder) => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 512);
    hinder(bench);
    bench.command(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    bench.clock.advance(100 * MS);
    expect(bench.result()).toEqual([0x40, 0x10, 0, 0, 0, 1, 2]);
  });

  it('implied seek: moves the head first, and says so', () => {
    const bench = createFdc();
    bench.command(0x13, 0, 0x57, 0);
    bench.dma(DMA_WRITE, 512);
    const start = bench.clock.now;
    expect(bench.run(0xe6, 0, 10, 0, 1, 2, 18, 0x1b, 0xff)).toEqual([0x20, 0, 0, 10, 0, 2, 2]);
    expect(sectorsAt(bench, 1)).toEqual([360]);
    expect(bench.clock.now - start).toBeGreaterThan(30 * MS);
  });

  it.each([
    [160, 2, [40, 1, 8]],
    [180, 2, [40, 1, 9]],
    [320, 2, [40, 2, 8]],
    [360, 2, [40, 2, 9]],
    [720, 2, [80, 2, 9]],
    [1200, 0, [80, 2, 15]],
    [1440, 0, [80, 2, 18]],
    [1680, 0, [80, 2, 21]],
    [2880, 3, [80, 2, 36]],
  ] as const)(
    '%i KB: at its data rate alone, its last sector, and none after',
    (kib, rate, [cylinders, heads, sectors]) => {
      const bench = createFdc({ drives: [{ medium: new BenchMedium(kib * 1024) }] });
      bench.seek(0, cylinders - 1);
      const read = (sector: number) => {
        bench.dma(DMA_WRITE, 512);
        const head = heads - 1;
        return bench.run(0x46, head << 2, cylinders - 1, head, sector, 2, sectors, 0x1b, 0xff).slice(0, 2);
      };
      for (const other of [0, 1, 2, 3].filter((value) => value !== rate)) {
        bench.fdc.writePort(7, other);
        expect(read(1)).toEqual([0x40 | ((heads - 1) << 2), 0x01]);
      }
      bench.fdc.writePort(7, rate);
      expect(read(sectors)).toEqual([(heads - 1) << 2, 0]);
      expect(sectorsAt(bench, 1)).toEqual([kib * 2 - 1]);
      expect(read(sectors + 1)[1]).toBe(0x04);
    },
  );

  it('360 KB in a 1.2 MB drive: 300 kbit/s, and every second cylinder', () => {
    const bench = createFdc({ drives: [{ type: '1.2M', medium: new BenchMedium(360 * 1024) }] });
    bench.fdc.writePort(7, 1);
    bench.seek(0, 6);
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(0x46, 0, 3, 0, 1, 2, 9, 0x1b, 0xff)[0]).toBe(0);
    expect(sectorsAt(bench, 1)).toEqual([54]);
    bench.seek(0, 7);
    expect(bench.run(0x4a, 0).slice(0, 2)).toEqual([0x40, 0x01]);
  });

  it('a real disk turns eight times slower: a track in 25 ms, no waiting for a sector', () => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 18 * 512);
    const start = bench.clock.now;
    bench.command(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect([bench.status(), bench.pair.lower.readPort(8) & 0x40]).toEqual([0x10, 0x40]);
    bench.clock.advance(100 * MS);
    const took = bench.irq.rising.at(-1)! - start;
    expect(took).toBeGreaterThan(25 * MS);
    expect(took).toBeLessThan(25.2 * MS);
    expect(bench.pair.lower.readPort(8) & 0x40).toBe(0);
  });
});

describe('WRITE DATA by DMA', () => {
  it('writes, and has it on stable storage when it ends; the rest of a sector after TC is zero', () => {
    const medium = new BenchMedium();
    const bench = createFdc({ drives: [{ medium }] });
    fill(bench, 0xa5, 700);
    bench.dma(DMA_READ, 700);
    expect(bench.run(0xc5, 0, 0, 0, 2, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 0, 0, 4, 2]);
    expect(medium.bytes.subarray(512, 1212).every((byte) => byte === 0xa5)).toBe(true);
    expect(medium.bytes.subarray(1212, 1536).every((byte) => byte === 0)).toBe(true);
    expect(medium.bytes[1536]).toBe(3);
    expect(medium.flushes).toBe(1);
  });

  it('a write-protected disk: not writable', () => {
    const medium = new BenchMedium(1440 * 1024, { readOnly: true });
    const bench = createFdc({ drives: [{ medium }] });
    bench.dma(DMA_READ, 512);
    expect(bench.run(0xc5, 0, 0, 0, 2, 2, 18, 0x1b, 0xff)).toEqual([0x40, 0x02, 0, 0, 0, 2, 2]);
    expect(medium.bytes[512]).toBe(1);
  });

  it('deleted data: READ DATA takes it, says so and ends; with SK it passes over it; READ DELETED DATA the other way', () => {
    const bench = createFdc();
    bench.dma(DMA_READ, 512);
    expect(bench.run(0xc9, 0, 0, 0, 2, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 0, 0, 3, 2]);
    const read = (command: number) => {
      bench.memory.bytes.fill(0xee, ADDRESS, ADDRESS + 2048);
      bench.dma(DMA_WRITE, 1024);
      const result = bench.run(command, 0, 0, 0, 1, 2, 3, 0x1b, 0xff);
      return [result[0], result[2], result[5], sectorsAt(bench, 2)];
    };
    expect(read(0x46)).toEqual([0, 0x40, 3, [0, 0]]); // the second holds what was written: zeros
    expect(read(0x66)).toEqual([0, 0x40, 1, [0, 2]]);
    expect(read(0x4c)).toEqual([0, 0x40, 2, [0, 0xeeee_eeee]]);
    expect(read(0x6c)).toEqual([0x40, 0x40, 1, [0, 0xeeee_eeee]]);
    // Written again, or with another disk, the mark is gone.
    bench.dma(DMA_READ, 512);
    bench.run(0xc5, 0, 0, 0, 2, 2, 18, 0x1b, 0xff);
    expect(bench.fdc.state.drives[0].deleted).toEqual([]);
  });
});

describe('READ TRACK, READ ID, VERIFY', () => {
  it('READ TRACK: so many sectors as EOT says, from the first; that they are not those asked for is told', () => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 0x8000);
    expect(bench.run(0x42, 0, 0, 0, 1, 2, 3, 0x1b, 0xff)).toEqual([0, 0, 0, 1, 0, 1, 2]);
    expect(sectorsAt(bench, 4)).toEqual([0, 1, 2, 0]);
    bench.dma(DMA_WRITE, 0x8000);
    expect(bench.run(0x42, 0, 0, 0, 4, 2, 2, 0x1b, 0xff).slice(0, 2)).toEqual([0, 0x04]);
    expect(bench.run(0x42, 0, 0, 0, 1, 2, 19, 0x1b, 0xff).slice(0, 2)).toEqual([0x40, 0x01]);
  });

  it('READ ID: one that passes by; none on an empty drive, at the wrong rate or with the motor off', () => {
    const bench = createFdc({ drives: [{ medium: new BenchMedium() }, {}] });
    bench.seek(0, 7);
    const seen = new Set<number>();
    for (let turn = 0; turn < 60; turn++) {
      bench.clock.advance(turn * 77_777);
      const [st0, st1, st2, c, h, r, n] = bench.run(0x4a, 4);
      expect([st0, st1, st2, c, h, n]).toEqual([4, 0, 0, 7, 1, 2]);
      seen.add(r);
    }
    expect(seen.size).toBeGreaterThan(10);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...seen)).toBeLessThanOrEqual(18);
    const start = bench.clock.now;
    expect(bench.run(0x4a, 1).slice(0, 3)).toEqual([0x41, 0x01, 0]);
    expect(bench.irq.rising.at(-1)! - start).toBeLessThan(100 * MS);
    bench.fdc.writePort(7, 2);
    expect(bench.run(0x4a, 0).slice(0, 3)).toEqual([0x40, 0x01, 0]);
    bench.fdc.writePort(7, 0);
    bench.fdc.writePort(2, 0x0c);
    expect(bench.run(0x4a, 0).slice(0, 3)).toEqual([0x40, 0x01, 0]);
  });

  it('VERIFY moves nothing: up to EOT, or so many sectors as it is given', () => {
    const bench = createFdc();
    expect(bench.run(0x56, 0, 0, 0, 1, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 1, 0, 1, 2]);
    expect(bench.run(0x56, 0, 0, 0, 1, 2, 19, 0x1b, 0xff)).toEqual([0x40, 0x04, 0, 0, 0, 19, 2]);
    expect(bench.run(0xd6, 0x80, 0, 0, 18, 2, 18, 0x1b, 3)).toEqual([4, 0, 0, 0, 1, 3, 2]);
    expect(bench.run(0x56, 0x80, 0, 0, 18, 2, 18, 0x1b, 3)).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
    expect(bench.memory.bytes.every((byte) => byte === 0)).toBe(true);
  });
});

describe('FORMAT TRACK', () => {
  const format = (bench: Bench, ids: number[][], { size = 2, mode = DMA_READ } = {}) => {
    bench.memory.bytes.set(ids.flat(), ADDRESS);
    bench.dma(mode, 4 * ids.length);
    return bench.run(0x4d, 4, size, ids.length, 0x54, 0xf6);
  };
  const ids = Array.from({ length: 18 }, (_, index) => [5, 1, ((index * 5) % 18) + 1, 2]);

  it('fills the sectors it is given with the data byte, in whatever order', () => {
    const medium = new BenchMedium();
    const bench = createFdc({ drives: [{ medium }] });
    bench.seek(0, 5);
    expect(format(bench, ids).slice(0, 3)).toEqual([4, 0, 0]);
    const first = (5 * 36 + 18) * 512;
    expect(medium.bytes.subarray(first, first + 18 * 512).every((byte) => byte === 0xf6)).toBe(true);
    expect([medium.bytes[first - 1], medium.bytes[first + 18 * 512 + 1], medium.flushes]).toEqual([0xc5, 0, 1]);
  });

  it('what the image has no room for ends in no data, and nothing is written', () => {
    const medium = new BenchMedium();
    const bench = createFdc({ drives: [{ medium }] });
    bench.seek(0, 5);
    const before = medium.bytes.slice();
    expect(format(bench, [...ids, [5, 1, 19, 2]]).slice(0, 2)).toEqual([0x44, 0x04]);
    expect(format(bench, [[6, 1, 1, 2]]).slice(0, 2)).toEqual([0x44, 0x04]);
    expect(format(bench, ids, { size: 3 }).slice(0, 2)).toEqual([0x44, 0x04]);
    expect(medium.bytes.every((byte, index) => byte === before[index])).toBe(true);
  });
});

describe('SCAN', () => {
  const search = (command: number, host: (sector: number) => number, { step = 1, mode = DMA_READ } = {}) => {
    const medium = new BenchMedium();
    for (let sector = 0; sector < 18; sector++) medium.bytes.fill(0x10 + sector, sector * 512, sector * 512 + 512);
    const bench = createFdc({ drives: [{ medium }] });
    for (let index = 0; index < 18; index++) {
      bench.memory.bytes.fill(host(index), ADDRESS + index * 512, ADDRESS + index * 512 + 512);
    }
    bench.dma(mode, 0x8000);
    return bench.run(command, 0, 0, 0, 1, 2, 18, 0x1b, step);
  };

  it('EQUAL ends at the first sector that is', () => {
    expect(search(0x51, () => 0x14)).toEqual([0, 0, 0x08, 0, 0, 6, 2]);
    expect(search(0x51, () => 0x14, { step: 2 })).toEqual([0, 0, 0x08, 0, 0, 6, 2]);
    expect(search(0x51, () => 0x15, { step: 2 })).toEqual([0, 0, 0x04, 0, 0, 18, 2]);
    expect(search(0x51, () => 0x60)).toEqual([0, 0, 0x04, 1, 0, 1, 2]);
  });

  it('LOW OR EQUAL and HIGH OR EQUAL say whether it was equal; FFh of the host matches anything', () => {
    expect(search(0x59, () => 0x20).slice(2, 6)).toEqual([0, 0, 0, 2]);
    expect(search(0x59, () => 0x10).slice(2, 6)).toEqual([0x08, 0, 0, 2]);
    expect(search(0x5d, () => 0x14).slice(2, 6)).toEqual([0x08, 0, 0, 6]);
    expect(search(0x5d, (index) => 0x12 - index).slice(2, 6)).toEqual([0x08, 0, 0, 3]);
    expect(search(0x5d, (index) => 0x12 - 2 * index).slice(2, 6)).toEqual([0, 0, 0, 3]);
    expect(search(0x51, () => 0xff).slice(2, 6)).toEqual([0x08, 0, 0, 2]);
  });
});

describe('non-DMA mode', () => {
  const nonDma = (configure: number) => {
    const medium = new BenchMedium();
    const bench = createFdc({ drives: [{ medium }] });
    bench.command(0x03, 0xdf, 0x03);
    bench.command(0x13, 0, configure, 0);
    return { ...bench, medium };
  };

  it.each([
    ['disabled', 0x20, 1],
    ['with threshold 0', 0x00, 16],
    ['with threshold 15', 0x0f, 1],
    ['with threshold 7', 0x07, 9],
  ])('FIFO %s: the host reads in bursts, an interrupt each', (_, configure, burst) => {
    const bench = nonDma(configure);
    bench.command(0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
    const read: number[] = [];
    let first: number | undefined;
    for (let turn = 0; turn < 3000 && (bench.status() & 0x20 || read.length === 0); turn++) {
      bench.clock.advance(20_000);
      if (bench.irq.level === 0) continue;
      let size = 0;
      while ((bench.status() & 0xe0) === 0xe0) {
        read.push(bench.fdc.readPort(5));
        size++;
      }
      first ??= size;
    }
    expect(first).toBe(burst);
    expect(read).toEqual([...bench.medium.bytes.subarray(17 * 512, 18 * 512)]);
    // There is no TC.
    expect([bench.irq.level, bench.status()]).toEqual([1, 0xd0]);
    expect(bench.result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
  });

  it('the host writes: sixteen bytes at first, then as the threshold says', () => {
    const bench = nonDma(0x07);
    bench.command(0x45, 0, 0, 0, 3, 2, 3, 0x1b, 0xff);
    const bursts: number[] = [];
    let written = 0;
    for (let turn = 0; turn < 3000 && written < 512; turn++) {
      bench.clock.advance(20_000);
      let size = 0;
      while ((bench.status() & 0xe0) === 0xa0) {
        bench.fdc.writePort(5, written++ & 0xff);
        size++;
      }
      if (size > 0) bursts.push(size);
    }
    expect(bursts.slice(0, 3)).toEqual([16, 9, 9]);
    bench.clock.advance(10 * MS);
    expect(bench.result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
    expect([...bench.medium.bytes.subarray(1024, 1536)]).toEqual(
      Array.from({ length: 512 }, (_, index) => index & 255),
    );
  });

  it('a host that does not come within a revolution: overrun', () => {
    const bench = nonDma(0x07);
    bench.command(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    bench.clock.advance(100 * MS);
    bench.fdc.readPort(5);
    expect(bench.status() & 0xf0).toBe(0xf0);
    bench.clock.advance(200 * MS);
    expect(bench.result()).toEqual([0x40, 0x10, 0, 0, 0, 1, 2]);
  });
});

describe('the host', () => {
  const READ = [0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff];

  it('answers late: guest time stands still until it has, and nothing else differs', async () => {
    const play = async (delayed: boolean) => {
      const medium = new BenchMedium();
      const bench = createFdc({ drives: [{ medium }] });
      medium.delayed = delayed;
      const step = async () => {
        const end = bench.clock.now + 100 * MS;
        while (bench.clock.now < end) {
          bench.clock.advanceTo(end);
          if (bench.clock.waitsFor) await medium.settle();
        }
      };
      bench.dma(DMA_WRITE, 1024);
      bench.command(...READ);
      await step();
      const result = bench.result();
      fill(bench, 0x77, 1024);
      bench.dma(DMA_READ, 1024);
      bench.command(0xc5, ...READ.slice(1));
      await step();
      result.push(...bench.result());
      return [result, bench.irq.rising, structuredClone(bench.fdc.state), medium.bytes.slice(0, 2048), medium.flushes];
    };
    const prompt = await play(false);
    expect(prompt[0]).toEqual([0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 3, 2]);
    expect(await play(true)).toEqual(prompt);
  });

  it('fails: data error in the guest, one line for the user, once for each disk', async () => {
    const lines: string[] = [];
    const medium = new BenchMedium();
    const bench = createFdc({ drives: [{ medium }], onHostError: (line) => lines.push(line) });
    medium.failure = new Error('disk.img: input/output error');
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(...READ)).toEqual([0x40, 0x20, 0x20, 0, 0, 1, 2]);
    bench.dma(DMA_READ, 512);
    expect(bench.run(0xc5, ...READ.slice(1))).toEqual([0x40, 0x20, 0x20, 0, 0, 1, 2]);
    expect(lines).toEqual(['floppy A: disk.img: input/output error']);
    bench.fdc.insert(0, medium);
    bench.run(...READ);
    expect(lines).toHaveLength(2);
    medium.failure = undefined;
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(...READ)[0]).toBe(0);
  });

  it('a disk taken out in the middle of a command: no address mark, though the host never answers', () => {
    const medium = new BenchMedium();
    const bench = createFdc({ drives: [{ medium }] });
    medium.delayed = true;
    bench.dma(DMA_WRITE, 512);
    bench.command(...READ);
    bench.fdc.eject(0);
    bench.fdc.insert(0, new BenchMedium());
    bench.clock.advance(10 * MS);
    expect(bench.result()).toEqual([0x40, 0x01, 0, 0, 0, 1, 2]);
  });

  it('a reset in the middle of a command ends it', () => {
    const bench = createFdc();
    bench.dma(DMA_WRITE, 512);
    bench.command(...READ);
    bench.fdc.writePort(2, 0);
    expect(bench.enable()[0]).toEqual([0xc0, 0]);
    bench.clock.advance(100 * MS);
    expect([bench.status(), sectorsAt(bench, 1)[0]]).toEqual([0x80, 0]);
    bench.dma(DMA_WRITE, 512);
    expect(bench.run(...READ)[0]).toBe(0);
  });
});
