/**
 * Eight Debian guests of 512 MiB in a pool of 1 GiB, each filling its memory in turn, by all means that a host has and without
 * each of them: npm run check:long -- overcommit [guests] [MiB of each] [MiB of the pool] [rounds]
 */
import { readFileSync } from 'node:fs';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import type { MemoryStatistics } from '../../src/index.ts';
import { debianModules } from '../support/debian-modules.ts';
import { bootedGuest, playOvercommit, type Scene } from '../support/overcommit.ts';
import type { LongCheck } from './long-check.ts';

const NAMES = ['guests', 'MiB of each', 'MiB of the pool', 'rounds'] as const;
const DEFAULTS = [8, 512, 1024, 2] as const;
const SCENES: Readonly<Record<string, Pick<Scene, 'sharing' | 'reclaim'>>> = {
  'by all means': { sharing: true, reclaim: {} },
  'without balloons': { sharing: true, reclaim: { balloon: false } },
  'without sharing': { sharing: false, reclaim: { sharing: false } },
  'without swap': { sharing: true, reclaim: { swap: false } },
};
/** Part of its memory that each fills; MiB of a file of the load. */
const FILLED = 0.6;
const FILE = 3;

export const overcommitLong: LongCheck = async (words, refuse) => {
  if (words.length > NAMES.length) refuse(`there are ${NAMES.length} arguments at most`);
  const [guests, memory, limit, rounds] = DEFAULTS.map((value, index) => {
    const word = words[index];
    if (word === undefined) return value;
    if (!/^[1-9]\d{0,4}$/.test(word)) refuse(`${NAMES[index]}: ${word} is no number from 1 to 99999`);
    return Number(word);
  });
  const { kernel, initrd } = await fetchSystem('debian-686');
  const modules = await debianModules('debian-686', ['virtio_pci', 'virtio_balloon']);
  const system = { kernel: readFileSync(kernel), initrd: readFileSync(initrd), modules };
  const snapshot = await bootedGuest(system, memory);
  const files = Math.floor((FILLED * memory) / FILE);
  let isWell = true;
  for (const [name, options] of Object.entries(SCENES)) {
    const start = Date.now();
    const scene = { guests, limit, rounds, files, engine: 'auto', swap: { limit: 8192 }, ...options } as const;
    const { statistics, sums, paused } = await playOvercommit(snapshot, scene);
    const fails = sums.size !== 1 || statistics.pools[0].inUse > 1.1 * limit * 2 ** 20;
    if (fails) isWell = false;
    console.log(
      `  ${name}: ${fails ? 'WRONG' : 'right'}, ${Math.round((Date.now() - start) / 1000)} s, paused ${paused} times`,
    );
    console.log(`    ${describe(statistics)}`);
  }
  return isWell;
};

function describe({ balloon, sharing, swap, pools: [pool] }: MemoryStatistics): string {
  const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return [
    `balloons gave ${mebibytes(balloon.given)} (asked ${balloon.tried} times)`,
    `searches ${mebibytes(sharing.given)} (${sharing.tried}), merged in all ${pool.sharing.merged} pages, saved ${mebibytes(pool.saved)}`,
    `swap ${mebibytes(swap.given)} (${swap.tried})`,
    `in use ${mebibytes(pool.inUse)}`,
  ].join('; ');
}
