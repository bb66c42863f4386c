import { describe, expect, it } from 'vitest';
import { hashState } from '../../../src/machine/state-hash.ts';

/** FNV-1a as it is defined, in one piece. */
function fnv1a(text: string): string {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of new TextEncoder().encode(text))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x0100_0000_01b3n);
  return hash.toString(16).padStart(16, '0');
}

describe('the hash of a machine', () => {
  it('is FNV-1a over the JSON text', () => {
    for (const parts of [[], [0], ['é'], ['a', { b: [1, 2, 3] }, 'x'.repeat(1000)]])
      expect(hashState(parts)).toBe(fnv1a(JSON.stringify(parts)));
  });

  it('takes views, maps and sets as what they hold', () => {
    const plain = hashState([[1, 2], [[3, 4]], [5], '6n']);
    expect(hashState([Uint8Array.of(1, 2), new Map([[3, 4]]), new Set([5]), 6n])).toBe(plain);
    expect(hashState([Uint8Array.of(1, 3), new Map([[3, 4]]), new Set([5]), 6n])).not.toBe(plain);
  });
});
