/**
 * Kills the emulator with SIGKILL at random moments while it takes checkpoints, and recovers its guest. Arguments: kills
 * (100, if nothing else is said), a seed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { INTERVAL, RecoveredGuest } from '../crash-safety/recovery-rounds.ts';
import { createRandom } from '../support/random-transfers.ts';
import { buildVetro } from '../support/run-vetro.ts';
import type { LongCheck } from './long-check.ts';

const DEFAULT_KILLS = 100;
/** Of one guest. */
const ROUNDS = 10;
const LONGEST = 2000;
/** What the guest's own steps and the pipe add, in ms. */
const SLACK = 200;

export const recoveryLong: LongCheck = async ([killsText = String(DEFAULT_KILLS), seedText = '1', ...more], refuse) => {
  const [kills, seed] = [Number(killsText), Number(seedText)];
  if (!Number.isInteger(kills) || kills <= 0) refuse(`'${killsText}' is no number of kills`);
  if (!Number.isInteger(seed) || seed < 0) refuse(`'${seedText}' is no seed`);
  if (more.length > 0) refuse(`'${more[0]}' is too much`);
  const random = createRandom(seed);
  const vetro = await buildVetro();
  const folder = mkdtempSync(join(tmpdir(), 'vetro-recovery-'));
  const losses: number[] = [];
  let wrong = 0;
  try {
    for (let done = 0; done < kills; ) {
      const kind = (['through', 'overlay', 'discard'] as const)[Math.floor(done / ROUNDS) % 3];
      const guest = new RecoveredGuest(vetro, join(folder, `${done}`), kind);
      for (let round = 0; round < ROUNDS && done < kills; round++, done++) {
        const { problems, lost } = await guest.round(random.below(LONGEST));
        if (round > 0) losses.push(lost);
        for (const problem of problems) console.log(`kill ${done} (${kind}): ${problem}`);
        wrong += problems.length;
      }
    }
  } finally {
    vetro.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
  losses.sort((one, other) => one - other);
  const late = losses.filter((lost) => lost > INTERVAL + SLACK).length;
  const [middle, most] = [losses[Math.floor(losses.length / 2)] ?? 0, losses.at(-1) ?? 0];
  console.log(`${kills} kills, seed ${seed}: ${wrong} problems`);
  console.log(
    `lost: ${middle.toFixed(0)} ms in the middle, ${most.toFixed(0)} ms at the most; the interval is ${INTERVAL} ms`,
  );
  console.log(`${late} times more than the interval and ${SLACK} ms`);
  return wrong === 0 && late === 0;
};
