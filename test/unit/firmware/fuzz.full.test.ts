import { describe, it } from 'vitest';
import { expectSoundBios, fuzzBios } from '../../support/bios-fuzz.ts';

describe('a million random calls of the BIOS', () => {
  it.each([11, 12, 13, 14])('in real-address mode, quarter %i', (seed) => {
    expectSoundBios(fuzzBios(250_000, { seed, mode: 'real' }));
  });

  it.each([21, 22, 23, 24])('in virtual-8086 mode with pages missing, quarter %i', (seed) => {
    expectSoundBios(fuzzBios(250_000, { seed, mode: 'virtual-8086' }));
  });
});
