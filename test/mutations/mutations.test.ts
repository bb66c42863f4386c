import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Planting them takes minutes (`npm run mutations`); whether they can be planted is seen at once. */
describe('the planted faults', () => {
  it.each(MUTATIONS)('$file: $fault', ({ file, original, planted, tests }) => {
    expect(readFileSync(resolve(ROOT, file), 'utf8').split(original)).toHaveLength(2);
    expect(planted).not.toBe(original);
    expect(tests.filter((test) => !existsSync(resolve(ROOT, test)))).toEqual([]);
  });
});
