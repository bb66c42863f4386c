/** `vetro recover` after SIGKILL: the guest goes on, its disks as memory has them. `npm run check:long -- recovery` kills more. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../support/random-transfers.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { RecoveredGuest } from './recovery-rounds.ts';

let vetro: Vetro;
const folder = mkdtempSync(join(tmpdir(), 'vetro-recovery-'));
beforeAll(async () => {
  vetro = await buildVetro();
});
afterAll(() => {
  vetro.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('a guest whose emulator is killed', () => {
  it.each([
    ['through', 3],
    ['overlay', 2],
    ['discard', 2],
  ] as const)('goes on (%s, %i kills)', async (kind, kills) => {
    const random = createRandom(5);
    const guest = new RecoveredGuest(vetro, join(folder, kind), kind);
    for (let round = 0; round < kills; round++) {
      const { problems } = await guest.round(random.below(1200));
      expect(problems).toEqual([]);
    }
  });
});
