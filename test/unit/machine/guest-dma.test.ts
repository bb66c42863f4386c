import { describe, expect, it } from 'vitest';
import { guestDma } from '../../../src/machine/guest-dma.ts';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { Pool } from '../../../src/memory/pool.ts';

const MIB = 2 ** 20;

function create() {
  const pool = Pool.create();
  const memory = new GuestMemory(pool, { size: 2 * MIB });
  memory.routeRam(0xa_0000, 0x2_0000, { reads: 'bus', writes: 'bus' });
  memory.addRom(0xf_0000, Uint8Array.of(1, 2, 3, 4));
  return { memory, dma: guestDma(memory) };
}

describe('a guest’s memory for bus masters', () => {
  it('RAM is read and written, across pages', () => {
    const { dma, memory } = create();
    dma.write(0x1ffe, Uint8Array.of(1, 2, 3, 4));
    expect([...dma.read(0x1ffd, 6)]).toEqual([0, 1, 2, 3, 4, 0]);
    expect(memory.isDirty(1) && memory.isDirty(2)).toBe(true);
  });

  it('ROM and emptiness ignore writes; emptiness reads as ones', () => {
    const { dma } = create();
    for (const address of [0xf_0000, 0xa_0000, 2 * MIB, 0xff_ffff]) dma.write(address, new Uint8Array(64));
    expect([...dma.read(0xf_0000, 4)]).toEqual([1, 2, 3, 4]);
    expect([...dma.read(0xb_fffe, 4)]).toEqual([255, 255, 0, 0]);
    expect([...dma.read(2 * MIB - 1, 3)]).toEqual([0, 255, 255]);
  });

  it('tells whether all of a range answers', () => {
    const { dma } = create();
    expect(dma.answers(0x1fff, 2)).toBe(true);
    expect(dma.answers(0xf_0000, 4096)).toBe(true);
    expect(dma.answers(0x9_ffff, 1)).toBe(true);
    expect(dma.answers(0x9_ffff, 2)).toBe(false);
    expect(dma.answers(2 * MIB - 4, 8)).toBe(false);
  });

  it('a write to watched code is reported before it takes place', () => {
    const { dma, memory } = create();
    const seen: number[][] = [];
    memory.watchWrites(3);
    memory.onWatchedWrite = (...write) => seen.push([...write, memory.read(0x3010, 1)]);
    dma.write(0x2ff0, new Uint8Array(0x40).fill(7));
    expect(seen).toEqual([[3, 0, 0x30, 0]]);
  });
});
