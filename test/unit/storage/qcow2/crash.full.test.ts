/** Loss of power at every moment of longer recordings. */
import { describe, expect, it } from 'vitest';
import { CRASH_IMAGES, tryCrashes } from '../../../support/qcow2-crash.ts';

describe.each(CRASH_IMAGES)('qcow2, %s', (_, create) => {
  it.each([1, 2, 3])('every prefix of the writes, and reorderings of what no barrier has settled: seed %s', (seed) => {
    const { crashes, leaks, atTheEnd } = tryCrashes(create, { seed, writes: 70, every: 1 });
    expect(crashes).toBeGreaterThan(200);
    expect(leaks).toBeGreaterThan(0);
    expect(atTheEnd).toMatchObject({ corruptions: 0, leaks: 0 });
  });
});
