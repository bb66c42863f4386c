/** Debian in threads: the same states as in the caller's thread, at the same instructions, and two at once. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../src/index.ts';
import { debianBoot } from '../support/debian.ts';
import { useWorkerBundle } from '../support/worker-bundle.ts';

const { boot, reason } = await debianBoot('debian-686');
/** Where states are compared: while the kernel unpacks itself, and while it boots. */
const COUNTS = [30_000_000, 150_000_000];

describe.skipIf(!boot)(`Debian guests in threads${reason ? ` (${reason})` : ''}`, () => {
  const program = useWorkerBundle();

  it('boot as they do in the caller\u2019s thread', async () => {
    const trails: string[][] = [];
    for (const threads of [0, 2]) {
      const host = await Host.create({ threads, worker: program() });
      const guests = [await host.createGuest({ boot: boot! })];
      if (threads > 0) guests.push(await host.createGuest({ boot: boot!, weight: 3 }));
      for (const guest of guests) guest.serial.discard();
      trails.push(...guests.map(() => []));
      for (const count of COUNTS) {
        await Promise.all(guests.map((guest) => guest.runTo(count)));
        for (const [index, guest] of guests.entries()) trails.at(index - guests.length)!.push(await guest.stateHash());
      }
      host.dispose();
    }
    expect(trails.length).toBe(3);
    expect(trails[1]).toEqual(trails[0]);
    expect(trails[2]).toEqual(trails[0]);
  });
});
