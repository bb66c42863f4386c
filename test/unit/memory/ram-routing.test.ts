/** RAM that is switched on and off while the guest runs, for reads and for writes apart; windows behind it. */
import { describe, expect, it } from 'vitest';
import { GuestMemory, type MmioDevice, type RamRoute } from '../../../src/memory/guest-memory.ts';
import { Pool } from '../../../src/memory/pool.ts';

const MIB = 2 ** 20;
const AT = 0xc_8000;
const PAGE = AT / 4096;
const ROUTES = {
  ram: { reads: 'ram', writes: 'ram' },
  bus: { reads: 'bus', writes: 'bus' },
  shadow: { reads: 'bus', writes: 'ram' },
  locked: { reads: 'ram', writes: 'bus' },
} as const satisfies Record<string, RamRoute>;

function createMemory({ rom = true } = {}) {
  const pool = Pool.create();
  const memory = new GuestMemory(pool, { size: 2 * MIB });
  if (rom) memory.addRom(AT, new Uint8Array(0x4000).fill(0xaa));
  const told: string[] = [];
  memory.onWatchedWrite = (page, offset, length) => told.push(`${page} ${offset} ${length}`);
  memory.onRouted = () => told.push('routed');
  const route = (to: keyof typeof ROUTES, length = 0x4000) => memory.routeRam(AT, length, ROUTES[to]);
  return { pool, memory, told, route };
}

/** Reads as its number in every byte, and keeps what is written. */
function createDevice(number: number) {
  const written: number[][] = [];
  const device: MmioDevice = {
    name: `device ${number}`,
    readMemory: (offset, size) => (offset === 0 && size === 1 ? number : number * 0x0101_0101),
    writeMemory: (offset, value, size) => void written.push([offset, value, size]),
  };
  return { device, written };
}

describe('RAM that is switched', () => {
  it('reads and writes go where they are told, and RAM keeps what is in it', () => {
    const { memory, route } = createMemory();
    expect(memory.read(AT, 1)).toBe(0xaa);
    route('ram');
    expect(memory.read(AT, 1)).toBe(0);
    memory.write(AT, 0x1234_5678, 4);
    expect(memory.read(AT, 4)).toBe(0x1234_5678);
    route('bus');
    memory.write(AT, 0, 4);
    expect(memory.read(AT, 4)).toBe(0xaaaa_aaaa);
    route('locked');
    memory.write(AT, 0, 4);
    expect(memory.read(AT, 4)).toBe(0x1234_5678);
    route('ram');
    expect(memory.read(AT, 4)).toBe(0x1234_5678);
  });

  it('shadowing: a copy onto itself puts the ROM into the RAM behind it', () => {
    const { memory, route } = createMemory();
    route('shadow');
    for (let at = AT; at < AT + 0x4000; at += 4) memory.write(at, memory.read(at, 4) ^ 0xff, 4);
    expect(memory.read(AT + 0x3ffc, 4)).toBe(0xaaaa_aaaa);
    route('locked');
    expect(memory.read(AT, 4)).toBe(0xaaaa_aa55);
    expect(memory.copyOut(AT + 0x3ffc, 4)).toEqual(Uint8Array.of(0x55, 0xaa, 0xaa, 0xaa));
    expect(memory.isDirty(PAGE)).toBe(true);
  });

  it('copyIn goes the way of writes, copyOut that of reads', () => {
    const { memory, route } = createMemory();
    for (const [to, written, seen] of [
      ['bus', 1, 0xaa],
      ['shadow', 2, 0xaa],
      ['locked', 3, 2],
      ['ram', 4, 4],
    ] as const) {
      route(to);
      memory.copyIn(AT, Uint8Array.of(written));
      expect(memory.copyOut(AT, 1), to).toEqual(Uint8Array.of(seen));
    }
  });

  it('only RAM that answers all accesses has a frame to be written, or one of its own for emitted code', () => {
    const { pool, memory, route } = createMemory();
    const entry = () => pool.views.u32[(memory.pageMap.address >>> 2) + PAGE] & ~0xfff;
    route('ram');
    const frame = memory.frameForWrite(PAGE);
    expect(frame).not.toBe(0);
    expect(entry()).toBe(frame);
    for (const to of ['bus', 'shadow', 'locked'] as const) {
      route(to);
      expect([memory.frameForWrite(PAGE), entry()], to).toEqual([0, 0]);
      expect(memory.frameForRead(PAGE) === frame, to).toBe(to === 'locked');
      expect(memory.hiddenBytes(PAGE)?.byteOffset, to).toBe(to === 'locked' ? undefined : frame);
    }
    route('ram');
    expect([memory.frameForRead(PAGE), memory.hiddenBytes(PAGE)]).toEqual([frame, undefined]);
  });

  it('every page that changes is reported before it does, then all at once; what stays is not', () => {
    const { memory, told, route } = createMemory();
    route('bus');
    expect(told).toEqual([]);
    route('locked', 0x2000);
    expect(told).toEqual([`${PAGE} 0 4096`, `${PAGE + 1} 0 4096`, 'routed']);
    told.length = 0;
    route('locked');
    expect(told).toEqual([`${PAGE + 2} 0 4096`, `${PAGE + 3} 0 4096`, 'routed']);
    told.length = 0;
    route('ram');
    expect(told.length).toBe(5);
    expect(memory.read(AT, 1)).toBe(0);
  });

  it('a page that was watched is reported, since nobody watches it later', () => {
    const { memory, told, route } = createMemory();
    route('ram');
    memory.watchWrites(PAGE);
    told.length = 0;
    route('locked');
    expect(told[0]).toBe(`${PAGE} 0 4096`);
    route('ram');
    told.length = 0;
    memory.write(AT, 1, 1);
    expect(told).toEqual([]);
  });

  it('beyond RAM nothing happens; nothing is allocated for what is not written; all is given back', () => {
    const { pool, memory, told, route } = createMemory({ rom: false });
    memory.routeRam(4 * MIB, 0x1000, ROUTES.bus);
    expect(told).toEqual([]);
    route('shadow');
    route('locked');
    expect([memory.read(AT, 4), memory.framesInUse]).toEqual([0, 0]);
    route('shadow');
    memory.write(AT + 0x1ffe, 0x1234_5678, 4);
    expect(memory.framesInUse).toBe(2);
    expect(memory.read(AT + 0x1ffe, 4)).toBe(0xffff_ffff);
    memory.dispose();
    expect(pool.frames.inUse).toBe(0);
  });

  it('ROM put over it takes the RAM away for good', () => {
    const { memory, route } = createMemory({ rom: false });
    memory.write(AT, 1, 1);
    route('bus');
    memory.addRom(AT, Uint8Array.of(7));
    expect(memory.framesInUse).toBe(1);
    expect(memory.read(AT, 1)).toBe(7);
    route('ram');
    expect(memory.read(AT, 1)).toBe(0);
  });
});

