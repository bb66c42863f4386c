/** Writers of flags × what lies between × readers: one in sixteen of all combinations, and the reference engine runs all of them. */
import { describe, expect, it } from 'vitest';
import { flagProgram, WRITERS } from './flag-programs.ts';
import { runHot } from './run-hot.ts';

describe('flags', () => {
  it.each(WRITERS.map((name, writer) => [name.replaceAll('\n', ' / '), writer] as const))('of %s', (_, writer) => {
    const { program, faults } = flagProgram({ writer, rounds: 16, oneIn: 16 });
    const { read32, label } = runHot({ ...program, needsReference: true });
    expect(read32(label('faults'))).toBe(faults);
  });
});
