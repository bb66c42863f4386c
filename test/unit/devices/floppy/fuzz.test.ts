import { expect, it } from 'vitest';
import { fuzzFloppy } from '../../../support/floppy-fuzz.ts';

it('100,000 random accesses to floppy controller and DMA: bounded work, bounded state, and it gets somewhere', () => {
  const { longestState, mostMoved, steps, successes, alarms } = fuzzFloppy(100_000, 0xf10);
  expect(mostMoved).toBeLessThanOrEqual(4 * 0x2_0000); // four channels asked for by software
  expect(longestState).toBeLessThan(100_000); // deleted marks and two sectors as JSON
  expect([...steps].sort()).toEqual(['burst', 'fetch', 'host', 'id', 'read', 'search', 'write']);
  expect(successes).toBeGreaterThan(100);
  expect(alarms).toBeGreaterThan(1000);
});