describe('windows of devices', () => {
  const HIGH = 0xe000_0000;

  it('come and go at any time; offsets count from their first byte', () => {
    const { memory } = createMemory();
    const { device, written } = createDevice(5);
    const unmap = memory.mapMmio([HIGH, 0x100], device, 0);
    expect([memory.read(HIGH, 1), memory.read(HIGH + 0xfc, 4)]).toEqual([5, 0x0505_0505]);
    memory.write(HIGH + 8, 0xabcd, 2);
    expect(written).toEqual([[8, 0xabcd, 2]]);
    unmap();
    unmap();
    memory.write(HIGH, 0, 4);
    expect([memory.read(HIGH, 4), written.length]).toEqual([0xffff_ffff, 1]);
  });

  it('of several the lowest in order answers, whoever came first; devices that do not move come before all', () => {
    const { memory } = createMemory();
    memory.addMmio(HIGH + 0x10, 0x10, createDevice(9).device);
    memory.mapMmio([HIGH, 0x100], createDevice(2).device, 2);
    const unmap = memory.mapMmio([HIGH, 0x100], createDevice(1).device, 1);
    memory.mapMmio([HIGH, 0x200], createDevice(3).device, 3);
    expect([0, 0x10, 0x100].map((offset) => memory.read(HIGH + offset, 4) & 0xff)).toEqual([1, 9, 3]);
    unmap();
    expect(memory.read(HIGH, 1)).toBe(2);
  });

  it('are met where neither RAM nor ROM answers', () => {
    const { memory, route } = createMemory({ rom: false });
    const { device, written } = createDevice(4);
    memory.mapMmio([AT, 0x1000], device, 0);
    memory.write(AT, 0x77, 1);
    expect([memory.read(AT, 1), written.length]).toEqual([0x77, 0]);
    route('bus');
    expect(memory.read(AT, 1)).toBe(4);
    route('locked');
    memory.write(AT, 0x11, 1);
    expect([memory.read(AT, 1), written]).toEqual([0x77, [[0, 0x11, 1]]]);
    route('shadow');
    memory.write(AT, 0x22, 1);
    expect([memory.read(AT, 1), written.length]).toEqual([4, 1]);
  });
});
