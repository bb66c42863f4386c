/**
 * A Debian under load is saved at random counts and goes on for 10⁸ instructions on each engine. Arguments: snapshots in each
 * of the seven stages of its life (15, if nothing else is said), a seed.
 */
import { debianBoot } from '../support/debian.ts';
import { continueSavedLinux } from '../support/saved-linux.ts';
import type { LongCheck } from './long-check.ts';

const ALL = 100_000_000;
const MORE = { auto: ALL, jit: ALL, interpreter: ALL, reference: 1_000_000 };

export const saveRestoreLong: LongCheck = async ([roundsText = '15', seedText = '1', ...more], refuse) => {
  const [rounds, seed] = [Number(roundsText), Number(seedText)];
  if (!Number.isInteger(rounds) || rounds <= 0) refuse(`'${roundsText}' is no number of snapshots`);
  if (!Number.isInteger(seed) || seed < 0) refuse(`'${seedText}' is no seed`);
  if (more.length > 0) refuse(`'${more[0]}' is too much`);
  const { boot, reason } = await debianBoot('debian-686');
  if (boot === undefined) refuse(reason ?? 'there is no Debian kernel');
  const { kernel, initrd } = boot as { kernel: Uint8Array; initrd: Uint8Array };
  const say = (line: string) => console.log(line);
  const { snapshots, differences } = continueSavedLinux({ kernel, initrd, rounds, seed, more: MORE, say });
  for (const difference of differences) console.log(difference);
  console.log(`${snapshots} snapshots, each continued on four engines, ${differences.length} differences`);
  return differences.length === 0;
};
