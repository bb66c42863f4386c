import { describe, expect, it } from 'vitest';
import { Cooling } from '../../../../../src/engine/jit/cache/cooling.ts';

describe('pages whose code changes', () => {
  it('must run twice as often each time after the first', () => {
    const cooling = new Cooling();
    const thresholds = Array.from({ length: 5 }, () => {
      cooling.changed(7);
      return cooling.threshold(7, 100);
    });
    expect(thresholds).toEqual([100, 200, 400, 800, 1600]);
    expect([cooling.threshold(6, 100), cooling.threshold(8, 100)]).toEqual([100, 100]);
  });

  it('have a threshold that fits its field, whatever they do', () => {
    const cooling = new Cooling();
    for (let change = 0; change < 1000; change++) cooling.changed(7);
    expect(cooling.threshold(7, 1)).toBeGreaterThan(100_000);
    expect(cooling.threshold(7, 4000)).toBeLessThan(0xffff_ffff);
  });

  it('are a bounded number', () => {
    const cooling = new Cooling();
    let remembered = 0;
    for (let page = 0; page < 200_000; page++) for (let change = 0; change < 2; change++) cooling.changed(page);
    for (let page = 0; page < 200_000; page++) if (cooling.threshold(page, 1) > 1) remembered++;
    expect(remembered).toBeLessThanOrEqual(1 << 16);
    expect(cooling.threshold(199_999, 1)).toBe(2);
  });
});
