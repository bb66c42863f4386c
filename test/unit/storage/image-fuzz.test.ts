/** A thousand mutations of each format: data or one clear line, within bounds of time and memory. */
import { describe, expect, it } from 'vitest';
import type { BlockStore } from '../../../src/storage/block-store.ts';
import { BytesStore } from '../../../src/storage/bytes-store.ts';
import { openImage } from '../../../src/storage/open-image.ts';
import { attempt, fuzzSamples, mutate } from '../../support/image-fuzz.ts';
import { memoryImages } from '../../support/memory-images.ts';
import { createRandom } from '../../support/random-transfers.ts';

const samples = fuzzSamples();
/** So that each format gets a thousand. */
const rounds = (format: string): number =>
  Math.ceil(1000 / samples.filter((sample) => sample.format === format).length);

describe('mutations', () => {
  it.each(samples)('the sound image reads: $title', ({ bytes, format }) => {
    const image = openImage(memoryImages({ image: new BytesStore(bytes) }), 'image', { format }) as BlockStore;
    expect(image.size).toBe(1_000_448);
    expect((image.read(0, image.size) as Uint8Array).some((byte) => byte !== 0)).toBe(true);
  });

  it.each(samples)('$title', (sample) => {
    const random = createRandom(99);
    const seen = { read: 0, refused: 0, failed: 0 };
    for (let round = 0; round < rounds(sample.format); round++) {
      const bytes = mutate(sample, random);
      try {
        seen[attempt(bytes, sample.format, random).result]++;
      } catch (error) {
        throw new Error(`mutation ${round}: ${(error as Error).stack}`);
      }
    }
    // Or the mutations hit nothing, or never got past the header.
    expect(seen.read).toBeGreaterThan(20);
    expect(seen.refused).toBeGreaterThan(20);
    expect(seen.failed + seen.read).toBeGreaterThan(60);
  });
});
