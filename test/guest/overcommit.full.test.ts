/**
 * Two Debian guests in a pool that has room for less than that, each filling its memory in turn: to the end, without an error, by
 * each of the means that a host has, and without each of them. The full size: `npm run check:long -- overcommit`.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { fetchSystem } from '../../src/cli/fetch/debian.ts';
import { debianModules } from '../support/debian-modules.ts';
import { bootedGuest, playOvercommit, type Scene } from '../support/overcommit.ts';

async function prepare() {
  try {
    const { kernel, initrd } = await fetchSystem('debian-686');
    const modules = await debianModules('debian-686', ['virtio_pci', 'virtio_balloon']);
    return { system: { kernel: readFileSync(kernel), initrd: readFileSync(initrd), modules } };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}
const { system, reason } = await prepare();

const SCENE = { guests: 2, limit: 80, engine: 'interpreter', rounds: 1, files: 6, swap: { limit: 512 } } as const;

describe.skipIf(!system)(`guests that together need more than there is${reason ? ` (${reason})` : ''}`, () => {
  let snapshot: Uint8Array;
  beforeAll(async () => {
    snapshot = await bootedGuest(system!, 128);
  });

  it.each<readonly [string, Pick<Scene, 'sharing' | 'reclaim'>, readonly ('balloon' | 'sharing' | 'swap')[]]>([
    ['without balloons', { sharing: true, reclaim: { balloon: false } }, ['sharing']],
    ['without sharing', { sharing: false, reclaim: { sharing: false } }, ['balloon']],
    ['without swap', { sharing: true, reclaim: { swap: false } }, ['balloon']],
    ['by swap alone', { sharing: false, reclaim: { balloon: false, sharing: false } }, ['swap']],
  ])('all come to the end %s', async (_, options, means) => {
    const { statistics, sums } = await playOvercommit(snapshot, { ...SCENE, ...options });
    // The same in all guests: nothing was lost.
    expect([...sums]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    const [pool] = statistics.pools;
    const given = {
      balloon: statistics.balloon.given,
      sharing: statistics.sharing.given + pool.sharing.merged * 4096,
      swap: statistics.swap.given,
    };
    for (const step of means) expect(given[step]).toBeGreaterThan(2 ** 20);
    for (const step of ['balloon', 'sharing', 'swap'] as const)
      if (options.reclaim![step] === false) expect(statistics[step].tried).toBe(0);
    if (!options.sharing) expect(pool.sharing.merged).toBe(0);
    expect(pool.inUse).toBeLessThan(1.1 * pool.limit);
  });
});
