/** Random accesses and hostile rings: nothing is thrown, nothing grows, nothing takes long, and much of it is met. */
import { expect } from 'vitest';
import { resetDevices } from '../../src/bus/device.ts';
import { randomAccesses } from './pci-accesses.ts';
import { processorTime } from './processor-time.ts';
import { createVirtioAccesses } from './virtio-accesses.ts';

const ROUND = 5_000;
/** Milliseconds an access may take on average, and a round at most, on a busy machine. */
const SLOWEST = { ON_AVERAGE: 0.1, ROUND: 5_000 };
/** Bytes as text: chains that are held, say. */
const GROWTH = 200_000;

export function fuzzVirtio(accesses: number): void {
  const bench = createVirtioAccesses();
  const chips = bench.devices.filter(({ name }) => name !== 'memory');
  const sizeOf = () => JSON.stringify(chips.map(({ state }) => state)).length;
  const before = sizeOf();
  const start = processorTime();
  for (let done = 0; done < accesses; done += ROUND) {
    const began = processorTime();
    randomAccesses(bench, { seed: done + 1, count: ROUND });
    expect(processorTime() - began).toBeLessThan(SLOWEST.ROUND);
    expect(sizeOf()).toBeLessThan(before + GROWTH);
    resetDevices(bench.devices);
  }
  expect((processorTime() - start) / accesses).toBeLessThan(SLOWEST.ON_AVERAGE);
  const { served, failed, discarded, hinted, updates } = bench.counts;
  console.log(`virtio: ${JSON.stringify(bench.counts)}`);
  // Of each kind, at least so many in a thousand accesses.
  for (const [count, floor] of [
    [served, 10],
    [failed, 2],
    [discarded, 5],
    [hinted, 0.1],
    [updates, 0.1],
  ])
    expect(count).toBeGreaterThan((floor * accesses) / 1000);
}
