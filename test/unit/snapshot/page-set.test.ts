import { describe, expect, it } from 'vitest';
import { PageSet } from '../../../src/snapshot/page-set.ts';
import { filledPage, PAGE } from '../../support/snapshot-bytes.ts';

/** The odd number by which `factor` is undone, modulo 2³² (Newton's iteration). */
function inverse(factor: number): number {
  let result = factor;
  for (let round = 0; round < 5; round++) result = Math.imul(result, 2 - Math.imul(factor, result));
  return result;
}
const unshifted = (value: number, by: number): number => {
  let result = value;
  for (let known = by; known < 32; known += by) result = value ^ (result >>> by);
  return result;
};
const mixed = (value: number): number => {
  const half = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  return Math.imul(half ^ (half >>> 13), 0xc2b2_ae35);
};
const unmixed = (value: number): number =>
  unshifted(Math.imul(unshifted(Math.imul(value, inverse(0xc2b2_ae35)), 13), inverse(0x85eb_ca6b)), 16);

/** As a guest would that knows the hash: the second word makes good for the first. */
function steered(first: number): Uint8Array {
  const words = new Uint32Array(PAGE / 4);
  words[0] = first;
  words[1] = unmixed(mixed(mixed(first))) - 1;
  return new Uint8Array(words.buffer);
}

describe('pages by content', () => {
  it('are kept once, also if they come as Buffers, which may be changed', () => {
    const set = new PageSet();
    const large = Buffer.alloc(3 * PAGE + 1);
    for (const at of [0, 1, PAGE]) {
      const page = large.subarray(at, at + PAGE);
      page.set(filledPage(1));
      expect(set.add(page)).toBe(0);
      page.fill(0);
      expect(set.add(page)).toBe(undefined);
    }
    expect([set.size, set.add(filledPage(2)), set.add(filledPage(1))]).toEqual([1, 1, 0]);
    expect(set.page(0)).toEqual(filledPage(1));
  });

  it('are compared with 16 at most, whoever makes their hashes the same', () => {
    const set = new PageSet();
    for (let page = 0; page < 40; page++) expect(set.add(steered(page + 1))).toBe(page);
    // The last ones are found. The first one is not, so all of them had one hash, and is stored again.
    expect(set.add(steered(40))).toBe(39);
    expect(set.add(steered(25))).toBe(24);
    expect(set.add(steered(24))).toBe(40);
  });
});
