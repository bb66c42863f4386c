import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createCodeSpace } from '../../src/engine/code-space.ts';
import { Pool } from '../../src/memory/pool.ts';
import { sharedCode } from '../support/shared-code.ts';
import { describeOutcome, runImage, type SystemImage, unpack } from '../support/system-image.ts';
import { SYSTEM_ENGINES } from '../support/system-machine.ts';

const IMAGES: SystemImage[] = JSON.parse(readFileSync('test/golden/transfers.json', 'utf8'));
const code = createCodeSpace(Pool.create(), sharedCode());

describe.each(SYSTEM_ENGINES)(
  '%s: far transfers, interrupts, returns and segment loads with random descriptors',
  (engine) => {
    it.each(IMAGES.map((image) => [image.name, image] as const))('%s: as recorded from Bochs', (_, image) => {
      const outcome = runImage(engine, code, image);
      expect(describeOutcome(outcome, image.count)).toEqual(describeOutcome(unpack(image.expected), image.count));
    });
  },
);

describe('the recorded programs', () => {
  it('exercise transfers that succeed and faults of all kinds', () => {
    const vectors = IMAGES.flatMap(({ expected, count }) =>
      describeOutcome(unpack(expected), count)
        .filter((line) => line.startsWith('vector'))
        .map((line) => line.split(',')[0].slice('vector '.length)),
    );
    const times = (vector: string) => vectors.filter((one) => one === vector).length;
    // #BP is where a transfer arrived.
    expect(times('3')).toBeGreaterThan(20 * IMAGES.length);
    expect(times('d')).toBeGreaterThan(15 * IMAGES.length);
    for (const vector of ['a', 'b', 'c']) expect(times(vector)).toBeGreaterThan(0);
  });
});
