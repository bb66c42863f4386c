/** In `--clock virtual` a boot is a function of its inputs: same state at the same instruction, however it is cut. */
import { describe, expect, it } from 'vitest';
import { Host } from '../../src/index.ts';
import { debianBoot } from '../support/debian.ts';

const { boot, reason } = await debianBoot('debian-686');

/** Instructions at which states are compared: early setup, decompression, the kernel with its timer, drivers, user space. */
const STOPS = [1_000, 1_000_003, 2_450_000_000, 2_550_000_001, 2_700_000_003];

/** State hashes of a boot at `STOPS`; every slice is at most `pieces(n)` instructions long, for n = 0, 1, … */
async function hashesOfBoot(pieces: (index: number) => number): Promise<string[]> {
  const host = await Host.create();
  const guest = await host.createGuest({ boot: boot!, memory: 128 });
  const hashes: string[] = [];
  let index = 0;
  for (const stop of STOPS) {
    while (guest.instructions < stop) await guest.runTo(Math.min(stop, guest.instructions + pieces(index++)));
    hashes.push(guest.machine.stateHash());
  }
  host.dispose();
  return hashes;
}

describe.skipIf(!boot)(`a Debian boot${reason ? ` (${reason})` : ''}`, () => {
  it('gives the same states twice, and when it is cut into other slices', async () => {
    const whole = await hashesOfBoot(() => 2 ** 40);
    expect(new Set(whole).size).toBe(STOPS.length);
    expect(await hashesOfBoot(() => 2 ** 40)).toEqual(whole);
    // Lengths without a pattern, from 1 on: a fixed linear congruential sequence.
    let seed = 1;
    const uneven = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return 1 + (seed % 3_000_000);
    };
    expect(await hashesOfBoot(uneven)).toEqual(whole);
  });
});
