import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../src/base/address.ts';
import { InternalError, UserError } from '../../../src/base/errors.ts';
import { GuestMemory, type MmioDevice } from '../../../src/memory/guest-memory.ts';
import { Pool } from '../../../src/memory/pool.ts';

const MIB = 2 ** 20;

const createMemory = (size = 2 * MIB, pool = Pool.create()) => ({ pool, memory: new GuestMemory(pool, { size }) });

/** Records accesses; reads give the offset in every byte's place. */
function createDevice(name = 'device') {
  const log: string[] = [];
  const device: MmioDevice = {
    name,
    readMemory(offset, size) {
      log.push(`read ${offset} ${size}`);
      return 0xa0a0_a000 + offset;
    },
    writeMemory: (offset, value, size) => void log.push(`write ${offset} ${size} ${value.toString(16)}`),
  };
  return { device, log };
}

describe('RAM', () => {
  it('that was never written reads as zero and has no frame', () => {
    const { memory } = createMemory();
    expect(memory.read(0x1234, 4)).toBe(0);
    expect(memory.framesInUse).toBe(0);
  });

  it('holds values of all sizes at all alignments, also across pages', () => {
    const { memory } = createMemory();
    for (let address = 0x1ff0; address < 0x2010; address++) {
      memory.write(address, 0x8765_4321, 4);
      expect(memory.read(address, 4)).toBe(0x8765_4321);
      expect(memory.read(address + 1, 2)).toBe(0x6543);
      memory.write(address, 0xbeef, 2);
      expect(memory.read(address, 4)).toBe(0x8765_beef);
      memory.write(address + 3, 0x1ff, 1);
      expect(memory.read(address, 4)).toBe(0xff65_beef);
      memory.write64(address, 0x0123_4567_89ab_cdefn);
      expect(memory.read64(address)).toBe(0x0123_4567_89ab_cdefn);
    }
    expect(memory.framesInUse).toBe(2);
  });

  it('is the same by frame and by address', () => {
    const { pool, memory } = createMemory();
    memory.write(0x5008, 0x11, 1);
    const frame = memory.frameForRead(5);
    expect(frame).toBe(memory.frameForWrite(5));
    expect(pool.views.u8[frame + 8]).toBe(0x11);
  });

  it('copies in and out across pages', () => {
    const { memory } = createMemory();
    const bytes = Uint8Array.from({ length: 9000 }, (_, index) => index * 7);
    memory.copyIn(0x1ffd, bytes);
    expect(memory.copyOut(0x1ffd, 9000)).toEqual(bytes);
    expect(memory.copyOut(0x1ffc, 2)).toEqual(Uint8Array.of(0, 0));
  });

  it('C13: is everywhere where nobody takes it away, A0000h–BFFFFh too', () => {
    const { memory } = createMemory();
    for (const address of [0x9fffe, 0xa0000, 0xb8000, 0xbfffe]) {
      memory.write(address, 0x1234_5678, 4);
      expect(memory.read(address, 4)).toBe(0x1234_5678);
      expect(memory.frameForWrite(Math.floor(address / 4096))).not.toBe(0);
    }
  });

  it('C13: is not where there is a hole; a device may answer in a part of it', () => {
    const { memory } = createMemory();
    memory.routeRam(0xa0000, 0x20000, { reads: 'bus', writes: 'bus' });
    const written: number[] = [];
    memory.addMmio(0xb8000, 0x8000, {
      name: 'screen',
      readMemory: (offset) => offset & 0xff,
      writeMemory: (offset) => void written.push(offset),
    });
    expect([memory.read(0xb7fff, 1), memory.read(0xb8012, 1)]).toEqual([0xff, 0x12]);
    memory.write(0xbffff, 1, 1);
    expect(written).toEqual([0x7fff]);
    for (const address of [0xa0000, 0xb7fff]) {
      memory.write(address, 0, 1);
      expect(memory.read(address, 1)).toBe(0xff);
    }
    memory.write(0xc0000, 0x12, 1);
    memory.write(0x9ffff, 0x34, 1);
    expect(memory.read(0xc0000, 1)).toBe(0x12);
    expect(memory.read(0x9ffff, 1)).toBe(0x34);
  });

  it('has nothing behind it: reads give all ones, writes are lost', () => {
    const { memory } = createMemory();
    for (const address of [2 * MIB, 0xfee0_0000, 0xffff_fffc, 2 ** 35]) {
      memory.write(address, 0, 4);
      expect(memory.read(address, 4)).toBe(0xffff_ffff);
      expect(memory.frameForRead(Math.floor(address / 4096))).toBe(0);
      expect(memory.frameForWrite(Math.floor(address / 4096))).toBe(0);
    }
    memory.write(2 * MIB - 2, 0x1234_5678, 4);
    expect(memory.read(2 * MIB - 2, 4)).toBe(0xffff_5678);
    expect(memory.read64(2 * MIB - 4)).toBe(0xffff_ffff_5678_0000n);
  });

  it.each([0, -4096, 100, 0xe000_1000, Number.NaN])('of %d bytes is refused', (size) => {
    expect(() => createMemory(size)).toThrow(UserError);
  });
});

