/** As `library-fuzz.test.ts`, 100,000 sequences. */
import { describe, it } from 'vitest';
import { expectSound, fuzzLibrary } from '../../support/library-fuzz.ts';

describe('random calls of the library', () => {
  it('100,000 sequences end in results and documented errors; nothing hangs, leaks or goes unhandled', async () => {
    const start = performance.now();
    const report = await fuzzLibrary({ seed: 5, sequences: 100_000, real: 60 });
    const { sequences, calls, nested, guests, memory, outcomes } = report;
    console.log({
      ...{ sequences, calls, nested, guests, seconds: Math.round((performance.now() - start) / 1000) },
      memory: memory.map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`),
      outcomes: Object.fromEntries(outcomes),
      leastCovered: [...report.coverage].sort(([, a], [, b]) => a - b).slice(0, 5),
    });
    expectSound(report, { floor: 200 });
  });
});
