/** As `fuzz.test.ts`, with many seeds. */
import { describe, expect, it } from 'vitest';
import { createCodeSpace } from '../../../src/engine/code-space.ts';
import { Pool } from '../../../src/memory/pool.ts';
import { sharedCode } from '../../support/shared-code.ts';
import { runLockstep } from './lockstep.ts';
import { ProgramGenerator } from './random-program.ts';

const SEEDS = 20;

describe('random system programs', () => {
  it('are in the same state at the same count on every engine, however a run is cut', () => {
    const code = createCodeSpace(Pool.create(), sharedCode());
    const modes = new Map<string, number>();
    const vectors = new Map<number, number>();
    for (let seed = 1001; seed <= 1000 + SEEDS; seed++) {
      const program = new ProgramGenerator(seed).generate();
      const run = runLockstep({ seed, program, code, instructions: 20_000, step: 500 });
      expect({ seed, difference: run.difference }).toEqual({ seed, difference: undefined });
      for (const [mode, count] of run.modes) modes.set(mode, (modes.get(mode) ?? 0) + count);
      for (const [vector, count] of run.vectors) vectors.set(vector, (vectors.get(vector) ?? 0) + count);
    }
    console.log(Object.fromEntries(modes), Object.fromEntries(vectors));
    for (const part of ['real', 'v86', 'cpl 0', 'cpl 3', 'flat', 'segmented', 'paged', 'pae', 'unpaged'])
      expect(
        [...modes.keys()].some((mode) => mode.split(' ').includes(part) || mode.startsWith(part)),
        part,
      ).toBe(true);
    for (const vector of [0, 1, 6, 7, 8, 12, 13, 14]) expect(vectors.has(vector), `vector ${vector}`).toBe(true);
  });
});