describe('overcommitment', () => {
  it('a guest with 512 MiB that touches 60 MiB costs 60 MiB', () => {
    const { pool, memory } = createMemory(512 * MIB);
    const before = process.memoryUsage().rss;
    for (let page = 0; page < (60 * MIB) / 4096; page++) {
      const frame = memory.frameForWrite(1024 + 2 * page);
      pool.views.u8.fill(1, frame, frame + 4096);
    }
    // Reading everything else costs nothing.
    for (let page = 1024; page < (512 * MIB) / 4096; page++) memory.read(page * 4096, 4);
    const cost = (process.memoryUsage().rss - before) / MIB;
    expect(memory.framesInUse).toBe((60 * MIB) / 4096);
    expect(cost).toBeGreaterThan(50);
    expect(cost).toBeLessThan(80);
  });

  it('a read never makes the pool grow: who looks at the bytes of a page may ask for another', () => {
    const pool = Pool.create();
    pool.allocate(900 * 1024); // no room for frames in what it begins with
    const { memory } = createMemory(MIB, pool);
    const { u8 } = pool.views;
    expect(memory.frameForRead(5)).toBeGreaterThan(0);
    expect(u8.byteLength).toBeGreaterThan(0);
  });

  it('a page leaves the zero frame at its first write, which is reported', () => {
    const { pool, memory } = createMemory();
    const moved: number[] = [];
    memory.onFrameMoved = (page) => moved.push(page);
    memory.write(0x3000, 1, 1); // never seen as zero: nothing to report
    expect(memory.frameForRead(7)).toBe(pool.frames.zeroFrame);
    memory.write(0x7000, 1, 1);
    memory.write(0x7001, 1, 1);
    expect(moved).toEqual([7]);
    expect(memory.frameForRead(7)).not.toBe(pool.frames.zeroFrame);
    expect(pool.views.u8.subarray(pool.frames.zeroFrame, pool.frames.zeroFrame + 4096).some((byte) => byte !== 0)).toBe(
      false,
    );
  });

  it('a full pool stops the guest with an InternalError', () => {
    const { memory } = createMemory(64 * MIB, Pool.create({ maximumBytes: 4 * MIB }));
    expect(() => {
      for (let address = 0; address < 64 * MIB; address += 4096) memory.write(address, 1, 1);
    }).toThrow(InternalError);
  });

  it('a disposed guest gives all frames back', () => {
    const pool = Pool.create();
    const { memory } = createMemory(2 * MIB, pool);
    memory.addRom(0xf0000, new Uint8Array(0x10000));
    memory.copyIn(0, new Uint8Array(0x20000).fill(1));
    expect(pool.frames.inUse).toBe(0x30);
    memory.dispose();
    expect(pool.frames.inUse).toBe(0);
    expect(memory.framesInUse).toBe(0);
  });

  it('a disposed guest gives its page map back, clean for the next', () => {
    const pool = Pool.create();
    const { memory } = createMemory(2 * MIB, pool);
    memory.copyIn(0, new Uint8Array(0x20000).fill(1));
    memory.routeRam(0xa0000, 0x20000, { reads: 'bus', writes: 'bus' });
    const { address, pages } = memory.pageMap;
    expect(pages).toBe(512);
    memory.dispose();
    memory.dispose();
    const next = createMemory(2 * MIB, pool).memory;
    expect(next.pageMap).toEqual({ address, pages });
    expect([...next.dirtyPages()]).toEqual([]);
    expect(next.read(0, 4)).toBe(0);
    expect(next.read(0xa0000, 4)).toBe(0);
  });
});

