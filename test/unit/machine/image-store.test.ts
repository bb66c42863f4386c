import { describe, expect, it } from 'vitest';
import { ImageStore } from '../../../src/machine/image-store.ts';

describe('the store of boot images', () => {
  it('keeps equal bytes once', () => {
    const store = new ImageStore();
    const first = store.keep(Uint8Array.of(1, 2, 3));
    expect(store.keep(Uint8Array.of(1, 2, 3))).toBe(first);
    expect(store.keep(Uint8Array.of(1, 2, 4))).not.toBe(first);
    expect(store.keep(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2));
  });

  it('gives back a part of what is kept, and asks about the whole once', () => {
    const store = new ImageStore();
    const kept = store.keep(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const part = kept.subarray(4);
    expect(store.keep(part)).toBe(part);
    let asked = 0;
    const answers = [kept, store.keep(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)), store.keep(Uint8Array.of(9))].map(
      (bytes) =>
        store.isTrueOf(bytes, () => {
          asked++;
          return bytes.length > 1;
        }),
    );
    expect({ answers, asked }).toEqual({ answers: [true, true, false], asked: 2 });
  });

  it('tells images apart that differ in any byte, at any alignment', () => {
    const store = new ImageStore();
    for (const length of [8, 11]) {
      const bytes = new Uint8Array(length);
      const first = store.keep(bytes);
      const shifted = new Uint8Array(length + 1).subarray(1);
      expect(store.keep(shifted)).toBe(first);
      for (let at = 0; at < length; at++) {
        const other = bytes.slice();
        other[at] = 1;
        expect(store.keep(other)).not.toBe(first);
      }
    }
  });

  it('copies, also what is given as a Buffer', () => {
    const store = new ImageStore();
    for (const given of [Uint8Array.of(1, 2, 3), Buffer.of(4, 5, 6)]) {
      const before = [...given];
      const kept = store.keep(given);
      given.fill(9);
      expect([...kept]).toEqual(before);
    }
  });
});
