/** Shares of processor time over the threads of a host, by a simulated clock. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../../src/hypervisor/host.ts';
import type { GuestOptions } from '../../../src/hypervisor/options/guest-options.ts';
import { SimulatedThreads } from '../../support/simulated-threads.ts';

async function createHost(threads: number) {
  const platform = new SimulatedThreads();
  const host = new Host({ platform, threads });
  const create = async (options: Partial<GuestOptions>) => {
    const created = host.createGuest({ boot: { image: Uint8Array.of(0xf4) }, memory: 1, ...options });
    await platform.passTo(platform.time + 2);
    const guest = await created;
    void guest.run();
    return guest;
  };
  return { platform, host, create };
}

/** Processor time of each over `ms`, in cores. */
async function sharesOver(ms: number, { platform, host }: Awaited<ReturnType<typeof createHost>>): Promise<number[]> {
  const before = host.guests.map(({ processorTime }) => processorTime);
  await platform.passTo(platform.time + ms);
  return host.guests.map(({ processorTime }, index) => (processorTime - before[index]) / ms);
}

function expectShares(shares: readonly number[], expected: readonly number[]): void {
  expect(shares.map((share, index) => Math.abs(share / expected[index] - 1) < 0.05)).toEqual(expected.map(() => true));
}

describe('shares over two threads', () => {
  it('follow weights over the whole host, and no guest gets more than a core', async () => {
    const stage = await createHost(2);
    for (const weight of [1, 2, 4]) await stage.create({ weight });
    await stage.platform.passTo(500);
    expectShares(await sharesOver(2000, stage), [1 / 3, 2 / 3, 1]);
    expect(stage.platform.mostRunning).toBe(2);
  });

  it('with caps, and with those that join late', async () => {
    const stage = await createHost(2);
    for (const weight of [1, 2, 4]) await stage.create({ weight });
    await sharesOver(20_000, stage);
    // The third is owed nothing for what it could not have had before, nor have new ones anything to make up for.
    for (const weight of [4, 4]) await stage.create({ weight });
    expectShares(
      await sharesOver(2000, stage),
      [1, 2, 4, 4, 4].map((weight) => (2 * weight) / 15),
    );
    for (const guest of stage.host.guests.slice(3)) guest.dispose();
    await stage.create({ weight: 1 });
    stage.host.guests[2].setCap(25);
    await sharesOver(100, stage);
    expectShares(await sharesOver(1000, stage), [1.75 / 4, 1.75 / 2, 0.25, 1.75 / 4]);
  });

  it('one thread is shared as the caller\u2019s is', async () => {
    const stage = await createHost(1);
    for (const weight of [1, 2, 4]) await stage.create({ weight });
    await sharesOver(100, stage);
    expectShares(await sharesOver(1000, stage), [1 / 7, 2 / 7, 4 / 7]);
    expect(stage.platform.mostRunning).toBe(1);
  });

  it('clones take turns in the thread that they share: together they get no more than a core', async () => {
    const stage = await createHost(3);
    const original = await stage.create({ weight: 2 });
    await stage.create({});
    const cloned = original.clone();
    await stage.platform.passTo(stage.platform.time + 10);
    const [clone] = await cloned;
    void clone.run();
    await sharesOver(20_000, stage);
    expectShares(await sharesOver(1000, stage), [1 / 2, 1, 1 / 2]);
    expect([stage.platform.mostRunning, stage.platform.mostInThread]).toEqual([2, 1]);
    // Nobody who joins pays for what they could not have.
    await stage.create({});
    await stage.create({});
    const [first, , second] = await sharesOver(500, stage);
    expectShares([first + second], [1]);
  });

  it('all that there is is given: many guests leave no thread idle', async () => {
    const stage = await createHost(2);
    for (let count = 0; count < 10; count++) await stage.create({});
    await sharesOver(200, stage);
    const shares = await sharesOver(1000, stage);
    expectShares(
      shares,
      shares.map(() => 0.2),
    );
  });
});
