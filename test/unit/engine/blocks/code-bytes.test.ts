import { describe, expect, it } from 'vitest';
import { CodeBytes } from '../../../../src/engine/blocks/code-bytes.ts';

describe('the bytes of a page that hold code', () => {
  it('are told from those beside them, at every place in a word', () => {
    for (let first = 0; first < 70; first++) {
      for (const length of [1, 2, 31, 32, 33, 64]) {
        const bytes = new CodeBytes();
        bytes.add(first, first + length);
        expect(bytes.any(0, first)).toBe(false);
        expect(bytes.any(first + length, 4096)).toBe(false);
        expect(bytes.any(first, first + 1)).toBe(true);
        expect(bytes.any(first + length - 1, first + length)).toBe(true);
        expect(bytes.any(0, 4096)).toBe(true);
        expect(bytes.any(0, first + 1)).toBe(true);
        bytes.clear(first, first + length);
        expect(bytes.any(0, 4096)).toBe(false);
      }
    }
  });

  it('of two pieces one stays when the other goes', () => {
    const bytes = new CodeBytes();
    bytes.add(10, 20);
    bytes.add(20, 30);
    bytes.clear(10, 20);
    expect(bytes.any(10, 20)).toBe(false);
    expect(bytes.any(20, 21)).toBe(true);
  });
});
