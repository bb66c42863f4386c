/** Snapshots with random changes are read and, if they are taken for good, run. Arguments: rounds (100,000), a seed. */
import { fuzzedSnapshots } from '../support/fuzzed-snapshot.ts';
import { randomCounts } from '../support/save-restore.ts';
import { fuzzSnapshots } from '../support/snapshot-fuzz.ts';
import type { LongCheck } from './long-check.ts';

export const snapshotsLong: LongCheck = async ([roundsText = '100000', seedText = '78', ...more], refuse) => {
  const [rounds, seed] = [Number(roundsText), Number(seedText)];
  if (!Number.isInteger(rounds) || rounds <= 0) refuse(`'${roundsText}' is no number of rounds`);
  if (!Number.isInteger(seed) || seed < 0) refuse(`'${seedText}' is no seed`);
  if (more.length > 0) refuse(`'${more[0]}' is too much`);
  const { refused, ran, faults, slowest } = await fuzzSnapshots(await fuzzedSnapshots(), {
    rounds,
    random: randomCounts(seed),
  });
  for (const fault of faults) console.log(fault);
  console.log(`${refused} refused, ${ran} ran, ${faults.length} faults; the slowest took ${Math.round(slowest)} ms`);
  return faults.length === 0 && refused + ran === rounds;
};
