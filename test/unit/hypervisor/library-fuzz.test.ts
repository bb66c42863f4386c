import { describe, it } from 'vitest';
import { expectSound, fuzzLibrary } from '../../support/library-fuzz.ts';

describe('random calls of the library', () => {
  it('end in a result, a UserError or a documented state error; nothing hangs, leaks or goes unhandled', async () => {
    expectSound(await fuzzLibrary({ seed: 2, sequences: 3200, real: 2 }), { floor: 5 });
  });
});
