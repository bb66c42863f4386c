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

  it('with caps, and with one that joins late', async () => {
    const stage = await createHost(2);
    for (const weight of [1, 2, 4]) await stage.create({ weight });
    await sharesOver(20_000, stage);
    await stage.create({ weight: 1 });
    // The heaviest is owed nothing for what it could not have had before, nor has the new one anything to make up for.
    expectShares(await sharesOver(500, stage), [1 / 4, 1 / 2, 1, 1 / 4]);
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