describe('ROM', () => {
  it('is read and not written', () => {
    const { memory } = createMemory();
    memory.write(0xf0000, 0x55, 1);
    memory.addRom(0xf0000, Uint8Array.of(1, 2, 3, 4));
    memory.write(0xf0000, 0xff, 4);
    memory.copyIn(0xf0000, Uint8Array.of(9, 9));
    expect(memory.read(0xf0000, 4)).toBe(0x0403_0201);
    expect(memory.frameForWrite(0xf0)).toBe(0);
    expect(memory.frameForRead(0xf0)).toBeGreaterThan(0);
    expect(memory.read(0xf0004, 1)).toBe(0xff);
    expect(memory.framesInUse).toBe(1);
  });

  it('may stand at the top of the 32-bit address space', () => {
    const { memory } = createMemory();
    memory.addRom(0xffff_0000, new Uint8Array(0x10000).fill(0x90));
    expect(memory.read(0xffff_fff0, 4)).toBe(0x9090_9090);
  });

  it('is refused at an unaligned address and over ROM or a device', () => {
    const { memory } = createMemory();
    memory.addRom(0xf0000, new Uint8Array(0x1000));
    memory.addMmio(0xfee0_0000, 0x1000, createDevice().device);
    expect(() => memory.addRom(0xf0800, new Uint8Array(1))).toThrow(UserError);
    expect(() => memory.addRom(0xef000, new Uint8Array(0x2000))).toThrow(/ROM is there/);
    expect(() => memory.addRom(0xfee0_0000, new Uint8Array(1))).toThrow(/device is there/);
  });
});

describe('memory-mapped registers', () => {
  it('see offsets and sizes', () => {
    const { memory } = createMemory();
    const { device, log } = createDevice();
    memory.addMmio(0xfed0_0000, 0x400, device);
    expect(memory.read(0xfed0_0010, 4)).toBe(0xa0a0_a010);
    expect(memory.read(0xfed0_0010, 2)).toBe(0xa010);
    expect(memory.read(0xfed0_0011, 1)).toBe(0x11);
    memory.write(0xfed0_0020, 0xffff_ffff, 2);
    memory.write64(0xfed0_0020, 0x1_0000_0002n);
    expect(log).toEqual(['read 16 4', 'read 16 2', 'read 17 1', 'write 32 2 ffff', 'write 32 4 2', 'write 36 4 1']);
    expect(memory.frameForRead(0xfed00)).toBe(0);
    expect(memory.frameForWrite(0xfed00)).toBe(0);
  });

  it('replace RAM', () => {
    const { memory } = createMemory();
    const { device, log } = createDevice();
    memory.write(0x8000, 1, 1);
    memory.addMmio(0x8000, 0x1000, device);
    memory.write(0x8004, 1, 4);
    expect(log).toEqual(['write 4 4 1']);
    expect(memory.framesInUse).toBe(0);
  });

  it('an access that leaves the device is split into bytes', () => {
    const { memory } = createMemory();
    const { device, log } = createDevice();
    memory.addMmio(0xfed0_0000, 0x10, device);
    expect(memory.read(0xfed0_000e, 4)).toBe(0xffff_0f0e);
    memory.write(0xfecf_ffff, 0xaabb, 2);
    expect(log).toEqual(['read 14 1', 'read 15 1', 'write 0 1 aa']);
  });

  it('are not disturbed by copies', () => {
    const { memory } = createMemory();
    const { device, log } = createDevice();
    memory.addMmio(0xfed0_0000, 0x1000, device);
    memory.copyIn(0xfed0_0000, Uint8Array.of(1));
    expect(memory.copyOut(0xfed0_0000, 1)).toEqual(Uint8Array.of(0xff));
    expect(log).toEqual([]);
  });

  it('two devices at one place are refused', () => {
    const { memory } = createMemory();
    memory.addMmio(0xfed0_0000, 0x400, createDevice('hpet').device);
    memory.addMmio(0xfed0_0400, 0x400, createDevice('neighbour').device);
    memory.addMmio(0xfec0_0000, 0x400, createDevice('ioapic').device);
    for (const [first, length] of [
      [0xfed0_0000, 1],
      [0xfecf_ff00, 0x101],
      [0xfec0_03ff, 1],
    ] as const) {
      expect(() => memory.addMmio(first, length, createDevice('late').device)).toThrow(UserError);
    }
    expect(() => memory.addMmio(0xfed0_0200, 4, createDevice('late').device)).toThrow(/late.*hpet/);
    expect(() => memory.addMmio(2 ** 36 - 1, 2, createDevice('high').device)).toThrow(/outside/);
  });
});

