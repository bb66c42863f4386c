/** Streams of migrations with random changes are received and, if they are taken for good, run. Arguments: rounds (10,000), a seed. */
import { fuzzMigrations, recordMigrations } from '../support/migration-fuzz.ts';
import { randomCounts } from '../support/save-restore.ts';
import type { LongCheck } from './long-check.ts';

export const migrationLong: LongCheck = async ([roundsText = '10000', seedText = '92', ...more], refuse) => {
  const [rounds, seed] = [Number(roundsText), Number(seedText)];
  if (!Number.isInteger(rounds) || rounds <= 0) refuse(`'${roundsText}' is no number of rounds`);
  if (!Number.isInteger(seed) || seed < 0) refuse(`'${seedText}' is no seed`);
  if (more.length > 0) refuse(`'${more[0]}' is too much`);
  const { refused, ran, reasons, faults, slowest, largest } = await fuzzMigrations(await recordMigrations(), {
    rounds,
    random: randomCounts(seed),
  });
  for (const fault of faults) console.log(fault);
  console.log(
    `${refused} refused for ${reasons.size} reasons, ${ran} ran, ${faults.length} faults; the slowest took ${Math.round(slowest)} ms, the largest ${Math.round(largest)} MiB`,
  );
  return faults.length === 0 && refused + ran === rounds;
};
