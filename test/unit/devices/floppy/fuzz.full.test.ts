import { expect, it } from 'vitest';
import { fuzzFloppy } from '../../../support/floppy-fuzz.ts';

it('a million random accesses to floppy controller and DMA', () => {
  for (let seed = 0; seed < 4; seed++) {
    const { longestState, mostMoved, successes } = fuzzFloppy(250_000, seed);
    expect(mostMoved).toBeLessThanOrEqual(4 * 0x2_0000);
    expect(longestState).toBeLessThan(100_000);
    expect(successes).toBeGreaterThan(100);
  }
}, 600_000);