describe('watched pages', () => {
  it('withhold their frame for writing', () => {
    const { memory } = createMemory();
    expect(memory.frameForWrite(3)).toBeGreaterThan(0);
    memory.watchWrites(3);
    expect(memory.frameForWrite(3)).toBe(0);
    expect(memory.frameForRead(3)).toBeGreaterThan(0);
    memory.unwatchWrites(3);
    expect(memory.frameForWrite(3)).toBeGreaterThan(0);
  });

  it('report each write before it is stored', () => {
    const { memory } = createMemory();
    const seen: (number | string)[][] = [];
    memory.watchWrites(3);
    memory.onWatchedWrite = (page, offset, length) => seen.push([page, offset, length, memory.read(0x3000, 1)]);
    memory.write(0x3000, 0x11, 1);
    memory.write(0x3010, 0x22, 4);
    memory.write(0x2fff, 0x33_44, 2);
    memory.copyIn(0x2ffe, Uint8Array.of(1, 2, 3, 4, 5));
    memory.write(0x4000, 1, 4);
    expect(seen).toEqual([
      [3, 0, 1, 0],
      [3, 0x10, 4, 0x11],
      [3, 0, 1, 0x11],
      [3, 0, 3, 0x33],
    ]);
    expect(memory.read(0x3000, 4)).toBe(0x00_05_04_03);
  });

  it('do not report a write that changes nothing; the page counts as written', () => {
    const { memory } = createMemory();
    memory.write(0x3ffc, 0x8765_4321, 4);
    memory.clearDirty();
    let told = 0;
    memory.watchWrites(3);
    memory.onWatchedWrite = () => told++;
    memory.write(0x3ffc, 0x8765_4321 | 0, 4);
    memory.write(0x3ffe, 0xff_8765, 2);
    memory.write(0x3fff, 0x87, 1);
    expect([told, memory.isDirty(3)]).toEqual([0, true]);
    memory.write(0x3fff, 0x88, 1);
    memory.write(0x3ffc, 0x0865_4321, 4);
    expect(told).toBe(2);
  });
});

describe('dirty tracking', () => {
  it('lists pages that were written or could have been', () => {
    const { memory } = createMemory();
    memory.write(0x5000, 1, 1);
    memory.copyIn(0x7fff, Uint8Array.of(1, 1));
    memory.frameForWrite(20);
    memory.read(0x9000, 4);
    expect([...memory.dirtyPages()]).toEqual([5, 7, 8, 20]);
    memory.clearDirty();
    expect([...memory.dirtyPages()]).toEqual([]);
    memory.write(0x5000, 1, 1);
    expect([...memory.dirtyPages()]).toEqual([5]);
  });

  it('tells each of two who ask what was written since he asked', () => {
    const { memory } = createMemory();
    memory.takeWritten();
    memory.clearDirty();
    memory.write(0x3000, 1, 1);
    expect(memory.isWritten(3)).toBe(true);
    expect([...memory.takeWritten()]).toEqual([3]);
    // The other one has not been told yet.
    expect([memory.isWritten(3), memory.isDirty(3), ...memory.dirtyPages()]).toEqual([false, true, 3]);
    memory.write(0x4000, 1, 1);
    memory.clearDirty();
    expect([...memory.dirtyPages()]).toEqual([]);
    expect([...memory.takeWritten()]).toEqual([4]);
    expect([...memory.takeWritten()]).toEqual([]);
    memory.discard([{ first: 3, pages: 1 }]);
    expect([...memory.takeWritten(), ...memory.dirtyPages()]).toEqual([3, 3]);
  });

  it('keeps what was written of a page whose RAM is switched off and on', () => {
    const { memory } = createMemory();
    memory.takeWritten();
    memory.clearDirty();
    memory.write(0x3000, 1, 1);
    memory.takeWritten();
    memory.routeRam(0x3000, 0x1000, { reads: 'bus', writes: 'ram' });
    expect([memory.isDirty(3), memory.isWritten(3)]).toEqual([true, false]);
    memory.write(0x3000, 2, 1);
    expect([...memory.takeWritten()]).toEqual([3]);
    memory.clearDirty();
    memory.write(0x3000, 3, 1);
    memory.clearDirty();
    memory.routeRam(0x3000, 0x1000, { reads: 'ram', writes: 'ram' });
    expect([memory.isDirty(3), memory.isWritten(3)]).toEqual([false, true]);
    expect(memory.ramBytes(3)?.[0]).toBe(3);
    expect(memory.ramBytes(5)).toBe(undefined);
  });

  it('is asked for, and begun anew, page by page', () => {
    const { memory } = createMemory();
    for (const page of [5, 7, 8, 20]) memory.write(page * 4096, 1, 1);
    expect([5, 6, 20, 2 ** 20].map((page) => memory.isDirty(page))).toEqual([true, false, true, false]);
    memory.clearDirty(7, 2);
    expect([...memory.dirtyPages()]).toEqual([5, 20]);
    memory.clearDirty(20, 2 ** 20);
    expect([...memory.dirtyPages()]).toEqual([5]);
  });
});

