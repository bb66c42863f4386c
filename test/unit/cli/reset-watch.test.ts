import { describe, expect, it } from 'vitest';
import { ResetWatch } from '../../../src/cli/reset-watch.ts';
import type { PcGuest } from '../../../src/hypervisor/create-guest.ts';

const SECOND = 1_000_000_000;

/** A guest of which only time and output are looked at. */
function watched() {
  const machine = { time: 0 };
  let hear = (_: Uint8Array): void => {};
  const serial = {
    on: (_: 'data', listener: (bytes: Uint8Array) => void) => {
      hear = listener;
    },
  };
  const watch = new ResetWatch({ machine, serial } as unknown as PcGuest);
  const round = (nanoseconds: number, says = '') => {
    machine.time += nanoseconds;
    hear(new TextEncoder().encode(says));
    return watch.reset();
  };
  return { watch, round };
}

describe('U14: resets that lead nowhere', () => {
  it('five at once, silent: hopeless', () => {
    const { round } = watched();
    const outcomes = [1, 1, 1, 1, 1].map(() => round(1000));
    expect(outcomes).toEqual(['fruitless', 'fruitless', 'fruitless', 'fruitless', 'hopeless']);
  });

  it('saying the same each time: the first is news', () => {
    const { round } = watched();
    const outcomes = [1, 1, 1, 1, 1, 1].map(() => round(1000, 'panic\n'));
    expect(outcomes).toEqual(['progress', 'fruitless', 'fruitless', 'fruitless', 'fruitless', 'hopeless']);
  });

  it('after a second of its time, or with other words, it gets further', () => {
    const { round } = watched();
    for (let times = 0; times < 20; times++) expect(round(SECOND)).toBe('progress');
    for (let times = 0; times < 20; times++) expect(round(1000, `test ${times}`)).toBe('progress');
  });

  it('somebody’s input makes a reset one that was wanted', () => {
    const { watch, round } = watched();
    for (let times = 0; times < 20; times++) {
      watch.heardInput();
      expect(round(1000)).toBe('progress');
    }
  });
});
