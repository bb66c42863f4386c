import { describe, expect, it } from 'vitest';
import { hashPage, PageDigest, PageTranscript } from '../../../../src/hypervisor/migration/page-digest.ts';

const PAGE = 4096;
const hashOf = (bytes: Uint8Array) => {
  const hash = { high: 0, low: 0 };
  hashPage(bytes, hash);
  return hash;
};
const withByte = (at: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(PAGE);
  bytes[at] = value;
  return bytes;
};

describe('the digest of pages', () => {
  it('differs for each bit, wherever it is, and is 0 for zeros alone', () => {
    const seen = new Set<string>();
    for (let bit = 0; bit < 8 * PAGE; bit++) {
      const { high, low } = hashOf(withByte(bit >> 3, 1 << (bit & 7)));
      expect(low).not.toBe(0);
      seen.add(`${high} ${low}`);
    }
    expect(seen.size).toBe(8 * PAGE);
    expect(hashOf(new Uint8Array(PAGE))).toEqual({ high: 0, low: 0 });
  });

  it('does not depend on where the bytes lie', () => {
    const room = new Uint8Array(PAGE + 3);
    room[3 + 77] = 9;
    expect(hashOf(room.subarray(3))).toEqual(hashOf(withByte(77, 9)));
  });

  it('is the same in whatever order pages have come, and not if two are exchanged', () => {
    const [a, b] = [hashOf(withByte(1, 1)), hashOf(withByte(2, 2))];
    const digestOf = (...sets: (readonly [number, typeof a | undefined])[]): string => {
      const digest = new PageDigest(8);
      for (const [page, hash] of sets) digest.set(page, hash);
      return digest.value;
    };
    expect(digestOf([1, a], [2, b])).toBe(digestOf([2, a], [2, b], [1, a]));
    expect(digestOf([1, a], [2, b])).not.toBe(digestOf([1, b], [2, a]));
    expect(digestOf([1, a], [1, undefined])).toBe(digestOf());
  });

  it('of what comes in an order depends on it', () => {
    const [a, b] = [hashOf(withByte(1, 1)), hashOf(withByte(2, 2))];
    const transcriptOf = (...pages: (readonly [number, typeof a])[]): string => {
      const transcript = new PageTranscript();
      for (const [page, hash] of pages) transcript.add(page, hash);
      return transcript.value;
    };
    const values = [
      transcriptOf(),
      transcriptOf([1, a], [2, b]),
      transcriptOf([2, b], [1, a]),
      transcriptOf([1, a], [2, b], [2, b]),
      transcriptOf([1, b], [2, a]),
    ];
    expect(new Set(values).size).toBe(values.length);
  });
});