describe('pages that are given back', () => {
  const range = (first: number, pages = 1) => ({ first, pages });

  it('read as zero, have no frame, and count as changed', () => {
    const { pool, memory } = createMemory();
    for (const page of [3, 4, 6]) memory.write(page * 4096, 0x55, 1);
    memory.clearDirty();
    expect(memory.discard([range(2, 3), range(4), range(8)])).toBe(2);
    expect([3, 4, 6].map((page) => memory.read(page * 4096, 1))).toEqual([0, 0, 0x55]);
    expect([memory.framesInUse, pool.frames.inUse]).toEqual([1, 1]);
    expect([...memory.dirtyPages()]).toEqual([3, 4]);
    memory.write(0x3000, 1, 1);
    expect([memory.read(0x3000, 4), memory.framesInUse]).toEqual([1, 2]);
  });

  it('are reported: whoever watches one before it changes, whoever holds a frame once behind it all', () => {
    const { memory } = createMemory();
    const told: string[] = [];
    memory.onWatchedWrite = (...write) => told.push(`${write.join(' ')}: ${memory.read(0x3000, 1)}`);
    memory.onDiscarded = () => told.push(`discarded: ${memory.read(0x3000, 1)}`);
    for (const page of [3, 4]) memory.write(page * 4096, 0x55, 1);
    memory.watchWrites(3);
    memory.discard([range(9), range(10, 20)]);
    expect(told).toEqual([]);
    memory.discard([range(3), range(4)]);
    expect(told).toEqual(['3 0 4096: 85', 'discarded: 0']);
  });

  it('are RAM: ROM, devices, what is switched off and what is not there stay as they are', () => {
    const { memory } = createMemory();
    memory.addRom(0xf_0000, Uint8Array.of(1, 2));
    memory.addMmio(0xb_8000, 0x1000, createDevice().device);
    memory.write(0xc_8000, 7, 1);
    memory.routeRam(0xc_8000, 0x1000, { reads: 'ram', writes: 'bus' });
    expect(memory.discard([range(0, 2 ** 20), range(2 ** 32), range(2 ** 40, 2 ** 40), range(-5, 3)])).toBe(0);
    expect([memory.read(0xf_0000, 2), memory.read(0xc_8000, 1)]).toEqual([0x0201, 7]);
  });
});

