/**
 * Kills the emulator with SIGKILL at random moments while its guest writes records, and says how many were lost. Arguments:
 * kills (200, if nothing else is said), a seed.
 */
import { DISK_TOOLS_MISSING } from '../crash-safety/crash-disk.ts';
import { killAtRandom } from '../crash-safety/crash-rounds.ts';
import type { LongCheck } from './long-check.ts';

const DEFAULT_KILLS = 200;

export const crashLong: LongCheck = async ([killsText = String(DEFAULT_KILLS), seedText = '1', ...more], refuse) => {
  const [kills, seed] = [Number(killsText), Number(seedText)];
  if (!Number.isInteger(kills) || kills <= 0) refuse(`'${killsText}' is no number of kills`);
  if (!Number.isInteger(seed) || seed < 0) refuse(`'${seedText}' is no seed`);
  if (more.length > 0) refuse(`'${more[0]}' is too much`);
  if (DISK_TOOLS_MISSING) refuse(DISK_TOOLS_MISSING);
  // Whoever has no more time gets what there is so far.
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const totals = await killAtRandom({ kills, seed, say: (line) => console.log(line), signal: stop.signal });
  for (const problem of totals.problems) console.log(problem);
  const moments = Object.entries(totals.moments).map(([name, count]) => `${count} ${name}`);
  console.log(`${totals.kills} kills (${moments.join(', ')}); ${totals.tooLate} runs ended before, seed ${seed}`);
  console.log(
    `journals: ${totals.replays} replayed by e2fsck, ${totals.guestReplays} by a guest; ${totals.midMount} kills in the midst of a mount`,
  );
  console.log(`records: ${totals.acknowledged} acknowledged, read again by a guest after ${totals.guestChecks} kills`);
  console.log(`qcow2: ${totals.qcow2Checks} checks, ${totals.leaks} clusters leaked`);
  console.log(`${totals.problems.length} problems; ${totals.checked} records checked, ${totals.lost} lost`);
  if (totals.kills === 0) console.log('nothing was killed: that shows nothing');
  return totals.problems.length === 0 && totals.kills > 0;
};
