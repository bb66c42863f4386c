import { describe, expect, it } from 'vitest';
import { FormCatalog } from '../../../src/engine/interpreter/form-catalog.ts';
import { FREQUENT_PAIRS } from '../../../src/engine/interpreter/frequent-pairs.ts';
import { INSTRUCTIONS } from '../../../src/isa/table.ts';

describe('form catalog', () => {
  const catalog = new FormCatalog(INSTRUCTIONS);

  it('has a handler for each pair that is listed as frequent', () => {
    expect(catalog.pairCount).toBe(Object.values(FREQUENT_PAIRS).flat().length);
  });

  it('keeps the loop within the size that V8 optimises in a fraction of a second', () => {
    const handlers = catalog.hotHandlers.length;
    expect(handlers).toBeGreaterThan(600);
    expect(handlers).toBeLessThan(1600);
  });
});
