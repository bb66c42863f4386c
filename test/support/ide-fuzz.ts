/** Random accesses to an IDE function: nothing is thrown, nothing grows, nothing takes long. */
import { expect } from 'vitest';
import { resetDevices } from '../../src/bus/device.ts';
import { Random } from '../../src/difftest/random.ts';
import { createHostileIde, heldBytes, hostileStep } from './ide-accesses.ts';
import { processorTime } from './processor-time.ts';

/** Milliseconds that a step may take on average, on a busy machine. */
const SLOWEST = 0.5;
const CHUNK = 128 * 1024;
const DRIVES = 3;
/** Entries of a table, of two bytes each, that a chunk can use up; each is fetched, and its region moved. */
const MOST_MEMORY_ACCESSES = 2 * (CHUNK / 2) + 2;

export function fuzzIde(steps: number): void {
  const bench = createHostileIde();
  const { clock, memory, media } = bench;
  const random = new Random(0x1de);
  const done = { interrupts: 0, mastered: 0, failed: 0, accesses: 0 };
  const { ports } = bench;
  for (const name of ['read', 'write'] as const) {
    const access = ports[name].bind(ports) as (...given: number[]) => number;
    Object.assign(ports, {
      [name](...given: number[]) {
        done.accesses++;
        return access(...given);
      },
    });
  }
  const start = processorTime();
  let most = 0;
  let held = 0;
  for (let step = 0; step < steps; step++) {
    const before = memory.accesses;
    const { pause } = hostileStep(bench, random);
    most = Math.max(most, memory.accesses - before);
    clock.advance(pause);
    held = Math.max(held, heldBytes(bench));
    if (memory.accesses > before) done.mastered++;
    if (bench.drives[0][0]!.state.status & 1) done.failed++;
    if (random.oneIn(2000)) {
      resetDevices(bench.devices);
      bench.configure();
    }
  }
  done.interrupts = bench.lines[0].rising.length;
  expect(memory.strayed).toBe(0);
  expect(most).toBeLessThanOrEqual(MOST_MEMORY_ACCESSES);
  expect(held).toBeLessThanOrEqual(DRIVES * CHUNK);
  for (const { largest } of Object.values(media)) expect(largest).toBeLessThanOrEqual(CHUNK);
  expect(bench.errors.length).toBeLessThanOrEqual(DRIVES);
  expect((processorTime() - start) / steps).toBeLessThan(SLOWEST);
  // It is worth nothing if nothing came of it.
  expect(done.accesses).toBeGreaterThan(20 * steps);
  expect(done.interrupts).toBeGreaterThan(steps / 100);
  expect(done.mastered).toBeGreaterThan(steps / 500);
  expect(done.failed).toBeGreaterThan(steps / 100);
  expect(media.first.largest).toBe(CHUNK);
  expect(media.disc.largest).toBe(CHUNK);
}
