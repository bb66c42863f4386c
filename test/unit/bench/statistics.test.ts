import { describe, expect, it } from 'vitest';
import { geometricMean, median } from '../../../bench/statistics.ts';
import { number, table, times } from '../../../bench/table.ts';

describe('median', () => {
  it('is the middle value, whatever their order', () => expect(median([30, 1, 200])).toBe(30));
  it('of an even number is the mean of the middle two', () => expect(median([9, 1, 100, 5])).toBe(7));
  it('of none is no number', () => expect(median([])).toBeNaN());
});

describe('geometric mean', () => {
  it('of a ratio and its inverse is 1', () => expect(geometricMean([4, 0.25])).toBeCloseTo(1, 12));
  it('is the root of the product', () => expect(geometricMean([1, 2, 4])).toBeCloseTo(2, 12));
  it('of none is no number', () => expect(geometricMean([])).toBeNaN());
});

describe('a table', () => {
  it('has its first column to the left, the others to the right, as wide as they must be', () => {
    const text = table(
      ['', 'seconds', 'x'],
      [
        ['sieve', '1.5', ''],
        ['a', '12', '100×'],
      ],
    );
    expect(text.split('\n')).toEqual([
      '       seconds     x',
      '─────  ───────  ────',
      'sieve      1.5',
      'a           12  100×',
    ]);
  });

  it('leaves out columns in which there is nothing', () => {
    expect(table(['', 'a', 'b'], [['x', '', '1'], ['y']])).toBe('   b\n─  ─\nx  1\ny');
  });

  it('shows three digits, and a dash for what is not known', () => {
    expect([0.123456, 12.345, 99.96, 1234.5, Number.NaN, undefined].map(number)).toEqual([
      ...['0.123', '12.3', '100', '1235', '–', '–'],
    ]);
    expect([1.234, undefined].map(times)).toEqual(['1.23×', '–']);
  });
});
