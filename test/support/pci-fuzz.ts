/** Random accesses to one PCI chip: nothing is thrown, nothing grows, nothing takes long. */
import { expect } from 'vitest';
import { resetDevices } from '../../src/bus/device.ts';
import { type PciBench, randomAccesses } from './pci-accesses.ts';
import { processorTime } from './processor-time.ts';

/** Accesses between two resets. */
const ROUND = 10_000;
/** Milliseconds an access may take on average, on a busy machine. */
const SLOWEST = 0.1;

export function fuzzPciChip(create: () => PciBench, accesses: number): void {
  const bench = create();
  const sizeOf = () => JSON.stringify(bench.devices.map(({ state }) => state)).length;
  const before = sizeOf();
  const start = processorTime();
  for (let done = 0; done < accesses; done += ROUND) {
    randomAccesses(bench, { seed: done + 1, count: ROUND });
    resetDevices(bench.devices);
  }
  expect(sizeOf()).toBeLessThan(before + 2000);
  expect((processorTime() - start) / accesses).toBeLessThan(SLOWEST);
}
