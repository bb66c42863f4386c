import { describe, expect, it } from 'vitest';
import { InternalError } from '../../../src/base/errors.ts';
import { Pool } from '../../../src/memory/pool.ts';

const MIB = 2 ** 20;

describe('a pool', () => {
  it('never hands out host address 0', () => {
    const pool = Pool.create();
    expect(pool.allocate(8)).toBeGreaterThan(0);
    expect(pool.frames.allocate()).toBeGreaterThan(0);
  });

  it('gives zeroed, aligned memory, also when it was used before', () => {
    const pool = Pool.create();
    const first = pool.allocate(100, 4096);
    expect(first % 4096).toBe(0);
    pool.views.u8.fill(0xaa, first, first + 100);
    pool.release(first, 100);
    const second = pool.allocate(100, 4096);
    expect(second).toBe(first);
    expect(pool.views.u8.subarray(second, second + 100).every((byte) => byte === 0)).toBe(true);
  });

  it('joins released neighbours and never overlaps what is in use', () => {
    const pool = Pool.create();
    const parts = [pool.allocate(64), pool.allocate(64), pool.allocate(64), pool.allocate(64)];
    pool.release(parts[0], 64);
    pool.release(parts[2], 64);
    pool.release(parts[1], 64);
    expect(pool.allocate(192)).toBe(parts[0]);
    const next = pool.allocate(64);
    expect(parts).not.toContain(next);
  });

  it('grows on demand, keeps its content, and replaces its views', () => {
    const pool = Pool.create();
    const early = pool.allocate(8);
    pool.views.u32[early >>> 2] = 0x1234_5678;
    const before = pool.views;
    const late = pool.allocate(100 * MIB);
    expect(pool.views === before).toBe(false);
    expect(pool.views.u32[early >>> 2]).toBe(0x1234_5678);
    expect(pool.views.u8[late + 100 * MIB - 1]).toBe(0);
  });

  it('that is full refuses with an error that names the reason, and goes on', () => {
    const pool = Pool.create({ maximumBytes: 4 * MIB });
    expect(() => pool.allocate(8 * MIB)).toThrow(InternalError);
    expect(() => pool.allocate(8 * MIB)).toThrow(/pool is full/);
    expect(pool.allocate(MIB)).toBeGreaterThan(0);
  });

  it('can be used up to its last byte', () => {
    const pool = Pool.create({ maximumBytes: 2 * MIB });
    let frames = 0;
    expect(() => {
      for (;;) {
        pool.views.u8[pool.frames.allocate() + 4095] = 1;
        frames++;
      }
    }).toThrow(InternalError);
    expect(frames).toBeGreaterThan(400);
    expect(pool.frames.inUse).toBe(frames);
  });
});

describe('frames', () => {
  it('are 4 KiB, aligned, apart from each other and counted', () => {
    const pool = Pool.create();
    const frames = Array.from({ length: 300 }, () => pool.frames.allocate());
    expect(frames.every((frame) => frame % 4096 === 0)).toBe(true);
    expect(new Set(frames).size).toBe(300);
    expect(pool.frames.inUse).toBe(300);
    for (const frame of frames) pool.frames.free(frame);
    expect(pool.frames.inUse).toBe(0);
  });

  it('come back zeroed', () => {
    const { frames, views } = Pool.create();
    const frame = frames.allocate();
    expect(frames.zeroFrame).not.toBe(frame);
    views.u8[frame + 17] = 1;
    frames.free(frame);
    expect(frames.allocate()).toBe(frame);
  });

  it('lets go of its memory when it is disposed of, whatever is still handed out', () => {
    const pool = Pool.create();
    const at = pool.allocate(64);
    pool.frames.allocate();
    pool.dispose();
    expect([pool.views.u8.buffer.byteLength, pool.views.u32[at >>> 2], pool.frames.inUse]).toEqual([0, undefined, 0]);
    expect(() => pool.memory).toThrow(InternalError);
    expect(() => pool.dispose()).not.toThrow();
  });
});

describe('a pool that runs dry', () => {
  it('says so in the midst of a run, too, while there is still a reserve', () => {
    const pool = Pool.create({ maximumBytes: 16 * 2 ** 20 });
    const { frames } = pool;
    expect(frames.prepare()).toBe(true);
    while (!frames.isShort) frames.allocate();
    let left = 0;
    expect(() => {
      for (; ; left++) frames.allocate();
    }).toThrow(/pool is full/);
    expect(left).toBeGreaterThan(512);
  });

  it('has a reserve: whoever allocates hears in time, and no run begins that could come to its end', () => {
    const pool = Pool.create({ maximumBytes: 16 * 2 ** 20 });
    const { frames } = pool;
    expect([frames.prepare(), frames.isShort]).toEqual([true, false]);
    let untilShort = 0;
    for (; !frames.isShort; untilShort++) {
      frames.prepare();
      frames.allocate();
    }
    let untilRefused = 0;
    for (; frames.prepare(); untilRefused++) frames.allocate();
    // All the rest can be handed out.
    let rest = 0;
    for (; rest < 500; rest++) frames.allocate();
    expect(untilShort).toBeGreaterThan(2000);
    expect(untilRefused).toBeGreaterThan(500);
    expect(frames.inUse).toBe(untilShort + untilRefused + rest);
  });

  it('is short beyond its limit, and not when frames have come back', () => {
    const { frames } = Pool.create();
    frames.limit = 3;
    const taken = Array.from({ length: 4 }, () => frames.allocate());
    expect(frames.isShort).toBe(true);
    frames.free(taken[0]);
    expect(frames.isShort).toBe(false);
    frames.share(taken[1]);
    expect([frames.inUse, frames.saved]).toEqual([3, 1]);
    frames.free(taken[1]);
    expect([frames.inUse, frames.saved]).toEqual([3, 0]);
  });
});
