import { beforeEach, describe, expect, it } from 'vitest';
import { type CodeHalf, FetchTlb } from '../../../src/cpu/fetch-tlb.ts';
import { FETCH_TLB } from '../../../src/cpu/tlb-layout.ts';
import { Pool } from '../../../src/memory/pool.ts';

describe('the TLB of instruction fetches', () => {
  let moved: CodeHalf[];
  let tlb: FetchTlb;
  const fill = (page: number, half: CodeHalf, global: boolean) =>
    tlb.fill(page, half, { physical: page + 0x100, global });

  beforeEach(() => {
    moved = [];
    tlb = new FetchTlb(Pool.create(), (half) => moved.push(half));
  });

  it('holds user and supervisor pages apart', () => {
    fill(5, 'user', false);
    expect(tlb.find(5, 'user')).toBe(0x105);
    expect(tlb.find(5, 'supervisor')).toBe(-1);
    expect(tlb.find(5 + FETCH_TLB.ENTRIES, 'user')).toBe(-1);
  });

  it('holds pages above 4 GiB, and those whose number is cut to an invalid one', () => {
    const page = 2 ** 36 - 1;
    fill(page, 'supervisor', true);
    expect(tlb.find(page, 'supervisor')).toBe((page + 0x100) % 2 ** 32);
    expect(tlb.find(page % 2 ** 32, 'supervisor')).toBe(-1);
  });

  it('a CR3 write drops what is not global, and says whose code moved', () => {
    fill(1, 'user', false);
    fill(2, 'supervisor', true);
    tlb.flush('nonGlobal');
    expect(moved).toEqual(['user']);
    expect(tlb.find(1, 'user')).toBe(-1);
    expect(tlb.find(2, 'supervisor')).toBe(0x102);
    fill(3, 'supervisor', false);
    tlb.flush('nonGlobal');
    expect(moved).toEqual(['user', 'supervisor']);
    expect(tlb.find(2, 'supervisor')).toBe(0x102);
    tlb.flush('nonGlobal');
    expect(moved).toHaveLength(2);
  });

  it('a flush of everything drops global pages, too', () => {
    fill(2, 'supervisor', true);
    tlb.flush('all');
    expect(tlb.find(2, 'supervisor')).toBe(-1);
    expect(moved).toEqual(['supervisor']);
    tlb.flush('all');
    expect(moved).toHaveLength(1);
  });

  it('INVLPG concerns code only where code was fetched from', () => {
    fill(7, 'supervisor', true);
    tlb.flushPages(8, 1);
    expect(moved).toEqual([]);
    tlb.flushPages(7, 1);
    expect(moved).toEqual(['supervisor']);
    expect(tlb.find(7, 'supervisor')).toBe(-1);
  });

  it('says so when a page takes the place of another: what was found by that one must not be found any more', () => {
    fill(7, 'supervisor', true);
    fill(7 + FETCH_TLB.ENTRIES, 'supervisor', true);
    expect(tlb.find(7, 'supervisor')).toBe(-1);
    expect(moved).toEqual(['supervisor']);
    tlb.flushPages(7, 1);
    expect(moved).toHaveLength(1);
  });

  it('pages that survive the flush of another go at a CR3 write', () => {
    fill(7, 'supervisor', false);
    fill(8, 'supervisor', true);
    fill(0x400, 'supervisor', true);
    tlb.flushPages(8, 1);
    tlb.flushPages(0x400, 0x200);
    tlb.flush('nonGlobal');
    expect(tlb.find(7, 'supervisor')).toBe(-1);
    expect(moved).toEqual(['supervisor', 'supervisor', 'supervisor']);
    fill(8, 'supervisor', true);
    tlb.flush('all');
    expect([tlb.find(8, 'supervisor'), moved.length]).toEqual([-1, 4]);
  });

  it('a large page goes as a whole', () => {
    fill(0x405, 'user', false);
    fill(0x7ff, 'user', false);
    fill(0x800, 'user', false);
    tlb.flushPages(0x400, 0x400);
    expect([0x405, 0x7ff, 0x800].map((page) => tlb.find(page, 'user'))).toEqual([-1, -1, 0x900]);
    expect(moved).toEqual(['user']);
  });
});
