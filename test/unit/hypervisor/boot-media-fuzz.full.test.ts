/** A thousand damaged CDs of each kind, and a thousand disks. */
import { describe, expect, it } from 'vitest';
import { bootSamples, fuzzBootMedia } from '../../support/boot-media-fuzz.ts';

describe('a thousand mutations', () => {
  it.each(bootSamples())('$title', async (sample) => {
    const report = await fuzzBootMedia(sample, { rounds: 1000, seed: 7 });
    expect(report.booted).toBeGreaterThan(100);
    expect(report.nothingToBoot + report.refused).toBeGreaterThan(20);
  });
});
