/** Writers of flags × what lies between × readers, one in thirty-two of all combinations. `flags.full.test.ts` has the others. */
import { describe, expect, it } from 'vitest';
import { flagProgram, WRITERS } from './flag-programs.ts';
import { runHot } from './run-hot.ts';

describe('flags', () => {
  it.each(WRITERS.map((name, writer) => [name.replaceAll('\n', ' / '), writer] as const))('of %s', (_, writer) => {
    const { program, faults } = flagProgram({ writer, rounds: 16, oneIn: 32 });
    const { read32, label } = runHot(program);
    expect(read32(label('faults'))).toBe(faults);
  });
});
