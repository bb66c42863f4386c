import { describe, expect, it } from 'vitest';
import { showVector, X87Comparison } from '../../../support/x87-comparison.ts';
import { X87_OPERATIONS } from '../../../support/x87-operations.ts';
import { X87Vector } from '../../../support/x87-vector.ts';

/** `npm run check:long -- x87` runs ten million, and compares with the host's CPU too. */
const VECTORS = 1500;

describe.each([
  ['32-bit pointers', { wide: false }],
  ['64-bit pointers', { wide: true }],
  ['without calls', { wide: false, inPlace: true }],
])('x87 functions in wasm do what the helpers do (%s)', (_name, options) => {
  const comparison = new X87Comparison(options);

  it.each(X87_OPERATIONS)('$name', (operation) => {
    const vector = new X87Vector(operation.code[0] * 256 + operation.code[1]);
    let declined = 0;
    for (let count = 0; count < VECTORS; count++) {
      vector.next();
      const wrong = comparison.run(operation, vector);
      if (wrong) expect.fail(`${wrong}\n${showVector(vector)}`);
      if (comparison.declined) declined++;
    }
    expect(declined).toBeLessThan(VECTORS / 3);
  });
});
