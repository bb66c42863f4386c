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
