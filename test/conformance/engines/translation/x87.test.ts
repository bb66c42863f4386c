import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/difftest/random.ts';
import { runHot } from './run-hot.ts';
import { x87Program } from './x87-programs.ts';

/** Of each kind; more now and then. */
const SEEDS = Number(process.env.X87_SEEDS ?? 1);

describe('random x87 instructions in a loop', () => {
  it.each([
    ['of the usual kinds', { length: 16, unusual: 1000, tidy: true }],
    ['and a few unusual ones', { length: 16, unusual: 30, tidy: true }],
    ['with stack faults', { length: 12, unusual: 1000, tidy: false }],
    ['many of them unusual', { length: 8, unusual: 4, tidy: false }],
  ])('%s', (_, shape) => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const program = x87Program(new Random(seed * 3 + shape.unusual), shape);
      expect(runHot(program).retired, `seed ${seed}`).toBeGreaterThan(1000);
    }
  });
});
