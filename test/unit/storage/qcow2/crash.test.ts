/** Loss of power at any moment: what was flushed is there, and the image has leaks at worst. */
import { describe, expect, it } from 'vitest';
import { emptyQcow2 } from '../../../support/memory-images.ts';
import { CRASH_IMAGES, judgeCrash, recordWrites, tryCrashes } from '../../../support/qcow2-crash.ts';
import { createRandom } from '../../../support/random-transfers.ts';

describe.each(CRASH_IMAGES)('qcow2, %s', (_, create) => {
  it('prefixes of the writes, and reorderings of what no barrier has settled', () => {
    const { crashes, leaks, atTheEnd } = tryCrashes(create, { seed: 1, writes: 50, every: 9 });
    expect(crashes).toBeGreaterThan(20);
    // Or the crashes came at moments when nothing was at stake.
    expect(leaks).toBeGreaterThan(0);
    expect(atTheEnd).toMatchObject({ corruptions: 0, leaks: 0 });
  });
});

describe('the test itself', () => {
  it('finds that references are written before what they refer to', () => {
    const recording = recordWrites(emptyQcow2({ size: 600 * 1024, clusterBits: 12 }), { seed: 1, writes: 60 });
    // Without barriers, as on a store that ignores flushes.
    const { events } = recording.log;
    events.splice(0, events.length, ...events.filter(({ kind }) => kind !== 'barrier'));
    const random = createRandom(3);
    const wrong = events.filter((_, count) => judgeCrash(recording.log.crash(count, random), recording, count));
    expect(wrong.length).toBeGreaterThan(20);
  });
});
