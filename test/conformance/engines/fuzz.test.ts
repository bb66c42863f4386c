/** Random system programs on both engines in lockstep: pinned seeds. `fuzz.full.test.ts` has more. */
import { describe, expect, it } from 'vitest';
import { createCodeSpace } from '../../../src/engine/code-space.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { sharedCode } from '../../support/shared-code.ts';
import { runLockstep } from './lockstep.ts';
import { ProgramGenerator } from './random-program.ts';

describe('random system programs', () => {
  it('are in the same state at the same count on every engine, however a run is cut', () => {
    const code = createCodeSpace(Pool.create(), sharedCode());
    const modes = new Set<string>();
    const vectors = new Set<number>();
    for (const seed of [1, 15, 18, 25, 26]) {
      const program = new ProgramGenerator(seed).generate();
      const run = runLockstep({ seed, program, code, instructions: 6000, step: 250 });
      expect({ seed, difference: run.difference }).toEqual({ seed, difference: undefined });
      for (const mode of run.modes.keys()) modes.add(mode);
      for (const vector of run.vectors.keys()) vectors.add(vector);
    }
    // A generator whose programs go nowhere would prove nothing.
    expect(modes.size).toBeGreaterThanOrEqual(8);
    expect(vectors.size).toBeGreaterThanOrEqual(5);
  });
});
