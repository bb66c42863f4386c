import { describe, expect, it } from 'vitest';
import { Random } from '../../../../../src/difftest/random.ts';
import { findJumpHash, hashOf } from '../../../../../src/engine/jit/lowering/jump-hash.ts';

describe('the hash of a few numbers', () => {
  it.each([1, 2, 5, 10, 40, 64, 200])('of %i: each is in the slot of its hash, and nothing else', (count) => {
    const random = new Random(count);
    const numbers = [...new Set(Array.from({ length: count }, () => random.below(0x6000) - 0x2000))];
    const hash = findJumpHash(numbers);
    expect(hash.slots.length).toBe(2 ** hash.bits);
    for (const number of numbers) expect(hash.slots[hashOf(number, hash)]).toContain(number);
    expect(hash.slots.flat().sort()).toEqual([...numbers].sort());
  });

  it('tells up to eight apart, and of many leaves few together', () => {
    const spread = (count: number, distance: number) =>
      Math.max(
        ...findJumpHash(Array.from({ length: count }, (_, index) => index * distance)).slots.map((s) => s.length),
      );
    for (const distance of [1, 7, 16, 24, 64]) {
      expect(spread(8, distance)).toBe(1);
      expect(spread(64, distance)).toBeLessThanOrEqual(3);
    }
  });

  it('has room for twice as many', () => {
    expect([1, 2, 3, 4, 5, 64].map((count) => findJumpHash([...Array(count).keys()]).bits)).toEqual([1, 2, 3, 3, 4, 7]);
  });
});