describe('memory that is a copy of another', () => {
  const BIG = 16 * PAGE_SIZE;
  /** Two memories of one pool; of the second, which pages got frames of their own is noted. */
  function createCopy(prepare: (memory: GuestMemory) => void) {
    const pool = Pool.create();
    const original = new GuestMemory(pool, { size: BIG });
    prepare(original);
    const copy = new GuestMemory(pool, { size: BIG });
    const moved: [page: number, frame: number][] = [];
    copy.onFrameMoved = (page, frame) => moved.push([page, frame]);
    copy.copyRam(original);
    return { pool, original, copy, moved };
  }

  it('has the same in it, and holds the same frames', () => {
    const { pool, original, copy } = createCopy((memory) => {
      memory.write(0x1234, 0x1111_2222, 4);
      memory.write(0x5000, 0x33, 1);
    });
    expect(copy.copyOut(0, BIG)).toEqual(original.copyOut(0, BIG));
    expect(pool.frames.inUse).toBe(2);
    for (const memory of [original, copy]) expect([memory.framesInUse, memory.framesShared]).toEqual([2, 2]);
    expect(copy.frameForRead(1)).toBe(original.frameForRead(1));
    expect([...copy.dirtyPages()]).toEqual([1, 5]);
  });

  it.each(['the copy', 'the original'])(
    'a write of %s is not seen by the other, who then has the frame alone',
    (who) => {
      const { pool, original, copy, moved } = createCopy((memory) => memory.write(0x1000, 0x1111_2222, 4));
      const [writer, other] = who === 'the copy' ? [copy, original] : [original, copy];
      const shared = other.frameForRead(1);
      writer.write(0x1002, 0xabcd, 2);
      expect([writer.read(0x1000, 4), other.read(0x1000, 4)]).toEqual([0xabcd_2222, 0x1111_2222]);
      expect([pool.frames.inUse, writer.framesShared, other.framesShared]).toEqual([2, 0, 0]);
      expect(moved).toEqual(who === 'the copy' ? [[1, shared]] : []);
      // The last holder writes in place.
      expect(other.frameForWrite(1)).toBe(shared);
      expect(pool.frames.inUse).toBe(2);
    },
  );

  it('what is added to a page, or clears it, is not seen by the other either', () => {
    const { pool, original, copy } = createCopy((memory) => {
      memory.write(0x1000, 0x1111_2222, 4);
      memory.write(0x2000, 0x3333_4444, 4);
    });
    copy.addContent({ kind: 'ram', page: 1, bytes: new Uint8Array(PAGE_SIZE).fill(7) });
    copy.clearContent(2);
    expect([copy.read(0x1000, 1), copy.read(0x2000, 4)]).toEqual([7, 0]);
    expect([original.read(0x1000, 4), original.read(0x2000, 4)]).toEqual([0x1111_2222, 0x3333_4444]);
    expect(pool.frames.inUse).toBe(3);
  });

  it('pages that had no frame belong to whoever touches them first', () => {
    const { original, copy } = createCopy(() => {});
    copy.write(0x3000, 7, 1);
    original.write(0x4000, 8, 1);
    expect([original.read(0x3000, 1), copy.read(0x4000, 1)]).toEqual([0, 0]);
  });

  it('copies of copies, disposed in any order, give all frames back', () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      const { pool, original, copy } = createCopy((memory) => memory.write(0x1000, 1, 4));
      const third = new GuestMemory(pool, { size: BIG });
      third.copyRam(copy);
      expect(third.framesShared).toBe(1);
      third.write(0x2000, 5, 1);
      for (const index of order) [original, copy, third][index].dispose();
      expect(pool.frames.inUse).toBe(0);
    }
  });

  it('RAM that is hidden behind ROM is shared, too, and copied when it is written or comes forth', () => {
    const { original, copy } = createCopy((memory) => {
      memory.write(0x2000, 0x55, 1);
      memory.routeRam(0x2000, PAGE_SIZE, { reads: 'bus', writes: 'ram' });
    });
    copy.write(0x2001, 0x66, 1);
    original.routeRam(0x2000, PAGE_SIZE, { reads: 'ram', writes: 'ram' });
    copy.routeRam(0x2000, PAGE_SIZE, { reads: 'ram', writes: 'ram' });
    expect([original.read(0x2000, 2), copy.read(0x2000, 2)]).toEqual([0x55, 0x6655]);
    const second = createCopy((memory) => {
      memory.write(0x2000, 0x55, 1);
      memory.routeRam(0x2000, PAGE_SIZE, { reads: 'bus', writes: 'bus' });
    });
    second.copy.routeRam(0x2000, PAGE_SIZE, { reads: 'ram', writes: 'ram' });
    second.copy.write(0x2000, 0x77, 1);
    second.original.routeRam(0x2000, PAGE_SIZE, { reads: 'ram', writes: 'ram' });
    expect(second.original.read(0x2000, 1)).toBe(0x55);
  });

  it('who watches a page hears of a write before it is copied', () => {
    const { copy } = createCopy((memory) => memory.write(0x1000, 0x11, 1));
    copy.watchWrites(1);
    const seen: number[] = [];
    copy.onWatchedWrite = () => {
      seen.push(copy.read(0x1000, 1));
    };
    expect(copy.frameForWrite(1)).toBe(0);
    copy.write(0x1000, 0x22, 1);
    expect([seen, copy.read(0x1000, 1)]).toEqual([[0x11], 0x22]);
  });

  it('a page that is given back is no longer shared, and zero for one alone', () => {
    const { original, copy } = createCopy((memory) => memory.write(0x1000, 0x11, 1));
    copy.discard([{ first: 1, pages: 1 }]);
    expect([copy.read(0x1000, 1), original.read(0x1000, 1)]).toEqual([0, 0x11]);
    copy.write(0x1000, 0x22, 1);
    expect(original.read(0x1000, 1)).toBe(0x11);
  });
});
