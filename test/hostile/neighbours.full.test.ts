/**
 * Issue 5: "shares are time". A victim beside each kind of storm keeps its share of the core and stays as it is alone.
 * Judged by the processor time of the process, so that a busy machine does not matter much.
 */
import { describe, expect, it } from 'vitest';
import { percent } from './neighbours.ts';
import { type WatchedRun, watchedRun } from './watched-run.ts';

function print({ table, shares }: WatchedRun, title: string): void {
  console.log(
    [
      title,
      ...table.map((line) => `  ${line}`),
      ...(shares ? [`  least: ${percent(shares.time)}, RSS peak ${shares.residentPeak} MiB`] : []),
    ].join('\n'),
  );
}

describe('a victim beside a storm', () => {
  it('of equal weight keeps at least 45 % of the core, and its state is as it is alone', async () => {
    const run = await watchedRun(['neighbours']);
    print(run, 'victim beside a storm of equal weight');
    expect(run.findings).toEqual([]);
    expect(run.table.length).toBeGreaterThan(50);
    expect(run.shares!.time).toBeGreaterThanOrEqual(0.45);
  });

  it.each([
    { victim: 1, storm: 3 },
    { victim: 3, storm: 1 },
  ])('of weights $victim:$storm gets its share', async ({ victim, storm }) => {
    const run = await watchedRun(['neighbours', '--every', '9', '--victim', `${victim}`, '--storm', `${storm}`]);
    print(run, `victim and storm ${victim}:${storm}`);
    expect(run.findings).toEqual([]);
    expect(run.table.length).toBeGreaterThan(5);
  });
});
