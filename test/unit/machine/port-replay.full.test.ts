import { it } from 'vitest';
import { recordPorts, replayPorts } from '../../support/port-replay.ts';

it.each([2, 3, 4, 5])('a million accesses of a boot, one in ten changed: quarter %i', (seed) => {
  replayPorts(recordPorts(), 250_000, seed);
});
