import { describe, expect, it } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { addressSizesIn, operandSizesIn, parseEncodings } from '../../src/isa/encoding.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { randomCode } from '../support/random-code.ts';
import { compareWithIced } from './decoder-iced.ts';

describe('the decoder finds what iced-x86 finds', () => {
  it.each([16, 32, 64] as const)(
    'in 1,000,000 random sequences of %i-bit code',
    (mode) => {
      const random = new Random(1000 + mode);
      const covered = new Set<string>();
      let agreed = 0;
      for (let batch = 0; batch < 20; batch++) {
        const comparison = compareWithIced(randomCode(random, 50_000, mode), mode);
        expect(comparison.mismatches).toEqual([]);
        for (const { row, encoding } of comparison.covered) covered.add(`${row.mnemonic}: ${encoding.join(', ')}`);
        agreed += comparison.agreed;
      }
      const missed = parseEncodings(INSTRUCTIONS)
        .filter((pattern) => operandSizesIn(pattern, mode).length > 0 && addressSizesIn(pattern, mode).length > 0)
        .map(({ row, encoding }) => `${row.mnemonic}: ${encoding.join(', ')}`)
        .filter((name) => !covered.has(name));
      console.log(
        `${mode}-bit: ${agreed} instructions alike, ${covered.size} encodings met, not met: ${missed.join('; ') || 'none'}`,
      );
      expect(agreed).toBeGreaterThan(500_000);
      expect(missed).toEqual([]);
    },
    300_000,
  );
});
