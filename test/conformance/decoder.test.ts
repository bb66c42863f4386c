import { describe, expect, it } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { randomCode } from '../support/random-code.ts';
import { compareWithIced } from './decoder-iced.ts';

describe('the decoder finds what iced-x86 finds', () => {
  it.each([16, 32, 64] as const)(
    'in 20,000 random sequences of %i-bit code',
    (mode) => {
      const { mismatches, agreed } = compareWithIced(randomCode(new Random(mode), 20_000, mode), mode);
      expect(mismatches).toEqual([]);
      expect(agreed).toBeGreaterThan(10_000);
    },
    60_000,
  );
});
