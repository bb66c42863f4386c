/** Damaged CDs and disks: each boots, or a line says why not. */
import { describe, expect, it } from 'vitest';
import { bootSamples, fuzzBootMedia } from '../../support/boot-media-fuzz.ts';

describe('damaged media', () => {
  it.each(bootSamples())('$title', async (sample) => {
    const report = await fuzzBootMedia(sample, { rounds: 60, seed: 1 });
    expect(report.booted).toBeGreaterThan(5);
    expect(report.booted + report.refused + report.nothingToBoot).toBeLessThanOrEqual(60);
    expect(report.nothingToBoot + report.refused).toBeGreaterThan(2);
  });
});
